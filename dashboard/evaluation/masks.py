"""From a selection to the rows of a run that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dashboard.evaluation.selection import NO_TAG, OF_TAGS, SelectionError, Span, weak_name
from dashboard.text import plain_text
from engine.dataset.fields import OTHER

if TYPE_CHECKING:
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.evaluation.selection import ExampleSelection


def mask_of(run: Evaluation, selection: ExampleSelection) -> np.ndarray:
    """Return the examples of a run that are meant: bool, shape (n,).

    Raises
    ------
    engine.errors.TagscopeError
        The selection names what this run does not have; one sentence says what.
    """
    met = np.ones(run.rows, bool)
    predicted, correct, below = _answers(run, selection.other_below)
    if selection.true:
        met &= run.true == run.code(selection.true)
    if selection.predicted:
        none = selection.predicted == NO_TAG and NO_TAG not in run.tags
        met &= predicted == (len(run.tags) if none else run.code(selection.predicted))
    if selection.outcome in OF_TAGS:
        met &= _of_tag(run.true, predicted, selection.outcome, run.code(selection.tag))
    elif selection.outcome in ("correct", "wrong"):
        met &= correct == (selection.outcome == "correct")
    elif selection.outcome:
        met &= run.outcomes.mask(selection.outcome)  # type: ignore[arg-type]
        if below is not None:
            met &= ~below
    if selection.tag and selection.outcome not in OF_TAGS and not selection.flip:
        code = run.code(selection.tag)
        met &= (run.true == code) | (predicted == code)
    if selection.confidence is not None:
        met &= within(run.confidence, selection.confidence)
    if selection.weak:
        met &= _only(run, _weak_rows(run, selection.weak))
    if selection.flip:
        pair = run.others.pair(selection.against, run.run_id)
        met &= _only(run, pair.flip_rows(selection.flip, tag=selection.tag, slice_name=selection.slice_name))
    elif selection.slice_name:
        met &= run.slice_mask(selection.slice_name)
    if selection.course or selection.pattern:
        runs = selection.over or run.others.relatives(run.run_id)
        reference = selection.by or run.others.reference(runs, run.run_id)
        found = run.others.history(runs, None if selection.over else selection.order, reference)
        met &= _only(run, found.rows_in(run, course=selection.course, pattern=selection.pattern))
    return met


def within(confidence: np.ndarray, span: Span) -> np.ndarray:
    """Return which confidences (float32, shape (n,)) are in a range; compared as float64, as thresholds and bins."""
    values = confidence.astype(np.float64)
    low = values > span.low if span.above else values >= span.low
    high = values < span.high if span.below else values <= span.high
    return np.asarray(low & high)


def _answers(run: Evaluation, other_below: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return codes of the answers, whether they are right, and which are `other` because of the threshold, if any."""
    if other_below is None:
        return run.predicted, run.correct, None
    other = run.code(OTHER)
    below = within(run.confidence, Span(0.0, other_below, below=True))
    predicted = np.where(below, other, run.predicted)
    return predicted, predicted == run.true, below


def _of_tag(true: np.ndarray, predicted: np.ndarray, kind: str, code: int) -> np.ndarray:
    is_true, is_answer = true == code, predicted == code
    if kind == "tp":
        return np.asarray(is_true & is_answer)
    return np.asarray(is_answer & ~is_true if kind == "fp" else is_true & ~is_answer)


def _only(run: Evaluation, positions: np.ndarray) -> np.ndarray:
    mask = np.zeros(run.rows, bool)
    mask[positions] = True
    return mask


def _weak_rows(run: Evaluation, name: str) -> np.ndarray:
    found = run.weak.start().wait()
    if found is None:
        raise SelectionError(run.weak.status.sentence or "The weak slices are still being looked for; wait for them.")
    for one in found.found:
        if weak_name([condition.phrase for condition in one.conditions]) == name:
            return one.positions
    raise SelectionError(
        f"No weak slice “{plain_text(name, 80)}” was found in run {run.run_id}; choose one of those listed."
    )
