#!/usr/bin/env python3
"""Encodes the same texts with Baton and with the `tokenizers` library (PyPI), and compares both.

usage: compare_tokenizers.py [--program build/release/bin/encode_texts] FOLDER...

Each FOLDER holds a tokenizer.json; `--pattern llama3|deepseek` adds a vocabulary trained on the
repository's own texts with that model's pre-tokeniser; `--pattern gemma` one over characters with
byte fallback, in the form of Gemma's. First the ids of `--strings` random and
adversarial strings per folder (all planes of Unicode, emoji, scripts that join or run right to left,
runs of spaces, long words, added tokens): any difference is printed and ends with status 1. Then the
speed of both on English, and how it grows with the length of one text.
"""

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

REPOSITORY = Path(__file__).resolve().parents[2]
PATTERNS = {
    "llama3": [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "deepseek": [
        r"\p{N}{1,3}",
        r"[一-龥぀-ゟ゠-ヿ]+",
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
        r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ],
}


def trained(pattern: str, folder: Path) -> Path:
    """A byte-level vocabulary with the splits of `pattern`."""
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(p), "isolated") for p in PATTERNS[pattern]]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        show_progress=False,
        special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    texts = [str(p) for p in REPOSITORY.glob("**/*.md") if "build" not in p.parts]
    tokenizer.train(texts + [str(REPOSITORY / "LICENSE")], trainer)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def trained_like_gemma(folder: Path) -> Path:
    """A vocabulary over characters: spaces become "▁", words are cut behind spaces that are left,
    what is unknown falls back to bytes, and runs of line ends are added tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    # SentencePiece lets no merge reach over the beginning of a word.
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        show_progress=False,
        special_tokens=["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"],
        max_token_length=16,
    )
    tokenizer.train([str(REPOSITORY / "LICENSE"), str(REPOSITORY / "README.md")], trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    for text in ("\n\n", "\n\n\n", "▁▁", "▁▁▁▁", "<unused0>", "[multimodal]"):
        vocabulary.setdefault(text, len(vocabulary))
        content["added_tokens"].append(
            {"id": vocabulary[text], "content": text, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": False}
        )  # fmt: skip
    folder.mkdir()
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False))
    return folder


class Strings:
    """Seeded strings of many kinds."""

    def __init__(self, seed: int, added: list[str]):
        self.random = random.Random(seed)
        self.assigned = [
            chr(c)
            for c in range(0x110000)
            if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn"
        ]
        self.spaces = " \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u180e\u2003\u200a\u200b\u2028\u2029\u202f\u3000"
        self.words = (REPOSITORY / "LICENSE").read_text().split()
        self.added = added
        self.ranges = [
            (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x500), (0x590, 0x700),
            (0x900, 0xE00), (0x1100, 0x1200), (0x2000, 0x2070), (0x2190, 0x2400), (0x3040, 0x3100),
            (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xFB00, 0xFE00), (0xFE00, 0xFE10), (0xFF00, 0xFFF0),
            (0x1F300, 0x1FA00), (0x20000, 0x20100), (0xE0000, 0xE0080),
        ]  # fmt: skip

    def make(self) -> str:
        pick = self.random
        kind = pick.randrange(9)
        if kind == 0:
            return "".join(pick.choice(self.assigned) for _ in range(pick.randrange(1, 16)))
        if kind == 1:
            low, high = pick.choice(self.ranges)
            return "".join(chr(pick.randrange(low, high)) for _ in range(pick.randrange(1, 30)))
        if kind == 2:
            some = self.spaces + "a1é'."
            return "".join(pick.choice(some) for _ in range(pick.randrange(1, 30)))
        if kind == 3:
            return pick.choice(self.spaces) * pick.randrange(1, 60) + pick.choice(self.words)
        if kind == 4:
            return " ".join(pick.choice(self.words) for _ in range(pick.randrange(1, 20)))
        if kind == 5:
            return pick.choice(self.assigned) * pick.randrange(1, 80)
        if kind == 6:
            pieces = [pick.choice(self.added + self.words + [" ", "\n"]) for _ in range(8)]
            return "".join(pieces)
        if kind == 7:
            return "".join(chr(pick.randrange(32, 127)) for _ in range(pick.randrange(1, 60)))
        return "".join(pick.choice("0123456789.,-+e ") for _ in range(pick.randrange(1, 30)))


def encode_with_baton(program: str, folder: Path, texts: list[str], repeat: int = 1):
    """The ids of each text, and bytes per second of CPU time."""
    records = b"".join(struct.pack("<I", len(t)) + t for t in (x.encode() for x in texts))
    run = subprocess.run(
        [program, str(folder), str(repeat)], input=records, capture_output=True, check=True
    )
    ids, at = [], 0
    for _ in texts:
        (count,) = struct.unpack_from("<I", run.stdout, at)
        ids.append(list(struct.unpack_from(f"<{count}i", run.stdout, at + 4)))
        at += 4 + 4 * count
    encoded, seconds = run.stderr.split()[-2:]
    return ids, float(encoded) / float(seconds)


def differences(program: str, folder: Path, count: int, seed: int) -> int:
    """Encodes `count` strings both ways and prints those that differ."""
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    added = [token.content for token in theirs.get_added_tokens_decoder().values()]
    strings = Strings(seed, added)
    different = 0
    for done in range(0, count, 50_000):
        texts = [strings.make() for _ in range(min(50_000, count - done))]
        ours, _ = encode_with_baton(program, folder, texts)
        for text, mine, encoding in zip(texts, ours, theirs.encode_batch(texts)):
            if mine != encoding.ids:
                different += 1
                if different <= 5:
                    print(f"  {text!r}: {mine} here, {encoding.ids} there")
    print(f"{folder.name:12} {count} strings, {different} differ", flush=True)
    return different


def speed(program: str, folder: Path) -> None:
    """Prints MB/s of CPU time on English, in documents of several lengths."""
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = " ".join((REPOSITORY / "LICENSE").read_text().split())
    for length in (1_000, 10_000, 100_000, 1_000_000):
        text = (words * (length // len(words) + 1))[:length]
        repeat = max(1, 2_000_000 // length)
        _, ours = encode_with_baton(program, folder, [text], repeat)
        begin = time.process_time()
        for _ in range(max(1, repeat // 4)):
            theirs.encode(text)
        other = length * max(1, repeat // 4) / (time.process_time() - begin)
        print(
            f"{folder.name:12} {length:8} bytes: {ours / 1e6:6.1f} MB/s, "
            f"tokenizers {other / 1e6:6.1f} MB/s, ratio {ours / other:.1f}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--program", default="build/release/bin/encode_texts")
    parser.add_argument("--pattern", action="append", choices=[*PATTERNS, "gemma"], default=[])
    parser.add_argument("--strings", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = [
            trained_like_gemma(Path(scratch) / pattern)
            if pattern == "gemma"
            else trained(pattern, Path(scratch) / pattern)
            for pattern in arguments.pattern
        ]
        folders = arguments.folders + made
        different = sum(
            differences(arguments.program, folder, arguments.strings, arguments.seed)
            for folder in folders
        )
        for folder in folders:
            speed(arguments.program, folder)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
