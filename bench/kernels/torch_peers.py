#!/usr/bin/env python3
"""Times PyTorch and FlashInfer at the shapes of bench/kernels/cuda: torch.matmul, SDPA as cuDNN and flash attention do
it, and FlashInfer's attention over the same paged KV as Baton's.

    bench/kernels/torch_peers.py --shapes figures.json --json peers.json    # figures of kernels.cuda --json

Each time is the median of samples, each a graph of launches over as many inputs as do not fit the second-level
cache together, as Baton's are taken. SDPA reads contiguous K and V, where Baton and FlashInfer read scattered blocks;
all products are written as bfloat16, where Baton writes logits as float32. Without PyTorch or a GPU it writes why.

FlashInfer is used where `import flashinfer` works (pip install flashinfer-python). It is not carried along: its wheel is
62 MB (0.7.2), wants a dozen packages more (CUTLASS's DSL, TVM's FFI, cuDNN's frontend, ...), and compiles each kernel
at its first call, with nvcc and ninja. So it comes last: what it has no time for is all that is lost, and a second call
finds the kernels in its cache.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
from pathlib import Path

CACHED_BYTES = 256 << 20
MOST_SETS = 16
SAMPLES = 11
PRODUCTS = ("linear: skinny", "linear: cuBLASLt", "linear: cuBLASLt, fixed", "wgmma_gemm")


def product_of(shape: str) -> dict | None:
    if found := re.match(r"M (\d+) N (\d+) K (\d+) ", shape):
        return dict(zip("MNK", map(int, found.groups())))
    return None


def attention_of(shape: str) -> dict | None:
    """Sequences, query tokens and positions of each, head dimension, tokens of a block."""
    if found := re.match(r"S (\d+) T (\d+) kv (\d+) H 32/8 D (\d+)(?: P (\d+))?$", shape):
        return dict(zip(("S", "T", "kv", "D", "P"), map(int, found.groups("16"))))
    if found := re.match(r"(\d+) of (\d+), heads 32/8 of (\d+), blocks of (\d+)$", shape):
        return {"S": 1} | dict(zip(("T", "kv", "D", "P"), map(int, found.groups())))
    return None


def pages_of(attention: dict) -> dict[str, list[int]]:
    """FlashInfer's tables: whose blocks lie apart, as Baton's do."""
    S, blocks = attention["S"], math.ceil(attention["kv"] / attention["P"])
    last = attention["kv"] - (blocks - 1) * attention["P"]
    return {"qo_indptr": [s * attention["T"] for s in range(S + 1)], "kv_indptr": [s * blocks for s in range(S + 1)],
            "indices": [b * S + s for s in range(S) for b in range(blocks)], "last_page_len": [last] * S}


def microseconds(torch, prepare, run, input_bytes: float) -> float:
    sets = [prepare() for _ in range(max(1, min(MOST_SETS, math.ceil(CACHED_BYTES / input_bytes))))]
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for inputs in sets:
            run(*inputs)
    stream.synchronize()
    launches = max(len(sets), 8)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for launch in range(launches):
            run(*sets[launch % len(sets)])
    samples = []
    for _ in range(SAMPLES + 1):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        graph.replay()
        last.record()
        last.synchronize()
        samples.append(first.elapsed_time(last) * 1e3 / launches)
    return statistics.median(samples[1:])


def time_product(torch, product: dict) -> float:
    M, N, K = (product[letter] for letter in "MNK")

    def prepare():
        return (torch.randn(M, K, device="cuda", dtype=torch.bfloat16),
                torch.randn(N, K, device="cuda", dtype=torch.bfloat16),
                torch.empty(M, N, device="cuda", dtype=torch.bfloat16))

    return microseconds(torch, prepare, lambda x, w, y: torch.matmul(x, w.t(), out=y), 2 * (N * K + M * K))


def time_attention(torch, attention: dict, backend) -> float:
    from torch.nn.attention import sdpa_kernel
    S, T, kv, D = (attention[name] for name in ("S", "T", "kv", "D"))

    def prepare():
        return [torch.randn(S, heads, tokens, D, device="cuda", dtype=torch.bfloat16)
                for heads, tokens in ((32, T), (8, kv), (8, kv))]

    def run(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=T > 1, enable_gqa=True)

    with sdpa_kernel(backend):
        return microseconds(torch, prepare, run, 2 * S * D * (32 * T + 16 * kv))


def time_flashinfer(torch, flashinfer, attention: dict) -> float:
    S, T, kv, D, P = (attention[name] for name in ("S", "T", "kv", "D", "P"))
    tables = {name: torch.tensor(table, dtype=torch.int32, device="cuda") for name, table in pages_of(attention).items()}
    workspace = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    sizes = (32, 8, D, P)
    if T == 1:
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(workspace, "HND", use_tensor_cores=True)
        wrapper.plan(tables["kv_indptr"], tables["indices"], tables["last_page_len"], *sizes,
                     q_data_type=torch.bfloat16)
    else:
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(workspace, "HND")
        wrapper.plan(tables["qo_indptr"], tables["kv_indptr"], tables["indices"], tables["last_page_len"], *sizes,
                     causal=True, q_data_type=torch.bfloat16)

    def prepare():
        return [torch.randn(*extents, D, device="cuda", dtype=torch.bfloat16)
                for extents in ((S * T, 32), (len(tables["indices"]), 8, P), (len(tables["indices"]), 8, P))]

    return microseconds(torch, prepare, lambda q, k, v: wrapper.run(q, (k, v)), 2 * S * D * (32 * T + 16 * kv))


def peers_of(torch, flashinfer, case: dict) -> list[tuple]:
    """(name, what is timed once for all, function that times it or None, why not), of a case of Baton's."""
    product, attention = product_of(case["shape"]), attention_of(case["shape"])
    if case["op"] in PRODUCTS and product:
        # Baton has several kernels for one product.
        return [("torch.matmul", str(product), lambda: time_product(torch, product), "")]
    if not attention:
        return []
    from torch.nn.attention import SDPBackend
    peers = []
    for name, backend in (("SDPA (cuDNN)", SDPBackend.CUDNN_ATTENTION), ("SDPA (flash)", SDPBackend.FLASH_ATTENTION)):
        if attention["T"] in (1, attention["kv"]):
            # Blocks of several sizes are nothing to it.
            peers.append((name, str(attention | {"P": 0}),
                          lambda backend=backend: time_attention(torch, attention, backend), ""))
        else:
            peers.append((name, "", None, "its causal mask starts at the first position"))
    if flashinfer:
        peers.append(("FlashInfer", str(attention), lambda: time_flashinfer(torch, flashinfer, attention), ""))
    return peers


def write(path: Path, content: dict) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content) + "\n")
    os.replace(new, path)


def measure(torch, flashinfer, cases: list[dict], path: Path) -> None:
    planned = [(case, peer) for case in cases for peer in peers_of(torch, flashinfer, case)]
    # It compiles what it runs, which may take what time is left.
    planned.sort(key=lambda each: each[1][0] == "FlashInfer")
    rows = [{"op": case["op"], "shape": case["shape"], "peer": name, "reason": reason or "timed out"}
            for case, (name, _, _, reason) in planned]
    result = {"torch": torch.__version__, "rows": rows}
    if flashinfer:
        result["flashinfer"] = flashinfer.__version__
    else:
        result["missing"] = {"FlashInfer": "flashinfer is not installed"}
    timed: dict[tuple, dict] = {}
    # Written again after each, so that what is stopped leaves what it measured.
    write(path, result)
    for row, (case, (name, what, timing, _)) in zip(rows, planned):
        if timing and (name, what) not in timed:
            try:
                timed[name, what] = {"us": timing(), "reason": ""}
            # Of PyTorch, of a compiler that FlashInfer calls, of one whose functions are others.
            except Exception as error:  # pylint: disable=broad-exception-caught
                timed[name, what] = {"reason": (str(error).split("\n")[0] or type(error).__name__)[:100]}
            torch.cuda.empty_cache()
        row.update(timed.get((name, what), {}))
        figure = f"{row['us']:10.2f} us" if "us" in row else f"not measured: {row['reason']}"
        print(f"{name:14} {case['shape']:45} {figure}", flush=True)
        write(path, result)


def find_flashinfer():
    """None where it is not installed."""
    try:
        import flashinfer
    # What it imports may be missing, or refuse this PyTorch.
    except Exception as error:  # pylint: disable=broad-exception-caught
        print(f"no FlashInfer: {error}")
        return None
    return flashinfer


def why_not(cases: list[dict]) -> tuple:
    """PyTorch, or why there is nothing to time with."""
    try:
        import torch
    except ImportError:
        return None, "no PyTorch here"
    if not torch.cuda.is_available():
        return None, "no device that PyTorch can use"
    return (torch, "") if cases else (None, "no shapes to time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    cases = json.loads(options.shapes.read_text())["rows"] if options.shapes.exists() else []
    torch, reason = why_not(cases)
    if torch:
        measure(torch, find_flashinfer(), cases, options.json)
    else:
        print(f"PyTorch's times: not measured: {reason}")
        write(options.json, {"reason": reason, "rows": []})


if __name__ == "__main__":
    main()
