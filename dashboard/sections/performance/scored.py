"""Scored parts: precision, recall, F1 and support of each tag and slice, counted anew or read from performance.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dashboard.components.cards import Card
from dashboard.evaluation.selection import ExampleSelection
from dashboard.text import sentence_of
from engine.errors import TagscopeError
from engine.evaluation.counts import Counts, count_slices
from engine.evaluation.estimates import Estimate, Scores, proportion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.evaluation.evaluation import Evaluation
    from engine.evaluation.performance_file import Score

METRICS = {"f1": "F1", "precision": "Precision", "recall": "Recall", "support": "Support", "name": "Name"}
"""What parts can be sorted by, and how it is called."""


class Scored(msgspec.Struct, frozen=True):
    """The scores of one part of the rows; the intervals are known where `sure` is set.

    `right` counts right answers, `false_negatives` the other rows: of the tag, or of the slice.
    """

    scores: Scores
    sure: bool = False
    right: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def estimate(self, metric: str) -> Estimate:
        """Return the figure that a bar shows: that of the metric, F1 where it is sorted by name, or the support."""
        if metric == "support":
            rows = float(self.scores.support)
            return Estimate(rows, rows, rows, self.scores.support)
        found: Estimate = getattr(self.scores, metric if metric in ("precision", "recall") else "f1")
        return found

    @property
    def cards(self) -> list[Card]:
        """F1, precision, recall and number of samples; a dash where there is no sample, as 0.00 reads as bad."""
        some = bool(self.scores.support)
        figures = (("F1", self.scores.f1), ("Precision", self.scores.precision), ("Recall", self.scores.recall))
        cards = [
            # A line is kept for the interval, so that nothing moves when it is known.
            Card(name, f"{one.value:.3f}" if some else "–", interval(one) if self.sure and some else "\u00a0")
            for name, one in figures
        ]
        return [*cards, Card("Samples", f"{self.scores.support:,}", "\u00a0")]


def interval(estimate: Estimate, places: int = 3) -> str:
    """Write a 95 % interval."""
    return f"{estimate.low:.{places}f} to {estimate.high:.{places}f}"


def of_file(scores: Mapping[str, Score]) -> dict[str, Scored]:
    """Take scores as a file has them, without intervals."""
    return {name: Scored(_known(score)) for name, score in scores.items()}


def of_tags(evaluation: Evaluation) -> dict[str, Scored]:
    """Return the scores of each tag."""
    counts = evaluation.counts
    wrong = zip(counts.right.tolist(), counts.predicted.tolist(), counts.support.tolist(), strict=True)
    return {
        tag: Scored(scores, True, right, predicted - right, support - right)
        for (tag, scores), (right, predicted, support) in zip(evaluation.report.tags.items(), wrong, strict=True)
    }


def of_slices(evaluation: Evaluation) -> tuple[dict[str, Scored], list[str]]:
    """Return the scores of each slice that is defined now, and a sentence for each that cannot be used.

    They are micro averages, as in performance.json: where every row has one of the tags as its answer, all three are
    the share of right answers.
    """
    try:
        slices = evaluation.slices
    except TagscopeError as error:
        return {}, [sentence_of(error)]
    counts = count_slices(evaluation.true, evaluation.predicted, evaluation.tags, slices.masks)
    return {name: _of_slice(evaluation, name, one) for name, one in counts.items()}, list(slices.problems.values())


def _of_slice(evaluation: Evaluation, name: str, counts: Counts) -> Scored:
    right, answered = int(counts.right.sum()), int(counts.predicted.sum())
    share = proportion(right, counts.rows)
    if answered == counts.rows:
        scores = Scores(share, share, share, counts.rows)
    else:
        micro = evaluation.slice_report(name).micro
        # Also where some rows are not answered, a slice's figures are of all its rows.
        scores = msgspec.structs.replace(micro, precision=msgspec.structs.replace(micro.precision, n=counts.rows))
    return Scored(scores, True, right, 0, counts.rows - right)


def tag_examples(tag: str, metric: str) -> ExampleSelection:
    """Return the rows that the metric of a tag rests on: `Estimate.n` of them."""
    if metric == "precision":
        return ExampleSelection(predicted=tag)
    return ExampleSelection(true=tag) if metric in ("recall", "support") else ExampleSelection(tag=tag)


def slice_examples(name: str, _metric: str) -> ExampleSelection:
    """Return the rows of a slice, on which all of its metrics rest."""
    return ExampleSelection(slice_name=name)


def order(parts: Mapping[str, Scored], metric: str) -> list[str]:
    """Sort parts: by their names, by support the largest first, else the weakest first and those without rows last."""
    names = sorted(parts)
    if metric == "name":
        return names
    values = np.array([parts[name].estimate(metric).value for name in names])
    if metric == "support":
        keys = -values
    else:
        rows = np.array([parts[name].scores.support for name in names])
        keys = np.where(rows > 0, values, np.inf)
    return [names[at] for at in np.argsort(keys, kind="stable").tolist()]


def _known(score: Score) -> Scores:
    precision, recall, f1 = (
        Estimate(value, value, value, score.num_samples) for value in (score.precision, score.recall, score.f1)
    )
    return Scores(precision, recall, f1, score.num_samples)
