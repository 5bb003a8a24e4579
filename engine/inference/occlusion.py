"""Why a model gives a tag: what its probability does when one word of the text after the other is left out.

Here is the part without a model: the texts to ask about, and what the answers say. All of them go to a predictor as
one batch; it takes a few milliseconds with a cheap model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.runs.tokenizer import WORD_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_WORDS = 255
"""Different words that are left out in turn: with the whole text, one window of the predictor."""
MOST_CHARACTERS = 20_000
"""What follows is not looked at: each word makes another text as long as this one."""


class OccludedWord(msgspec.Struct, frozen=True):
    """A word, as it is first written, and where it stands: start and end of each occurrence in the text."""

    word: str
    spans: tuple[tuple[int, int], ...]


class Occlusion(msgspec.Struct, frozen=True):
    """A text whose words are left out in turn; made by `occlude`.

    Parameters
    ----------
    text : str
        The part of the text that is looked at.
    words : tuple of OccludedWord
        Its different words, whatever their case, in the order in which they first occur.
    cut_characters : int
        How much of the text follows that is not looked at.
    further_words : int
        How many different words of `text` are not left out.
    """

    text: str
    words: tuple[OccludedWord, ...]
    cut_characters: int = 0
    further_words: int = 0

    @property
    def texts(self) -> list[str]:
        """The text, then the text without each word: 1 + words in number."""
        return [self.text, *(_without(self.text, word.spans) for word in self.words)]

    @property
    def remark(self) -> str:
        """What was not looked at, in a sentence; empty where everything was."""
        parts = []
        if self.cut_characters:
            parts.append(f"the first {len(self.text):,} characters")
        if self.further_words:
            parts.append(f"the first {len(self.words):,} different words")
        return f"Only {' and '.join(parts)} of this long text were looked at." if parts else ""

    def importance(self, tag: str, answers: Sequence[Mapping[str, float] | None]) -> list[float | None]:
        """Return by how much each word raises the probability of a tag.

        Parameters
        ----------
        tag : str
            One of the tags in `answers`.
        answers : sequence of mapping
            Probability by tag of each of `texts`; None for a text that has no answer, as one without any word.

        Returns
        -------
        list of float or None
            For each of `words` the probability with it less that without it, in [-1, 1]: positive where the word
            speaks for the tag. None where one of the two has no answer, or none for this tag.

        Raises
        ------
        ValueError
            There is not an answer for each text.
        """
        if len(answers) != len(self.words) + 1:
            raise ValueError(f"{len(answers)} answers for {len(self.words) + 1} texts")
        whole, *without = (None if answer is None else answer.get(tag) for answer in answers)
        return [None if whole is None or chance is None else whole - chance for chance in without]


def occlude(text: str, *, most_words: int = MOST_WORDS, most_characters: int = MOST_CHARACTERS) -> Occlusion:
    """Prepare a text for leaving out its words; all occurrences of a word are left out together.

    Parameters
    ----------
    text : str
        As people wrote it.
    most_words, most_characters : int, optional
        Bounds for long texts.

    Examples
    --------
    >>> occlude("Graphs, graphs and trees").texts
    ['Graphs, graphs and trees', ' ,   and trees', 'Graphs, graphs   trees', 'Graphs, graphs and  ']
    """
    shown = text[:most_characters]
    found: dict[str, tuple[str, list[tuple[int, int]]]] = {}
    for match in WORD_PATTERN.finditer(shown):
        found.setdefault(match.group().lower(), (match.group(), []))[1].append(match.span())
    words = [OccludedWord(word, tuple(spans)) for word, spans in found.values()]
    return Occlusion(shown, tuple(words[:most_words]), len(text) - len(shown), max(0, len(words) - most_words))


def _without(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    # A space takes the place of the word, so that its neighbours do not grow together.
    parts, end = [], 0
    for start, stop in spans:
        parts += [text[end:start], " "]
        end = stop
    return "".join([*parts, text[end:]])
