"""Requests' bodies in files, one a line: unique texts, texts that come again as Zipf has it, texts of mixed lengths."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from machine import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DATA = ROOT / "data" / "labeled_projects.csv"
WORDS = (8, 16)
"""Fewest and most words of a short text; 12 on average."""
ZIPF_TEXTS = 50_000
ZIPF_EXPONENT = 0.99
TOKENS = (8, 256)
_BLOCK = 32


@dataclass
class Bodies:
    """A file of bodies, handed out in windows that do not overlap until the file has been used up.

    Attributes
    ----------
    path
        One body a line.
    starts
        int64 [lines + 1], where each line begins, in bytes, and where the file ends.
    """

    path: Path
    starts: np.ndarray
    _next: int = field(default=0, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rewind(self) -> None:
        """Begin anew, as for a server that has just been started."""
        self._next = 0

    def take(self, lines: int, parts: int = 1) -> list[tuple[int, int]]:
        """Return byte ranges of the next lines, cut in parts of equal length."""
        lines = min(lines, len(self))
        if self._next + lines > len(self):
            self._next = 0
        edges = np.linspace(self._next, self._next + lines, parts + 1).astype(int)
        self._next += lines
        return [(int(self.starts[a]), int(self.starts[b])) for a, b in itertools.pairwise(edges)]

    def texts(self, count: int) -> list[str]:
        """Return the first texts."""
        with self.path.open("rb") as file:
            return [msgspec.json.decode(file.readline())["texts"][0] for _ in range(count)]


def demo_words() -> list[str]:
    """All words of the demo data's titles and descriptions, as often as they are there."""
    with DATA.open(newline="", encoding="utf-8") as file:
        return " ".join(f"{row['title']} {row['description']}" for row in csv.DictReader(file)).split()


def unique(path: Path, count: int, seed: int = 0) -> Bodies:
    """Write texts of 8 to 16 words, no two the same."""
    rng = np.random.default_rng(seed)
    seen: dict[str, None] = {}
    while len(seen) < count:
        seen.update(dict.fromkeys(_short(rng, min(count - len(seen), 100_000))))
    return _write(path, seen)


def zipf(path: Path, count: int, seed: int = 1) -> Bodies:
    """Write texts drawn from `ZIPF_TEXTS` different ones, the n-th most frequent as often as 1 / n^0.99."""
    rng = np.random.default_rng(seed)
    different = list(dict.fromkeys(_short(rng, ZIPF_TEXTS)))
    shares = np.arange(1, len(different) + 1) ** -ZIPF_EXPONENT
    ranks = rng.choice(len(different), size=count, p=shares / shares.sum())
    return _write(path, (different[rank] for rank in ranks.tolist()))


def mixed(path: Path, count: int, encode: Callable[[str], list[int]], seed: int = 2) -> Bodies:
    """Write texts of 8 to 256 tokens, no two the same: half have up to 45 tokens, the logarithm is even.

    Every 32 texts in a row have the same lengths, in another order, so that runs of any length do the same work.

    Parameters
    ----------
    path
        Where to.
    count
        How many.
    encode
        The model's tokenizer: text to ids.
    """
    rng = np.random.default_rng(seed)
    # What the tokenizer adds to the tokens of the words.
    special = 2 * len(encode("model")) - len(encode("model model"))
    by_tokens: dict[int, list[str]] = {}
    words = demo_words()
    tokens = {word: len(encode(word)) - special for word in set(words)}
    for word in words:
        by_tokens.setdefault(tokens[word], []).append(word)
    shares = np.arange(_BLOCK) / (_BLOCK - 1)
    lengths = np.round(TOKENS[0] * (TOKENS[1] / TOKENS[0]) ** shares).astype(int) - special
    wanted = np.concatenate([rng.permutation(lengths) for _ in range(-(-count // _BLOCK))])[:count]
    return _write(path, (_of_length(rng, words, tokens, by_tokens, int(length)) for length in wanted))


def _short(rng: np.random.Generator, count: int) -> list[str]:
    words = demo_words()
    ends = np.cumsum(rng.integers(WORDS[0], WORDS[1] + 1, size=count)).tolist()
    chosen = [words[index] for index in rng.integers(len(words), size=ends[-1]).tolist()]
    return [" ".join(chosen[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _of_length(
    rng: np.random.Generator, words: list[str], tokens: dict[str, int], by_tokens: dict[int, list[str]], wanted: int
) -> str:
    chosen: list[str] = []
    for index in rng.integers(len(words), size=wanted).tolist():
        if not wanted:
            break
        word = words[index]
        if tokens[word] > wanted:
            fitting = by_tokens[wanted if wanted in by_tokens else 1]
            word = fitting[index % len(fitting)]
        chosen.append(word)
        wanted -= tokens[word]
    return " ".join(chosen)


def _write(path: Path, texts: Iterable[str]) -> Bodies:
    encode = msgspec.json.Encoder().encode
    lines = [encode({"texts": [text]}) for text in texts]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return Bodies(path, np.cumsum([0, *(len(line) + 1 for line in lines)]))
