"""The official `anthropic` package against a running Baton."""

import json
import urllib.request

import anthropic
from checks import Checks, Skip

checks = Checks(__doc__)
client = anthropic.Anthropic(base_url=checks.base_url, api_key="none", max_retries=0)
with urllib.request.urlopen(checks.base_url + "/v1/models") as answer:
    MODEL = json.load(answer)["data"][0]["id"]
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
FIELDS = {"model": MODEL, "max_tokens": 12, "extra_body": {"temperature": 0}}
TOOL = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
    },
}


def check_message():
    message = client.messages.create(messages=MESSAGES, system="Be brief.", **FIELDS)
    assert message.type == "message" and message.role == "assistant"
    assert message.content[0].type == "text" and message.content[0].text
    assert message.stop_reason == "max_tokens" and message.stop_sequence is None
    assert message.usage.output_tokens == 12
    assert message._request_id


def check_blocks_and_turns():
    message = client.messages.create(
        system=[{"type": "text", "text": "Be brief."}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello!"}]},
            {"role": "user", "content": "And you?"},
        ],
        **FIELDS,
    )
    assert message.content[0].text


def check_stop_sequence():
    message = client.messages.create(messages=MESSAGES, stop_sequences=["#", " "], **FIELDS)
    assert message.stop_reason == "stop_sequence" and message.stop_sequence == " "
    assert " " not in message.content[0].text


def check_stream():
    whole = client.messages.create(messages=MESSAGES, **FIELDS)
    types = [
        event.type for event in client.messages.create(messages=MESSAGES, stream=True, **FIELDS)
    ]
    assert types[0] == "message_start" and types[-2:] == ["message_delta", "message_stop"]
    with client.messages.stream(messages=MESSAGES, **FIELDS) as stream:
        assert "".join(stream.text_stream) == whole.content[0].text
        final = stream.get_final_message()
    assert final.content[0].text == whole.content[0].text
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    total = final.usage.input_tokens + final.usage.cache_read_input_tokens
    assert total == whole.usage.input_tokens + whole.usage.cache_read_input_tokens


def check_count_tokens():
    counted = client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens
    usage = client.messages.create(messages=MESSAGES, **FIELDS).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens


def check_tools():
    try:
        message = client.messages.create(
            messages=MESSAGES,
            tools=[TOOL],
            tool_choice={"type": "tool", "name": "get_weather"},
            **{**FIELDS, "max_tokens": 200},
        )
    except anthropic.BadRequestError as error:
        if "not supported" in error.message:
            raise Skip(error.body["error"]["message"]) from error
        raise
    use = next(block for block in message.content if block.type == "tool_use")
    assert use.name == "get_weather" and isinstance(use.input["city"], str)
    assert message.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    client.messages.create(
        messages=[
            *MESSAGES,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ],
        tools=[TOOL],
        **FIELDS,
    )


def check_errors_become_exceptions():
    cases = [
        ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "invalid_request_error"),
        ({"model": "no-such-model"}, anthropic.NotFoundError, "not_found_error"),
    ]
    for fields, kind, name in cases:
        try:
            client.messages.create(**{**FIELDS, "messages": MESSAGES, **fields})
        except kind as error:
            assert error.body["error"]["type"] == name and error.request_id
        else:
            raise AssertionError(f"{fields} was taken")


def check_images_are_refused():
    image = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    content = [{"type": "text", "text": "Hi"}, {"type": "image", "source": image}]
    try:
        client.messages.create(messages=[{"role": "user", "content": content}], **FIELDS)
    except anthropic.BadRequestError as error:
        assert "messages[0].content[1]" in error.message
    else:
        raise AssertionError("an image was taken")


checks.run_all(globals())
