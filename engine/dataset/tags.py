"""Tags: which ones a model learns, and what becomes of the others."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from engine.dataset.problems import listed
from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def map_tags(
    tags: pd.Series, accepted: Sequence[str] = (), min_count: int = 0, other: str = "other"
) -> tuple[pd.Series, dict[str, int]]:
    """Map tags that are not accepted, or that have too few rows, to `other`.

    Parameters
    ----------
    tags : pandas.Series
        The tag of each row (str); missing ones stay missing.
    accepted : sequence of str, optional
        The tags to keep; empty keeps all.
    min_count : int, optional
        Tags with fewer rows than this are mapped, too, accepted or not.
    other : str, optional
        The tag that takes them; it is never mapped itself.

    Returns
    -------
    mapped : pandas.Series
        The new tags, with the index and name of `tags`.
    counts : dict of str to int
        How many rows of each tag were mapped, the most frequent first (equal ones by name).

    Examples
    --------
    >>> import pandas as pd
    >>> mapped, counts = map_tags(pd.Series(["nlp", "nlp", "audio"]), min_count=2)
    >>> list(mapped), counts
    (['nlp', 'nlp', 'other'], {'audio': 1})
    """
    sizes = tags.value_counts()
    keep = set(accepted)
    gone = {
        str(tag): int(size)
        for tag, size in sizes.items()
        if tag != other and ((keep and tag not in keep) or size < min_count)
    }
    counts = dict(sorted(gone.items(), key=lambda item: (-item[1], item[0])))
    return tags.mask(tags.isin(list(counts)), other), counts


def require_tags(mapped: pd.Series, original: pd.Series, accepted: Sequence[str] = (), min_count: int = 0) -> None:
    """Refuse to train when mapping has left fewer than two tags.

    Parameters
    ----------
    mapped, original : pandas.Series
        The tags after and before `map_tags`.
    accepted, min_count
        As they were given to `map_tags`.

    Raises
    ------
    DataError
        If fewer than two different tags are left; it says which setting to change.
    """
    if mapped.nunique() >= 2:
        return
    there = [str(tag) for tag in original.value_counts().index]
    left = listed([str(tag) for tag in mapped.dropna().unique()])
    absent = [tag for tag in accepted if tag not in set(there)]
    if absent:
        near = difflib.get_close_matches(absent[0], there, 1)
        hint = f" (did you mean {listed(near)}?)" if near else ""
        remedy = f"accept some of those in the data{hint}: {listed(there)}"
    else:
        remedy = f"lower the minimum count, which is {min_count}, or label more rows"
    raise DataError(f"Only one tag is left after mapping rare and unaccepted tags, {left}; {remedy}.")
