"""Perturbations: small changes of a text that leave its meaning alone, seeded, so that each is the same every time."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Change = Literal["case", "punctuation", "typo", "synonyms", "sentence"]

# Signs that end a word or a sentence; those inside a word, as in "U-Net" or "v1.2", belong to it, and "+" and "#" do.
_ENDING = re.compile(r"[.,;:!?]+(?=\s|$)")
_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST_TYPO = 4


def drawing(seed: int, name: str, text: str) -> random.Random:
    """Return what draws for one text of one check: the same whatever the other texts and their order are."""
    return random.Random(f"{seed}\0{name}\0{text}")


def with_case(text: str, draw: random.Random) -> str:
    """Write a text all in upper case, all in lower case or with a capital before each word; one that changes it."""
    ways = (text.upper(), text.lower(), _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:], text))
    different = [way for way in dict.fromkeys(ways) if way != text]
    return draw.choice(different) if different else text


def with_punctuation(text: str) -> str:
    """Leave out the signs at the ends of words; where there are none, add a full stop."""
    without = _ENDING.sub("", text)
    if without != text:
        return without
    return text.rstrip() + "." if text.strip() else text


def with_typos(text: str, count: int, draw: random.Random) -> str:
    """Let two letters inside of a word change places, in so many words of four letters and more.

    Examples
    --------
    >>> with_typos("A fast parser", 1, drawing(0, "typo", "A fast parser"))
    'A fast praser'
    """
    words = [word for word in _WORD.finditer(text) if len(word[0]) >= _SHORTEST_TYPO and len(set(word[0][1:-1])) > 1]
    letters = list(text)
    for word in draw.sample(words, min(count, len(words))):
        places = [at for at in range(word.start() + 1, word.end() - 2) if text[at] != text[at + 1]]
        at = draw.choice(places)
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def synonym_table(groups: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return what each word may be replaced by, in lower case.

    Examples
    --------
    >>> synonym_table([["fast", "quick"]])
    {'fast': ['quick'], 'quick': ['fast']}
    """
    table: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            table.setdefault(word.lower(), []).extend(other for other in group if other.lower() != word.lower())
    return table


def with_synonyms(text: str, table: Mapping[str, Sequence[str]], draw: random.Random) -> str:
    """Replace each word that has synonyms by one of them, written with a capital or in capitals as the word is."""

    def replaced(word: re.Match[str]) -> str:
        others = table.get(word[0].lower())
        if not others:
            return word[0]
        other = draw.choice(others)
        if word[0].isupper() and len(word[0]) > 1:
            return other.upper()
        return other[:1].upper() + other[1:] if word[0][:1].isupper() else other

    return _WORD.sub(replaced, text)


def with_sentence(text: str, sentences: Sequence[str], draw: random.Random) -> str:
    """Add one of some sentences at the end, after a full stop where the text has no end."""
    end = "" if text.rstrip().endswith((".", "!", "?")) else "."
    return f"{text.rstrip()}{end} {draw.choice(sentences)}"
