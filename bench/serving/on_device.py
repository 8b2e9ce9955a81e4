#!/usr/bin/env python3
"""One prefill and one decode process against a mixed one, all on one device, with random weights.

Makes a model folder of a published shape, serves it split and mixed, and prints whether both give the
same tokens, the prompt tokens per second at 4k, what a decode step takes at batch 1 and 64 with 1k of
context, and TTFT and TPOT of both under a mixed load:

    bench/serving/on_device.py --baton build/release/bin/baton --device cuda --json out.json
    bench/serving/on_device.py --baton build/release/bin/baton --shape tiny     # on the CPU, to try it
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

TOKENIZER = Path(__file__).parents[2] / "configs/models/baton-tiny"
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-5,
         "bos_token_id": 0, "eos_token_id": 3, "torch_dtype": "bfloat16"}
SHAPES = {
    "llama-3.1-8b": LLAMA | {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                             "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                             "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0,
                             "tie_word_embeddings": False},
    "tiny": LLAMA | {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
                     "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 4096, "max_position_embeddings": 8192,
                     "rope_theta": 10000.0, "tie_word_embeddings": False},
}
LAYOUTS = {"split": ["workers.prefill.count=1", "workers.decode.count=1", "workers.mixed.count=0"],
           "mixed": ["workers.prefill.count=0", "workers.decode.count=0", "workers.mixed.count=1"]}


def write_model(folder: Path, shape: dict) -> None:
    """config.json and a tokenizer in which every id of the vocabulary has a text."""
    (folder / "config.json").write_text(json.dumps(shape))
    (folder / "tokenizer_config.json").write_text((TOKENIZER / "tokenizer_config.json").read_text())
    tokenizer = json.loads((TOKENIZER / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for token in range(max(vocabulary.values()) + 1, shape["vocab_size"]):
        vocabulary[f"w{token}"] = token
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


class Server:
    """A `baton serve` with one layout; stops when the block ends."""

    def __init__(self, options: argparse.Namespace, model: Path, layout: str):
        command = [options.baton, "serve", "--model", str(model), "--port", "0"]
        settings = LAYOUTS[layout] + ["engine.load=random", "engine.step_tokens=2048", "router.policy=least_loaded"]
        for role in ("prefill", "decode", "mixed"):
            settings += [f"workers.{role}.device={options.device}", f"workers.{role}.kv_memory={options.kv_memory}"]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout
        log = []
        for line in self.process.stdout:
            log.append(line)
            if found := re.search(r"baton ready: (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                break
        else:
            raise SystemExit("the server ended before it was ready:\n" + "".join(log[-15:]))
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def tokens(self, prompt: list[int], count: int) -> list[float]:
        """The log-probabilities of greedy tokens: equal lists are equal tokens."""
        body = {"prompt": prompt, "max_tokens": count, "temperature": 0, "logprobs": 1, "ignore_eos": True}
        request = urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as response:
            return json.load(response)["choices"][0]["logprobs"]["token_logprobs"]


def bench(options: argparse.Namespace, server: Server, **flags: object) -> dict:
    """One run of baton bench; flags as it takes them."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [options.baton, "bench", "--url", server.url, "--quiet", "--json", out.name]
        for name, value in flags.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        run = json.load(open(out.name))["run"]
    if run["requests"]["failed"]:
        raise SystemExit(f"requests failed: {run['errors']}")
    return run


def measure(options: argparse.Namespace, server: Server, layout: str) -> dict:
    long, context = (4096, 1024) if options.shape != "tiny" else (512, 128)
    figures = {}
    if layout == "mixed":
        prompt = bench(options, server, concurrency=1, requests=4, warmup=1, prompt_tokens=long, output_tokens=1)
        figures[f"prefill at {long}, tokens/s"] = long / prompt["ttft_ms"]["p50"] * 1e3
        for batch in (1, 64):
            decode = bench(options, server, concurrency=batch, requests=2 * batch, prompt_tokens=context,
                           output_tokens=64)
            figures[f"decode step, batch {batch}, context {context}, ms"] = decode["tpot_ms"]["p50"]
    mixed = bench(options, server, rate=options.rate, requests=100, prompt_tokens=f"lognormal:{context}:0.8",
                  output_tokens=64)
    for name in ("ttft_ms", "tpot_ms", "itl_ms"):
        figures[f"mixed load at {options.rate}/s, {name} p50 / p99"] = [mixed[name]["p50"], mixed[name]["p99"]]
    return figures


def write(options: argparse.Namespace, results: dict) -> None:
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baton", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="llama-3.1-8b")
    parser.add_argument("--kv-memory", default="4GiB", help="of each worker")
    parser.add_argument("--rate", type=float, default=4, help="requests per second of the mixed load")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict = {"device": options.device, "shape": options.shape}
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SHAPES[options.shape])
        prompts = [[(i * 7919 + salt * 104729) % SHAPES[options.shape]["vocab_size"] for i in range(length)]
                   for salt, length in enumerate((5, 100, 700, 1500))]
        for layout in LAYOUTS:
            with Server(options, Path(folder), layout) as server:
                answers[layout] = [server.tokens(prompt, 24) for prompt in prompts]
                results[layout] = measure(options, server, layout)
            # A run that is stopped leaves the layouts that it measured.
            write(options, results)
    results["same tokens"] = answers["split"] == answers["mixed"]
    for layout in LAYOUTS:
        for name, value in results[layout].items():
            values = value if isinstance(value, list) else [value]
            print(f"{layout:6} {name:50} {' / '.join(f'{v:.2f}' for v in values)}")
    print("split and mixed give", "the same tokens" if results["same tokens"] else "DIFFERENT TOKENS")
    write(options, results)
    raise SystemExit(0 if results["same tokens"] else 1)


if __name__ == "__main__":
    main()
