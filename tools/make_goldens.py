#!/usr/bin/env python3
"""Makes small random models of each family and what Hugging Face transformers computes with them.

Needs, in a virtual environment: pip install torch "transformers==4.57.*" jinja2

    make_goldens.py                 everything below tests/data/goldens
    make_goldens.py --only NAME     one case; `baton-tiny` and `tokenizer` are cases too

Each tests/data/goldens/<case>/ holds a Hugging Face folder (config.json, model.safetensors) and
golden.json:

    model         folder of the model, relative to the repository root
    context_tokens  longest context to serve, where it is not the model's
    dtype         type of the stored weights; the numbers are always computed in fp32
    input_ids     the prompt, one sequence
    positions     positions of the prompt that `logits` has a row for
    logits        one row of V numbers a position, 7 significant digits
    greedy_ids    greedy continuation of the prompt, computed with the whole sequence each step;
                  it goes on past an end token

tests/data/goldens/baton-tiny/ holds golden.json alone: {"model", "dtype", "prompts": [...]}, each
prompt with `text`, `input_ids`, `positions`, `logits`, `greedy_ids`. tokenizer.golden.json there:

    model         folder of the tokenizer
    encodings     [{"text", "ids", "ids_with_special", "decoded"}]: `ids` without the begin token,
                  `ids_with_special` as the post-processor gives them (with it), `decoded` the text
                  of `ids` without special tokens
    chats         [{"messages", "add_generation_prompt", "text", "ids"}]: the chat template
                  rendered, and its ids (no begin token added: the template has it)
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import jinja2.sandbox
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

REPOSITORY = Path(__file__).resolve().parent.parent
GOLDENS = REPOSITORY / "tests/data/goldens"
BATON_TINY = REPOSITORY / "configs/models/baton-tiny"


@dataclass(frozen=True)
class Case:
    """A random model and the prompt it gets."""

    name: str
    dtype: torch.dtype
    prompt_tokens: int
    positions: list[int] | None = None
    greedy_tokens: int = 24
    family: str = "llama"
    config: dict = field(default_factory=dict)
    #: The longest context to serve, where the model's own would choose other frequencies.
    context_tokens: int = 0


BASE = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
NARROW = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

LONG_ROPE = {
    "rope_scaling": {
        "type": "longrope",
        "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 1.8, 2.0],
        "long_factor": [1.0, 1.2, 1.5, 2.1, 3.0, 4.4, 6.0, 8.0],
    },
    "original_max_position_embeddings": 32,
    "max_position_embeddings": 512,
}
GEMMA = {
    "head_dim": 32,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 40,
    "tie_word_embeddings": True,
}

CASES = [
    Case(
        "mha-tied-fp32",
        torch.float32,
        24,
        config=NARROW | {"num_key_value_heads": 2, "tie_word_embeddings": True},
    ),
    Case(
        "gqa-untied-bf16",
        torch.bfloat16,
        33,
        config={"num_key_value_heads": 2, "num_hidden_layers": 3, "intermediate_size": 160},
    ),
    Case(
        "rope-llama3-fp32",
        torch.float32,
        200,
        positions=[0, 1, 15, 16, 17, 31, 63, 64, 65, 100, 127, 128, 160, 198, 199],
        config=NARROW
        | {
            "num_key_value_heads": 1,
            "rope_theta": 500000.0,
            "rope_scaling": LLAMA3_ROPE,
            "max_position_embeddings": 512,
        },
    ),
    Case("gqa-fp16", torch.float16, 20, config={"num_key_value_heads": 1}),
    Case(
        "head-dim-explicit-bf16",
        torch.bfloat16,
        17,
        config={"head_dim": 32, "num_key_value_heads": 2, "rms_norm_eps": 1e-6},
    ),
    Case(
        "attention-bias-fp32",
        torch.float32,
        19,
        config=NARROW | {"num_key_value_heads": 1, "attention_bias": True},
    ),
    Case(
        "mistral-window-fp32",
        torch.float32,
        70,
        greedy_tokens=64,
        family="mistral",
        config=NARROW | {"num_key_value_heads": 1, "sliding_window": 24},
    ),
    Case(
        "qwen2-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="qwen2",
        config=NARROW | {"num_key_value_heads": 1, "tie_word_embeddings": True},
    ),
    Case(
        "qwen2-window-bf16",
        torch.bfloat16,
        60,
        greedy_tokens=64,
        family="qwen2",
        config={
            "num_key_value_heads": 2,
            "num_hidden_layers": 3,
            "use_sliding_window": True,
            "sliding_window": 20,
            "max_window_layers": 1,
        },
    ),
    Case(
        "qwen3-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="qwen3",
        config=NARROW | {"num_key_value_heads": 1, "head_dim": 32},
    ),
    Case(
        "phi3-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="phi3",
        config=NARROW | {"num_key_value_heads": 1, "sliding_window": 32},
    ),
    Case(
        "phi3-longrope-fp32",
        torch.float32,
        45,
        positions=[32, 33, 40, 43, 44],
        greedy_tokens=64,
        family="phi3",
        config=NARROW | LONG_ROPE | {"num_key_value_heads": 1, "sliding_window": 262144},
    ),
    Case(
        "phi3-partial-short-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="phi3",
        config=NARROW
        | LONG_ROPE
        | {
            "num_key_value_heads": 1,
            "partial_rotary_factor": 0.5,
            "rope_scaling": {
                "type": "longrope",
                "short_factor": [1.0, 1.1, 1.3, 1.8],
                "long_factor": [1.0, 1.5, 3.0, 6.0],
            },
            "tie_word_embeddings": True,
            "original_max_position_embeddings": 128,
        },
        context_tokens=128,
    ),
    Case(
        "gemma2-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="gemma2",
        config=NARROW
        | GEMMA
        | {"attn_logit_softcapping": 3.0, "final_logit_softcapping": 4.0, "sliding_window": 20},
    ),
    Case(
        "gemma3-fp32",
        torch.float32,
        45,
        greedy_tokens=64,
        family="gemma3_text",
        config=NARROW
        | GEMMA
        | {
            "num_hidden_layers": 3,
            "sliding_window_pattern": 3,
            "sliding_window": 20,
            "rope_theta": 1000000.0,
            "rope_local_base_freq": 10000.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
]

PROMPTS = [
    "<|begin_of_text|>It was the best of times, it was the",
    "<|begin_of_text|><|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n",
    "<|begin_of_text|><|im_start|>user\nThe code of the river is 4821. The code of the hill is 39."
    " What is the code of the river?<|im_end|>\n<|im_start|>assistant\n",
    "<|begin_of_text|>The code of Anna is 2750. The sea was calm and the wind was low. "
    + "They walked along the shore and talked of old days and of friends who had gone away. " * 20
    + "The code of Edmund is 6134.\nWhat is the code of Anna?",
]


def random_model(case: Case, seed: int) -> PreTrainedModel:
    """A model with random weights of the case's type; norms and biases are random too."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(case.family, **(BASE | case.config))
    model = AutoModelForCausalLM.from_config(config).eval()
    # Gemma stores the weights of its norms as their distance from 1.
    norm = 0 if case.family.startswith("gemma") else 1
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.copy_(norm + 0.2 * torch.randn_like(weight))
            elif name.endswith("bias"):
                weight.copy_(0.2 * torch.randn_like(weight))
            elif "embed" in name or "lm_head" in name:
                weight.copy_(0.5 * torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * 1.2 * weight.shape[1] ** -0.5)
    return model.to(case.dtype)


def rounded(value: float) -> float:
    """`value` with 7 significant digits."""
    return float(f"{value:.7g}")


@torch.no_grad()
def golden(model: PreTrainedModel, ids: list[int], positions: list[int], greedy: int) -> dict:
    """Logits of a prompt and its greedy continuation."""
    logits = model(torch.tensor([ids])).logits[0]
    rows = [[rounded(x) for x in logits[p].tolist()] for p in positions]
    sequence = list(ids)
    for _ in range(greedy):
        sequence.append(int(model(torch.tensor([sequence])).logits[0, -1].argmax()))
    return {
        "input_ids": ids,
        "positions": positions,
        "logits": rows,
        "greedy_ids": sequence[len(ids) :],
    }


def dump(content: dict) -> str:
    """JSON with one line a key, rows of numbers kept on a line."""
    lines = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in content.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def dump_entries(head: dict, lists: dict[str, list[dict]]) -> str:
    """JSON with one line an entry of each list."""
    lines = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in head.items()]
    for key, entries in lists.items():
        rows = ",\n".join("    " + json.dumps(e, ensure_ascii=False) for e in entries)
        lines.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_case(case: Case, seed: int) -> None:
    """Writes a random model and its golden.json."""
    folder = GOLDENS / case.name
    random_model(case, seed).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # The other implementations of attention leave soft-caps out.
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    draw = torch.Generator().manual_seed(seed + 1000)
    ids = torch.randint(3, BASE["vocab_size"], (case.prompt_tokens,), generator=draw).tolist()
    positions = case.positions or list(range(len(ids)))
    head = {
        "model": str(folder.relative_to(REPOSITORY)),
        "dtype": str(case.dtype).removeprefix("torch."),
    }
    if case.context_tokens:
        head["context_tokens"] = case.context_tokens
    content = head | golden(model, ids, positions, case.greedy_tokens)
    (folder / "golden.json").write_text(dump(content))


def write_baton_tiny() -> None:
    """Writes goldens of the trained model."""
    model = AutoModelForCausalLM.from_pretrained(BATON_TINY, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(BATON_TINY / "tokenizer.json"))
    entries = []
    for text in PROMPTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        entries.append({"text": text} | golden(model, ids, [len(ids) - 1], 32))
    head = {"model": str(BATON_TINY.relative_to(REPOSITORY)), "dtype": "bfloat16"}
    folder = GOLDENS / "baton-tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "golden.json").write_text(dump_entries(head, {"prompts": entries}))


WORDS = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife. However little known the feelings or views of such a man may be "
    "on his first entering a neighbourhood, this truth is so well fixed in the minds of the "
    "surrounding families, that he is considered the rightful property of some one or other of "
    "their daughters."
).split(" ")

STRINGS = [
    "",
    " ",
    "  ",
    "   a",
    "a   ",
    "a  b   c    d",
    "\n",
    "\n\n\n",
    " \n \n ",
    "a\nb\r\nc\rd",
    "\t\tindented\n\t\tmore",
    "trailing spaces   \n   leading",
    "tab\tand\u00a0no-break\u2003em space\u3000ideographic",
    "zero\u200bwidth\u200djoiner\ufeffmark",
    "0",
    "4821",
    "The code of the river is 4821.",
    "3.14159, 1,000,000 and 1e-9",
    "x=1;y=22;z=333",
    "٣٤٥ १२३ Ⅷ ½ ² ₃ 七",
    "don't can't I'm we've you'll he'd it's they're",
    "DON'T CAN'T I'M WE'VE YOU'LL HE'D IT'S THEY'RE",
    "don’t ‘single’ “double” — dash… ellipsis",
    "'S's'T 'sea 'stop",
    "I'ſ long s, K Kelvin sign",
    "hello,world!How(are)[you]{today}?",
    "!!! ??? ... --- *** ___ $$$ ###",
    " !x !!\n\ny",
    '{"name": "Anna", "age": 12, "tags": ["a", "b"], "n": null}',
    "if (x < 10 && y >= 2) { return x->y[3]; } // comment",
    "def f(x):\n    return x ** 2\n\n\nprint(f(3))\n",
    "https://example.org/path?a=1&b=two#three",
    "user@example.org",
    "Ünïcödé naïve café Zürich Ærøskøbing",
    "e\u0301 combining, n\u0303o\u0308 more",
    "Привет, мир! Как дела?",
    "Ελληνικά γράμματα και τόνοι",
    "שלום עולם",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "你好，世界！這是測試。",
    "こんにちは世界、テスト。カタカナ",
    "안녕하세요 세계",
    "😀 😂🤣 👍🏽 👩‍👩‍👧‍👦 🇨🇭🇯🇵 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "math: ∑∫√∞≠≤≥ αβγ → ⇒ ∀x∈ℝ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒻𝓊𝓃 𐍈𐌰",
    "\u0000\u0001\u0007\u001b[0m\u007f",
    "\ufffd replacement \uffff",
    "\u0085next line\u2028line\u2029paragraph",
    "a\u0301\u0302\u0303\u0304\u0305",
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "<|begin_of_text|>text<|end_of_text|>",
    "<|begin_of_text|><|begin_of_text|>",
    "a<|im_end|>b",
    "a <|im_end|> b",
    "<|im_end|",
    "<|im_start |>",
    "<|IM_END|>",
    "<|im_end|><|im_end|>\n\n<|im_start|>",
    "<<|im_end|>>",
    "WHY ARE YOU SHOUTING",
    "CamelCaseAndsnake_case_and-kebab-case",
    "a" * 100,
    "ab" * 60,
    " " * 40 + "x",
    "\n" * 20 + "x",
    "9" * 50,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
]


def strings() -> list[str]:
    """Some hundred strings: the listed ones, single characters, runs of a book, and mixtures."""
    result = list(STRINGS)
    result += [chr(c) for c in range(1, 128)]
    result += [" ".join(WORDS[: n + 1]) for n in range(0, len(WORDS), 3)]
    result += [" ".join(WORDS[n : n + 5]) for n in range(0, len(WORDS), 5)]
    result += ["\n\n".join([w, w.upper(), w.title()]) for w in WORDS[::6]]
    result += [f"{a}{b}" for a in STRINGS[14:24] for b in STRINGS[40:46]]
    return list(dict.fromkeys(result))


MESSAGES = [
    [{"role": "user", "content": "Hello!"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}],
    [
        {"role": "user", "content": "What is 2 + 3?"},
        {"role": "assistant", "content": "5"},
        {"role": "user", "content": "And  twice\nthat? 😀"},
    ],
    [{"role": "user", "content": ""}],
    [{"role": "user", "content": " spaces around \n"}],
    [{"role": "user", "content": "an <|im_end|> inside"}],
    [{"role": "user", "content": "quotes \" ' and {{ braces }} {% tags %}"}],
    [
        {"role": "system", "content": "Système"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
    ],
]


def chat_entries(tokenizer: Tokenizer) -> list[dict]:
    """The chat template rendered for MESSAGES."""
    config = json.loads((BATON_TINY / "tokenizer_config.json").read_text())
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(config["chat_template"])
    entries = []
    for messages in MESSAGES:
        for prompt in (False, True):
            text = template.render(
                messages=messages,
                add_generation_prompt=prompt,
                bos_token=config["bos_token"],
                eos_token=config["eos_token"],
            )
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            entries.append(
                {"messages": messages, "add_generation_prompt": prompt, "text": text, "ids": ids}
            )
    return entries


def write_tokenizer() -> None:
    """Writes goldens of the tokenizer and of the chat template."""
    tokenizer = Tokenizer.from_file(str(BATON_TINY / "tokenizer.json"))
    entries = []
    for text in strings():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        entries.append(
            {
                "text": text,
                "ids": ids,
                "ids_with_special": tokenizer.encode(text).ids,
                "decoded": tokenizer.decode(ids, skip_special_tokens=True),
            }
        )
    folder = GOLDENS / "baton-tiny"
    folder.mkdir(parents=True, exist_ok=True)
    content = dump_entries(
        {"model": str(BATON_TINY.relative_to(REPOSITORY))},
        {"encodings": entries, "chats": chat_entries(tokenizer)},
    )
    (folder / "tokenizer.golden.json").write_text(content)


def main() -> None:
    """Writes the goldens asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="a case: a folder name, baton-tiny or tokenizer")
    only = parser.parse_args().only
    torch.set_num_threads(1)
    for seed, case in enumerate(CASES):
        if only in (None, case.name):
            write_case(case, seed)
    if only in (None, "baton-tiny"):
        write_baton_tiny()
    if only in (None, "tokenizer"):
        write_tokenizer()


if __name__ == "__main__":
    main()
