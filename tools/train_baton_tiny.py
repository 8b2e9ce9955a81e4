#!/usr/bin/env python3
"""Trains `baton-tiny`, the small model that comes with Baton, on a few CPU cores.

Needs: pip install torch tokenizers safetensors numpy   (any torch from 2.0; no GPU)

    train_baton_tiny.py --text FOLDER       books to learn from, .txt files
    train_baton_tiny.py                     public-domain English of Debian packages instead:
                                            apt install bible-kjv
    train_baton_tiny.py --export-only       exports and measures the newest checkpoint

Every process computes the gradient of its own sequences with `--threads` threads; one process a
core is faster than many threads in one. It writes a checkpoint every few minutes and goes on from
it when started again. What a step draws depends on the seed, the step and the process alone.
"""

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tokenizers import Tokenizer

from baton_tiny.batches import Batches, stage_at
from baton_tiny.evaluate import report
from baton_tiny.export import export, round_to_bf16
from baton_tiny.model import BatonTiny, Shape
from baton_tiny.optimiser import make_optimisers, set_lr
from baton_tiny.start import give_start_values
from baton_tiny.text import Corpus, load_corpus
from baton_tiny.tokenizer import train_tokenizer

REPOSITORY = Path(__file__).resolve().parent.parent
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
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
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="threads a process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", type=Path, help="use this tokenizer.json")
    parser.add_argument("--checkpoint-minutes", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=50, help="tests a row of the report")
    parser.add_argument("--export-only", action="store_true")
    return parser.parse_args()


class Training:
    """A model in training; `rank` is the number of this process among all."""

    def __init__(self, arguments: argparse.Namespace, tokenizer: Tokenizer, rank: int = 0) -> None:
        self.arguments = arguments
        self.rank = rank
        self.path = arguments.work / "checkpoint.pt"
        torch.manual_seed(arguments.seed)
        self.model = BatonTiny(Shape(vocab=tokenizer.get_vocab_size()))
        give_start_values(self.model)
        self.optimisers = make_optimisers(self.model)
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

    def train_step(self, batches: Batches) -> float:
        """One step of all processes; the weighted loss of this one."""
        began = time.monotonic()
        set_lr(self.optimisers, self.lr_factor())
        seed = f"{self.arguments.seed} {self.step} {self.rank}"
        batch = batches.next(stage_at(self.progress()), seed)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.model.loss(batch.ids, batch.targets, batch.weights)
        loss.backward()
        average_gradients(self.model)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self.tokens += batch.ids.numel() * self.arguments.processes
        self.seconds = agreed(self.seconds + time.monotonic() - began)
        return loss.item()

    def save(self) -> None:
        """Writes the checkpoint, replacing the last one in one move."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
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
        self.step, self.tokens, self.seconds = state["counts"]
        return True

    def run(self, batches: Batches) -> None:
        """Trains to the end; the first process shows a line every 50 steps and saves."""
        saved, shown, losses = time.monotonic(), (self.tokens, self.seconds), []
        while self.progress() < 1.0:
            losses.append(self.train_step(batches))
            if self.rank > 0:
                continue
            if self.step % 50 == 0:
                self.show(sum(losses) / len(losses), shown)
                shown, losses = (self.tokens, self.seconds), []
            if time.monotonic() - saved > 60 * self.arguments.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        if self.rank == 0:
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


def average_gradients(model: BatonTiny) -> None:
    """Makes every gradient the mean over the processes."""
    gradients = [w.grad for w in model.parameters()]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def agreed(seconds: float) -> float:
    """The first process's `seconds`, so that all are at one point of the schedule."""
    shared = torch.tensor([seconds], dtype=torch.float64)
    dist.broadcast(shared, src=0)
    return shared.item()


def train_process(rank: int, arguments: argparse.Namespace) -> None:
    """One of the training processes."""
    torch.set_num_threads(arguments.threads)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{arguments.work / 'rendezvous'}",
        rank=rank,
        world_size=arguments.processes,
    )
    corpus = load_corpus(arguments.text)
    tokenizer = load_tokenizer(arguments, corpus)
    training = Training(arguments, tokenizer, rank)
    resumed = training.resume()
    if rank == 0:
        shape = asdict(training.model.shape)
        print(f"{'resumed' if resumed else 'new'} at step {training.step}: {shape}", flush=True)
    training.run(Batches(corpus, tokenizer))
    dist.destroy_process_group()


def train(arguments: argparse.Namespace) -> None:
    """Starts the processes and waits for them; they get a calmer malloc, worth 20 % of speed."""
    os.environ.update(ALLOCATOR | {"OMP_NUM_THREADS": str(arguments.threads)})
    (arguments.work / "rendezvous").unlink(missing_ok=True)
    mp.spawn(train_process, args=(arguments,), nprocs=arguments.processes)


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
    arguments.work = arguments.work.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(arguments.text)
    print(f"text: {corpus.source}; {len(corpus.held_out)} chunks held out", flush=True)
    tokenizer = load_tokenizer(arguments, corpus)
    if not arguments.export_only:
        train(arguments)
    torch.set_num_threads(arguments.threads)
    training = Training(arguments, tokenizer)
    if not training.resume():
        raise SystemExit(f"no checkpoint in {arguments.work}")
    rounded = round_to_bf16(training.model)
    export(rounded, tokenizer, arguments.out)
    numbers, answers = report(rounded, tokenizer, corpus, arguments.samples)
    numbers |= {"tokens_trained": training.tokens, "training_minutes": training.seconds / 60}
    (arguments.work / "report.json").write_text(json.dumps(numbers, indent=2) + "\n")
    print("\n".join(answers))
    print("\n".join(f"{name:24} {value:.3f}" for name, value in numbers.items()), flush=True)


if __name__ == "__main__":
    main()
