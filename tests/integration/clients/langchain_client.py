"""LangChain's OpenAI client, `langchain-openai`, against a running Baton."""

import openai
from checks import Checks, Skip
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, Field

checks = Checks(__doc__)
COMMON = {
    "base_url": checks.base_url + "/v1",
    "api_key": "none",
    "model": openai.OpenAI(base_url=checks.base_url + "/v1", api_key="none").models.list().data[0].id,
    "temperature": 0,
    "max_tokens": 16,
    "max_retries": 0,
}
chat = ChatOpenAI(**COMMON, stream_usage=True)


class Answer(BaseModel):
    """An answer."""

    yes: bool
    n: int = Field(ge=0, le=9)


def offered(ask):
    try:
        return ask()
    except openai.BadRequestError as error:
        if error.code == "unsupported_parameter":
            raise Skip(error.message) from error
        raise


def check_invoke():
    message = chat.invoke("What is the capital of France?")
    assert message.content and message.response_metadata["finish_reason"] in ("stop", "length")
    assert message.usage_metadata["output_tokens"] > 0
    assert message.usage_metadata["input_token_details"]["cache_read"] >= 0


def check_stream():
    chunks = list(chat.stream("What is the capital of France?"))
    whole = chat.invoke("What is the capital of France?").content
    assert "".join(chunk.content for chunk in chunks) == whole
    total = sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks)
    assert total > 0


def check_batch():
    questions = ["Hello", "What is your name?", "Hello"]
    answers = [message.content for message in chat.batch(questions)]
    assert answers[0] == answers[2] and all(answers)


def check_completions():
    assert OpenAI(**COMMON).invoke("Once upon a time")


def check_responses():
    message = ChatOpenAI(**COMMON, use_responses_api=True).invoke("Hello")
    assert message.text and message.usage_metadata["output_tokens"] > 0


def check_responses_stream():
    responses = ChatOpenAI(**COMMON, use_responses_api=True)
    text = "".join(chunk.text for chunk in responses.stream("Hello"))
    assert text == responses.invoke("Hello").text


def check_structured_output():
    structured = ChatOpenAI(**{**COMMON, "max_tokens": 200}).with_structured_output(
        Answer, method="json_schema"
    )
    assert isinstance(offered(lambda: structured.invoke("Hello")), Answer)


def check_bind_tools():
    model = ChatOpenAI(**{**COMMON, "max_tokens": 200}).bind_tools([Answer], tool_choice="Answer")
    message = offered(lambda: model.invoke("Hello"))
    # A small model may go on with blanks until the limit, which leaves arguments that are broken off.
    cut = message.response_metadata["finish_reason"] == "length"
    calls = message.invalid_tool_calls if cut else message.tool_calls
    assert calls[0]["name"] == "Answer" and (cut or "yes" in calls[0]["args"]), message


checks.run_all(globals())
