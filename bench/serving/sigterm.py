#!/usr/bin/env python3
"""How long each process of a fleet takes from SIGTERM to its end under load, and what clients notice.

Starts a router, two prefill and two decode workers over the bundled model, each by itself as in a cluster, and
clients that stream all the time. Round after round it ends one process of each kind, waits until it is gone, and
starts it anew; routers are ended last, when nobody sends them anything new any more:

    bench/serving/sigterm.py --baton build/release/bin/baton --rounds 10

Ends with code 1 when a request failed.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

from free_port import free_port  # noqa: E402

WORDS = "the river code of a king was and house said in his sea stone night could water went is".split()
PATIENCE_S = 120
WORKERS = {"p0": "prefill", "p1": "prefill", "d0": "decode", "d1": "decode"}


class Fleet:
    """Two routers, of which clients use the one that `serving` says, and the workers of both."""

    def __init__(self, baton: Path, folder: Path, policy: str):
        self.baton, self.folder = baton, folder
        self.ports = {name: free_port() for name in ["r0", "r1", *WORKERS]}
        workers = ", ".join(f'"{name}=127.0.0.1:{self.ports[name]}"' for name in WORKERS)
        self.config = folder / "baton.yaml"
        self.config.write_text(
            f"model: {ROOT}/configs/models/baton-tiny\n"
            "workers: {prefill: {threads: 1, kv_memory: 64MiB}, decode: {threads: 1, kv_memory: 64MiB}}\n"
            f"router: {{policy: {policy}, workers: [{workers}]}}\n")
        self.processes: dict[str, subprocess.Popen] = {}
        self.serving = "r0"
        for name in self.ports:
            self.start(name)

    def start(self, name: str) -> None:
        if name in WORKERS:
            words = ["worker", "--role", WORKERS[name], "--name", name, "--listen", f"127.0.0.1:{self.ports[name]}"]
        else:
            words = ["router", "--port", str(self.ports[name])]
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [self.baton, *words, "--config", self.config], stdout=log, stderr=log)

    def get(self, router: str, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[router], timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def whole(self, router: str) -> bool:
        """Each decode worker is joined with both prefill workers, as this router sees it."""
        status, text = self.get(router, "/fleet")
        if status != 200:
            return False
        workers = json.loads(text)["fleet"]["workers"]
        return sum(len(worker.get("joined", [])) for worker in workers) == 4

    def await_whole(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not all(self.whole(router) for router in ("r0", "r1")):
            if time.monotonic() > deadline:
                sys.exit(f"the fleet is not whole after {PATIENCE_S} s; logs are in {self.folder}")
            time.sleep(0.05)

    def end(self, name: str) -> float:
        """Seconds from SIGTERM to the end of the process."""
        begin = time.monotonic()
        self.processes[name].send_signal(signal.SIGTERM)
        code = self.processes[name].wait(timeout=PATIENCE_S)
        took = time.monotonic() - begin
        if code != 0:
            sys.exit(f"{name} ended with {code}; its log is in {self.folder}")
        return took

    def kill(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


class Load:
    def __init__(self, fleet: Fleet, clients: int, tokens: int):
        self.fleet, self.tokens = fleet, tokens
        self.served, self.failures = 0, []
        self.numbers, self.stopped, self.lock = itertools.count(), threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, client: int) -> None:
        chance = random.Random(client)
        while not self.stopped.is_set():
            problem = self.ask(" ".join(chance.choices(WORDS, k=chance.randint(1, 150))))
            with self.lock:
                if problem:
                    self.failures.append(problem)
                else:
                    self.served += 1

    def ask(self, prompt: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.fleet.ports[self.fleet.serving],
                                                timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/completions", json.dumps({
                "prompt": prompt, "max_tokens": self.tokens, "ignore_eos": True, "stream": True}),
                {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode()
            return "" if reply.status == 200 and text.endswith("data: [DONE]\n\n") else f"{reply.status} {text[-300:]}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def measure(fleet: Fleet, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"router": [], "prefill": [], "decode": []}
    for number in range(rounds):
        router, other = f"r{number % 2}", f"r{(number + 1) % 2}"
        fleet.serving = router
        for name in (f"p{number % 2}", f"d{number % 2}"):
            fleet.await_whole()
            times[WORKERS[name]].append(fleet.end(name))
            fleet.start(name)
        fleet.await_whole()
        # What preStop is for: new requests go elsewhere, and the router has those that it has.
        fleet.serving = other
        times["router"].append(fleet.end(router))
        fleet.start(router)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--baton", type=Path, default=ROOT / "build/release/bin/baton")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=200, help="of each answer")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fleet = Fleet(options.baton.resolve(), Path(name), "least_loaded")
        try:
            fleet.await_whole()
            load = Load(fleet, options.clients, options.tokens)
            times = measure(fleet, options.rounds)
            load.stop()
        finally:
            fleet.kill()
    print(f"{os.cpu_count()} cores, {options.clients} clients, answers of {options.tokens} tokens")
    print("| Ended | ends | median s | longest s |\n|---|---|---|---|")
    for kind, taken in times.items():
        print(f"| {kind} | {len(taken)} | {statistics.median(taken):.2f} | {max(taken):.2f} |")
    print(f"{load.served} requests served, {len(load.failures)} failed")
    for failure in load.failures[:5]:
        print(f"  {failure}")
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main())
