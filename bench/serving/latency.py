#!/usr/bin/env python3
"""TTFT and TPOT of `baton serve` by concurrency, its start-up time and the memory of its processes.

Starts the split and the mixed configuration in turn on ports of their own, sends the same streamed
completions to both, and prints one table, so that the two can be compared within one run:

    bench/serving/latency.py --baton build/release/bin/baton
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

WORDS = "the river code of a king was and house said in his sea stone night could water went is".split()
LAYOUTS = {
    "1 prefill + 1 decode": ["workers.prefill.count=1", "workers.decode.count=1"],
    "1 mixed": ["workers.prefill.count=0", "workers.decode.count=0", "workers.mixed.count=1"],
}


def prompt(index: int, words: int) -> str:
    """A prompt that begins unlike all others, so that no prefix cache helps."""
    return " ".join(WORDS[(index * 7 + i * i + i // 5) % len(WORDS)] for i in range(words)) + f" {index}"


class Server:
    """A `baton serve` with one layout; stops when the block ends."""

    def __init__(self, baton: Path, model: Path, layout: list[str]):
        command = [str(baton), "serve", "--model", str(model), "--port", "0"]
        for setting in layout:
            command += ["--set", setting]
        begin = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.search(r"baton ready: http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise SystemExit("the server ended before it was ready")
        self.ready_seconds = time.monotonic() - begin
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def memory(self) -> str:
        """Resident MiB of each process, and the part of it that is shared KV memory."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        parts = []
        for pid in [str(self.process.pid), *children]:
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            name = words[words.index("--name") + 1] if "--name" in words else words[1]
            status = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M))
            parts.append(f"{name} {int(status['VmRSS']) >> 10} ({int(status['RssShmem']) >> 10} shared)")
        return ", ".join(parts)


def complete(port: int, text: str, tokens: int) -> tuple[float, float]:
    """Seconds to the first token, and mean seconds per token after it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"model": "baton-tiny", "prompt": text, "max_tokens": tokens, "ignore_eos": True,
            "stream": True, "temperature": 0, "stream_options": {"include_usage": True}}
    begin = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
    first = last = 0.0
    count = 0
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if event["choices"]:
            last = time.monotonic()
            first = first or last
        else:
            count = event["usage"]["completion_tokens"]
    return first - begin, (last - first) / max(1, count - 1)


def measure(port: int, concurrency: int, requests: int, words: int, tokens: int) -> tuple[float, ...]:
    """Median and 99th percentile of TTFT and of TPOT, in milliseconds."""
    results: list[tuple[float, float]] = []
    indices = iter(range(requests))
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                index = next(indices, None)
            if index is None:
                return
            results.append(complete(port, prompt(concurrency * 1000 + index, words), tokens))

    threads = [threading.Thread(target=client) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    columns = []
    for values in zip(*results):
        ordered = sorted(1000 * value for value in values)
        columns += [statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]]
    return tuple(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--baton", type=Path, default=root / "build/release/bin/baton")
    parser.add_argument("--model", type=Path, default=root / "configs/models/baton-tiny")
    parser.add_argument("--requests", type=int, default=64, help="per concurrency")
    parser.add_argument("--words", type=int, default=200, help="words of a prompt")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an output")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 16])
    options = parser.parse_args()
    print("| layout | concurrency | TTFT p50 ms | TTFT p99 ms | TPOT p50 ms | TPOT p99 ms |")
    print("|---|---|---|---|---|---|")
    notes = []
    for name, layout in LAYOUTS.items():
        with Server(options.baton, options.model, layout) as server:
            for concurrency in options.concurrency:
                row = measure(server.port, concurrency, options.requests, options.words, options.tokens)
                print(f"| {name} | {concurrency} | " + " | ".join(f"{value:.1f}" for value in row) + " |", flush=True)
            notes.append(f"{name}: ready in {server.ready_seconds:.2f} s; resident MiB: {server.memory()}")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
