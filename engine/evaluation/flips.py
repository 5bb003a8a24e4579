"""Flips: what became of each example over several runs; which were fixed, which broke, which were never right."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from engine.errors import DataError
from engine.evaluation.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.evaluation.answers import Answers

Order = Literal["time", "git tag", "version"]
Course = Literal["always right", "fixed", "broken", "flaky", "never right", "not judged"]
COURSES: tuple[Course, ...] = get_args(Course)
"""What can become of an example; `Flips.courses` holds positions in this."""
_MOST_RUNS = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Flips:
    """Over r runs and n examples, what became of each; made by `flips`.

    Parameters
    ----------
    right : numpy.ndarray
        int8, shape (r, n): 1 right, 0 wrong, -1 not judged by that run.
    courses : numpy.ndarray
        int8, shape (n,): positions in `COURSES`. Fixed: wrong at first, then right to the end; broken: the other way
        round; flaky: it changed more than once. Runs that did not judge an example are passed over.
    """

    right: np.ndarray
    courses: np.ndarray

    def rows(self, course: Course) -> np.ndarray:
        """Return the positions of the examples with a course: int64, ascending."""
        return np.flatnonzero(self.courses == COURSES.index(course))

    def counts(self) -> dict[Course, int]:
        """Return how many examples took each course."""
        counts = np.bincount(self.courses, minlength=len(COURSES))
        return {course: int(count) for course, count in zip(COURSES, counts, strict=True)}

    def counts_by(self, codes: np.ndarray, size: int) -> np.ndarray:
        """Return how many examples of each group took each course.

        Parameters
        ----------
        codes : numpy.ndarray
            int, shape (n,): the group of each example, such as its true tag; those of `size` and more are left out.
        size : int
            Number of groups.

        Returns
        -------
        numpy.ndarray
            int64, shape (size, courses).
        """
        width = len(COURSES)
        known = codes < size
        counts = np.bincount(codes[known].astype(np.int64) * width + self.courses[known], minlength=size * width)
        return np.asarray(counts.reshape(size, width))

    def steps(self) -> np.ndarray:
        """Return what each run did to the examples that it and an earlier one judged: int64, shape (r, 4).

        The columns: fixed (right now, wrong in the latest run before that judged it), broken, still right, still wrong.
        """
        result = np.zeros((len(self.right), 4), dtype=np.int64)
        last = np.full(self.right.shape[1], -1, dtype=np.int8)
        for step, now in zip(result, self.right, strict=True):
            both = (now >= 0) & (last >= 0)
            step[:] = np.bincount(((last[both] == now[both]) * 2 + (now[both] == 0)).astype(np.int64), minlength=4)
            last = np.where(now >= 0, now, last)
        return result

    def patterns(self) -> tuple[np.ndarray, np.ndarray]:
        """Summarise the matrix of runs and examples: examples with the same answers in all runs are one row.

        Returns
        -------
        patterns : numpy.ndarray
            int8, shape (k, r): as `right`, the most frequent first.
        counts : numpy.ndarray
            int64, shape (k,): how many examples are so.
        """
        keys = self._keys()
        values, first, counts = np.unique(keys, return_index=True, return_counts=True)
        order = np.lexsort((values, -counts))
        return self.right[:, first[order]].T.copy(), counts[order]

    def pattern_rows(self, pattern: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the positions of the examples with one of the `patterns`: int64, ascending."""
        return np.flatnonzero((self.right == np.asarray(pattern, dtype=np.int8)[:, None]).all(axis=0))

    def _keys(self) -> np.ndarray:
        """Return one number per example, the same where all runs answered alike; base 3 in blocks of 30 runs."""
        blocks = []
        for start in range(0, len(self.right), 30):
            key = np.zeros(self.right.shape[1], dtype=np.int64)
            for answer in self.right[start : start + 30]:
                key = key * 3 + (answer + 1)
            blocks.append(key)
        key = blocks[0] if blocks else np.zeros(self.right.shape[1], dtype=np.int64)
        for block in blocks[1:]:
            key = np.unique(np.stack([key, block]), axis=1, return_inverse=True)[1].reshape(-1)
        return key


def flips(right: np.ndarray) -> Flips:
    """Say what became of each example.

    Parameters
    ----------
    right : numpy.ndarray
        int8 or bool, shape (r, n), the runs in order: 1 right, 0 wrong, -1 not judged by that run.

    Returns
    -------
    Flips

    Raises
    ------
    DataError
        If there are more than 60 runs.
    ValueError
        If the array is not such.

    Examples
    --------
    >>> import numpy as np
    >>> found = flips(np.array([[1, 0, 0, 1, 0], [1, 1, 0, 0, 1], [1, 1, 0, 0, 0]]))
    >>> [COURSES[course] for course in found.courses]
    ['always right', 'fixed', 'never right', 'broken', 'flaky']
    """
    right = np.asarray(right)
    if right.ndim != 2 or not np.isin(right, (-1, 0, 1)).all():
        raise ValueError("right is a matrix of runs and examples that holds 1, 0 and -1")
    if len(right) > _MOST_RUNS:
        raise DataError(f"{len(right)} runs are too many to look at together; choose at most {_MOST_RUNS}.")
    right = right.astype(np.int8)
    n = right.shape[1]
    first, last = np.full(n, -1, dtype=np.int8), np.full(n, -1, dtype=np.int8)
    changes = np.zeros(n, dtype=np.int16)
    for now in right:
        judged = now >= 0
        changes += judged & (last >= 0) & (last != now)
        first = np.where(judged & (first < 0), now, first)
        last = np.where(judged, now, last)
    courses = np.select(
        [last < 0, changes > 1, (changes == 1) & (last == 1), changes == 1, last == 1],
        [COURSES.index(course) for course in ("not judged", "flaky", "fixed", "broken", "always right")],
        COURSES.index("never right"),
    )
    return Flips(right, courses.astype(np.int8))


@dataclasses.dataclass(frozen=True, eq=False)
class History:
    """Several runs on the rows of one of them; made by `history`.

    Parameters
    ----------
    runs : tuple of Answers
        Those that could be compared, in order.
    reference : Answers
        The one of them with the newest labels: its rows are the examples, by its labels all are judged.
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


def history(runs: Sequence[Answers], order: Order = "time") -> History:
    """Follow the examples of the run with the newest labels through several runs.

    Parameters
    ----------
    runs : sequence of Answers
        At least one.
    order : str, optional
        See `ordered`.

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
    sorted_runs = ordered(runs, order)
    reference = max(sorted_runs, key=lambda run: (run.labelled, run.created, run.run))
    kept, left_out, remarks, right = [], {}, {}, []
    for run in sorted_runs:
        row = np.full(len(reference.ids), -1, dtype=np.int8)
        if run is reference:
            row[:] = (run.true == run.predicted) & (run.true < run.model_tags)
            remarks[run.run] = run.remarks
        else:
            shared = guard(run, reference)
            if not shared.allowed:
                left_out[run.run] = shared.refusal
                continue
            row[shared.rows_after] = shared.before == shared.true
            remarks[run.run] = shared.remarks
        kept.append(run)
        right.append(row)
    return History(tuple(kept), reference, flips(np.stack(right)), left_out, remarks)


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
