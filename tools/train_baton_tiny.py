#!/usr/bin/env python3
"""Trains `baton-tiny`, the small model that comes with Baton, on a few CPU cores.

Needs: pip install torch tokenizers safetensors numpy   (any torch from 2.0; no GPU)

    train_baton_tiny.py --text FOLDER       books to learn from, .txt files
    train_baton_tiny.py                     public-domain English of Debian packages instead:
                                            apt install bible-kjv fortunes
    train_baton_tiny.py --export-only       exports and measures the newest checkpoint

It writes a checkpoint every few minutes and goes on from it when started again.
"""

import argparse
import json
import os
import random
import time
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer

from baton_tiny.batches import Batches, stage_at
from baton_tiny.evaluate import report
from baton_tiny.export import export, round_to_bf16
from baton_tiny.model import BatonTiny, Shape
from baton_tiny.optimiser import make_optimisers, set_lr
from baton_tiny.text import Corpus, load_corpus
from baton_tiny.tokenizer import train_tokenizer

REPOSITORY = Path(__file__).resolve().parent.parent
WARMUP_STEPS = 60
DECAY_FROM = 0.45


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, help="folder of .txt files")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/baton-train/run")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "configs/models/baton-tiny")
    parser.add_argument("--tokens", type=float, default=14e6, help="tokens to train on")
    parser.add_argument("--minutes", type=float, help="end within this time, if sooner")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", type=Path, help="use this tokenizer.json")
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=50, help="tests a row of the report")
    parser.add_argument("--export-only", action="store_true")
    return parser.parse_args()


class Training:
    """A model in training; everything that a checkpoint holds."""

    def __init__(self, arguments: argparse.Namespace, corpus: Corpus, tokenizer: Tokenizer) -> None:
        self.arguments = arguments
        self.path = arguments.work / "checkpoint.pt"
        torch.manual_seed(arguments.seed)
        self.model = BatonTiny(Shape(vocab=tokenizer.get_vocab_size()))
        self.optimisers = make_optimisers(self.model)
        self.batches = Batches(corpus, tokenizer, arguments.seed)
        self.step, self.tokens, self.seconds = 0, 0, 0.0

    def progress(self) -> float:
        """Share of the training that is done: by tokens or by time, whichever is further."""
        done = self.tokens / self.arguments.tokens
        if self.arguments.minutes:
            done = max(done, self.seconds / 60 / self.arguments.minutes)
        return done

    def lr_factor(self) -> float:
        """Warm-up, then constant, then linear to zero."""
        decay = min(1.0, (1.0 - self.progress()) / (1.0 - DECAY_FROM))
        return max(0.0, min(decay, (self.step + 1) / WARMUP_STEPS))

    def train_step(self) -> float:
        """One step; the weighted loss."""
        began = time.monotonic()
        set_lr(self.optimisers, self.lr_factor())
        batch = self.batches.next(stage_at(self.progress()))
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.model.loss(batch.ids, batch.targets, batch.weights)
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self.tokens += batch.ids.numel()
        self.seconds += time.monotonic() - began
        return loss.item()

    def save(self) -> None:
        """Writes the checkpoint, replacing the last one in one move."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "rng": self.batches.rng.getstate(),
            "counts": (self.step, self.tokens, self.seconds),
        }
        torch.save(state, self.path.with_suffix(".new"))
        os.replace(self.path.with_suffix(".new"), self.path)

    def resume(self) -> bool:
        """Goes on from the checkpoint, if there is one."""
        if not self.path.is_file():
            return False
        state = torch.load(self.path, weights_only=False)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.batches.rng.setstate(state["rng"])
        self.step, self.tokens, self.seconds = state["counts"]
        return True

    def run(self) -> None:
        """Trains to the end, with a line every 50 steps."""
        saved, shown, losses = time.monotonic(), (self.tokens, self.seconds), []
        while self.progress() < 1.0:
            losses.append(self.train_step())
            if self.step % 50 == 0:
                self.show(sum(losses) / len(losses), shown)
                shown, losses = (self.tokens, self.seconds), []
            if time.monotonic() - saved > 60 * self.arguments.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()

    def show(self, loss: float, since: tuple[int, float]) -> None:
        """A line of progress."""
        speed = (self.tokens - since[0]) / max(1e-9, self.seconds - since[1])
        progress = max(1e-9, self.progress())
        eta = self.seconds / progress * (1 - progress) / 60
        print(
            f"step {self.step} length {stage_at(min(progress, 1.0)).length} loss {loss:.3f} "
            f"{self.tokens / 1e6:.2f} M tokens {speed:.0f} tok/s done {100 * progress:.1f} % "
            f"ETA {eta:.1f} min",
            flush=True,
        )


def load_tokenizer(arguments: argparse.Namespace, corpus: Corpus) -> Tokenizer:
    """The tokenizer given, the one of an earlier start, or a new one trained on the text."""
    path = arguments.tokenizer or arguments.work / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    tokenizer = train_tokenizer(corpus.train, Shape().vocab)
    tokenizer.save(str(path))
    return tokenizer


def main() -> None:
    """Trains, exports and measures."""
    arguments = parse_arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    random.seed(arguments.seed)
    corpus = load_corpus(arguments.text)
    print(f"text: {corpus.source}; {len(corpus.held_out)} chunks held out", flush=True)
    tokenizer = load_tokenizer(arguments, corpus)
    training = Training(arguments, corpus, tokenizer)
    print(f"{'resumed' if training.resume() else 'new'}: {asdict(training.model.shape)}", flush=True)
    if not arguments.export_only:
        training.run()
    rounded = round_to_bf16(training.model)
    export(rounded, tokenizer, arguments.out)
    numbers, answers = report(rounded, tokenizer, corpus, arguments.samples)
    numbers |= {"tokens_trained": training.tokens, "training_minutes": training.seconds / 60}
    (arguments.work / "report.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print("\n".join(answers))
    print("\n".join(f"{name:24} {value:.3f}" for name, value in numbers.items()))


if __name__ == "__main__":
    main()
