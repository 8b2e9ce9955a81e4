"""Packs exercises and book text into batches of one length; the lengths follow a curriculum."""

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from baton_tiny.exercises import BOOK, Exercises, Piece
from baton_tiny.text import Corpus
from baton_tiny.tokenizer import BEGIN

SHORT_EXERCISES = {
    "lookup": 0.40,
    "copy": 0.17,
    "sums": 0.14,
    "json": 0.10,
    "count": 0.04,
    "talk": 0.15,
}
SMALLEST_ROOM = 40


@dataclass(frozen=True)
class Stage:
    """Until `end` (share of the training): tokens a sequence, sequences a process, what to draw."""

    end: float
    length: int
    sequences: int
    lookup: float
    book: float


CURRICULUM = [
    Stage(end=0.16, length=128, sequences=12, lookup=0.3, book=0.04),
    Stage(end=0.32, length=256, sequences=6, lookup=0.4, book=0.08),
    Stage(end=0.46, length=512, sequences=3, lookup=0.5, book=0.1),
    Stage(end=0.64, length=1024, sequences=2, lookup=0.55, book=0.12),
    Stage(end=1.01, length=2048, sequences=1, lookup=0.6, book=0.12),
]


def stage_at(progress: float) -> Stage:
    """The stage of the curriculum at `progress`, from 0 to 1."""
    return next(s for s in CURRICULUM if progress < s.end)


@dataclass(frozen=True)
class Batch:
    """Inputs, the tokens that follow them, and what each of those counts."""

    ids: Tensor
    targets: Tensor
    weights: Tensor


def encode(tokenizer: Tokenizer, pieces: list[Piece]) -> tuple[list[int], list[float]]:
    """Ids and weights of an exercise."""
    encodings = tokenizer.encode_batch([p.text for p in pieces], add_special_tokens=False)
    ids, weights = [], []
    for piece, encoding in zip(pieces, encodings, strict=True):
        ids += encoding.ids
        weights += [piece.weight] * len(encoding.ids)
    return ids, weights


class Batches:
    """Draws training batches; a batch depends on its seed and stage alone."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer) -> None:
        self.rng = random.Random()
        self.tokenizer = tokenizer
        self.exercises = Exercises(corpus, self.rng)
        begin = tokenizer.token_to_id(BEGIN)
        self.book_ids: list[int] = []
        for encoding in tokenizer.encode_batch(corpus.train, add_special_tokens=False):
            self.book_ids += [begin, *encoding.ids]

    def next(self, stage: Stage, seed: str) -> Batch:
        """A batch of the stage."""
        self.rng.seed(seed)
        rows = [self.sequence(stage) for _ in range(stage.sequences)]
        ids = torch.tensor([ids for ids, _ in rows])
        weights = torch.tensor([weights for _, weights in rows])
        return Batch(ids[:, :-1], ids[:, 1:], weights[:, 1:])

    def sequence(self, stage: Stage) -> tuple[list[int], list[float]]:
        """One row: a long lookup, book text, or short exercises packed together."""
        room = stage.length + 1
        draw = self.rng.random()
        ids: list[int] = []
        weights: list[float] = []
        if draw < stage.book:
            return self.book(room)
        if draw < stage.book + stage.lookup:
            ids, weights = self.long_lookup(room)
        while room - len(ids) > SMALLEST_ROOM:
            more_ids, more_weights = self.short_exercise(room - len(ids))
            ids, weights = ids + more_ids, weights + more_weights
        more_ids, more_weights = self.book(max(0, room - len(ids)))
        return (ids + more_ids)[:room], (weights + more_weights)[:room]

    def book(self, tokens: int) -> tuple[list[int], list[float]]:
        """Running text of the books."""
        start = self.rng.randrange(len(self.book_ids) - tokens)
        return self.book_ids[start : start + tokens], [BOOK] * tokens

    def long_lookup(self, room: int) -> tuple[list[int], list[float]]:
        """A lookup that fills the room; tried again where its text came out too long."""
        budget = room
        while True:
            ids, weights = encode(self.tokenizer, self.exercises.lookup(budget))
            if len(ids) <= room:
                return ids, weights
            budget = int(budget * 0.93)

    def short_exercise(self, room: int) -> tuple[list[int], list[float]]:
        """One exercise drawn by the shares of SHORT_EXERCISES."""
        kind = self.rng.choices(list(SHORT_EXERCISES), SHORT_EXERCISES.values())[0]
        if kind == "lookup":
            return self.long_lookup(self.rng.randint(SMALLEST_ROOM, min(room, 400)))
        return encode(self.tokenizer, getattr(self.exercises, kind)(room))
