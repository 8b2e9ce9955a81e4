#!/usr/bin/env python3
"""Goodput of `baton serve` by how its workers are arranged, all on the same two cores.

For each model and load it finds, by `baton bench --goodput`, the highest rate at which nine in ten
requests keep their SLO: with two mixed workers, with one prefill and one decode worker that splits
always or all but short prompts, and with the router weighing each request. What is measured is
printed as tables, with how far the router's predictions of steps were off in the mean, and put into a
folder: the JSON of every search, and a page with their curves.

    bench/serving/goodput.py --baton build/release/bin/baton --out goodput
    bench/serving/goodput.py --baton build/release/bin/baton --models tiny --loads chat,documents
    bench/serving/goodput.py --baton build/release/bin/baton --azure conv.csv --mooncake conversation.jsonl

The SLO of a load is a multiple of what nine in ten requests take one at a time on a mixed worker, so that
it means the same on any machine and the longest prompts of a load can keep it. Each step of a search sends
as many requests as any other, of a trace the same ones.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from latency import Server
from on_device import LLAMA, TOKENIZER, write_model

MEDIUM = LLAMA | {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12,
                  "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 32000, "max_position_embeddings": 4096,
                  "rope_theta": 10000.0, "tie_word_embeddings": True}


def roles(prefill: int = 0, decode: int = 0, mixed: int = 0) -> list[str]:
    counts = {"prefill": prefill, "decode": decode, "mixed": mixed}
    return [f"workers.{role}.count={count}" for role, count in counts.items()]


# Each on two cores, a thread to a worker.
SETTINGS = {
    "mixed": [*roles(mixed=2), "router.policy=cost"],
    "mixed, small chunks": [*roles(mixed=2), "router.policy=cost", "engine.step_tokens=128"],
    "always split": [*roles(prefill=1, decode=1), "router.policy=least_loaded"],
    "split beyond 128 tokens": [*roles(prefill=1, decode=1), "router.policy=least_loaded",
                                "handoff.local_prefill_tokens=128"],
    "cost": [*roles(prefill=1, decode=1), "router.policy=cost"],
}


@dataclass
class Load:
    """What is sent, by model, and how many times what it takes alone a request may take."""
    arguments: dict[str, list[str]]
    ttft: float
    tpot: float
    arrivals: str = "poisson"


def lengths(prompt: str, output: str) -> list[str]:
    return ["--prompt-tokens", prompt, "--output-tokens", output]


def loads(options: argparse.Namespace) -> dict[str, Load]:
    """By name."""
    chat = lengths("lognormal:96:0.6", "lognormal:48:0.5")
    all_loads = {
        "chat": Load({"tiny": chat, "medium": chat}, ttft=5, tpot=2.5),
        "documents": Load({"tiny": lengths("1200-1800", "64"), "medium": lengths("800-1200", "64")}, ttft=4, tpot=1.5),
    }
    cut = ["--max-prompt-tokens", "1800", "--max-output-tokens", "200"]
    for name, file, scale in (("azure", options.azure, "0.4"), ("mooncake", options.mooncake, "0.04")):
        if file:
            trace = ["--trace", str(file), "--length-scale", scale, *cut]
            all_loads[name] = Load({"tiny": trace, "medium": trace}, ttft=4, tpot=2.5, arrivals="trace")
    return all_loads


def bench(options: argparse.Namespace, port: int, arguments: list[str]) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([options.baton, "bench", "--url", f"http://127.0.0.1:{port}", "--quiet", "--json", out.name,
                        *arguments], check=True, stdout=subprocess.DEVNULL)
        return json.load(out)


class Models:
    """Where the models lie, and the settings that they need."""

    def __init__(self, folder: Path):
        self.folders = {"tiny": TOKENIZER, "medium": folder}
        self.settings = {"tiny": [], "medium": ["engine.load=random"]}
        write_model(folder, MEDIUM)

    def serve(self, options: argparse.Namespace, name: str, settings: list[str]) -> Server:
        common = ["limits.concurrent_requests=4096"]
        for role in ("prefill", "decode", "mixed"):
            common += [f"workers.{role}.threads=1", f"workers.{role}.kv_memory=512MiB"]
        return Server(options.baton, self.folders[name], [*common, *self.settings[name], *settings])


def slo_of(options: argparse.Namespace, models: Models, model: str, load: Load) -> tuple[float, float]:
    with models.serve(options, model, roles(mixed=1)) as server:
        alone = bench(options, server.port, ["--concurrency", "1", "--requests", str(min(40, options.requests[model])),
                                             "--warmup", "2", *load.arguments[model]])
    return load.ttft * alone["run"]["ttft_ms"]["p90"], load.tpot * alone["run"]["tpot_ms"]["p90"]


def search(options: argparse.Namespace, models: Models, model: str, settings: list[str], load: Load,
           slo: tuple[float, float], label: str, file: Path) -> dict:
    wishes = [f"router.slo_ttft={slo[0]:.0f}ms", f"router.slo_tpot={1000 * slo[1]:.0f}us"]
    with models.serve(options, model, [*settings, *wishes]) as server:
        begin = str(options.rates[model])
        result = bench(options, server.port, [
            "--goodput", "--rate", begin, "--requests", str(options.requests[model]), "--warmup", "4",
            "--precision", str(options.precision), "--slo", f"{slo[0]:.1f}:{slo[1]:.2f}", "--label", label,
            "--arrivals", load.arrivals, *load.arguments[model]])
        result["cost_errors"] = cost_errors(server.port)
    file.write_text(json.dumps(result))
    return result


def cost_errors(port: int) -> dict[str, float]:
    """By what part of what they took steps differed from what the router foretold, by kind, in the mean."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    sums: dict[str, float] = defaultdict(float)
    for part, labels, value in re.findall(r"^baton_cost_error_ratio_(sum|count){(.*?)} (\S+)$", text, re.MULTILINE):
        kind = re.search(r'kind="(\w+)"', labels)
        assert kind
        sums[kind[1] + part] += float(value)
    kinds = sorted(name.removesuffix("count") for name in sums if name.endswith("count"))
    return {kind: sums[kind + "sum"] / sums[kind + "count"] for kind in kinds if sums[kind + "count"]}


def attained(result: dict) -> str:
    steps = sorted(result["goodput"]["steps"], key=lambda step: step["rate"])
    return ", ".join(f"{step['rate']:.2f}: {100 * step['attainments'][0]['both']:.0f} %" for step in steps)


def rounds(options: argparse.Namespace, models: Models, model: str, name: str, load: Load) -> None:
    slo = slo_of(options, models, model, load)
    print(f"\n{model}, {name}: TTFT {slo[0]:.0f} ms, TPOT {slo[1]:.1f} ms\n", flush=True)
    print("| Setting | goodput, requests/s | over mixed | steps off by | attainment by rate |\n|---|---|---|---|---|",
          flush=True)
    files, first = [], 0.0
    for setting, settings in SETTINGS.items():
        if setting not in options.settings:
            continue
        file = options.out / f"{model}-{name}-{setting.replace(', ', '-').replace(' ', '-')}.json"
        began = time.monotonic()
        result = search(options, models, model, settings, load, slo, f"{model}, {name}: {setting}", file)
        files.append(str(file))
        found = result["goodput"]["slos"][0]["requests_per_s"]
        first = first or found
        errors = ", ".join(f"{kind} {100 * error:.0f} %" for kind, error in result["cost_errors"].items())
        print(f"| {setting} | {found:.2f} | {found / first if first else 0:.2f} | {errors} | {attained(result)} |",
              flush=True)
        print(f"{setting}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    subprocess.run([options.baton, "bench", "--compare", *files, "--html", options.out / f"{model}-{name}.html"],
                   check=True, stdout=subprocess.DEVNULL)


def by_model(text: str) -> dict[str, float]:
    return {model: float(value) for model, value in (item.split("=") for item in text.split(","))}


def counts(text: str) -> dict[str, int]:
    return {model: int(value) for model, value in by_model(text).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baton", required=True, type=Path)
    parser.add_argument("--out", type=Path, default=Path("goodput"), help="folder for JSON and pages")
    parser.add_argument("--models", default="tiny,medium", help="tiny (the bundled one), medium (110 M, random)")
    parser.add_argument("--loads", default="chat,documents,azure,mooncake")
    parser.add_argument("--settings", default=";".join(SETTINGS), help="separated by semicolons")
    parser.add_argument("--azure", type=Path, help="the trace azure_2023_conv.csv")
    parser.add_argument("--mooncake", type=Path, help="the trace mooncake_conversation.jsonl")
    parser.add_argument("--requests", type=counts, default="tiny=200,medium=40", help="of a step of a search")
    parser.add_argument("--rates", type=by_model, default="tiny=8,medium=0.4", help="where a search begins")
    parser.add_argument("--precision", type=float, default=0.1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.settings = options.settings.split(";")
    known = loads(options)
    with tempfile.TemporaryDirectory() as folder:
        models = Models(Path(folder))
        for model in options.models.split(","):
            for name in options.loads.split(","):
                if name in known:
                    rounds(options, models, model, name, known[name])


if __name__ == "__main__":
    main()
