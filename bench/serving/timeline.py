#!/usr/bin/env python3
"""How much of a hand-off's transfer hides behind the prefill, read from the traces of real processes.

Starts one prefill and one decode worker over a random model whose KV cache is as wide as Llama 3 8B's
(64 KiB per block and layer), has prompts of eight chunks handed over, and prints from each trace: how
long the transfers took in all, and how long after the end of the prefill the commit arrived. At most
one chunk's share of the transfer, an eighth, should be left by then:

    bench/serving/timeline.py --baton build/release/bin/baton

--keep FOLDER leaves the traces there, for https://ui.perfetto.dev.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import struct
import tempfile
import time
from pathlib import Path

from latency import Server

CHUNKS = 8
VOCABULARY = 2048


def write_model(folder: Path, tokenizer: Path, layers: int, kv_heads: int, context: int) -> None:
    """A Llama with random weights: narrow, so that it computes fast, but with a wide KV cache."""
    hidden, intermediate, head_dim = 128, 128, 128
    rows = kv_heads * head_dim
    shapes = {"model.embed_tokens.weight": (VOCABULARY, hidden), "model.norm.weight": (hidden,)}
    for i in range(layers):
        layer = f"model.layers.{i}."
        shapes |= {layer + "input_layernorm.weight": (hidden,), layer + "post_attention_layernorm.weight": (hidden,),
                   layer + "self_attn.o_proj.weight": (hidden, rows), layer + "mlp.down_proj.weight": (hidden, intermediate)}
        shapes |= {layer + f"self_attn.{name}_proj.weight": (rows, hidden) for name in "qkv"}
        shapes |= {layer + f"mlp.{name}_proj.weight": (intermediate, hidden) for name in ("gate", "up")}
    header, data = {}, bytearray()
    exponents = bytes((0x3C | (byte & 1)) | (byte & 0x80) for byte in range(256))
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = bytearray(2 * count)
        values[0::2] = os.urandom(count)
        values[1::2] = os.urandom(count).translate(exponents)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_act": "silu",
        "hidden_size": hidden, "intermediate_size": intermediate, "head_dim": head_dim, "vocab_size": VOCABULARY,
        "num_attention_heads": kv_heads, "num_key_value_heads": kv_heads, "num_hidden_layers": layers,
        "max_position_embeddings": context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 3}))
    shutil.copy(tokenizer / "tokenizer.json", folder)
    shutil.copy(tokenizer / "tokenizer_config.json", folder)


def complete(port: int, model: str, prompt: list[int]) -> str:
    """Runs a traced completion and returns its id."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    body = {"model": model, "prompt": prompt, "max_tokens": 2, "temperature": 0, "baton": {"trace": True}}
    connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
    response = json.load(connection.getresponse())
    if "id" not in response:
        raise SystemExit(f"the request failed: {response}")
    return response["id"]


def read_trace(path: Path) -> dict:
    deadline = time.monotonic() + 20
    while not path.exists():
        if time.monotonic() > deadline:
            raise SystemExit(f"no trace at {path}")
        time.sleep(0.01)
    return json.loads(path.read_text())


def spans(trace: dict, process: str, name: str) -> list[dict]:
    pids = {event["pid"] for event in trace["traceEvents"]
            if event["name"] == "process_name" and event["args"]["name"] == process}
    found = [event for event in trace["traceEvents"] if event["ph"] == "X" and event["name"] == name and event["pid"] in pids]
    return sorted(found, key=lambda event: event["ts"])


def end(span: dict) -> float:
    return span["ts"] + span["dur"]


def busy(intervals: list[dict]) -> float:
    """The time in which at least one of the spans goes on."""
    total, until = 0.0, float("-inf")
    for span in intervals:
        total += max(0.0, end(span) - max(span["ts"], until))
        until = max(until, end(span))
    return total


def describe(trace: dict) -> str:
    puts = spans(trace, "p0", "put")
    prefill_end = end(spans(trace, "p0", "prefill")[0])
    committed = end(spans(trace, "d0", "wait for commit")[0])
    bytes_put = sum(put["args"]["bytes"] for put in puts)
    late = sum(put["args"]["bytes"] for put in puts if put["ts"] >= prefill_end)
    descriptors = sum(put["args"]["descriptors"] for put in puts)
    transfer = busy(puts)
    tail = committed - prefill_end
    prefill = spans(trace, "p0", "prefill")[0]["dur"]
    return (f"| {prefill / 1000:.1f} | {bytes_put / 2**20:.0f} | {len(puts)} | {descriptors} | {transfer / 1000:.2f} "
            f"| {late / bytes_put:.3f} | {tail / 1000:.2f} | {tail / transfer:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--baton", type=Path, default=root / "build/release/bin/baton")
    parser.add_argument("--chunk-tokens", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--kv-heads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="more configuration")
    parser.add_argument("--keep", type=Path, help="folder for the traces")
    options = parser.parse_args()
    tokens = CHUNKS * options.chunk_tokens
    with tempfile.TemporaryDirectory(prefix="baton-timeline-") as temporary:
        model = Path(temporary) / "wide-kv"
        traces = options.keep or Path(temporary) / "traces"
        write_model(model, root / "configs/models/baton-tiny", options.layers, options.kv_heads, tokens + 64)
        layout = ["workers.prefill.count=1", "workers.decode.count=1", "workers.prefill.kv_memory=512MiB",
                  "workers.decode.kv_memory=512MiB", f"engine.step_tokens={options.chunk_tokens}",
                  f"engine.running_sequences={min(64, options.chunk_tokens)}", "engine.prefix_cache=false",
                  f"telemetry.trace_folder={traces}", *options.set]
        print("| prefill ms | MiB | puts | descriptors | transfer ms | put after prefill | prefill end to commit ms | share of transfer |")
        print("|---|---|---|---|---|---|---|---|")
        with Server(options.baton, model, layout) as server:
            for repeat in range(options.repeats):
                prompt = [5 + (repeat * 131 + i * 7) % (VOCABULARY - 5) for i in range(tokens)]
                request = complete(server.port, model.name, prompt)
                print(describe(read_trace(traces / f"{request}-0.json")), flush=True)


if __name__ == "__main__":
    main()
