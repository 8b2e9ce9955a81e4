"""The official `openai` package against a running Baton."""

import asyncio
import json

import openai
from checks import Checks, Skip

checks = Checks(__doc__)
client = openai.OpenAI(base_url=checks.base_url + "/v1", api_key="none", max_retries=0)
MODEL = client.models.list().data[0].id
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
GREEDY = {"model": MODEL, "temperature": 0}
TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"yes": {"type": "boolean"}, "n": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["yes", "n"],
    "additionalProperties": False,
}


def refused(error):
    """Turns a refusal of what the model cannot do into a skip."""
    if error.code == "unsupported_parameter":
        raise Skip(error.message)
    raise error


def check_models():
    assert client.models.retrieve(MODEL).id == MODEL
    try:
        client.models.retrieve("no/such model")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found" and "no/such model" in error.message
    else:
        raise AssertionError("a model that is not there was found")


def check_completion():
    completion = client.completions.create(prompt="Once upon a time", max_tokens=8, **GREEDY)
    assert completion.object == "text_completion" and completion.choices[0].text
    assert completion.usage.completion_tokens == 8
    assert completion.choices[0].finish_reason == "length"


def check_completion_stream_equals_whole():
    fields = {"prompt": "Once upon a time", "max_tokens": 30, **GREEDY}
    whole = client.completions.create(**fields).choices[0].text
    stream = client.completions.create(stream=True, **fields)
    assert "".join(chunk.choices[0].text for chunk in stream) == whole


def check_completion_logprobs_and_echo():
    fields = {"prompt": "Hello", "max_tokens": 4, "logprobs": 2, **GREEDY}
    logprobs = client.completions.create(**fields).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == 4
    assert all(len(top) >= 2 for top in logprobs.top_logprobs)
    echoed = client.completions.create(prompt="Hello", max_tokens=4, echo=True, **GREEDY)
    assert echoed.choices[0].text.startswith("Hello")


def check_chat():
    chat = client.chat.completions.create(messages=MESSAGES, max_completion_tokens=12, **GREEDY)
    assert chat.object == "chat.completion" and chat.choices[0].message.role == "assistant"
    assert chat.choices[0].message.content and chat.choices[0].message.refusal is None
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
    assert chat.usage.prompt_tokens_details.cached_tokens >= 0


def check_chat_stream_with_usage():
    fields = {"messages": MESSAGES, "max_tokens": 30, **GREEDY}
    whole = client.chat.completions.create(**fields).choices[0].message.content
    chunks = list(
        client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **fields)
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[-1].usage.completion_tokens > 0 and chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def check_chat_stream_helper():
    fields = {"messages": MESSAGES, "stop": [" "], "max_tokens": 40, **GREEDY}
    with client.chat.completions.stream(**fields) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        assert stream.get_final_completion().choices[0].message.content == text


def check_chat_n_is_distinct():
    chat = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, n=3, max_tokens=12, temperature=1.5, seed=7
    )
    assert [choice.index for choice in chat.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in chat.choices}) == 3


def check_chat_seed():
    def ask(seed):
        return client.chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=20, temperature=1.5, seed=seed
        )

    assert ask(3).choices[0].message.content == ask(3).choices[0].message.content
    assert ask(3).choices[0].message.content != ask(4).choices[0].message.content


def check_chat_logprobs():
    chat = client.chat.completions.create(
        messages=MESSAGES, max_tokens=5, logprobs=True, top_logprobs=3, **GREEDY
    )
    content = chat.choices[0].logprobs.content
    assert len(content) == 5 and all(len(token.top_logprobs) == 3 for token in content)
    assert all(token.logprob <= 0 for token in content)


def check_chat_stop():
    chat = client.chat.completions.create(messages=MESSAGES, stop=[" "], max_tokens=40, **GREEDY)
    assert chat.choices[0].finish_reason == "stop" and " " not in chat.choices[0].message.content


def check_chat_tools():
    try:
        chat = client.chat.completions.create(
            messages=MESSAGES,
            tools=[{"type": "function", "function": TOOL}],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            max_tokens=200,
            **GREEDY,
        )
    except openai.BadRequestError as error:
        refused(error)
    call = chat.choices[0].message.tool_calls[0]
    assert call.type == "function" and call.function.name == "get_weather"
    # A small model may go on with blanks until the limit.
    if chat.choices[0].finish_reason != "length":
        assert isinstance(json.loads(call.function.arguments)["city"], str)


def check_chat_structured_output():
    try:
        chat = client.chat.completions.create(
            messages=[{"role": "user", "content": "Hello"}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
            max_tokens=200,
            **GREEDY,
        )
    except openai.BadRequestError as error:
        refused(error)
    answer = json.loads(chat.choices[0].message.content)
    assert isinstance(answer["yes"], bool) and answer["n"] in range(10)


def check_response():
    response = client.responses.create(
        input="What is the capital of France?",
        instructions="Be brief.",
        max_output_tokens=12,
        metadata={"a": "b"},
        **GREEDY,
    )
    assert response.object == "response" and response.output_text
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.instructions == "Be brief." and response.metadata == {"a": "b"}
    assert response.usage.output_tokens == 12
    assert response.usage.output_tokens_details.reasoning_tokens >= 0


def check_response_conversation():
    first = client.responses.create(input="Hello", max_output_tokens=12, **GREEDY)
    again = client.responses.create(
        input=[{"role": "user", "content": "Hello"}]
        + first.output
        + [{"role": "user", "content": [{"type": "input_text", "text": "And you?"}]}],
        max_output_tokens=12,
        store=False,
        **GREEDY,
    )
    assert again.output_text and again.usage.input_tokens > first.usage.input_tokens


def check_response_stream():
    fields = {"input": "Hello", "max_output_tokens": 12, **GREEDY}
    whole = client.responses.create(**fields).output_text
    events = list(client.responses.create(stream=True, **fields))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.incomplete"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole == events[-1].response.output_text
    # The helper wants a response that is complete.
    fields = {**fields, "max_output_tokens": 40, "extra_body": {"stop": [" "]}}
    with client.responses.stream(**fields) as stream:
        final = stream.get_final_response()
    assert final.status == "completed" and whole.startswith(final.output_text)


def check_response_logprobs():
    response = client.responses.create(
        input="Hello",
        max_output_tokens=4,
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        **GREEDY,
    )
    logprobs = response.output[0].content[0].logprobs
    assert len(logprobs) == 4 and len(logprobs[0].top_logprobs) == 2


def check_response_structured_output():
    try:
        response = client.responses.create(
            input="Hello",
            text={
                "format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}
            },
            max_output_tokens=200,
            **GREEDY,
        )
    except openai.BadRequestError as error:
        refused(error)
    assert isinstance(json.loads(response.output_text)["yes"], bool)


def check_response_tools():
    fields = {
        "tools": [{"type": "function", **TOOL}],
        "tool_choice": {"type": "function", "name": "get_weather"},
        "max_output_tokens": 200,
        **GREEDY,
    }
    try:
        response = client.responses.create(input="Weather in Paris?", **fields)
    except openai.BadRequestError as error:
        refused(error)
    call = next(item for item in response.output if item.type == "function_call")
    assert call.name == "get_weather"
    if response.status == "completed":
        assert isinstance(json.loads(call.arguments)["city"], str)
    fields["tool_choice"] = "none"
    conversation = [
        {"role": "user", "content": "Weather in Paris?"},
        {**call.model_dump(exclude_none=True), "arguments": '{"city": "Paris"}'},
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert client.responses.create(input=conversation, **fields).status in ("completed", "incomplete")


def check_response_keeps_nothing():
    for fields in (
        {"previous_response_id": "resp_1"},
        {"background": True},
        {"conversation": "conv_1"},
    ):
        try:
            client.responses.create(input="Hello", **fields, **GREEDY)
        except openai.BadRequestError as error:
            assert error.param == next(iter(fields)), error.param
        else:
            raise AssertionError(f"{fields} was taken")


def check_errors_become_exceptions():
    cases = [
        ({"messages": MESSAGES, "temperature": -1}, openai.BadRequestError, "temperature"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": MESSAGES, "max_tokens": 10**6}, openai.BadRequestError, "messages"),
        ({"messages": MESSAGES, "model": "no-such-model"}, openai.NotFoundError, "model"),
    ]
    for fields, kind, param in cases:
        try:
            client.chat.completions.create(**{**GREEDY, **fields})
        except kind as error:
            assert error.param == param and error.request_id, (error.param, error.request_id)
        else:
            raise AssertionError(f"{fields} was taken")


def check_timeout():
    try:
        client.with_options(timeout=0.001).completions.create(
            prompt="Hello", max_tokens=1000, extra_body={"ignore_eos": True}, **GREEDY
        )
    except openai.APITimeoutError:
        return
    raise AssertionError("a request outlived its timeout")


def check_raw_headers():
    raw = client.chat.completions.with_raw_response.create(
        messages=MESSAGES, max_tokens=2, extra_headers={"x-request-id": "mine-42"}, **GREEDY
    )
    assert raw.headers["x-request-id"] == "mine-42" and raw.parse()._request_id == "mine-42"
    return raw.headers["x-baton-route"]


def check_asynchronous_clients():
    async def ask():
        asynchronous = openai.AsyncOpenAI(base_url=client.base_url, api_key="none")
        answers = await asyncio.gather(
            *(
                asynchronous.completions.create(prompt="Hello", max_tokens=8, **GREEDY)
                for _ in range(16)
            )
        )
        return {answer.choices[0].text for answer in answers}

    assert len(asyncio.run(ask())) == 1


checks.run_all(globals())
