"""Many runs followed, as the sections show them: the course of each example, and the rows behind each count."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dashboard.evaluation.comparison import labelled
from dashboard.evaluation.selection import COURSES, SelectionError
from engine.evaluation.estimates import Estimate, proportion
from engine.evaluation.guard import matched
from engine.evaluation.history import history, reference_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.evaluation.evaluation import Evaluation
    from engine.evaluation.flips import Flips


class RunPoint(msgspec.Struct, frozen=True):
    """One run in a history: when and of what it was made, and its share of right answers, by the reference's labels.

    `accuracy.n` says how many of the examples it was judged on.
    """

    run_id: str
    created: str
    git_tag: str
    version: str
    accuracy: Estimate


@dataclasses.dataclass(frozen=True, eq=False)
class RunHistory:
    """Several runs on the examples of one of them, by its labels; made by `history_of`.

    Parameters
    ----------
    points : tuple of RunPoint
        The runs that could be compared, in order.
    reference : str
        The run whose examples these are: it is the one to show when a course is clicked, as others may lack some.
    ids : numpy.ndarray
        object of str, shape (n,): of the examples.
    true : numpy.ndarray
        Positions in `tags`, shape (n,), for `Flips.counts_by`.
    tags : tuple of str
        The tags of the reference.
    flips : Flips
        Over the runs of `points` and these examples.
    left_out : dict of str to str
        By run that could not be read or compared, a sentence that says why.
    remarks : dict of str to tuple of str
        By run, on what it is compared.
    """

    points: tuple[RunPoint, ...]
    reference: str
    ids: np.ndarray
    true: np.ndarray
    tags: tuple[str, ...]
    flips: Flips
    left_out: dict[str, str]
    remarks: dict[str, tuple[str, ...]]

    def rows_in(self, run: Evaluation, *, course: str = "", pattern: str = "") -> np.ndarray:
        """Return the examples with a course or a pattern, as positions in the evaluation of a run: int64.

        Raises
        ------
        SelectionError
            The pattern is of another number of runs.
        """
        met = np.ones(len(self.ids), bool)
        if course:
            met &= self.flips.courses == COURSES.index(course)
        if pattern:
            if len(pattern) != len(self.points):
                raise SelectionError(
                    f"The examples' pattern {pattern} is of {len(pattern)} runs, and there are {len(self.points)}; "
                    "choose it again."
                )
            answers = ["10-".index(sign) for sign in pattern]
            mask = np.zeros(len(met), bool)
            mask[self.flips.pattern_rows(np.array([1, 0, -1], np.int8)[answers])] = True
            met &= mask
        if run.run_id == self.reference:
            return np.flatnonzero(met)
        ours, theirs = matched(self.ids, run.ids)
        return np.asarray(theirs[met[ours]])


def history_of(
    runs: Sequence[Evaluation],
    order: str | None,
    saved: Mapping[str, str],
    left_out: Mapping[str, str],
    reference: Evaluation | None = None,
) -> RunHistory:
    """Follow the examples through runs.

    Parameters
    ----------
    runs : sequence of Evaluation
        At least one.
    order : str or None
        One of `dashboard.evaluation.selection.ORDERS`; None for the order in which they are given.
    saved : mapping of str to str
        When each data set that is here was saved, by digest.
    left_out : mapping of str to str
        Sentence by run that could not be read.
    reference : Evaluation, optional
        The run whose examples these are; by default the one with the newest labels.

    Raises
    ------
    engine.errors.DataError
        There is no run, or there are too many.
    """
    answers_of = labelled([run.answers for run in runs], saved)
    found = history(answers_of, order, None if reference is None else reference.answers)  # type: ignore[arg-type]
    points = []
    for answers, right in zip(found.runs, found.flips.right, strict=True):
        accuracy = proportion(int((right == 1).sum()), int((right >= 0).sum()))
        points.append(RunPoint(answers.run, answers.created, answers.git_tag, answers.version, accuracy))
    judge = found.reference
    codes = np.min_scalar_type(len(judge.tags))
    return RunHistory(
        tuple(points),
        judge.run,
        judge.ids,
        judge.true.astype(codes),
        judge.tags,
        found.flips,
        {**left_out, **found.left_out},
        found.remarks,
    )


def reference_for(
    runs: Sequence[Evaluation], shown: Evaluation, base: Evaluation | None, saved: Mapping[str, str]
) -> str:
    """Name the run whose examples are followed where somebody looks at one run: `engine.evaluation.history` says why.

    Parameters
    ----------
    runs : sequence of Evaluation
        Those that are to be followed.
    shown, base : Evaluation
        The run that is looked at, and the one that it is compared with, if there is one.
    saved : mapping of str to str
        When each data set that is here was saved, by digest.
    """
    every = dict.fromkeys((*runs, shown, *(() if base is None else (base,))))
    answers = {one.run: one for one in labelled([run.answers for run in every], saved)}
    others = [answers[run.run_id] for run in runs]
    return reference_of(others, answers[shown.run_id], None if base is None else answers[base.run_id]).run
