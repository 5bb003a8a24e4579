"""The gate's statistics against independent computations and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from engine.evaluation.metrics import scores
from engine.evaluation.paired import Change, f1_change, upper_bound
from engine.pipeline.proof.gate import FLIP_LIMIT, MINIMUM_TEXTS, Evidence, judge_gate, most_flips

LABELS = ["a", "b", "c"]
TAG = st.sampled_from(LABELS)
ROWS = st.lists(st.tuples(TAG, TAG, TAG), min_size=1, max_size=40)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
@settings(deadline=None)
def test_at_the_bound_so_few_events_have_a_chance_of_five_percent(counts: tuple[int, int]) -> None:
    events, n = counts
    bound = upper_bound(events, n)
    assert events / n < bound <= 1
    assert binom.cdf(events, n, bound) == pytest.approx(0.05, abs=1e-6)


def test_a_bound_of_nothing_and_of_nonsense() -> None:
    assert upper_bound(0, 0) == 1
    assert upper_bound(7, 7) == 1
    for bad in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no proportion"):
            upper_bound(*bad)


@given(st.integers(0, 20_000))
@settings(deadline=None, max_examples=30)
def test_most_flips_is_the_last_number_below_the_limit(texts: int) -> None:
    allowed = most_flips(texts)
    assert allowed == -1 or upper_bound(allowed, texts) <= FLIP_LIMIT
    assert upper_bound(min(allowed + 1, texts), texts) > FLIP_LIMIT


@given(ROWS, st.integers(0, 100))
@settings(deadline=None)
def test_the_change_is_that_of_the_scores_and_inside_its_interval(rows, seed: int) -> None:
    true, before, after = zip(*rows, strict=True)
    change = f1_change(true, before, after, LABELS, seed=seed, resamples=100)
    assert change.before == pytest.approx(scores(true, before, labels=LABELS)["f1"])
    assert change.after == pytest.approx(scores(true, after, labels=LABELS)["f1"])
    assert change.low <= change.change <= change.high
    back = f1_change(true, after, before, LABELS, seed=seed, resamples=100)
    assert back.change == pytest.approx(-change.change)


@given(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=40))
@settings(deadline=None)
def test_equal_answers_do_not_change_anything(rows) -> None:
    true, answers = zip(*rows, strict=True)
    change = f1_change(true, answers, answers, LABELS)
    assert (change.change, change.low, change.high, change.worse) == (0, 0, 0, False)


def test_the_interval_is_that_of_drawing_the_rows_themselves() -> None:
    rng = np.random.default_rng(1)
    true = rng.choice(LABELS, 200, p=[0.5, 0.3, 0.2])
    before = np.where(rng.random(200) < 0.8, true, "a")
    after = np.where(rng.random(200) < 0.9, before, rng.choice(LABELS, 200))
    drawn = []
    for _ in range(500):
        rows = rng.integers(0, 200, 200)
        figures = [scores(true[rows], answers[rows], labels=LABELS)["f1"] for answers in (before, after)]
        drawn.append(figures[1] - figures[0])
    change = f1_change(true, before, after, LABELS, seed=3, resamples=4000)
    assert (change.low, change.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_pairing_finds_what_two_intervals_would_hide() -> None:
    true = np.array(["a", "b"] * 100)
    before = true.copy()
    before[:60] = "c"
    after = before.copy()
    after[100:110] = "c"
    assert f1_change(true, before, after, LABELS).worse
    assert not f1_change(true, after, before, LABELS).worse


def evidence(**changes) -> Evidence:
    given = {"texts": 2000, "flips": 0, "batched": 2000, "mate_changes": 0, "f1": Change(0.9, 0.9, -0.01, 0.01, 200)}
    return Evidence(**{**given, **changes})


def test_what_passes_and_what_does_not() -> None:
    assert judge_gate(evidence()).passed
    assert judge_gate(evidence()).batching
    assert judge_gate(evidence(flips=4)).passed
    assert judge_gate(evidence(f1=None)).passed
    too_many = judge_gate(evidence(flips=5))
    assert not too_many.passed
    assert "5 of 2,000 texts" in too_many.reason
    worse = judge_gate(evidence(f1=Change(0.9, 0.8, -0.15, -0.05, 200)))
    assert not worse.passed
    assert "worse by 0.1000" in worse.reason
    mates = judge_gate(evidence(mate_changes=1))
    assert mates.passed
    assert not mates.batching
    assert "not in batches" in mates.reason
    assert not judge_gate(evidence(batched=1999)).batching
    assert judge_gate(evidence(shapes=0.15)).passed
    for off in (0.16, float("inf"), float("nan")):
        overflowing = judge_gate(evidence(shapes=off))
        assert not overflowing.passed
        assert "at some shape" in overflowing.reason
    stopped = judge_gate(evidence(texts=250, batched=250, flips=5))
    assert not stopped.passed
    assert "5 of 250 texts" in stopped.reason
    assert "more than" in stopped.reason
    few = judge_gate(evidence(texts=1999, batched=1999))
    assert not few.passed
    assert "2,000" in few.reason


@given(st.integers(0, 6000), st.integers(0, 40), st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_more_flips_or_changes_never_help(texts: int, flips: int, mates: int) -> None:
    flips = min(flips, texts)
    one = judge_gate(evidence(texts=texts, flips=flips, batched=texts, mate_changes=min(mates, texts)))
    assert one.passed or not one.batching
    assert one.passed == (texts >= MINIMUM_TEXTS and flips <= most_flips(texts))
    if flips < texts:
        more = judge_gate(evidence(texts=texts, flips=flips + 1, batched=texts, mate_changes=min(mates, texts)))
        assert one.passed or not more.passed
        assert one.bound < more.bound
