"""Reads the training text and cuts it into sentences."""

import random
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HELD_OUT_EVERY = 20
CHUNK_PARAGRAPHS = 40


@dataclass
class Corpus:
    """Text to learn from, text held out of it, and what both are made of."""

    source: str
    train: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    held_out_sentences: list[str] = field(default_factory=list)
    nouns: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def load_corpus(folder: Path | None) -> Corpus:
    """The .txt files of `folder`, or public-domain English from Debian packages without one."""
    if folder is not None:
        documents = [p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.txt"))]
        source = f"{len(documents)} text files, {sum(map(len, documents)) / 1e6:.1f} M characters"
    else:
        documents, source = debian_documents()
    if not documents:
        raise SystemExit("no text found: give --text FOLDER with .txt files in it")
    corpus = Corpus(source)
    for document in documents:
        split_document(document, corpus)
    corpus.sentences = [s for chunk in corpus.train for s in to_sentences(chunk)]
    corpus.held_out_sentences = [s for chunk in corpus.held_out for s in to_sentences(chunk)]
    find_words(corpus)
    return corpus


def debian_documents() -> tuple[list[str], str]:
    """The King James Bible, public domain, from the Debian package bible-kjv."""
    command = ["bible", "-f", "Gen1:1-Rev22:21"]
    try:
        verses = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit("no text: apt install bible-kjv, or give --text FOLDER") from error
    text = re.sub(r"(?m)^\S+ ", "", verses).replace("\n", "\n\n")
    return [text], "Debian package bible-kjv (King James Version, public domain)"


def paragraphs(document: str) -> list[str]:
    """Paragraphs of a text with hard line breaks, each on one line."""
    parts = re.split(r"\n\s*\n", document.replace("\r", "").replace("\ufeff", ""))
    joined = (" ".join(part.split()) for part in parts)
    return [p for p in joined if p]


def split_document(document: str, corpus: Corpus) -> None:
    """Cuts a document into chunks of paragraphs; every twentieth is held out."""
    parts = paragraphs(document)
    for number, start in enumerate(range(0, len(parts), CHUNK_PARAGRAPHS)):
        chunk = "\n\n".join(parts[start : start + CHUNK_PARAGRAPHS])
        held_out = number % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
        (corpus.held_out if held_out else corpus.train).append(chunk)


def to_sentences(chunk: str) -> list[str]:
    """Sentences of a chunk; the last of a paragraph keeps its blank line."""
    sentences = []
    for paragraph in chunk.split("\n\n"):
        parts = re.split(r"(?<=[.!?])\s+(?=[A-Z“\"])", paragraph)
        parts[-1] += "\n\n"
        sentences += [p for p in parts if len(p) < 600]
    return sentences


def find_words(corpus: Corpus) -> None:
    """Fills `nouns` (words seen after "the") and `names` (capitalised words inside sentences)."""
    text = "\n".join(corpus.train)
    after_the = Counter(re.findall(r"\bthe ([a-z]{3,10})\b", text))
    corpus.nouns = [w for w, n in after_the.most_common(1600) if n >= 3]
    inside = Counter(re.findall(r"[a-z,] ([A-Z][a-z]{2,9})\b", text))
    corpus.names = [w for w, n in inside.most_common(400) if n >= 5]
    rng = random.Random(0)
    rng.shuffle(corpus.nouns)
    rng.shuffle(corpus.names)
