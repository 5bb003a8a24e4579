r"""Declared slices: conditions instead of a function, in `config/slices.toml` under the home.

    [slice.short_mlops]
    tag = "mlops"                                    # or several: ["mlops", "other"]
    text = ["graph neural net*", '/v\d+/i']          # all of them: words in a row, or a regular expression (RE2)
    words = { from = 3, to = 8 }                     # both ends included; either may be left out
    created = { from = 2020-01-01, to = 2020-06-30 } # days in UTC
    split = "test"

In: that file. Out: `DeclaredSlice`s, beside the functions of `config/slices.py`. The conditions mean what those of the
dashboard's filter mean, so a filter can be saved as a slice.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.problems import listed, quoted
from engine.dataset.splits import SPLITS
from engine.errors import TagscopeError, reason_of
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    from numpy.typing import NDArray

LONGEST_NAME = 60
SPACED = "spaced words"
"""The column of a frame that may hold what `spaced_words` makes of its texts."""
_PATTERN = re.compile(r"/((?:[^/\\]|\\.)+)/(i?)", re.DOTALL)
_MICROSECONDS_A_DAY = 86_400_000_000


class SliceError(TagscopeError):
    """A declared slice cannot be used, or not on these rows."""


class _Range(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Both ends are included; None leaves one open."""


class WordRange(_Range, frozen=True, rename={"least": "from", "most": "to"}):
    """How many words a text has.

    Parameters
    ----------
    least, most : int, optional
        ``from`` and ``to`` in the file.
    """

    least: int | None = None
    most: int | None = None


class DayRange(_Range, frozen=True, rename={"first": "from", "last": "to"}):
    """When a row was written.

    Parameters
    ----------
    first, last : datetime.date, optional
        ``from`` and ``to`` in the file; in UTC.
    """

    first: datetime.date | None = None
    last: datetime.date | None = None


class DeclaredSlice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    r"""Conditions that a row meets, all of them.

    Parameters
    ----------
    tag, split : tuple of str
        The row has one of these; empty for no condition.
    text : tuple of str
        The text has each of these: words that follow each other, the last of which may end in ``*``, or a regular
        expression of RE2 between slashes, with ``i`` after it to ignore the case (``\/`` for a slash inside).
    words : WordRange, optional
        How long it is.
    created : DayRange, optional
        When it was written; a row without date is in no range.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"text": ["A graph neural network", "graphs"], "tag": ["mlops", "mlops"]})
    >>> DeclaredSlice(tag=("mlops",), text=("graph neural",)).mask(frame).tolist()
    [True, False]
    """

    tag: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    words: WordRange | None = None
    created: DayRange | None = None

    @property
    def definition(self) -> str:
        """What it selects, as text for a digest: equal for equal slices only."""
        return msgspec.json.encode(self, order="deterministic").decode()

    def problem(self) -> tuple[str, str, str] | None:
        """Return the field, what is wrong with it and what to do; None if the slice can be used."""
        for field in ("tag", "split", "text"):
            if any(not value.strip() or not _storable(value) for value in getattr(self, field)):
                return field, "has an empty text, or one with characters that are none", "write it out"
        unknown = sorted(set(self.split) - set(SPLITS))
        if unknown:
            return "split", f"has {listed(unknown)}", f"choose among {listed(SPLITS)}"
        for part in self.text:
            wrong = _part_problem(part)
            if wrong:
                return "text", *wrong
        for field, ends in (("words", self.words), ("created", self.created)):
            if ends is not None:
                low, high = (getattr(ends, name) for name in ends.__struct_fields__)
                if low is None and high is None:
                    return field, "has neither from nor to", "give one of them"
                if low is not None and high is not None and low > high:
                    return field, f"goes from {low} to {high}", "exchange the two"
        if self == DeclaredSlice():
            return "", "has no condition", "give it one of " + ", ".join(self.__struct_fields__)
        return None

    def mask(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows meet the conditions.

        Parameters
        ----------
        frame : pandas.DataFrame
            n rows; of the columns ``text``, ``tag``, ``split`` and ``created`` those that are asked for.
            Splitting texts takes longest: what `spaced_words` returns may be there as the column `SPACED`.

        Returns
        -------
        numpy.ndarray
            bool [n]; False where a value is missing.

        Raises
        ------
        SliceError
            If the frame lacks a column; the message is a part of a sentence.
        """
        met = np.ones(len(frame), bool)
        for column in ("tag", "split"):
            values = getattr(self, column)
            if values:
                met &= _column(frame, column).isin(list(values)).to_numpy(bool)
        if self.created is not None:
            met &= _within(_column(frame, "created"), self.created)
        if self.text or self.words is not None:
            met &= self._reads(_column(frame, "text"), frame.get(SPACED))
        return met

    @property
    def needs_words(self) -> bool:
        """Whether texts have to be split into words."""
        return self.words is not None or any(_PATTERN.fullmatch(part) is None for part in self.text)

    def _reads(self, column: pd.Series, spaced: pd.Series | None) -> NDArray[np.bool_]:
        """Return which texts meet the conditions on texts."""
        there = column.notna().to_numpy(bool)
        texts = column.where(column.notna(), "").astype(object).to_list()
        met = there
        patterns = [_PATTERN.fullmatch(part) for part in self.text]
        for pattern in filter(None, patterns):
            met = met & _matching(texts, _expression(pattern), ignore_case=bool(pattern[2]))
        if not self.needs_words:
            return met
        words = pa.array(spaced_words(texts) if spaced is None else spaced.to_numpy(object), pa.large_string())
        if self.words is not None:
            lengths = np.maximum(pc.count_substring(words, " ").to_numpy(zero_copy_only=False) - 1, 0)
            met = met & _between(lengths, self.words.least, self.words.most)
        for phrase in (part for part, pattern in zip(self.text, patterns, strict=True) if pattern is None):
            end = "" if phrase.rstrip().endswith("*") else " "
            hits = pc.match_substring(words, f" {' '.join(words_of(phrase))}{end}")
            met = met & hits.to_numpy(zero_copy_only=False)
        return met


def spaced_words(texts: Iterable[str]) -> list[str]:
    """Return the words of each text between spaces: words have no white space inside, so a phrase is a piece of that.

    Examples
    --------
    >>> spaced_words(["Graph-neural networks", ""])
    [' graph neural networks ', '']
    """
    return [f" {' '.join(words)} " if words else "" for words in map(words_of, texts)]


SliceDefinition: TypeAlias = "Callable[[pd.DataFrame], pd.Series] | DeclaredSlice"
"""What `engine.evaluation.slices.slice_masks` takes."""


def _storable(text: str) -> bool:
    """Return whether a text can be stored; one with half of a surrogate pair cannot."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _part_problem(part: str) -> tuple[str, str] | None:
    """Return what is wrong with a condition on texts, and what to do."""
    pattern = _PATTERN.fullmatch(part)
    if pattern is not None:
        try:
            _matching([""], _expression(pattern), ignore_case=bool(pattern[2]))
        except pa.ArrowException as error:
            reason = reason_of(error).removeprefix("Invalid regular expression: ")
            return f"has the regular expression {quoted(part)}, which cannot be used ({reason})", "mend it"
    elif part.startswith("/") and len(part) > 1:
        return f"has the regular expression {quoted(part)}, which has no end", "write a slash, or a slash and i, last"
    elif not words_of(part):
        return f"has {quoted(part)}, without letter or digit", "look for signs with a regular expression"
    return None


def _expression(pattern: re.Match[str]) -> str:
    return pattern[1].replace(r"\/", "/")


def _matching(texts: list[str], expression: str, *, ignore_case: bool) -> NDArray[np.bool_]:
    """Return the texts in which a regular expression of RE2 matches."""
    column = pa.array(texts, pa.large_string())
    hits = pc.match_substring_regex(column, expression, ignore_case=ignore_case)
    return np.asarray(hits.to_numpy(zero_copy_only=False), bool)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        raise SliceError(f"asks for `{name}`, which these rows do not have")
    return frame[name]


def _within(created: pd.Series, days: DayRange) -> NDArray[np.bool_]:
    """Return which dates lie in a range of days; NaT in none, nor, as in the filter, a date after the year 9999."""
    dates = created.to_numpy("datetime64[us]")
    numbers = np.floor_divide(dates.astype(np.int64), _MICROSECONDS_A_DAY)
    ends = (days.first or datetime.date.min, days.last or datetime.date.max)
    first, last = ((day - datetime.date(1970, 1, 1)).days for day in ends)
    return np.asarray(_between(numbers, first, last) & ~np.isnat(dates))


def _between(values: NDArray[np.int64], least: int | None, most: int | None) -> NDArray[np.bool_]:
    """Return which numbers lie in a range; its ends may be any whole numbers."""
    met = np.ones(len(values), bool)
    if least is not None:
        met &= values >= least
    if most is not None:
        met &= values <= most
    return met
