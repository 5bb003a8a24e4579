"""Comparison of two runs: their bundles and data sets read, guarded, compared, and put into words and JSON."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from config.settings import get_settings
from engine.dataset.snapshot import Dataset, list_datasets, open_dataset
from engine.errors import TagscopeError
from engine.evaluation.comparison import Comparison, compare
from engine.evaluation.guard import Shared, guard
from engine.pipeline.answers import read_answers, slices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from engine.evaluation.answers import Answers
    from engine.evaluation.declared_slices import SliceDefinition
    from engine.evaluation.significance import Correction
    from engine.runs.bundle import Bundle


@dataclasses.dataclass(frozen=True, eq=False)
class RunComparison:
    """Two runs compared, or why not.

    Parameters
    ----------
    before, after : Answers
        What each run answered.
    shared : Shared
        On what they are compared; its `refusal` says why not.
    comparison : Comparison or None
        None where it is refused.
    ids : numpy.ndarray
        object of str: ids of the rows compared; positions in `comparison` are those in this.
    """

    before: Answers
    after: Answers
    shared: Shared
    comparison: Comparison | None
    ids: np.ndarray

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values: deltas, ids of the examples that changed, and the sentences."""
        head: dict[str, Any] = {
            "before": self.before.run,
            "after": self.after.run,
            "allowed": self.shared.allowed,
            "refusal": self.shared.refusal or None,
            "remarks": list(self.shared.remarks),
        }
        found = self.comparison
        if found is None:
            return head
        return {
            **head,
            "rows": len(self.ids),
            "labels_changed": self.shared.changed,
            "overall": [_plain(one) for one in found.overall],
            "tags": [_plain(one) for one in found.tags],
            "slices": [_plain(one) for one in found.slices],
            "flips": {
                "fixed": len(found.improved),
                "broken": len(found.regressed),
                "both_right": found.both_right,
                "both_wrong": found.both_wrong,
            },
            "fixed_ids": [str(name) for name in self.ids[found.improved]],
            "broken_ids": [str(name) for name in self.ids[found.regressed]],
        }


def _plain(delta: Any) -> dict[str, Any]:
    return {**msgspec.to_builtins(delta), "change": delta.change}


def compare_runs(
    before: Bundle,
    after: Bundle,
    *,
    slices: Mapping[str, SliceDefinition] | None = None,
    correction: Correction = "holm",
    datasets_dir: Path | None = None,
) -> RunComparison:
    """Compare two runs on what they share.

    Parameters
    ----------
    before, after
        The runs; a change for the better is one from the first to the second.
    slices
        As for `engine.pipeline.answers.slices_of`, of the rows of the run with the newer labels.
    correction
        See `engine.evaluation.significance.corrected`.
    datasets_dir
        Where the data sets are; that of the settings by default. Without a run's data set its texts cannot be checked,
        and without either there are no slices: the remarks say so.

    Raises
    ------
    engine.errors.BundleError
        A run has no predictions, or they are damaged.
    engine.errors.TagscopeError
        A slice fails.
    """
    answers, datasets = read_runs((before, after), datasets_dir)

    def masks(newer: Answers) -> dict[str, np.ndarray] | None:
        dataset = datasets.get(newer.dataset)
        return None if dataset is None else slices_of(newer, dataset, slices)

    return compare_answers(*answers, masks=masks, correction=correction)


def read_runs(bundles: Sequence[Bundle], datasets_dir: Path | None = None) -> tuple[list[Answers], dict[str, Dataset]]:
    """Read what runs answered, with their probabilities, so that they can be compared.

    Parameters
    ----------
    bundles
        The runs.
    datasets_dir
        Where the data sets are; that of the settings by default.

    Returns
    -------
    answers : list of Answers
        In the order of `bundles`. All of them have the time at which their labels were saved where that is known of
        all, else the time at which the run was made: the two do not mix.
    datasets : dict of str to Dataset
        By digest, those that are here.

    Raises
    ------
    engine.errors.BundleError
        A run has no predictions, or they are damaged.
    """
    folder = datasets_dir or get_settings().datasets_dir
    saved = {info.digest: info.saved for info in list_datasets(folder)}
    digests = [bundle.manifest.dataset.digest for bundle in bundles]
    known = all(digest in saved for digest in digests)
    datasets: dict[str, Dataset] = {}
    for digest in dict.fromkeys(digests):
        # A bundle is portable: its data set may have stayed behind.
        with contextlib.suppress(TagscopeError):
            datasets[digest] = open_dataset(folder, digest)
    answers = [
        read_answers(bundle, datasets.get(digest), labelled=saved[digest] if known else "", probabilities=True)
        for bundle, digest in zip(bundles, digests, strict=True)
    ]
    return answers, datasets


def compare_answers(
    before: Answers,
    after: Answers,
    *,
    masks: Callable[[Answers], Mapping[str, np.ndarray] | None] | None = None,
    correction: Correction = "holm",
) -> RunComparison:
    """Compare what two runs answered, read before by `read_runs`; 200,000 rows of 50 tags take some tenths of a second.

    Parameters
    ----------
    before, after
        The runs; a change for the better is one from the first to the second.
    masks
        Called with the run whose labels are the newer ones; returns its slices, name to mask over its rows (they may be
        kept), or None where they cannot be found, which a remark then says. Without it there are no slices.
    correction
        See `engine.evaluation.significance.corrected`.
    """
    shared = guard(before, after)
    ids = after.ids[shared.rows_after]
    if not shared.allowed:
        return RunComparison(before, after, shared, None, ids)
    newer, rows = (after, shared.rows_after) if shared.newer_is_after else (before, shared.rows_before)
    found = masks(newer) if masks is not None else {}
    if found is None:
        remark = f"There are no slices, because the data set {newer.dataset} of run {newer.run} is not here."
        shared = dataclasses.replace(shared, remarks=(*shared.remarks, remark))
    comparison = compare(
        shared.true,
        shared.before,
        shared.after,
        shared.tags,
        {name: mask[rows] for name, mask in (found or {}).items()},
        correction=correction,
        truth_before=shared.truth(before, after=False),
        truth_after=shared.truth(after, after=True),
    )
    return RunComparison(before, after, shared, comparison, ids)
