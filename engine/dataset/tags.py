"""Tags: which ones a model learns, and what becomes of the others."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from engine.dataset.fields import OTHER
from engine.dataset.problems import Problem, listed, quoted
from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

MAX_TAGS = 50
"""How many tags a model takes at most."""


def map_tags(
    tags: pd.Series, accepted: Sequence[str] = (), min_count: int = 0, other: str = OTHER
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


def tag_problems(
    mapped: pd.Series,
    original: pd.Series,
    accepted: Sequence[str] = (),
    min_count: int = 0,
    max_tags: int = MAX_TAGS,
) -> list[Problem]:
    """Say why no model can be trained on tags: what `require_tags` and `engine.dataset.check.check_file` share.

    Parameters
    ----------
    mapped, original : pandas.Series
        The tags after and before `map_tags`.
    accepted, min_count
        As they were given to `map_tags`.
    max_tags : int, optional
        How many different tags may be left.

    Returns
    -------
    list of Problem
        All fatal and of the whole file: ``"unknown-tag"`` (accepted tags that no row has), ``"few-tags"`` (fewer than
        two are left) and ``"too-many-tags"``. Empty if all is well.
    """
    problems = []
    there = [str(tag) for tag in original.value_counts().index]
    left = [str(tag) for tag in mapped.dropna().unique()]
    # The tag that takes the others may be accepted, too, and may have no row before mapping.
    known = {*there, *left}
    absent = [tag for tag in dict.fromkeys(accepted) if tag not in known]
    if absent:
        names = ", ".join(quoted(tag) + _meant(tag, there) for tag in absent)
        message = f"no row has the accepted {'tag' if len(absent) == 1 else 'tags'} {names}"
        remedy = f"correct training.accepted; the tags in the data are {listed(there)}"
        problems.append(Problem(None, None, "unknown-tag", message, remedy, fatal=True))
    if len(left) < 2:
        one = f"only one tag is left after mapping rare and unaccepted tags, {listed(left)}"
        more = "accept more of the tags in the data (training.accepted), " if accepted else ""
        remedy = f"{more}lower training.min_count, which is {min_count}, or label more rows"
        problems.append(Problem(None, None, "few-tags", one if left else "no row has a tag", remedy, fatal=True))
    if len(left) > max_tags:
        message = f"there are {len(left):,} tags after mapping, but a model takes at most {max_tags:,}"
        remedy = "raise training.min_count or name those to keep in training.accepted"
        problems.append(Problem(None, None, "too-many-tags", message, remedy, fatal=True))
    return problems


def _meant(tag: str, there: Sequence[str]) -> str:
    """Return a question about the nearest tag of the data, whatever its case, or nothing."""
    folded: dict[str, str] = {}
    for name in there:
        folded.setdefault(name.casefold(), name)
    near = difflib.get_close_matches(tag.casefold(), list(folded), 1)
    return f" (did you mean {quoted(folded[near[0]])}?)" if near else ""


def require_tags(mapped: pd.Series, original: pd.Series, accepted: Sequence[str] = (), min_count: int = 0) -> None:
    """Refuse to train on tags of which no model can be made.

    Parameters
    ----------
    mapped, original : pandas.Series
        The tags after and before `map_tags`.
    accepted, min_count
        As they were given to `map_tags`.

    Raises
    ------
    DataError
        If no row has one of the accepted tags, or fewer than two or more than `MAX_TAGS` different tags are left; it
        says which setting to change.
    """
    for problem in tag_problems(mapped, original, accepted, min_count):
        raise DataError(f"{problem.message[0].upper()}{problem.message[1:]}; {problem.remedy}.")
