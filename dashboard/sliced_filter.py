"""From the filter of the Data section to a declared slice of the same rows, or the sentence why there is none.

A slice is looked at in every run and on other data, so it has conditions on what stands in the data alone.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from dashboard.text import plain_text
from engine.errors import TagscopeError
from engine.evaluation.declared_slices import DayRange, DeclaredSlice, WordRange
from engine.exploration.query import Phrase, parse_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.exploration.filter import Filter
    from engine.exploration.query import Pattern

_LOST = {
    "outcomes": "the outcome",
    "predicted": "the predicted tag",
    "tokens": "the length in tokens",
    "finding": "the finding",
    "missing": "the missing value",
    "polygon": "the shape on the map",
    "ids": "the choice of single rows",
}
"""What no slice can say: name of the filter's condition to words for people."""
_KEPT = {"tags": "tag", "splits": "split", "text": "text", "created": "dates", "words": "length in words"}


class NoSliceError(TagscopeError):
    """A filter that no slice can say.

    Parameters
    ----------
    sentence
        What is in the way, and what to do.
    conditions
        Names of the filter's conditions that have to be taken out; empty where that is not what helps.
    """

    def __init__(self, sentence: str, conditions: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.conditions = conditions


def slice_of(filter: Filter) -> DeclaredSlice:
    """Return the slice that selects the rows of a filter.

    Parameters
    ----------
    filter
        Of the Data section.

    Returns
    -------
    DeclaredSlice
        For every data set, its `mask` is that of the `Explorer`'s selection.

    Raises
    ------
    NoSliceError
        The filter has a condition that a slice cannot have; the sentence names all of them, and what can be kept.
    engine.exploration.filter.FilterError
        Its query cannot be read.

    Examples
    --------
    >>> from engine.exploration.filter import Filter
    >>> slice_of(Filter(tags=("mlops",), text='"Feature store" /v[0-9]/')).text
    ('feature store', '/v[0-9]/')
    """
    conditions = [name for name in filter.__struct_fields__ if getattr(filter, name) not in (None, ())]
    # A condition that is new here is refused rather than forgotten.
    lost = tuple(name for name in conditions if name not in _KEPT)
    if lost:
        kept = [_KEPT[name] for name in conditions if name in _KEPT and getattr(filter, name)]
        raise NoSliceError(_refusal([_LOST.get(name, name) for name in lost], kept), lost)
    record = DeclaredSlice(
        tag=filter.tags,
        split=filter.splits,
        text=tuple(_written(part) for part in parse_query(filter.text)),
        words=_words(filter),
        created=_days(filter),
    )
    problem = record.problem()
    if problem is not None:
        field, what, remedy = problem
        named = f"its condition “{field}”" if field else "it"
        raise NoSliceError(f"This filter cannot be a slice: {named} {plain_text(what, 200)}; {remedy}.")
    return record


def _refusal(lost: Sequence[str], kept: Sequence[str]) -> str:
    one = len(lost) == 1
    which = f"{_listed(lost)} belong{'s' if one else ''} to one run or one data set"
    rest = f"; {_listed(kept)} can stay." if kept else ", and filter by tag, split, dates, words or text instead."
    return f"A slice holds for every run, but {which}: take {'it' if one else 'them'} out{rest}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _written(part: Phrase | Pattern) -> str:
    """Write a part of a query as a slice has it, whatever quotes and signs stood around its words."""
    if isinstance(part, Phrase):
        return " ".join(part.words) + ("*" if part.prefix else "")
    # In the expression of a query no slash has a backslash of its own before it any more.
    slashes = part.pattern.replace("/", r"\/")
    return f"/{slashes}/{'i' if part.ignore_case else ''}"


def _words(filter: Filter) -> WordRange | None:
    ends = filter.words
    # Without an end it is met by every text.
    if ends is None or (ends.least is None and ends.most is None):
        return None
    return WordRange(ends.least, ends.most)


def _days(filter: Filter) -> DayRange | None:
    ends = filter.created
    if ends is None:
        return None
    if ends.first is None and ends.last is None:
        # Without an end it is met by every row that has a date.
        return DayRange(datetime.date.min)
    return DayRange(ends.first, ends.last)
