"""Measures a model: perplexity, and greedy accuracy on exercises it has not seen."""

import json
import math
import random
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer

from baton_tiny.batches import encode
from baton_tiny.exercises import ANSWER, FILLER, PROMPT, Exercises, Piece, Turn, spaced
from baton_tiny.model import BatonTiny
from baton_tiny.text import Corpus
from baton_tiny.tokenizer import BEGIN, END, IM_END, IM_START

DISTANCES = [32, 128, 512, 1024, 1536, 1900]


@torch.no_grad()
def perplexity(model: BatonTiny, tokenizer: Tokenizer, corpus: Corpus, windows: int) -> dict:
    """Held-out perplexity a token and a byte, windows of 1024 tokens."""
    begin, length = tokenizer.token_to_id(BEGIN), 1024
    ids = tokenizer.encode("\n\n".join(corpus.held_out), add_special_tokens=False).ids
    starts = range(0, len(ids) - length, max(length, (len(ids) - length) // windows))
    nats, tokens, text_bytes = 0.0, 0, 0
    for start in starts:
        window = ids[start : start + length]
        row = torch.tensor([[begin, *window]])
        nats += float(model.loss(row[:, :-1], row[:, 1:], torch.ones(1, length))) * length
        tokens += length
        text_bytes += len(tokenizer.decode(window).encode())
    return {
        "perplexity_per_token": math.exp(nats / tokens),
        "perplexity_per_byte": math.exp(nats / text_bytes),
        "bits_per_byte": nats / text_bytes / math.log(2),
        "held_out_tokens": tokens,
    }


@torch.no_grad()
def answered(model: BatonTiny, tokenizer: Tokenizer, pieces: list[Piece]) -> list[bool]:
    """For each answer, whether greedy decoding gives it token for token."""
    ids, weights = encode(tokenizer, pieces)
    row = torch.tensor([ids[: model.shape.max_positions]])
    right = (model(row[:, :-1]).argmax(-1) == row[:, 1:])[0].tolist()
    results, inside = [], False
    for correct, weight in zip(right, weights[1:], strict=False):
        if weight == ANSWER and not inside:
            results.append(True)
        inside = weight == ANSWER
        if inside and not correct:
            results[-1] = False
    return results


def lookup_at(exercises: Exercises, tokenizer: Tokenizer, distance: int, chat: bool) -> list[Piece]:
    """Four keys of four digits; the asked one stands `distance` tokens before its answer."""
    rng = exercises.rng
    keys = rng.sample(exercises.nouns, 4)
    codes = rng.sample(range(1000, 10000), 4)
    facts = [f"The code of the {k} is {c}." for k, c in zip(keys, codes, strict=True)]
    question = f"What is the code of the {keys[0]}?"
    between = filler_of(exercises, tokenizer, distance - (28 if chat else 20))
    before_room = min(2030 - distance - 60, 400) if distance > 64 else 100
    before = filler_of(exercises, tokenizer, max(0, before_room - 45))
    for number, fact in enumerate(facts[1:]):
        target = between if number % 2 == 0 and distance > 100 else before
        place = rng.randint(0, len(target))
        if target is between:
            target.pop() if target else None
            place = min(place, len(target))
        target.insert(place, fact)
    sentences = [*before, facts[0], *between]
    pieces, previous = [], "\n"
    for sentence in sentences:
        pieces.append(Piece(spaced(previous, sentence), FILLER))
        previous = sentence
    pieces[-1] = Piece(pieces[-1].text.rstrip("\n") + "\n", FILLER)
    head = [Piece(BEGIN + (f"{IM_START}user\n" if chat else ""), PROMPT)]
    if not chat:
        answer = [Piece(question, PROMPT), Piece(f" {codes[0]}\n", ANSWER), Piece(END, PROMPT)]
        return [*head, *pieces, *answer]
    ask = Piece(f"{question}{IM_END}\n{IM_START}assistant\n", PROMPT)
    return [*head, *pieces, ask, Piece(f"{codes[0]}{IM_END}", ANSWER)]


def filler_of(exercises: Exercises, tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Sentences of at most `tokens` tokens."""
    sentences = exercises.filler(int(max(0, tokens) * 4.5))
    counts = [len(e.ids) + 1 for e in tokenizer.encode_batch(sentences, add_special_tokens=False)]
    while sentences and sum(counts) > tokens:
        sentences.pop()
        counts.pop()
    return sentences


def share(results: Iterable[bool]) -> float:
    """Share of True, in percent."""
    results = list(results)
    return 100.0 * sum(results) / max(1, len(results))


def lookup_accuracy(
    model: BatonTiny, tokenizer: Tokenizer, corpus: Corpus, samples: int
) -> dict[str, float]:
    """Accuracy of key lookup by distance, plain and chat; held-out text and nouns."""
    table = {}
    for form in ("plain", "chat"):
        for distance in DISTANCES:
            exercises = Exercises(corpus, random.Random(f"{form}{distance}"), held_out=True)
            tests = [
                lookup_at(exercises, tokenizer, distance, form == "chat") for _ in range(samples)
            ]
            results = [answered(model, tokenizer, test)[-1] for test in tests]
            table[f"lookup_{form}_{distance}"] = share(results)
    return table


def exercise_accuracy(
    model: BatonTiny, tokenizer: Tokenizer, corpus: Corpus, samples: int
) -> dict[str, float]:
    """Accuracy of whole answers to sums, copies, counting and JSON on unseen draws."""
    exercises = Exercises(corpus, random.Random("exercises"), held_out=True)
    draws = {
        "sums": lambda: exercises.sums(300),
        "copy": lambda: exercises.copy(400),
        "count": lambda: exercises.count(0),
        "json": lambda: exercises.json(0),
    }
    return {
        f"{name}_exact": share(
            right for _ in range(samples) for right in answered(model, tokenizer, draw())
        )
        for name, draw in draws.items()
    }


@torch.no_grad()
def generate(model: BatonTiny, tokenizer: Tokenizer, prompt: str, limit: int) -> str:
    """Greedy continuation up to an end token."""
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    ends = {tokenizer.token_to_id(END), tokenizer.token_to_id(IM_END)}
    given = len(ids)
    while len(ids) - given < limit and (len(ids) == given or ids[-1] not in ends):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return tokenizer.decode(ids[given:], skip_special_tokens=False)


def chat(turn: Turn | str) -> str:
    """The prompt of a one-turn conversation."""
    text = turn if isinstance(turn, str) else turn.prompt
    return f"{BEGIN}{IM_START}user\n{text}{IM_END}\n{IM_START}assistant\n"


def json_validity(
    model: BatonTiny, tokenizer: Tokenizer, corpus: Corpus, samples: int
) -> dict[str, float]:
    """Share of generated JSON answers that parse and end with <|im_end|>."""
    exercises = Exercises(corpus, random.Random("json"), held_out=True)
    valid = []
    for _ in range(samples):
        text = generate(model, tokenizer, chat(exercises.json_object()), 80)
        try:
            valid.append(text.endswith(IM_END) and json.loads(text.removesuffix(IM_END)) != {})
        except ValueError:
            valid.append(False)
    return {"json_valid": share(valid)}


def chat_ends(model: BatonTiny, tokenizer: Tokenizer) -> tuple[dict[str, float], list[str]]:
    """Share of chat answers that end by themselves, and the answers."""
    prompts = [
        "Who are you?",
        "Hello!",
        "What can you do?",
        "Are you a robot or a person?",
        "What is 12 + 7?",
        "Repeat this: the cat sat on the mat.",
        "Count from 3 to 9.",
        "Write JSON with name Anna, age 12",
        "The code of the river is 4821. The code of the hill is 77. What is the code of the river?",
        "Tell me a story.",
        "Why is the sky blue?",
    ]
    answers = [generate(model, tokenizer, chat(p), 160) for p in prompts]
    lines = [f"{p} -> {a}" for p, a in zip(prompts, answers, strict=True)]
    return {"chat_ends": share(a.endswith(IM_END) for a in answers)}, lines


def report(
    model: BatonTiny, tokenizer: Tokenizer, corpus: Corpus, samples: int
) -> tuple[dict[str, float], list[str]]:
    """All measures, and example answers."""
    model.eval()
    numbers = perplexity(model, tokenizer, corpus, windows=60)
    numbers |= lookup_accuracy(model, tokenizer, corpus, samples)
    numbers |= exercise_accuracy(model, tokenizer, corpus, samples * 2)
    numbers |= json_validity(model, tokenizer, corpus, samples)
    ends, lines = chat_ends(model, tokenizer)
    model.train()
    return numbers | ends, lines
