"""A filter: which rows are looked at. The one state that every view of the data shares."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

from engine.errors import TagscopeError

LONGEST_POLYGON = 40
"""Most vertices that a polygon may have, so that it fits into a link."""


class FilterError(TagscopeError):
    """A filter cannot be understood, or names something that the data does not have."""


class Dates(msgspec.Struct, frozen=True, omit_defaults=True):
    """A range of days in UTC, both ends included; None leaves an end open.

    Parameters
    ----------
    first, last : datetime.date, optional
        The first and the last day.
    """

    first: datetime.date | None = None
    last: datetime.date | None = None

    def within(self, other: Dates | None) -> Dates:
        """Return the days that both ranges have."""
        if other is None:
            return self
        firsts = [first for first in (self.first, other.first) if first is not None]
        lasts = [last for last in (self.last, other.last) if last is not None]
        return Dates(max(firsts, default=None), min(lasts, default=None))


class Lengths(msgspec.Struct, frozen=True, omit_defaults=True):
    """A range of whole numbers, both ends included; None leaves an end open.

    Parameters
    ----------
    least, most : int, optional
        The shortest and the longest text.
    """

    least: int | None = None
    most: int | None = None

    def within(self, other: Lengths | None) -> Lengths:
        """Return the numbers that both ranges have."""
        if other is None:
            return self
        leasts = [least for least in (self.least, other.least) if least is not None]
        mosts = [most for most in (self.most, other.most) if most is not None]
        return Lengths(max(leasts, default=None), min(mosts, default=None))


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Conditions that a row meets, all of them. The default is no condition: every row.

    Two equal filters select the same rows of a data set, so a filter is also the key of a cache and of a link.

    Parameters
    ----------
    tags, splits, outcomes, predicted : tuple of str
        The row has one of these; empty for no condition.
    text : str
        A query, as `engine.exploration.query` describes it.
    created : Dates, optional
        When the row was written; a row without date is in no range.
    words, tokens : Lengths, optional
        How long its text is.
    finding : str, optional
        The row is among those of this finding.
    missing : tuple of str
        The row has nothing, or white space only, in each of these columns.
    polygon : tuple of (float, float)
        The row's point on the map lies inside; 3 to 40 vertices, or none for no condition.
    ids : tuple of str
        The row is one of these; empty for no condition.

    Examples
    --------
    >>> Filter(tags=("mlops",), text='"feature store"').tags
    ('mlops',)
    """

    tags: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    text: str = ""
    created: Dates | None = None
    words: Lengths | None = None
    tokens: Lengths | None = None
    finding: str | None = None
    outcomes: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    polygon: tuple[tuple[float, float], ...] = ()
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a polygon that is none, or that no link can carry."""
        corners = len(self.polygon)
        if corners and not 3 <= corners <= LONGEST_POLYGON:
            raise FilterError(
                f"The polygon has {corners:,} corners, but it needs 3 to {LONGEST_POLYGON}; draw it with fewer or more."
            )

    def change(self, **conditions: Any) -> Filter:
        """Return the filter with some conditions replaced."""
        return msgspec.structs.replace(self, **conditions)
