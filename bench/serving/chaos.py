#!/usr/bin/env python3
"""Kills workers of `baton serve` under load and compares every answer with an undisturbed one.

Serves the bundled model with two prefill and two decode workers, answers each of some requests once
in peace, then sends them again, at the times and with the lengths of a trace, while a worker that
chance names is killed every few seconds. Ends with code 1 when a request failed or got a wrong token:

    bench/serving/chaos.py --baton build/release/bin/baton --seconds 300 --every 10
    bench/serving/chaos.py --baton build/release/bin/baton --trace azure_2023_conv.csv --speed 4
"""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = "the river code of a king was and house said in his sea stone night could water went is".split()
# What a request asks beside its prompt and length: all that must go on where it was.
KINDS: list[dict] = [
    {"temperature": 0},
    {"temperature": 1, "top_k": 40},
    {"temperature": 0.8, "frequency_penalty": 0.6, "repetition_penalty": 1.1},
    {"temperature": 1, "stop": ["q z x", "the river code"], "logprobs": 2},
    {"temperature": 0.7, "response_format": {"type": "json_schema", "json_schema": {
        "name": "list", "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 20}}}},
]


@dataclass
class Arrival:
    at: float
    prompt_tokens: int
    output_tokens: int


@dataclass
class Outcome:
    tokens: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list = field(default_factory=list)
    finish: str = ""
    error: str = ""
    seconds: float = 0

    def same(self, other: "Outcome") -> bool:
        return (self.tokens, self.text, self.logprobs, self.finish) == (
            other.tokens, other.text, other.logprobs, other.finish)


def synthetic(seconds: float, rate: float, rng: random.Random) -> list[Arrival]:
    """Bursts of chats: gamma-distributed gaps, log-normal lengths."""
    arrivals, now = [], 0.0
    while now < seconds:
        now += rng.gammavariate(0.5, 2 / rate)
        arrivals.append(Arrival(now, int(rng.lognormvariate(4.6, 0.9)), int(rng.lognormvariate(5.8, 0.6))))
    return arrivals


def azure(path: Path, seconds: float, speed: float) -> list[Arrival]:
    """The rows of an Azure 2023 trace: TIMESTAMP, ContextTokens, GeneratedTokens."""
    arrivals, begin = [], None
    with path.open() as file:
        for row in csv.DictReader(file):
            stamp = datetime.datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp()
            begin = stamp if begin is None else begin
            at = (stamp - begin) / speed
            if at > seconds:
                break
            arrivals.append(Arrival(at, int(row["ContextTokens"]), int(row["GeneratedTokens"])))
    return arrivals


class Server:
    """A `baton serve`; stops when the block ends."""

    def __init__(self, baton: Path, model: Path, log: Path, settings: list[str]):
        self.log = log.open("w")
        command = [str(baton), "serve", "--model", str(model), "--port", "0"]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout
        for line in self.process.stdout:
            self.log.write(line)
            if found := re.search(r"baton ready: http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise SystemExit("the server ended before it was ready")
        threading.Thread(target=self.copy, daemon=True).start()

    def copy(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.log.write(line)
            self.log.flush()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=90)

    def workers(self) -> dict[str, int]:
        """Process ids by name of the workers that are there."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue
            if "worker" in words and "--name" in words:
                found[words[words.index("--name") + 1]] = int(pid)
        return found

    def metric(self, name: str) -> dict[str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {labels: float(value)
                for labels, value in re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.M)}


def make_bodies(arrivals: list[Arrival], count: int, context: int, rng: random.Random) -> list[dict]:
    """Some requests with the lengths of some arrivals, no longer than fits."""
    bodies = []
    for i in range(count):
        shape = rng.choice(arrivals)
        words = max(1, min(shape.prompt_tokens * 3 // 5, context // 3))
        body = {"model": "baton-tiny", "prompt": " ".join(rng.choices(WORDS, k=words)),
                "max_tokens": max(1, min(shape.output_tokens, context // 3)), "seed": rng.getrandbits(40),
                "ignore_eos": True, "stream": True, "return_token_ids": True}
        bodies.append({**body, **KINDS[i % len(KINDS)]})
    return bodies


def complete(port: int, body: dict) -> Outcome:
    outcome = Outcome()
    begin = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=180)
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        done = read(response, outcome) if response.status == 200 else False
        if response.status != 200:
            outcome.error = f"{response.status} {response.read().decode()[:300]}"
        elif not done and not outcome.error:
            outcome.error = "the stream broke off"
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        outcome.error = f"{type(error).__name__} {error}"
    outcome.seconds = time.monotonic() - begin
    return outcome


def read(response: http.client.HTTPResponse, outcome: Outcome) -> bool:
    for line in response:
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            return True
        event = json.loads(line[6:])
        if "error" in event:
            outcome.error = str(event["error"].get("message"))
        for choice in event.get("choices", []):
            outcome.text += choice["text"]
            outcome.tokens += choice.get("token_ids") or []
            if logprobs := choice.get("logprobs"):
                outcome.logprobs += logprobs["token_logprobs"]
            outcome.finish = choice.get("finish_reason") or outcome.finish
    return False


class Killer(threading.Thread):
    """Signals a worker that chance names every few seconds."""

    def __init__(self, server: Server, every: float, number: int, rng: random.Random):
        super().__init__(daemon=True)
        self.server, self.every, self.number, self.rng = server, every, number, rng
        self.over = threading.Event()
        self.kills: list[str] = []

    def run(self) -> None:
        while not self.over.wait(self.every):
            workers = self.server.workers()
            if not workers:
                continue
            name = self.rng.choice(sorted(workers))
            try:
                os.kill(workers[name], self.number)
            except ProcessLookupError:
                continue
            self.kills.append(name)
            print(f"  {len(self.kills):3}. {signal.Signals(self.number).name} to {name}", flush=True)


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baton", type=Path, default=ROOT / "build/release/bin/baton")
    parser.add_argument("--model", type=Path, default=ROOT / "configs/models/baton-tiny")
    parser.add_argument("--prefill", type=int, default=2)
    parser.add_argument("--decode", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=10, help="seconds between two kills")
    parser.add_argument("--signal", choices=["KILL", "TERM"], default="KILL")
    parser.add_argument("--rate", type=float, default=6, help="synthetic requests a second, in the mean")
    parser.add_argument("--trace", type=Path, help="an Azure 2023 trace in place of the synthetic one")
    parser.add_argument("--speed", type=float, default=1, help="how much faster the trace is replayed")
    parser.add_argument("--requests", type=int, default=60, help="different requests")
    parser.add_argument("--context", type=int, default=2048, help="longest request, in tokens")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="more settings of the server")
    parser.add_argument("--log", type=Path, default=Path("chaos.log"), help="what the server says")
    flags = parser.parse_args()

    rng = random.Random(flags.seed)
    arrivals = (azure(flags.trace, flags.seconds, flags.speed) if flags.trace
                else synthetic(flags.seconds, flags.rate, rng))
    if not arrivals:
        raise SystemExit("the trace has no request in this time")
    bodies = make_bodies(arrivals, flags.requests, flags.context, rng)
    settings = [f"workers.prefill.count={flags.prefill}", f"workers.decode.count={flags.decode}",
                "workers.prefill.threads=1", "workers.decode.threads=1", *flags.set]
    with Server(flags.baton, flags.model, flags.log, settings) as server:
        with ThreadPoolExecutor(4) as pool:
            expected = list(pool.map(lambda body: complete(server.port, body), bodies))
        if broken := [outcome.error for outcome in expected if outcome.error]:
            raise SystemExit(f"undisturbed requests failed: {broken[0]}")
        print(f"{len(arrivals)} requests in {flags.seconds:g} s, {sum(len(o.tokens) for o in expected)} tokens "
              f"in {len(bodies)} different answers", flush=True)
        killer = Killer(server, flags.every, getattr(signal, "SIG" + flags.signal), rng)
        outcomes: list[tuple[int, Outcome]] = []
        threads = []
        begin = time.monotonic()
        killer.start()
        for number, arrival in enumerate(arrivals):
            time.sleep(max(0.0, begin + arrival.at - time.monotonic()))
            index = number % len(bodies)
            thread = threading.Thread(
                target=lambda index=index: outcomes.append((index, complete(server.port, bodies[index]))))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        killer.over.set()
        killer.join()
        resumes, retries = server.metric("baton_resumes_total"), server.metric("baton_retries_total")

    failed = [outcome for _, outcome in outcomes if outcome.error]
    wrong = [index for index, outcome in outcomes if not outcome.error and not outcome.same(expected[index])]
    seconds = [outcome.seconds for _, outcome in outcomes]
    print(f"{len(outcomes)} requests, {len(killer.kills)} workers killed: {len(failed)} failed, "
          f"{len(wrong)} with wrong tokens")
    print(f"resumed {resumes or 'none'}, retried {retries or 'none'}")
    print(f"seconds in all: p50 {percentile(seconds, 0.5):.2f}, p99 {percentile(seconds, 0.99):.2f}, "
          f"max {max(seconds):.2f}")
    for error, count in collections.Counter(outcome.error for outcome in failed).most_common(5):
        print(f"  {count} failed: {error}")
    for index in wrong[:5]:
        print("  wrong:", json.dumps(bodies[index])[:200])
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
