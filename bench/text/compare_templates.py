#!/usr/bin/env python3
"""Renders the same chat templates with Baton and with Python's jinja2, and compares the bytes.

usage: compare_templates.py [--templates chat_templates.json] [--contexts N] [--small N]

The environment is the one that Hugging Face transformers makes (tests/data/text). First every
published template of `--templates` with `--contexts` random conversations; then `--small` random
templates that cover the language. That both refuse counts as the same. Differences are printed and
end with status 1. Three kinds are counted apart: values that Python writes with the name of a class
or an address, integers beyond 64 bits, and constructs that Baton refuses by name (see
src/text/README.md).
"""

import argparse
import collections
import copy
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/data/text"))

from make_template_goldens import NOW, environment  # noqa: E402
from random_conversations import Conversations  # noqa: E402
from random_templates import CONTEXT, Templates  # noqa: E402

NAMES_A_CLASS = re.compile(
    r"<[a-z_. ]*(object|generator|function|method|built-|Macro|Namespace|LoopCon|Cycler|Joiner)"
    r"|dict_(keys|values|items)\(|range\(\d|Markup\(|<class |Undefined",
    re.IGNORECASE,
)
TEXT, ERROR, LIMIT = 0, 1, 2


def render_with_jinja(env, source: str, context: dict) -> tuple[int, str]:
    try:
        text = env.from_string(source).render(**context)
        text.encode()
        return TEXT, text
    except RecursionError:
        return LIMIT, "RecursionError"
    except Exception as error:  # whatever a template can raise
        return ERROR, f"{type(error).__name__}: {error}"


def render_with_baton(program: str, cases: list[tuple[str, dict]]) -> list[tuple[int, str]]:
    records = bytearray()
    for source, context in cases:
        for text in (source, json.dumps(context, ensure_ascii=False)):
            data = text.encode()
            records += struct.pack("<I", len(data)) + data
    run = subprocess.run([program, str(NOW)], input=records, capture_output=True, check=False)
    if run.returncode != 0:
        raise SystemExit(f"{program} ended with {run.returncode}: {run.stderr.decode()}")
    answers, at = [], 0
    for _ in cases:
        kind, count = struct.unpack_from("<BI", run.stdout, at)
        answers.append((kind, run.stdout[at + 5 : at + 5 + count].decode()))
        at += 5 + count
    return answers


def verdict(theirs: tuple[int, str], ours: tuple[int, str]) -> str:
    """"same", "both refuse", a kind of difference that is documented, or "DIFFERENT"."""
    if theirs[0] == TEXT and ours == theirs:
        return "same"
    if theirs[0] != TEXT and ours[0] != TEXT:
        return "both refuse"
    if ours[0] != TEXT and re.search("integer overflow|too big|number is too wide", ours[1]):
        return "beyond 64 bits"
    if ours[0] != TEXT and "is not supported" in ours[1]:
        return "refused by name"
    if theirs[0] == TEXT and NAMES_A_CLASS.search(re.sub(r"\s+", " ", theirs[1])):
        return "names a class"
    return "DIFFERENT"


def compare(title: str, program: str, cases: list[tuple[str, dict]], shown: int) -> int:
    env = environment()
    counts = collections.Counter()
    ours = render_with_baton(program, cases)
    for (source, context), mine in zip(cases, ours):
        theirs = render_with_jinja(env, source, copy.deepcopy(context))
        result = verdict(theirs, mine)
        counts[result] += 1
        if result == "DIFFERENT" and counts[result] <= shown:
            print_difference(source, context, theirs, mine)
    print(f"{title}: {len(cases)} cases: " + ", ".join(f"{n} {k}" for k, n in counts.most_common()))
    sys.stdout.flush()
    return counts["DIFFERENT"]


def print_difference(source: str, context: dict, theirs, mine) -> None:
    at = next((i for i, (a, b) in enumerate(zip(theirs[1], mine[1])) if a != b), 0)
    at = max(at - 60, 0) if theirs[0] == mine[0] else 0
    if len(source) < 1000:
        print("  template", json.dumps(source, ensure_ascii=False))
    else:
        print("  context ", json.dumps(context, ensure_ascii=False)[:600])
    print(f"  jinja2   {theirs[0]} {theirs[1][at : at + 300]!r}")
    print(f"  baton    {mine[0]} {mine[1][at : at + 300]!r}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--contexts", type=int, default=1000)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shown", type=int, default=5)
    parser.add_argument("--program", default="build/release/bin/render_templates")
    arguments = parser.parse_args()
    different = 0
    if arguments.templates:
        for name, source in json.loads(arguments.templates.read_text()).items():
            conversations = Conversations(arguments.seed)
            cases = [(source, conversations.make()) for _ in range(arguments.contexts)]
            different += compare(name, arguments.program, cases, arguments.shown)
    templates = Templates(arguments.seed)
    cases = [(templates.make(), CONTEXT) for _ in range(arguments.small)]
    different += compare("small templates", arguments.program, cases, arguments.shown)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
