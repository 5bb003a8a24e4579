"""The filter of the Data section between its two forms: texts in state and links, and the engine's `Filter`.

Every value is checked on its own, so that one bad value of a link spoils no other.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from dashboard.text import plain_text
from engine.exploration.filter import LONGEST_POLYGON, Dates, Filter, FilterError, Lengths

if TYPE_CHECKING:
    from dashboard.state import SampleFilter

CONDITIONS = (
    "tag",
    "split",
    "outcome",
    "predicted",
    "text",
    "created",
    "words",
    "tokens",
    "finding",
    "missing",
    "polygon",
)
"""The attributes of `SampleFilter` that are conditions, in the order in which they are shown."""

# One value in the state, several in the engine's filter.
_SINGLE = {"tag": "tags", "split": "splits", "outcome": "outcomes", "predicted": "predicted"}
_NUMBERS = re.compile(r"([0-9]{0,9})\.\.([0-9]{0,9})")
_ESCAPED = re.compile(r"\\(.)|(\|)", re.DOTALL)


def name_in_filter(attribute: str) -> str:
    """Return what the engine's `Filter` calls the condition of an attribute of the state."""
    return _SINGLE.get(attribute, attribute)


class Chip(msgspec.Struct, frozen=True):
    """A condition that is set: the attribute of the state behind it, and its words for people, as plain text."""

    attribute: str
    label: str


def read_condition(attribute: str, text: str) -> Any:
    """Return the engine's value of one condition.

    Parameters
    ----------
    attribute : str
        One of `CONDITIONS`.
    text : str
        As the state holds it; empty gives the value that is no condition.

    Raises
    ------
    engine.exploration.filter.FilterError
        It cannot be read; the sentence says how it is written.
    """
    if attribute in _SINGLE:
        return (text,) if text else ()
    if attribute == "text":
        return text
    if attribute == "finding":
        return text or None
    if attribute == "missing":
        return _names(text)
    if attribute == "polygon":
        return _corners(text)
    if not text:
        return None
    return _dates(text) if attribute == "created" else _lengths(text)


def filter_of(state: SampleFilter) -> tuple[Filter, dict[str, str]]:
    """Return the filter that a state holds, and a sentence for each condition that cannot be read.

    Parameters
    ----------
    state : SampleFilter
        A condition that cannot be read is left out.

    Returns
    -------
    Filter
        The text query is not parsed yet.
    dict
        Sentence by attribute.
    """
    values, problems = {}, {}
    for attribute in CONDITIONS:
        try:
            values[name_in_filter(attribute)] = read_condition(attribute, getattr(state, attribute))
        except FilterError as error:
            problems[attribute] = str(error)
    return Filter(**values), problems


def state_of(filter: Filter) -> dict[str, str]:
    """Return what a state has to hold so that `filter_of` gives this filter.

    Parameters
    ----------
    filter : Filter
        With at most one tag, split, outcome and predicted tag, and without ids, as bars and bins give it.

    Returns
    -------
    dict
        Text by attribute, for every one of `CONDITIONS`.
    """
    values = {attribute: next(iter(getattr(filter, name)), "") for attribute, name in _SINGLE.items()}
    values |= {"text": filter.text, "finding": filter.finding or ""}
    values["created"] = _range(filter.created and (filter.created.first, filter.created.last))
    for attribute in ("words", "tokens"):
        lengths = getattr(filter, attribute)
        values[attribute] = _range(lengths and (lengths.least, lengths.most))
    values["missing"] = "|".join(re.sub(r"([\\|])", r"\\\1", name) for name in filter.missing)
    values["polygon"] = ";".join(f"{x:.5g},{y:.5g}" for x, y in filter.polygon)
    return values


def chips_of(state: SampleFilter, titles: dict[str, str], findings: dict[str, str]) -> list[Chip]:
    """Return a chip for each condition that is set.

    Parameters
    ----------
    state : SampleFilter
        The conditions.
    titles : dict
        Title by column.
    findings : dict
        Title by kind of finding.
    """
    words = {
        "tag": "Tag: {}",
        "split": "Split: {}",
        "outcome": "Outcome: {}",
        "predicted": "Predicted: {}",
        "text": "Text: {}",
        "created": "Created: {}",
        "words": "Words: {}",
        "tokens": "Tokens: {}",
        "finding": "Finding: {}",
        "missing": "Without {}",
        "polygon": "Inside a shape on the map",
    }
    chips = []
    for attribute in CONDITIONS:
        text = getattr(state, attribute)
        if not text:
            continue
        if attribute == "finding":
            text = findings.get(text, text)
        elif attribute == "missing":
            with contextlib.suppress(FilterError):
                text = ", ".join(titles.get(name, name) for name in _names(text))
        elif attribute in ("created", "words", "tokens"):
            text = _spoken(text)
        chips.append(Chip(attribute, words[attribute].format(plain_text(text, 60))))
    return chips


def ends_of(text: str) -> tuple[str, str]:
    """Split a range into its two ends, each a text; both empty where it is none."""
    first, dots, last = text.partition("..")
    return (first, last) if dots else ("", "")


def _spoken(text: str) -> str:
    first, last = ends_of(text)
    if first and last:
        return first if first == last else f"{first} to {last}"
    return f"from {first}" if first else f"up to {last}" if last else text


def _range(ends: Any) -> str:
    if not ends or ends == (None, None):
        return ""
    first, last = ("" if end is None else str(end) for end in ends)
    return f"{first}..{last}"


def _dates(text: str) -> Dates:
    try:
        first, last = (datetime.date.fromisoformat(end) if end else None for end in ends_of(text))
    except ValueError:
        first = last = None
    if first is None and last is None:
        raise FilterError(
            f"“{plain_text(text, 40)}” is no range of days; write it as 2024-01-01..2024-12-31, and leave out an end "
            "that is open."
        )
    return Dates(first, last)


def _lengths(text: str) -> Lengths:
    match = _NUMBERS.fullmatch(text)
    if match is None or not any(match.groups()):
        raise FilterError(
            f"“{plain_text(text, 40)}” is no range of lengths; write it as 5..20, and leave out an end that is open."
        )
    least, most = (int(end) if end else None for end in match.groups())
    return Lengths(least, most)


def _names(text: str) -> tuple[str, ...]:
    names, name, end = [], "", 0
    for match in _ESCAPED.finditer(text):
        name += text[end : match.start()] + (match[1] or "")
        end = match.end()
        if match[2]:
            names.append(name)
            name = ""
    names.append(name + text[end:])
    return tuple(name for name in names if name)


def _corners(text: str) -> tuple[tuple[float, float], ...]:
    if not text:
        return ()
    try:
        corners = tuple((float(x), float(y)) for x, y in (corner.split(",") for corner in text.split(";")))
    except ValueError:
        corners = ()
    if not 3 <= len(corners) <= LONGEST_POLYGON or not all(math.isfinite(end) for corner in corners for end in corner):
        raise FilterError(
            f"The shape on the map cannot be read; it needs 3 to {LONGEST_POLYGON} corners, written x,y;x,y;x,y. "
            "Draw it again."
        )
    return corners
