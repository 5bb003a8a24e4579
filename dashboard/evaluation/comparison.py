"""Two runs compared and many followed, as the sections show them: with slices, and the rows behind each figure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dashboard.evaluation.rows import PackedMasks
from dashboard.evaluation.selection import COURSES, FLIPS, SelectionError
from dashboard.text import plain_text
from engine.errors import TagscopeError
from engine.evaluation.comparison import Comparison, compare
from engine.evaluation.estimates import Estimate, proportion
from engine.evaluation.flips import Flips, history
from engine.evaluation.guard import Shared, guard, matched

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.evaluation.evaluation import Evaluation
    from engine.evaluation.answers import Answers


@dataclasses.dataclass(frozen=True, eq=False)
class RunPair:
    """Two runs, compared on m rows that they share; made by `pair_of`.

    Parameters
    ----------
    before, after : str
        Their ids; a change for the better is one from the first to the second.
    shared : Shared
        On what they are compared. `refusal` and `remarks` are its sentences.
    comparison : Comparison or None
        None where it is refused. Its `improved` and `regressed` are positions among the m rows, in no order of
        importance: `Evaluation.positions` puts flips in the order ``moved``.
    masks : mapping of str to numpy.ndarray
        The rows of each slice among the m: bool, shape (m,).
    """

    before: str
    after: str
    shared: Shared
    comparison: Comparison | None
    masks: Mapping[str, np.ndarray]

    @property
    def refusal(self) -> str:
        """Why they cannot be compared, in a sentence; empty if they can."""
        return self.shared.refusal

    @property
    def remarks(self) -> tuple[str, ...]:
        """On what they are compared, what was left out and why, in sentences."""
        return self.shared.remarks

    def moved(self, before: Evaluation, after: Evaluation) -> np.ndarray:
        """Return by how much the probability of the true tag changed, by the newer labels: float32, shape (m,).

        Parameters
        ----------
        before, after : Evaluation
            Of the two runs.

        Raises
        ------
        engine.errors.TagscopeError
            One of them has no probabilities, or they cannot be used.
        """
        now, was = _truth(after, self.shared, is_after=True), _truth(before, self.shared, is_after=False)
        return np.asarray(now - was)

    def flip_rows(self, flip: str, *, tag: str = "", slice_name: str = "") -> np.ndarray:
        """Return the rows behind a count of flips.

        Parameters
        ----------
        flip : str
            One of `dashboard.evaluation.selection.FLIPS`.
        tag : str
            With one, what counts as right is to know whether a row has this tag, as for `Comparison.tags`.
        slice_name : str
            Only the rows of this slice, as for `Comparison.slices`.

        Returns
        -------
        numpy.ndarray
            int64, ascending: positions in the evaluation of `after`.

        Raises
        ------
        SelectionError
            The two cannot be compared, or have no such tag or slice in common.
        """
        shared = self.shared
        if not shared.allowed:
            raise SelectionError(shared.refusal)
        if tag and tag not in shared.tags:
            raise SelectionError(f"Not both runs have the tag “{plain_text(tag, 60)}”; choose one that both can give.")
        if slice_name and slice_name not in self.masks:
            raise SelectionError(f"There is no slice “{plain_text(slice_name, 60)}” to compare; choose another one.")
        if tag:
            code = shared.tags.index(tag)
            is_true = shared.true == code
            was, now = (is_true == (answers == code) for answers in (shared.before, shared.after))
        else:
            known = shared.true < len(shared.tags)
            was, now = (known & (answers == shared.true) for answers in (shared.before, shared.after))
        met = dict(zip(FLIPS, (~was & now, was & ~now, was & now, ~was & ~now), strict=True))[flip]
        if slice_name:
            met = met & self.masks[slice_name]
        return np.sort(shared.rows_after[met].astype(np.int64))


def pair_of(before: Evaluation, after: Evaluation, saved: Mapping[str, str]) -> RunPair:
    """Compare two runs.

    Parameters
    ----------
    before, after : Evaluation
        The runs.
    saved : mapping of str to str
        When each data set that is here was saved, by digest.
    """
    one, other = labelled([before.answers, after.answers], saved)
    shared = guard(one, other)
    if not shared.allowed:
        return RunPair(before.run_id, after.run_id, shared, None, {})
    newer, rows = (after, shared.rows_after) if shared.newer_is_after else (before, shared.rows_before)
    try:
        masks = PackedMasks((name, mask[rows]) for name, mask in newer.slices.masks.items())
    except TagscopeError as error:
        masks = PackedMasks()
        shared = dataclasses.replace(shared, remarks=(*shared.remarks, str(error)))
    # Not by the probabilities, which take ten times as long to read as all else: only an order of examples needs them.
    found = compare(shared.true, shared.before, shared.after, shared.tags, masks)
    return RunPair(before.run_id, after.run_id, _small(shared), found, masks)


def labelled(runs: Sequence[Answers], saved: Mapping[str, str]) -> list[Answers]:
    """Say when the labels of runs were made: when data sets were saved and when runs were made do not mix."""
    if not all(run.dataset in saved for run in runs):
        return list(runs)
    return [dataclasses.replace(run, labelled=saved[run.dataset]) for run in runs]


def _truth(run: Evaluation, shared: Shared, *, is_after: bool) -> np.ndarray:
    """Return the probability of the true tag by the newer labels; what is kept is by the run's own."""
    rows = shared.rows_after if is_after else shared.rows_before
    run.confidence  # noqa: B018  says why where there are none
    if run.chances is not None and (not shared.changed or is_after == shared.newer_is_after):
        return np.asarray(run.chances.truth[rows])
    found = shared.truth(dataclasses.replace(run.answers, probabilities=run.probabilities()), after=is_after)
    assert found is not None
    return found


def _small(shared: Shared) -> Shared:
    """Keep what two runs share in as few bytes as it needs: 10 per row instead of 40."""
    codes = np.min_scalar_type(len(shared.tags))
    return dataclasses.replace(
        shared,
        rows_before=shared.rows_before.astype(np.int32),
        rows_after=shared.rows_after.astype(np.int32),
        true=shared.true.astype(codes),
        before=shared.before.astype(codes),
        after=shared.after.astype(codes),
    )


class RunPoint(msgspec.Struct, frozen=True):
    """One run in a history: when and of what it was made, and its share of right answers, by the newest labels.

    `accuracy.n` says how many of the examples it was judged on.
    """

    run_id: str
    created: str
    git_tag: str
    version: str
    accuracy: Estimate


@dataclasses.dataclass(frozen=True, eq=False)
class RunHistory:
    """Several runs on the examples of the one with the newest labels; made by `history_of`.

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
    runs: Sequence[Evaluation], order: str, saved: Mapping[str, str], left_out: Mapping[str, str]
) -> RunHistory:
    """Follow the examples through runs.

    Parameters
    ----------
    runs : sequence of Evaluation
        At least one.
    order : str
        One of `dashboard.evaluation.selection.ORDERS`.
    saved : mapping of str to str
        When each data set that is here was saved, by digest.
    left_out : mapping of str to str
        Sentence by run that could not be read.

    Raises
    ------
    engine.errors.DataError
        There is no run, or there are too many.
    """
    found = history(labelled([run.answers for run in runs], saved), order)  # type: ignore[arg-type]
    points = []
    for answers, right in zip(found.runs, found.flips.right, strict=True):
        accuracy = proportion(int((right == 1).sum()), int((right >= 0).sum()))
        points.append(RunPoint(answers.run, answers.created, answers.git_tag, answers.version, accuracy))
    reference = found.reference
    codes = np.min_scalar_type(len(reference.tags))
    return RunHistory(
        tuple(points),
        reference.run,
        reference.ids,
        reference.true.astype(codes),
        reference.tags,
        found.flips,
        {**left_out, **found.left_out},
        found.remarks,
    )
