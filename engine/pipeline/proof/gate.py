"""The gate: may this backend and precision answer in place of fp32? Pure statistics, no model in sight.

A way to compute a model is let through where, against the baseline (fp32 torch):

- at most 0.5 % of all texts can be expected to get another tag: the one-sided 95 % upper bound of Clopper and Pearson
  on the flips among at least 2,000 different texts, for which no labels are needed; and
- no answer at the grid of shapes is off by more than 15 % of the largest: a run's texts may all be short, and what
  overflows in long ones does not show on them; and
- the weighted F1 on the held-out rows is not significantly worse: the 95 % interval of a paired bootstrap of the change
  is not wholly below zero. (A bootstrap of the F1 itself, not McNemar's test, which judges the accuracy. With few
  differing answers it is the stricter of the two: four that are worse suffice, the exact test needs five.)

It may run in batches only if no text's tag changed with the texts that it was batched with.
"""

from __future__ import annotations

import msgspec

from engine.evaluation.paired import Change, upper_bound

FLIP_LIMIT = 0.005
MINIMUM_TEXTS = 2000
SHAPES_LIMIT = 0.15
CONFIDENCE = 0.95


class Evidence(msgspec.Struct, frozen=True):
    """What was counted for one way, against the baseline.

    Attributes
    ----------
    texts
        Different texts, each answered alone.
    flips
        Texts whose tag differs from the baseline's.
    batched
        Texts that were answered in batches as well.
    mate_changes
        Texts whose tag in a batch differs from the one alone.
    f1
        The change of the weighted F1 on the held-out rows; None where there are none.
    shapes
        max |a - b| / max |baseline| over the grid of shapes; None where that was not looked at.
    """

    texts: int
    flips: int
    batched: int
    mate_changes: int
    f1: Change | None = None
    shapes: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """Whether a way passes, whether it may be batched, and why (one sentence without its full stop)."""

    passed: bool
    batching: bool
    bound: float
    reason: str


def most_flips(texts: int) -> int:
    """Return how many flips among so many texts the gate lets through; -1 where none at all is still no proof."""
    allowed = -1
    while allowed + 1 < texts and upper_bound(allowed + 1, texts, CONFIDENCE) <= FLIP_LIMIT:
        allowed += 1
    return allowed


def judge_gate(evidence: Evidence) -> Verdict:
    """Judge one way by what was counted.

    Parameters
    ----------
    evidence
        Counts against the baseline.

    Returns
    -------
    Verdict
        `batching` implies `passed`.
    """
    bound = upper_bound(evidence.flips, evidence.texts, CONFIDENCE)
    counted = f"{evidence.flips:,} of {evidence.texts:,} texts get another tag, so up to {bound:.2%} of all may"
    # Counting stops where there are too many for any number of further texts to mend.
    if evidence.flips > most_flips(max(evidence.texts, MINIMUM_TEXTS)):
        return Verdict(False, False, bound, f"{counted}, more than {FLIP_LIMIT:.1%}")
    if evidence.texts < MINIMUM_TEXTS:
        return Verdict(False, False, bound, f"{counted}; that takes {MINIMUM_TEXTS:,} texts to say")
    if evidence.shapes is not None and not evidence.shapes <= SHAPES_LIMIT:
        off = f"by {evidence.shapes:.0%} of" if evidence.shapes <= 1 else "by more than"
        why = f"at some shape an answer is off {off} the largest, and {SHAPES_LIMIT:.0%} may be"
        return Verdict(False, False, bound, f"{counted}, but {why}")
    if evidence.f1 is not None and evidence.f1.worse:
        change = evidence.f1
        why = f"F1 on the held-out rows is worse by {-change.change:.4f} ({change.low:+.4f} to {change.high:+.4f})"
        return Verdict(False, False, bound, why)
    if evidence.mate_changes:
        why = f"{counted}; {evidence.mate_changes:,} of {evidence.batched:,} change with the batch, so not in batches"
        return Verdict(True, False, bound, why)
    if evidence.batched < min(evidence.texts, MINIMUM_TEXTS):
        return Verdict(True, False, bound, f"{counted}; only {evidence.batched:,} were tried in batches")
    return Verdict(True, True, bound, counted)
