#!/usr/bin/env python3
"""Keeps what each stage of `./dev gpu-test` found, and merges the parts into one file and one table.

    tools/gpu_results.py merge bench/results    # parts/*.json into <date>-<gpu>.json

tools/run_gpu_tests calls the other verbs as a stage goes on: begin, item, tests, attach, end. Whatever has no
figure is a row that says "not measured" and why; a part that never ended counts with what it has.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import re
import sys
from pathlib import Path

STAGES = ("build", "tests", "sanitizers", "benches", "server", "variants")
# By key, the stage whose command leaves them.
FIGURES = {"kernels": "benches", "peers": "benches", "sums": "benches", "server": "server", "variants": "variants"}
MISSING = "not measured"
# Reasons for which a run on a GPU has not succeeded.
UNFINISHED = ("timed out", "did not run", "not built", "no such tests")


def now() -> datetime.datetime:
    return datetime.datetime.now().replace(microsecond=0)


def read(path: Path) -> dict | None:
    """None where the file is missing or was cut short."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write(path: Path, content: dict) -> None:
    """A reader sees the old file or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(new, path)


def change(path: Path, edit) -> None:
    """Items of commands that run at once arrive one after the other."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        part = read(path) or {"stage": path.stem, "items": []}
        edit(part)
        write(path, part)
    finally:
        os.close(folder)


def begin(path: Path, stage: str, limit_s: str, commit: str, gpu: str) -> None:
    write(path, {"stage": stage, "gpu": gpu, "commit": commit, "started": now().isoformat(), "limit_s": int(limit_s),
                 "ended": None, "items": []})


def end(path: Path) -> None:
    change(path, lambda part: part.update(ended=now().isoformat()))


def new_item(group: str, name: str, state: str, reason: str = "") -> dict:
    return {"group": group, "name": name, "state": state} | ({"reason": reason} if reason else {})


def item(path: Path, group: str, name: str, state: str, reason: str = "") -> None:
    change(path, lambda part: part["items"].append(new_item(group, name, state, reason)))


def attach(path: Path, key: str, figures: Path) -> None:
    """What a command left of its figures, if anything, in place of its file."""
    change(path, lambda part: part.setdefault("figures", {}).update({key: read(figures)}))
    figures.unlink(missing_ok=True)


def test_items(label: str, entries: str, log: str, cases: str, gpu: str) -> list[dict]:
    """Of each entry that `ctest -N` listed, and of cases that skipped in an entry that passed."""
    ended = dict(re.findall(r"^ *\d+/\d+ Test +#\d+: (\S+) \.*[ *]*([A-Z][A-Za-z ]*?)\b *(?:\(|\d|$)", log, re.M))
    items = []
    for name in re.findall(r"^ *Test +#\d+: (\S+)", entries, re.M):
        state = ended.get(name)
        if state == "Passed":
            items.append(new_item(label, name, "ok"))
        elif state == "Skipped" and not gpu and label == "gpu":
            items.append(new_item(label, name, MISSING, "no device"))
        elif state == "Skipped":
            items.append(new_item(label, name, MISSING, "skipped: all of its cases"))
        elif state in (None, "Timeout"):
            items.append(new_item(label, name, MISSING, "timed out"))
        elif state.startswith("Not Run"):
            items.append(new_item(label, name, MISSING, "did not run: not built"))
        else:
            items.append(new_item(label, name, "FAILED", state))
    for name, case in re.findall(r"^skipped  (\S+): (.*)$", cases, re.M):
        if ended.get(name) == "Passed":
            items.append(new_item(label, f"{name}: {case}", MISSING, "skipped"))
    return items or [new_item(label, "all", MISSING, "no such tests in this build")]


def tests(path: Path, label: str, *files: str) -> None:
    texts = [Path(file).read_text(errors="replace") for file in files]
    change(path, lambda part: part["items"].extend(test_items(label, *texts, part.get("gpu", ""))))


def usable(part: dict | None, gpu: str) -> tuple[dict | None, str]:
    """The part, or why it has nothing to say."""
    if part is None:
        return None, "skipped: the stage was not run"
    if part.get("gpu") and part["gpu"] != gpu:
        return None, f"its figures are of another GPU, {part['gpu']}"
    return part, ""


def most_flops(kernels: dict, peers: dict) -> float:
    """What any product reached, Baton's, its library's or PyTorch's: per second."""
    flops = {(case["op"], case["shape"]): case["flops"] for case in kernels.get("rows", [])}
    timed = [(case["flops"], case["us"]) for case in kernels.get("rows", []) if case.get("us")]
    timed += [(flops.get((peer["op"], peer["shape"]), 0), peer["us"]) for peer in peers.get("rows", []) if peer.get("us")]
    return max((count / us * 1e6 for count, us in timed), default=0)


def kernel_rows(figures: dict, reason: str) -> list[tuple[str, str]]:
    """Of each case of bench/kernels/cuda, with PyTorch's time over Baton's where both were measured."""
    kernels, peers = figures.get("kernels") or {}, figures.get("peers") or {}
    times: dict[tuple, list] = {}
    for peer in peers.get("rows", []):
        times.setdefault((peer["op"], peer["shape"]), []).append(peer)
    copy, products = kernels.get("copy_bytes_per_s"), most_flops(kernels, peers)
    rows = []
    for case in kernels.get("rows", []):
        name = f"{case['op']}: {case['shape']}"
        text = f"{case['us']:.2f} us, {case['bytes'] / case['us'] * 1e-3:.0f} GB/s, " \
               f"{case['flops'] / case['us'] * 1e-6:.1f} TFLOP/s" if case.get("us") else f"{MISSING}: {case.get('reason', reason)}"
        if case.get("us") and copy and products:
            least_us = max(case["bytes"] / copy, case["flops"] / products) * 1e6
            text += f", {100 * least_us / case['us']:.0f} % of the roofline"
        for peer in times.get((case["op"], case["shape"]), []):
            if case.get("us") and peer.get("us"):
                text += f"; {peer['peer']} takes {peer['us'] / case['us']:.2f} times as long"
            elif peer.get("us"):
                text += f"; {peer['peer']} {peer['us']:.2f} us"
            else:
                text += f"; {peer['peer']} {MISSING}: {peer.get('reason', 'no reason given')}"
        rows.append((name, text))
    if peers.get("reason"):
        rows.append(("PyTorch's", f"{MISSING}: {peers['reason']}"))
    elif not peers and kernels:
        rows.append(("PyTorch's", f"{MISSING}: timed out or did not run"))
    rows += [(f"{peer}'s", f"{MISSING}: {why}") for peer, why in peers.get("missing", {}).items()]
    return rows


def server_rows(server: dict) -> list[tuple[str, str]]:
    """Of each layout of bench/serving/on_device.py that was asked for."""
    rows = []
    for layout in server.get("asked", []):
        result = server["layouts"].get(layout, {"reason": "did not end"})
        if "reason" in result:
            rows.append((layout, f"{MISSING}: {result['reason']}"))
        for name, value in result.get("figures", {}).items():
            values = value if isinstance(value, list) else [value]
            text = f"{MISSING}: {value}" if isinstance(value, str) else " / ".join(f"{v:.2f}" for v in values)
            rows.append((f"{layout}: {name}", text))
        if "same tokens" in result:
            rows.append((f"{layout}: tokens", "as mixed gives" if result["same tokens"] else "DIFFERENT FROM MIXED"))
    return rows


def stage_rows(part: dict) -> list[tuple[str, str]]:
    """What is well counted by group, everything else on a row of its own, then figures."""
    rows, items = [], part["items"]
    for group in dict.fromkeys(i["group"] for i in items):
        inside = [i for i in items if i["group"] == group]
        if passed := sum(i["state"] == "ok" for i in inside):
            rows.append((group, f"{passed} of {len(inside)} ok"))
        rows += [(f"{group}: {i['name']}", f"{i['state']}: {i.get('reason', '')}") for i in inside
                 if i["state"] != "ok"]
    if not part.get("ended"):
        rows.append(("the rest of the stage", f"{MISSING}: did not end"))
    kernels = next((i for i in items if i["name"] == "kernels"), {})
    figures = part.get("figures", {})
    rows += kernel_rows(figures, kernels.get("reason", "did not end"))
    sums = figures.get("sums") or {}
    rows += kernel_rows({"kernels": sums, "peers": {"rows": sums.get("peers", [])}}, "did not end")
    return rows + [row for key in ("server", "variants") for row in server_rows(figures.get(key) or {})]


def succeeded(part: dict) -> bool:
    if any(i["state"] == "FAILED" or i.get("reason") == "timed out" for i in part["items"]) or not part.get("ended"):
        return False
    if not part.get("gpu"):
        return True
    # Where there is a GPU a test of it that skips has not passed.
    return not any(i.get("reason", "").startswith(UNFINISHED if i["group"] == "kernels" else (*UNFINISHED, "skipped"))
                   for i in part["items"])


def merged(parts: dict[str, dict | None]) -> dict:
    """Parts of one GPU, that of the latest part that had one."""
    with_gpu = [p for p in parts.values() if p and p.get("gpu")]
    latest = max(with_gpu, key=lambda p: p["started"], default={"gpu": "", "started": now().isoformat()})
    result: dict = {"gpu": latest["gpu"], "date": latest["started"][:10], "stages": {}, "table": []}
    for stage in STAGES:
        part, why = usable(parts.get(stage), latest["gpu"])
        rows = [(stage, f"{MISSING}: {why}")] if part is None else stage_rows(part)
        result["stages"][stage] = part or {"state": MISSING, "reason": why}
        result["table"] += [{"stage": stage, "what": what, "result": text} for what, text in rows]
    result["succeeded"] = all(p is None or succeeded(p) for p in parts.values())
    return result


def time_of(part: dict) -> str:
    if not part.get("ended"):
        return "not ended"
    took = datetime.datetime.fromisoformat(part["ended"]) - datetime.datetime.fromisoformat(part["started"])
    return f"{took.total_seconds():.0f} of {part['limit_s']} s"


def print_table(result: dict) -> None:
    width = max(len(row["what"]) for row in result["table"])
    for row in result["table"]:
        print(f"{row['stage']:10}  {row['what']:{width}}  {row['result']}")
    print("times: " + ", ".join(f"{name} {time_of(s)}" for name, s in result["stages"].items() if "started" in s))
    commits = {s["commit"] for s in result["stages"].values() if s.get("commit")}
    print(f"GPU: {result['gpu'] or 'NONE HERE'}; commit: {', '.join(sorted(commits)) or 'unknown'}")


def read_parts(folder: Path) -> dict[str, dict | None]:
    """With the figures of a stage that was stopped before it took them over."""
    parts = {stage: read(folder / f"{stage}.json") for stage in STAGES}
    for key, stage in FIGURES.items():
        figures = read(folder / f"figures-{key}.json")
        part = parts[stage]
        if figures is not None and part is not None:
            part.setdefault("figures", {}).setdefault(key, figures)
    return parts


def merge(folder: Path) -> int:
    result = merged(read_parts(folder / "parts"))
    print_table(result)
    if result["gpu"]:
        slug = re.sub(r"[^a-z0-9]+", "-", result["gpu"].split(",")[0].lower()).strip("-")
        path = folder / f"{result['date']}-{slug}.json"
        write(path, result)
        print(f"figures: {path}")
    else:
        print("no file written: nothing of it ran on a GPU")
    return 0 if result["succeeded"] else 1


def main(arguments: list[str]) -> int:
    verbs = {"begin": begin, "item": item, "tests": tests, "attach": attach, "end": end, "merge": merge}
    if len(arguments) < 2 or arguments[0] not in verbs:
        print(__doc__, file=sys.stderr)
        return 2
    verb, path, *rest = arguments
    if verb == "attach":
        rest[1] = Path(rest[1])
    return verbs[verb](Path(path), *rest) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
