"""Comparison of runs: deltas equal scikit-learn's, intervals a bootstrap of the rows, planted changes are found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from engine.evaluation import paired_f1
from engine.evaluation.comparison import Delta, compare

if TYPE_CHECKING:
    from collections.abc import Callable

TAGS = ("a", "b", "c")
TRIPLES = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=30)


def columns(triples: list[tuple[int, int, int]]) -> list[np.ndarray]:
    return [np.array(side, dtype=np.int64) for side in zip(*triples, strict=True)]


def by_name(deltas: tuple[Delta, ...]) -> dict[str, Delta]:
    return {one.name: one for one in deltas}


@given(TRIPLES, st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_figures_equal_scikit_learn_and_lie_in_their_intervals(triples: list, seed: int) -> None:
    true, before, after = columns(triples)
    half = np.arange(len(true)) % 2 == 0
    found = compare(true, before, after, TAGS, {"half": half, "none": ~half & half}, seed=seed, resamples=40)
    overall = by_name(found.overall)
    for average in ("weighted", "macro"):
        one = overall[f"{average} F1"]
        # As in a run's own report, the macro average is over the tags that occur.
        there = sorted({*true, *before, *after})
        expected = [f1_score(true, said, labels=there, average=average, zero_division=0) for said in (before, after)]
        assert [one.before, one.after] == pytest.approx(expected)
    assert [overall["accuracy"].before, overall["accuracy"].after] == pytest.approx(
        [accuracy_score(true, before), accuracy_score(true, after)]
    )
    for code, one in enumerate(found.tags):
        expected = [f1_score(true == code, said == code, zero_division=0) for said in (before, after)]
        assert [one.before, one.after] == pytest.approx(expected)
        better = ((true == code) == (after == code)) & ((true == code) != (before == code))
        assert one.improved == better.sum()
        assert one.rows == (true == code).sum()
    half_delta, none = found.slices
    assert half_delta.after == pytest.approx(f1_score(true[half], after[half], average="micro"))
    assert (none.rows, none.low, none.high, none.p, none.significant) == (0, -1, 1, 1, False)
    for one in (*found.overall, *found.tags, *found.slices):
        assert -1 <= one.low <= one.change + 1e-12
        assert one.change - 1e-12 <= one.high <= 1
    assert set(found.improved) == set(np.flatnonzero((after == true) & (before != true)))
    assert set(found.regressed) == set(np.flatnonzero((after != true) & (before == true)))
    assert found.both_right + found.both_wrong + len(found.improved) + len(found.regressed) == len(true)


def made(rng: np.random.Generator, n: int, size: int, rates: tuple[float, float]) -> list[np.ndarray]:
    true = rng.integers(0, size, n)
    return [true, *(np.where(rng.random(n) < rate, true, rng.integers(0, size, n)) for rate in rates)]


def drawn_rows(arrays: list[np.ndarray], figure: Callable[..., float]) -> np.ndarray:
    rng = np.random.default_rng(5)
    changes = []
    for _ in range(1500):
        rows = rng.integers(0, len(arrays[0]), len(arrays[0]))
        true, before, after = (array[rows] for array in arrays)
        changes.append(figure(true, after) - figure(true, before))
    return np.quantile(changes, [0.025, 0.975])


def test_intervals_equal_a_bootstrap_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = made(np.random.default_rng(2), 900, 3, (0.7, 0.75))

    def f1(true: np.ndarray, said: np.ndarray) -> np.ndarray:
        hits = np.bincount(true[true == said], minlength=3)
        return 2 * hits / (np.bincount(true, minlength=3) + np.bincount(said, minlength=3))

    figures = {
        "weighted F1": lambda true, said: float(f1(true, said) @ np.bincount(true, minlength=3) / len(true)),
        "macro F1": lambda true, said: float(f1(true, said).mean()),
        "b": lambda true, said: float(f1(true, said)[1]),
    }
    expected = {name: drawn_rows(arrays, figure) for name, figure in figures.items()}
    found = compare(*arrays, TAGS, resamples=4000)
    assert found.method == "bootstrap"
    for name, one in by_name((*found.overall[1:], found.tags[1])).items():
        assert [one.low, one.high] == pytest.approx(expected[name], abs=0.006)
    # With more kinds of rows than can be drawn quickly, its limit says the same.
    monkeypatch.setattr(paired_f1, "_MOST_DRAWS", 0)
    limit = compare(*arrays, TAGS)
    assert limit.method == "its limit"
    for name, one in by_name(limit.overall[1:]).items():
        assert [one.low, one.high] == pytest.approx(expected[name], abs=0.006)


def test_a_true_tag_that_is_not_looked_at_is_never_right_and_has_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = made(np.random.default_rng(3), 400, 4, (0.7, 0.8))
    for most in (10**9, 0):
        monkeypatch.setattr(paired_f1, "_MOST_DRAWS", most)
        found = by_name(compare(*arrays, TAGS).overall)
        right = (arrays[2] == arrays[0]) & (arrays[0] < 3)
        assert found["accuracy"].after == pytest.approx(right.mean())
        expected = f1_score(arrays[0], arrays[2], labels=range(3), average="weighted")
        assert found["weighted F1"].after == pytest.approx(expected)
        assert found["weighted F1"].low < found["weighted F1"].change < found["weighted F1"].high


def test_a_planted_regression_is_flagged_and_what_did_not_change_is_not() -> None:
    flagged, false, wider = 0, 0, 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        true, before, after = made(rng, 800, 3, (0.9, 0.9))
        broken = np.arange(800) < 40
        after = np.where(broken & (rng.random(800) < 0.6), (true + 1) % 3, after)
        slices = {f"s{at}": (rng.random(800) < 0.1) & ~broken for at in range(10)}
        slices |= {"around": broken | (rng.random(800) < 0.1), "broken": broken}
        found = by_name(compare(true, before, after, TAGS, slices, seed=seed, resamples=2).slices)
        flagged += found["broken"].significant and found["broken"].change < 0 and not found["broken"].explained_by
        false += any(found[f"s{at}"].significant for at in range(10))
        wider += found["around"].significant and found["around"].explained_by != "broken"
    assert flagged >= 29
    assert false <= 3
    assert wider <= 3


def test_two_slices_that_broke_apart_from_each_other_explain_nothing() -> None:
    rng = np.random.default_rng(0)
    true, before, after = made(rng, 800, 3, (0.95, 0.95))
    slices = {"one": np.arange(800) < 60, "other": np.arange(800) >= 740, "empty": np.zeros(800, bool)}
    after = np.where(slices["one"] | slices["other"], (true + 1) % 3, after)
    one, other, empty = compare(true, before, after, TAGS, slices).slices
    assert one.significant
    assert other.significant
    assert one.explained_by == other.explained_by == ""
    assert not empty.significant


def test_the_same_answers_are_no_difference_but_no_certainty_either() -> None:
    true, before, _ = made(np.random.default_rng(0), 30, 3, (0.8, 0.8))
    found = compare(true, before, before, TAGS, {"some": true == 0})
    for one in (*found.overall, *found.tags, *found.slices):
        assert (one.change, one.significant, one.improved, one.regressed) == (0, False, 0, 0)
        assert one.low < 0 < one.high


def test_without_a_difference_little_is_flagged() -> None:
    flagged = {"accuracy": 0, "tags": 0, "slices": 0}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true, before, after = made(rng, 150, 3, (0.8, 0.8))
        slices = {f"s{at}": rng.random(150) < 0.3 for at in range(5)}
        found = compare(true, before, after, TAGS, slices, seed=seed, resamples=2)
        flagged["accuracy"] += found.overall[0].significant
        flagged["tags"] += any(one.significant for one in found.tags)
        flagged["slices"] += any(one.significant for one in found.slices)
    # 5 % of 200, and three standard errors.
    assert max(flagged.values()) <= 19


def test_wrong_answers_that_differ_move_the_f1_and_not_the_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    true = np.repeat([0, 1, 2], 400)
    before, after = np.where(true == 0, 1, true), np.where(true == 0, 2, true)
    after[:300] = 1
    for most in (10**9, 0):
        monkeypatch.setattr(paired_f1, "_MOST_DRAWS", most)
        accuracy, weighted, macro = compare(true, before, after, TAGS).overall
        assert accuracy.change == 0
        assert not accuracy.significant
        for one in (weighted, macro):
            assert one.change != 0
            assert one.low <= one.change <= one.high
        same = compare(true, before, before, TAGS).overall
        assert all(one.low < 0 < one.high and not one.significant for one in same)


def test_examples_that_changed_come_by_how_much() -> None:
    true, before, after = np.zeros(4, int), np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1])
    found = compare(
        true,
        before,
        after,
        TAGS,
        truth_before=np.array([0.4, 0.1, 0.6, 0.9]),
        truth_after=np.array([0.6, 0.9, 0.4, 0.3]),
    )
    assert found.improved.tolist() == [1, 0]
    assert found.regressed.tolist() == [3, 2]
    assert compare(true, before, after, TAGS).improved.tolist() == [0, 1]


def test_the_correction_can_be_chosen() -> None:
    true, before, after = made(np.random.default_rng(4), 300, 3, (0.7, 0.8))
    slices = {str(at): np.arange(300) % 5 <= at for at in range(4)}
    holm = compare(true, before, after, TAGS, slices, resamples=2)
    loose = compare(true, before, after, TAGS, slices, resamples=2, correction="benjamini-hochberg")
    for strict, other in zip((*holm.tags, *holm.slices), (*loose.tags, *loose.slices), strict=True):
        assert strict.p == other.p
        assert strict.corrected >= other.corrected >= strict.p


@pytest.mark.parametrize("resamples", [2, 50])
def test_no_rows_and_no_tags(resamples: int) -> None:
    none = np.empty(0, np.int64)
    found = compare(none, none, none, TAGS, {"s": none.astype(bool)}, resamples=resamples)
    for one in (*found.overall, *found.tags, *found.slices):
        assert (one.rows, one.low, one.high, one.significant) == (0, -1, 1, False)
    assert compare(none, none, none, ()).tags == ()
    # Whatever holds the names.
    assert [one.name for one in compare(none, none, none, np.array(TAGS)).tags] == list(TAGS)


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    zeros = np.zeros(3, int)
    for arguments in ((zeros, zeros[:2], zeros), (zeros, zeros, zeros + 4), (zeros - 1, zeros, zeros)):
        with pytest.raises(ValueError, match=r"rows|codes"):
            compare(*arguments, TAGS)
    with pytest.raises(ValueError, match="for 3 rows"):
        compare(zeros, zeros, zeros, TAGS, {"s": np.zeros(2, bool)})


def test_200_000_rows_of_50_tags_and_50_slices_take_little() -> None:
    rng = np.random.default_rng(0)
    arrays = made(rng, 200_000, 50, (0.75, 0.76))
    slices = {str(at): rng.random(200_000) < 0.05 for at in range(50)}
    took = []
    for _ in range(3):
        started = time.process_time()
        compare(*arrays, [str(code) for code in range(50)], slices)
        took.append(time.process_time() - started)
    assert min(took) < 0.4
