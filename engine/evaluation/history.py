"""History: several runs followed on the rows of one of them, in the order of time, git tags or versions."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from engine.errors import DataError
from engine.evaluation.flips import Flips, flips
from engine.evaluation.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.evaluation.answers import Answers

Order = Literal["time", "git tag", "version"]


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """Several runs on the rows of one run; made by `history`.

    Parameters
    ----------
    runs : tuple of Answers
        Those that could be compared, in order.
    reference : Answers
        Its rows are the examples, by its labels all are judged.
    flips : Flips
        Over `runs` and the rows of `reference`.
    left_out : dict of str to str
        Runs that could not be compared with `reference`, and a sentence that says why.
    remarks : dict of str to tuple of str
        By run, on what it is compared.
    """

    runs: tuple[Answers, ...]
    reference: Answers
    flips: Flips
    left_out: dict[str, str]
    remarks: dict[str, tuple[str, ...]]


def history(runs: Sequence[Answers], order: Order | None = "time", reference: Answers | None = None) -> History:
    """Follow the examples of one run through several runs.

    Parameters
    ----------
    runs : sequence of Answers
        At least one.
    order : str or None, optional
        See `ordered`; None for the order in which they are given.
    reference : Answers, optional
        The run whose rows are the examples and by whose labels all are judged, one of `runs` or not; by default the one
        of them with the newest labels. Whoever looks at one run takes `reference_of`, so that it is not left out.

    Returns
    -------
    History

    Raises
    ------
    DataError
        If there is no run, or there are more than 60.
    """
    if not runs:
        raise DataError("There is no run to look at; train one, or choose at least one.")
    if reference is None:
        reference = max(runs, key=_age_of_labels)
    kept, left_out, remarks, right = [], {}, {}, []
    for run in runs if order is None else ordered(runs, order):
        row = np.full(len(reference.ids), -1, dtype=np.int8)
        if run.run == reference.run:
            row[:] = (run.true == run.predicted) & (run.true < run.model_tags)
            remarks[run.run] = run.remarks
        else:
            shared = guard(run, reference, by_after=True)
            if not shared.allowed:
                left_out[run.run] = shared.refusal
                continue
            row[shared.rows_after] = shared.before == shared.true
            remarks[run.run] = shared.remarks
        kept.append(run)
        right.append(row)
    found = flips(np.array(right, dtype=np.int8).reshape(len(right), len(reference.ids)))
    return History(tuple(kept), reference, found, left_out, remarks)


def reference_of(runs: Sequence[Answers], shown: Answers, base: Answers | None = None) -> Answers:
    """Choose the run on whose rows several runs are followed by somebody who looks at one of them.

    Parameters
    ----------
    runs : sequence of Answers
        Those that are to be followed.
    shown : Answers
        The one that is looked at.
    base : Answers, optional
        The one that it is compared with.

    Returns
    -------
    Answers
        The one with the newest labels among those that can be compared with `shown` and, where these two can be
        compared, with `base`: so neither is left out. The newest of all may be judged on rows that no other run has.
    """
    fixed = [shown]
    if base is not None and guard(base, shown).allowed:
        fixed.append(base)
    for run in sorted(runs, key=_age_of_labels, reverse=True):
        if all(run.run == one.run or guard(run, one).allowed for one in fixed):
            return run
    return shown


def _age_of_labels(run: Answers) -> tuple[str, str, str]:
    return run.labelled, run.created, run.run


def ordered(runs: Sequence[Answers], order: Order = "time") -> list[Answers]:
    """Put runs in order, the earliest first; equal ones by time.

    Parameters
    ----------
    runs : sequence of Answers
        In any order.
    order : str, optional
        ``"time"``: when they were made. ``"git tag"``: that of their commit, numbers in it as numbers (v1.9 before
        v1.10); runs without one come last. ``"version"``: that of their data set likewise; where a version was never
        given a name, which its digest then stands for, versions go in the order in which they first appear.

    Raises
    ------
    DataError
        If there is no such order.
    """
    by_time = sorted(runs, key=lambda run: (run.created, run.run))
    if order == "time":
        return by_time
    if order == "git tag":
        return sorted(by_time, key=lambda run: (not run.git_tag, _natural(run.git_tag)))
    if order == "version":
        if all(run.version and run.version != run.dataset[: len(run.version)] for run in by_time):
            return sorted(by_time, key=lambda run: _natural(run.version))
        appeared = {version: place for place, version in enumerate(dict.fromkeys(run.version for run in by_time))}
        return sorted(by_time, key=lambda run: appeared[run.version])
    raise DataError(f"Runs are ordered by {', '.join(get_args(Order))}, not by {order!r}; choose one of these.")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts the numbers in names as numbers."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part]
