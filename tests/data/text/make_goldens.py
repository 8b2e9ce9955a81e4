#!/usr/bin/env python3
"""Writes small-bpe/ and encode_goldens.json with the `tokenizers` library (PyPI; 0.23.3 was used).

usage: make_goldens.py [folder of tokenizers]...
Each folder holds <name>/tokenizer.json; small-bpe is trained on the repository's LICENSE.
"""
import json
import pathlib
import random
import sys
import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def train_small():
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train([str(HERE.parents[2] / "LICENSE")], trainer)
    tok.add_special_tokens([AddedToken("<|im_start|>", special=True, normalized=False),
                            AddedToken("<|mask|>", special=True, lstrip=True, normalized=False),
                            AddedToken("<|end|>", special=True, rstrip=True, normalized=False)])
    tok.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("<tool_call>"),
                    AddedToken("WORD", single_word=True), AddedToken("e\u0301t\u00e9")])
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    folder = HERE / "small-bpe"
    folder.mkdir(exist_ok=True)
    tok.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "eos_token": {"content": "</s>", "special": True},
         "pad_token": "<pad>"}, indent=1) + "\n")
    return folder


def strings():
    rng = random.Random(11)
    fixed = ["", " ", "a", "Hello world!", "  leading and trailing  ", "I'm, you'RE, we'll, it's",
             "12345 6 789,012.5", "tab\tnew\nline\r\n\r\n  \n x", "caf\u00e9 cafe\u0301",
             "\u00e9t\u00e9 e\u0301te\u0301 e\u0301t\u00e9", "\U0001F600\U0001F468\u200d\U0001F469",
             "\u65e5\u672c\u8a9e\u306e\u6587\u3002", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
             "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "a\u180eb \u3000 \u2028\u0085x",
             "<|im_start|>user\nhi<|im_end|>\n", "a <|mask|> b", "a<|end|>  \n b", "WORD AWORD WORD.",
             "<tool><tool_call><tool_cal", "<s>x</s>", "<|endoftext|>", "\u2581x\u2581", "\x00\x01",
             "the License" * 5, "a" * 100, "ab" * 60, " " * 70, "\n" * 40, " \n" * 30]
    assigned = [chr(c) for c in range(0x110000)
                if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")]
    spaces = " \t\n\r\x0b\x0c\x85\xa0\u1680\u180e\u2003\u200a\u200b\u2028\u202f\u3000a1\u00e9'sLR.,"
    pieces = ["<|im_start|>", "<|mask|>", "<|end|>", "<tool>", "<tool_call>", "WORD", "<s>", "</s>",
              "<|im_end|>", "<|endoftext|>", " ", "  ", "\n", "x", "9", "_", "'s", "\u0301", "\uac00"]
    out = list(fixed)
    for _ in range(45):
        out.append("".join(rng.choice(assigned) for _ in range(rng.randrange(1, 12))))
        out.append("".join(rng.choice(spaces) for _ in range(rng.randrange(1, 25))))
        out.append("".join(rng.choice(pieces) for _ in range(rng.randrange(1, 10))))
        out.append("".join(chr(rng.randrange(32, 127)) for _ in range(rng.randrange(1, 40))))
    return out


def main():
    folders = [train_small()]
    for root in map(pathlib.Path, sys.argv[1:]):
        folders += sorted(p.parent for p in root.glob("*/tokenizer.json"))
    texts = strings()
    goldens = {"library": "tokenizers " + tokenizers.__version__, "strings": texts, "models": {}}
    for folder in folders:
        tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        ids = [tok.encode(text).ids for text in texts]
        tok.encode_special_tokens = True
        plain = [tok.encode(text, add_special_tokens=False).ids for text in texts]
        goldens["models"][folder.name] = {"ids": ids, "ids_without_special": plain}
    lines = json.dumps(goldens, separators=(",", ":")).replace('"ids', '\n"ids')
    (HERE / "encode_goldens.json").write_text(lines + "\n")


main()
