"""Two runs compared, as the sections show them: with slices, and the rows behind each figure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from dashboard.evaluation.one_copy import one_copy
from dashboard.evaluation.rows import PackedMasks
from dashboard.evaluation.selection import FLIPS, SelectionError
from dashboard.text import plain_text, sentence_of
from engine.errors import TagscopeError
from engine.evaluation.comparison import Comparison, compare
from engine.evaluation.guard import Shared, guard

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
        shared = dataclasses.replace(shared, remarks=(*shared.remarks, sentence_of(error)))
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
    """Keep what two runs share in as few bytes as it needs: 11 per row instead of 40, and each array only once."""
    codes = np.min_scalar_type(len(shared.tags))
    return dataclasses.replace(
        shared,
        rows_before=one_copy(shared.rows_before.astype(np.int32)),
        rows_after=one_copy(shared.rows_after.astype(np.int32)),
        true=one_copy(shared.true.astype(codes)),
        before=one_copy(shared.before.astype(codes)),
        after=one_copy(shared.after.astype(codes)),
    )
