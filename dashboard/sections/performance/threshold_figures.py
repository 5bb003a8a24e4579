"""What a threshold does, in figures: cards that lead to their rows, and the cheapest place of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dashboard.components.cards import Card
from dashboard.evaluation.selection import WRONG, ExampleSelection, Span, format_selection
from engine.dataset.fields import OTHER

if TYPE_CHECKING:
    from engine.evaluation.coverage import AtThreshold, Below, Coverage
    from engine.evaluation.estimates import Estimate

_MOST_PLACES = 17


def cards_of(at: AtThreshold, rows: int, below: Below) -> list[Card]:
    """Return the cards of a threshold; what is counted leads to its rows, by the text of an `ExampleSelection`.

    Parameters
    ----------
    at
        What becomes of the rows.
    rows
        How many there are.
    below
        What the rows below the threshold are.
    """
    unsure = ExampleSelection(confidence=Span(0.0, at.threshold, below=True))
    if below == OTHER:
        wrong = ExampleSelection(outcome="wrong", other_below=at.threshold) if at.below else WRONG
        unsure = ExampleSelection(confidence=unsure.confidence, other_below=at.threshold)
        rightly = at.others - at.others_wrong
        return [
            _share("Coverage", at.coverage, rows),
            _share("Right of all", at.precision, rows),
            Card("Wrong answers", f"{at.wrong:,}", f"of {rows:,} rows", _key(wrong, at.wrong)),
            Card("Become other", f"{at.others:,}", f"{rightly:,} rightly", _key(unsure, at.others)),
        ]
    wrong = ExampleSelection(outcome="wrong", confidence=Span(at.threshold, 1.0)) if at.below else WRONG
    return [
        _share("Coverage", at.coverage, rows),
        _share("Right of these", at.precision, at.answered),
        Card("Wrong answers", f"{at.wrong:,}", f"of {at.answered:,} answered", _key(wrong, at.wrong)),
        Card("Rejected", f"{at.rejected:,}", f"of {rows:,} rows", _key(unsure, at.rejected)),
    ]


def cheapest(coverage: Coverage, ratio: float, below: Below = "rejected") -> str | None:
    """Return the threshold of least cost as a link has it, as short as can be; None where no row keeps its answer.

    Between two confidences that occur all thresholds do the same, so of these the one with the fewest digits is taken.
    """
    best = coverage.cheapest(ratio, 1.0, below)
    if best.threshold > 1 or (best.below == coverage.rows and coverage.rows):
        return None
    for places in range(_MOST_PLACES + 1):
        # Downwards: a threshold above the confidence would take the answer from that row as well.
        rounded = math.floor(best.threshold * 10**places) / 10**places
        if coverage.at([rounded])[0].below == best.below:
            return written(rounded)
    return written(best.threshold)


def written(threshold: float) -> str:
    """Return a threshold as a link has it; empty for 0, where every row keeps its answer."""
    return "" if threshold <= 0 else np.format_float_positional(min(threshold, 1.0), _MOST_PLACES, trim="-")


def _key(selection: ExampleSelection, count: int) -> str:
    return format_selection(selection) if count else ""


def _share(name: str, one: Estimate, known: int) -> Card:
    if not known:
        return Card(name, "–", "nothing is answered")
    return Card(name, f"{one.value:.1%}", f"{one.low:.1%} to {one.high:.1%}")
