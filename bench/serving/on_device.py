#!/usr/bin/env python3
"""What a server does in several layouts, all on one device, with random weights.

Makes a model folder of a published shape and serves it in one layout of LAYOUTS after the other: mixed, split in two
processes (by themselves, or with half of the device each under CUDA's Multi-Process Service) or within one, and mixed
with one setting changed. Of each it prints some of: prompt tokens per second at 4k,
what a decode step takes at batch 1 and 64 with 1k of context, TTFT and TPOT under a mixed load, how fast KV is handed
over, the TPOT of decodes beside prompts that never end; and whether the tokens are those of the mixed worker:

    bench/serving/on_device.py --baton build/release/bin/baton --device cuda --json out.json
    bench/serving/on_device.py --baton build/release/bin/baton --shape tiny     # on the CPU, to try it
    bench/serving/on_device.py --baton build/release/bin/baton --device cuda --layouts mixed,graphs_off

A layout that cannot be measured says why, and leaves the others.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
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
MIXED = ["workers.prefill.count=0", "workers.decode.count=0", "workers.mixed.count=1"]
SPLIT = ["workers.prefill.count=1", "workers.decode.count=1", "workers.mixed.count=0"]


@dataclasses.dataclass(frozen=True)
class Layout:
    settings: list[str]
    measures: tuple[str, ...]
    same_tokens: bool = True  # As `mixed` gives.
    gpus: int = 1             # That it needs where it computes on any.
    halves: bool = False      # Each worker has half of the multiprocessors; without CUDA there are no such parts.
    service: bool = False     # Under CUDA's Multi-Process Service.


LAYOUTS = {
    "mixed": Layout(MIXED, ("prefill", "decode", "mixed load", "beside prompts")),
    "split": Layout(SPLIT, ("mixed load", "beside prompts", "hand-off")),
    "split_service": Layout(SPLIT, ("mixed load", "beside prompts", "hand-off"), halves=True, service=True),
    "one_process": Layout(SPLIT + ["workers.one_process=true"], ("mixed load", "beside prompts", "hand-off"),
                          halves=True),
    "graphs_off": Layout(MIXED + ["engine.graphs=off"], ("decode",)),
    "overlap_off": Layout(MIXED + ["engine.overlap=off"], ("decode",)),
    "early_launches": Layout(MIXED + ["engine.early_launches=true"], ("decode",)),
    "not_deterministic": Layout(MIXED + ["engine.deterministic=false"], ("prefill", "decode"), same_tokens=False),
    "tensor_parallel": Layout(MIXED + ["workers.mixed.tensor_parallel=2"], ("prefill", "decode"), same_tokens=False,
                              gpus=2),
}
HALVES = ["workers.prefill.sm_percent=50", "workers.decode.sm_percent=50"]


class NotMeasured(Exception):
    pass


def write_model(folder: Path, shape: dict) -> None:
    """config.json and a tokenizer in which every id of the vocabulary has a text."""
    (folder / "config.json").write_text(json.dumps(shape))
    (folder / "tokenizer_config.json").write_text((TOKENIZER / "tokenizer_config.json").read_text())
    tokenizer = json.loads((TOKENIZER / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for token in range(max(vocabulary.values()) + 1, shape["vocab_size"]):
        vocabulary[f"w{token}"] = token
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@contextlib.contextmanager
def multi_process_service(folder: Path):
    """CUDA's, of this folder alone: gives the environment of its clients, and ends with the block."""
    if not shutil.which("nvidia-cuda-mps-control"):
        raise NotMeasured("needs nvidia-cuda-mps-control, which is not here")
    environment = os.environ | {"CUDA_MPS_PIPE_DIRECTORY": str(folder / "pipe"), "CUDA_MPS_LOG_DIRECTORY": str(folder / "log")}
    for name in ("pipe", "log"):
        (folder / name).mkdir(exist_ok=True)
    started = subprocess.run(["nvidia-cuda-mps-control", "-d"], env=environment, text=True, check=False,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)
    if started.returncode:
        raise NotMeasured(f"needs the Multi-Process Service, which does not start: {started.stderr.strip()}"[:200])
    try:
        yield environment
    finally:
        subprocess.run(["nvidia-cuda-mps-control"], env=environment, input="quit\n", text=True, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)


class Server:
    """A `baton serve` with one layout; stops when the block ends."""

    def __init__(self, options: argparse.Namespace, model: Path, layout: str, environment: dict[str, str]):
        command = [options.baton, "serve", "--model", str(model), "--port", "0"]
        settings = LAYOUTS[layout].settings + ["engine.load=random", "engine.step_tokens=2048",
                                               "router.policy=least_loaded"]
        if LAYOUTS[layout].halves and options.device != "cpu":
            settings += HALVES
        for role in ("prefill", "decode", "mixed"):
            settings += [f"workers.{role}.device={options.device}", f"workers.{role}.kv_memory={options.kv_memory}"]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        env=environment)
        assert self.process.stdout
        log = []
        for line in self.process.stdout:
            log.append(line)
            if found := re.search(r"baton ready: (http://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                # Why the prompts of this server are slow, where that is so.
                own = re.search(r"multiplies by Baton's own kernels, which are slow for prompts: (.*)", "".join(log))
                self.without_library = own[1].strip()[:200] if own else ""
                break
        else:
            print("".join(log[-15:]), end="", flush=True)
            errors = [line for line in log if re.search(r"\b(error|critical)\b", line)] or log or ["it said nothing\n"]
            raise NotMeasured("the server ended before it was ready: " + errors[-1].strip()[:200])
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


def bench_command(options: argparse.Namespace, server: Server, json_file: str, **flags: object) -> list[str]:
    """baton bench with flags as it takes them."""
    command = [options.baton, "bench", "--url", server.url, "--quiet", "--json", json_file]
    for name, value in flags.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    return command


def bench(options: argparse.Namespace, server: Server, **flags: object) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(bench_command(options, server, out.name, **flags), check=True, stdout=subprocess.DEVNULL)
        run = json.load(open(out.name))["run"]
    if run["requests"]["failed"]:
        raise NotMeasured(f"requests failed: {run['errors']}"[:200])
    return run


def measure_prefill(options: argparse.Namespace, server: Server, length: int) -> dict:
    prompt = bench(options, server, concurrency=1, requests=4, warmup=1, prompt_tokens=length, output_tokens=1)
    return {f"prefill at {length}, tokens/s": length / prompt["ttft_ms"]["p50"] * 1e3}


def measure_decode(options: argparse.Namespace, server: Server, context: int) -> dict:
    figures = {}
    for batch in (1, 64):
        decode = bench(options, server, concurrency=batch, requests=2 * batch, prompt_tokens=context, output_tokens=64)
        figures[f"decode step, batch {batch}, context {context}, ms"] = decode["tpot_ms"]["p50"]
    return figures


def measure_mixed_load(options: argparse.Namespace, server: Server, context: int) -> dict:
    mixed = bench(options, server, rate=options.rate, requests=60, prompt_tokens=f"lognormal:{context}:0.8",
                  output_tokens=64)
    return {f"mixed load at {options.rate}/s, {name} p50 / p99": [mixed[name]["p50"], mixed[name]["p99"]]
            for name in ("ttft_ms", "tpot_ms", "itl_ms")}


def measure_beside_prompts(options: argparse.Namespace, server: Server, length: int) -> dict:
    """Decodes of short prompts, while two long prompts are always computed."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        prompts = subprocess.Popen(
            bench_command(options, server, out.name, concurrency=2, duration=120, prompt_tokens=length,
                          output_tokens=1, seed=1), stdout=subprocess.DEVNULL)
        try:
            decodes = bench(options, server, concurrency=16, requests=32, prompt_tokens=32, output_tokens=64)
        finally:
            # It then reports what it has.
            prompts.send_signal(signal.SIGINT)
            prompts.wait(timeout=60)
        load = json.load(open(out.name))["run"]
    return {"beside prompts, tpot_ms p50 / p99": [decodes["tpot_ms"]["p50"], decodes["tpot_ms"]["p99"]],
            "beside prompts, itl_ms p50 / p99": [decodes["itl_ms"]["p50"], decodes["itl_ms"]["p99"]],
            f"beside prompts of {length}, prompt tokens/s": load["throughput"]["prompt_tokens_per_s"]}


def measure_handoff(options: argparse.Namespace, server: Server) -> dict:
    """Over what the prefill worker's puts went so far, how fast, and how long after their prefill they had landed."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=60) as response:
        metrics = response.read().decode()

    def of(name: str) -> list[tuple[dict, float]]:
        return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))
                for labels, value in re.findall(rf"^{name}{{([^}}]*)}} (\S+)$", metrics, re.M)]

    kinds = {labels["kind"] + (", staged" if labels["staged"] == "true" else "")
             for labels, value in of("baton_transport_info") if value == 1}
    name = "hand-off over " + (" and ".join(sorted(kinds)) or "an unknown path")
    rates = [value for _, value in of("baton_transport_bytes_per_second") if value > 0]
    figures = {name + ", GB/s": max(rates) * 1e-9 if rates else "puts did not differ enough to tell"}
    after = {part: sum(value for labels, value in of(f"baton_handoff_seconds_{part}")
                       if (labels["stage"], labels["worker"][:1]) == ("transfer", "p")) for part in ("sum", "count")}
    if after["count"]:
        figures[name + ", ms behind its prefill"] = after["sum"] / after["count"] * 1e3
    if options.device != "cpu" and not any("cuda_ipc" in kind for kind in kinds):
        figures["hand-off over cuda_ipc, GB/s"] = f"the workers have no such path; their UCX was {options.ucx}"
    return figures


def measure(options: argparse.Namespace, server: Server, layout: str) -> dict:
    """Of what is asked of the layout: figures, or texts where there is none."""
    long, context = (4096, 1024) if options.shape != "tiny" else (512, 128)
    figures: dict = {}
    for measured in LAYOUTS[layout].measures:
        match measured:
            case "prefill": figures |= measure_prefill(options, server, long)
            case "decode": figures |= measure_decode(options, server, context)
            case "mixed load": figures |= measure_mixed_load(options, server, context)
            case "beside prompts": figures |= measure_beside_prompts(options, server, long)
            case "hand-off": figures |= measure_handoff(options, server)
    if server.without_library:
        figures["products by cuBLASLt"] = server.without_library
    return figures


def write(options: argparse.Namespace, results: dict) -> None:
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def gpus() -> int:
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.stdout.count("GPU ")


def run(options: argparse.Namespace, model: Path, layout: str, prompts: list[list[int]]) -> tuple[dict, list]:
    """Its figures and its answers."""
    there = gpus() if options.device != "cpu" else LAYOUTS[layout].gpus
    if there < LAYOUTS[layout].gpus:
        raise NotMeasured(f"needs {LAYOUTS[layout].gpus} GPUs, there is {there}")
    if LAYOUTS[layout].service and options.device == "cpu":
        raise NotMeasured("needs a GPU")
    try:
        with contextlib.ExitStack() as stack:
            environment = dict(os.environ)
            if LAYOUTS[layout].service:
                environment = stack.enter_context(multi_process_service(model))
            server = stack.enter_context(Server(options, model, layout, environment))
            answers = [server.tokens(prompt, 24) for prompt in prompts]
            return measure(options, server, layout), answers
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NotMeasured(f"{type(error).__name__}: {error}"[:200]) from error


def print_layout(layout: str, result: dict) -> None:
    if "reason" in result:
        print(f"{layout}: not measured: {result['reason']}", flush=True)
    for name, value in result.get("figures", {}).items():
        values = value if isinstance(value, list) else [value]
        text = "not measured: " + value if isinstance(value, str) else " / ".join(f"{v:.2f}" for v in values)
        print(f"{layout:17} {name:50} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baton", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="llama-3.1-8b")
    parser.add_argument("--layouts", default="mixed,split", help=f"some of {','.join(LAYOUTS)}; or all")
    parser.add_argument("--kv-memory", default="4GiB", help="of each worker")
    parser.add_argument("--rate", type=float, default=4, help="requests per second of the mixed load")
    parser.add_argument("--ucx", default="the host's", help="how the server's UCX was built, for what is not measured")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--answers", type=Path, help="where the mixed worker's answers are kept for another call")
    options = parser.parse_args()
    asked = list(LAYOUTS) if options.layouts == "all" else options.layouts.split(",")
    if unknown := set(asked) - set(LAYOUTS):
        parser.error(f"no layout {', '.join(sorted(unknown))}; there are {', '.join(LAYOUTS)}")
    expected = json.loads(options.answers.read_text()) if options.answers and options.answers.exists() else None
    results: dict = {"device": options.device, "shape": options.shape, "asked": asked, "layouts": {}}
    failed = False
    write(options, results)
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SHAPES[options.shape])
        prompts = [[(i * 7919 + salt * 104729) % SHAPES[options.shape]["vocab_size"] for i in range(length)]
                   for salt, length in enumerate((5, 100, 700, 1500))]
        for layout in asked:
            try:
                figures, answers = run(options, Path(folder), layout, prompts)
                result = {"figures": figures}
                if layout == "mixed":
                    expected = answers
                    if options.answers:
                        options.answers.write_text(json.dumps(answers))
                elif LAYOUTS[layout].same_tokens and expected:
                    result["same tokens"] = answers == expected
                    failed |= answers != expected
            except NotMeasured as why:
                result = {"reason": str(why)}
                failed |= not str(why).startswith("needs ")
            # A run that is stopped leaves the layouts that it measured.
            results["layouts"][layout] = result
            write(options, results)
            print_layout(layout, result)
            if "same tokens" in result:
                print(f"{layout} and mixed give", "the same tokens" if result["same tokens"] else "DIFFERENT TOKENS")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
