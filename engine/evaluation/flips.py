"""Flips: what became of each example over several runs; which were fixed, which broke, which were never right."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
