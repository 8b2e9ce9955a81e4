"""Seeded contexts for chat templates: conversations, tools and what else clients pass."""

import random

TEXTS = [
    "", " ", "\n", "Hello!", "  spaces around \n", "Line one\nLine two\n\n", "it's \"quoted\" \\ back",
    "日本語 and עברית and é", "😀 👩‍👩‍👧 🇨🇭", "<b>&amp; 'x' \"y\"</b>", "{{ braces }} {% tags %} {# c #}",
    "<think>step by step</think>The answer", "<think>\n\n</think>\n\nok", "</think>late", "a</think>b</think>c",
    "<|im_end|>", "[INST] no [/INST]", "<tool_call>\n{}\n</tool_call>", "<tool_response>\nx\n</tool_response>",
    "\u0000\u0007\u001b\u007f\u0085\u2028", "x" * 300, "1", "null", "/no_think", "Be brief. /think", "tab\there",
    "<start_of_turn>user", "/system_override You are X", "{\"json\": [1, 2.50, null]}",
]  # fmt: skip
NAMES = ["get_weather", "f", "brave_search", "tool-with-dash", "数え", "functions.get:0"]
SCALARS = [
    0, 1, -7, 12345678901, 2.5, -0.0, 1e20, 1.5e-07, 0.1, 1e-5, 3.0, True, False, None, "", "a'b\"c", "é<&>",
    "日本", "\n\t\\", "http://x/y?a=1&b=2",
]  # fmt: skip


class Conversations:
    """Makes contexts; every list and dict is JSON."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        #: Whether to make what templates need not bear: parts, odd roles, missing fields.
        self.wild = False

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def text(self) -> str:
        pick = self.random
        pieces = [pick.choice(TEXTS) for _ in range(pick.choice([1, 1, 1, 2, 3]))]
        return pick.choice(["", " ", "\n"]).join(pieces)

    def value(self, depth: int = 0):
        pick = self.random
        kind = pick.randrange(8)
        if depth > 3 or kind < 4:
            return pick.choice(SCALARS)
        if kind < 6:
            return [self.value(depth + 1) for _ in range(pick.randrange(4))]
        return {pick.choice(["a", "b", "c d", "é", "x\"y", "items", "1"]): self.value(depth + 1)
                for _ in range(pick.randrange(4))}  # fmt: skip

    def schema(self, depth: int = 0) -> dict:
        pick = self.random
        kind = pick.choice(["string", "number", "integer", "boolean", "array", "object", "any", "union"])
        schema: dict = {"type": kind}
        if kind == "union":
            schema["type"] = ["string", "null"]
        if kind == "any":
            schema = pick.choice([{}, {"oneOf": [{"type": "string"}, {"type": "number"}]}])
        if self.chance(0.7):
            schema["description"] = self.text()
        if kind == "string" and self.chance(0.4):
            schema["enum"] = [pick.choice(["a", "b", "é", 'q"']) for _ in range(pick.randrange(1, 4))]
        if kind == "array" and self.chance(0.9):
            schema["items"] = self.schema(depth + 1) if depth < 2 else {"type": "string"}
        if kind == "object" and depth < 2:
            schema.update(self.properties(depth + 1))
        if self.chance(0.2):
            schema["default"] = self.value()
        if self.chance(0.2):
            schema["nullable"] = self.chance(0.5)
        return schema

    def properties(self, depth: int = 0) -> dict:
        names = self.random.sample(["location", "unit", "count", "q", "optionen", "été"], self.random.randrange(4))
        made: dict = {"properties": {name: self.schema(depth) for name in names}}
        if self.chance(0.7):
            made["required"] = [n for n in names if self.chance(0.6)]
        if self.chance(0.2):
            made["additionalProperties"] = False
        return made

    def tool(self) -> dict:
        function = {"name": self.random.choice(NAMES)}
        if not self.wild or self.chance(0.9):
            function["description"] = self.text()
        if not self.wild or self.chance(0.9):
            function["parameters"] = {"type": "object", **self.properties()}
        if self.chance(0.2):
            function["return"] = self.schema()
        if self.chance(0.1):
            function["strict"] = True
        bare = self.wild and self.chance(0.2)
        return function if bare else {"type": "function", "function": function}

    def call(self) -> dict:
        pick = self.random
        arguments = {name: self.value() for name in pick.sample(["a", "b", "location", "é", "code"], pick.randrange(4))}
        if self.wild and self.chance(0.3):
            arguments = pick.choice(['{"a": 1}', "{\"x\":\"<y> 'z' é\"}", "", "not json", "{}"])
        call: dict = {"type": "function", "function": {"name": pick.choice(NAMES), "arguments": arguments}}
        if not self.wild:
            call["id"] = "abcdefghi"
        elif self.chance(0.8):
            call["id"] = pick.choice(["call_1", "abcdefghi", "123456789", "functions.f:0", ""])
        return call if not self.wild or self.chance(0.93) else call["function"]

    def content(self):
        pick = self.random
        kind = pick.randrange(12) if self.wild else 12
        if kind == 0:
            return None
        if kind == 1:
            return [{"type": "text", "text": self.text()} for _ in range(pick.randrange(3))]
        if kind == 2:
            return [{"type": "image"}, {"type": "text", "text": self.text()}]
        return self.text()

    def assistant(self) -> dict:
        message: dict = {"role": "assistant"}
        if not self.wild or self.chance(0.9):
            message["content"] = self.content()
        if self.chance(0.35):
            counts = [0, 1, 2, 3] if self.wild else [1]
            message["tool_calls"] = [self.call() for _ in range(self.random.choice(counts))]
            if not self.wild and self.chance(0.5):
                del message["content"]
        if self.chance(0.15):
            message["reasoning_content"] = self.text()
        if self.chance(0.1):
            message["thinking"] = self.text()
        if self.chance(0.05):
            message["refusal"] = None
        return message

    def messages(self) -> list:
        pick = self.random
        made = []
        if self.chance(0.5):
            role = pick.choice(["system", "developer"]) if self.wild else "system"
            made.append({"role": role, "content": self.content()})
        for _ in range(pick.randrange(5)):
            made.append({"role": "user", "content": self.content()})
            if self.wild and self.chance(0.1):
                continue
            made.append(self.assistant())
            for call in made[-1].get("tool_calls", []):
                if not self.wild or self.chance(0.9):
                    roles = ["tool", "ipython", "tool_response"] if self.wild else ["tool"]
                    odd = self.wild and self.chance(0.3)
                    result = {"role": pick.choice(roles)}
                    result["content"] = self.value() if odd else self.content()
                    if not self.wild or self.chance(0.8):
                        result["tool_call_id"] = call.get("id", "call_1")
                    if self.chance(0.6):
                        result["name"] = pick.choice(NAMES)
                    made.append(result)
            if made[-1]["role"] != "assistant" and (not self.wild or self.chance(0.8)):
                made.append({"role": "assistant", "content": self.content()})
        if self.chance(0.7):
            made.append({"role": "user", "content": self.text()})
        if self.wild and self.chance(0.05):
            pick.shuffle(made)
        return made

    def make(self) -> dict:
        pick = self.random
        self.wild = self.chance(0.4)
        context: dict = {"messages": self.messages(), "add_generation_prompt": self.chance(0.5)}
        if self.chance(0.9):
            context |= {"bos_token": "<s>", "eos_token": "</s>"}
        if self.chance(0.5):
            context["tools"] = [self.tool() for _ in range(pick.randrange(4))]
        elif self.chance(0.3):
            context["tools"] = None
        for name, values in (
            ("enable_thinking", [True, False]),
            ("documents", [[], None, [{"title": "T", "text": "x"}]]),
            ("builtin_tools", [["brave_search", "wolfram_alpha"], ["code_interpreter"], ["browser", "python"]]),
            ("tools_in_user_message", [True, False]),
            ("date_string", ["26 Jul 2024"]),
            ("model_identity", ["You are é."]),
            ("reasoning_effort", ["low", "high"]),
            ("custom_instructions", ["Do not."]),
            ("xml_tools", [["<a>"], "x"]),
            ("python_tools", [["<p>"], "y"]),
            ("system_message", ["sys"]),
        ):
            if self.chance(0.25):
                context[name] = pick.choice(values)
        return context
