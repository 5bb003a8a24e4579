from __future__ import annotations

import json
import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from engine.errors import DataError
from engine.evaluation import averages
from engine.evaluation.counts import count
from engine.evaluation.estimates import Estimate, Report, proportion, report, reports
from engine.evaluation.intervals import wilson, wilson_ends
from engine.evaluation.metrics import performance

LABELS = ["a", "b", "c", "never"]
# "new" is a true tag that the model does not know, "?" an answer that is none of the tags.
PAIRS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "new"]), st.sampled_from(["a", "b", "c", "?"])), min_size=1, max_size=30
)


def every_estimate(found: Report) -> list[Estimate]:
    scores = [found.weighted, found.macro, found.micro, *found.tags.values()]
    return [found.accuracy, *(estimate for score in scores for estimate in (score.precision, score.recall, score.f1))]


def assert_equals_scikit_learn(found: Report, true: np.ndarray, predicted: np.ndarray) -> None:
    tags = [*LABELS, "new"] if "new" in found.tags else LABELS
    assert found.accuracy.value == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    by_tag = precision_recall_fscore_support(true, predicted, labels=tags, average=None, zero_division=0)
    for tag, expected in zip(tags, zip(*by_tag, strict=True), strict=True):
        score = found.tags[tag]
        values = [score.precision.value, score.recall.value, score.f1.value, score.support]
        assert values == pytest.approx(expected, abs=1e-12)
    # The macro average is over the tags that occur, which is scikit-learn's default but for answers that are no tag.
    occurring = sorted((set(true) | set(predicted)) - {"?"})
    for name, labels in (("weighted", tags), ("micro", tags), ("macro", occurring)):
        expected = precision_recall_fscore_support(true, predicted, labels=labels, average=name, zero_division=0)
        score = getattr(found, name)
        assert [score.precision.value, score.recall.value, score.f1.value] == pytest.approx(expected[:3], abs=1e-12)
        assert score.support == len(true)


@given(PAIRS, st.data())
@settings(deadline=None, max_examples=40)
def test_every_value_equals_scikit_learn_and_lies_in_its_interval(pairs, data) -> None:
    true, predicted = (np.array(side, dtype=object) for side in zip(*pairs, strict=True))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(true), max_size=len(true))))
    one = np.arange(len(true)) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        overall, parts = reports(true, predicted, LABELS, {"part": mask, "one": one, "none": np.zeros(len(true), bool)})
    assert_equals_scikit_learn(overall, true, predicted)
    assert_equals_scikit_learn(parts["one"], true[:1], predicted[:1])
    if mask.any():
        assert_equals_scikit_learn(parts["part"], true[mask], predicted[mask])
    for found in (overall, *parts.values()):
        for estimate in every_estimate(found):
            assert [type(part) for part in (estimate.value, estimate.low, estimate.high, estimate.n)] == [
                float,
                float,
                float,
                int,
            ]
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
            assert estimate.low < estimate.high
    assert {(e.value, e.low, e.high, e.n) for e in every_estimate(parts["none"])} == {(0.0, 0.0, 1.0, 0)}


@given(PAIRS)
@settings(deadline=None, max_examples=30)
def test_the_figures_are_those_of_the_performance_file(pairs) -> None:
    true, predicted = zip(*pairs, strict=True)
    written, (overall, _) = performance(true, predicted, LABELS, {}), reports(true, predicted, LABELS)
    kept = {tag: [s.precision.value, s.recall.value, s.f1.value, s.support] for tag, s in overall.tags.items()}
    assert list(kept) == list(written["class"])
    for tag, score in written["class"].items():
        assert kept[tag] == pytest.approx(list(score.values()), abs=1e-12)
    assert overall.weighted.f1.value == pytest.approx(written["overall"]["f1"], abs=1e-12)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(deadline=None)
def test_proportions_equal_scipy(counts) -> None:
    successes, n = counts
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    found = proportion(successes, n)
    assert (found.value, found.n) == (successes / n, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert tuple(float(end) for end in wilson_ends(successes, n)) == pytest.approx(wilson(successes, n), abs=1e-15)


def test_the_interval_of_an_f1_is_that_of_a_proportion() -> None:
    # 6 right, 3 missed, 1 given wrongly: of the 10 rows that are of the tag or were given it 6 are right.
    found, _ = reports(["a"] * 9 + ["b"] * 5, ["a"] * 6 + ["b"] * 7 + ["a"], ["a", "b"])
    low, high = wilson(6, 10)
    f1 = found.tags["a"].f1
    assert (f1.value, f1.n) == (12 / 16, 10)
    assert (f1.low, f1.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    assert found.tags["a"].recall.n == 9
    assert found.tags["a"].precision.n == 7


def test_no_certainty_is_claimed_where_all_rows_are_right_or_wrong() -> None:
    right, _ = reports(["a", "b", "c"] * 4, ["a", "b", "c"] * 4, ["a", "b", "c"])
    wrong, _ = reports(["a", "b", "c"] * 4, ["b", "c", "a"] * 4, ["a", "b", "c"])
    for average in ("weighted", "macro", "micro"):
        for figure in ("precision", "recall", "f1"):
            assert getattr(getattr(right, average), figure).low < 0.8
            assert getattr(getattr(wrong, average), figure).high > 0.2


def test_intervals_are_seeded_and_narrow_with_the_rows() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 200)
    predicted = np.where(rng.random(200) < 0.7, true, 0)
    small = report(count(true, predicted, "abc"), seed=3)
    few = count(true[:40], predicted[:40], "abc")
    assert report(few, seed=3) == report(few, seed=3)
    assert report(few, seed=3).macro.f1 != report(few, seed=4).macro.f1
    large = report(count(np.tile(true, 100), np.tile(predicted, 100), "abc"), seed=3)
    for average in ("weighted", "macro"):
        narrow, wide = getattr(large, average).f1, getattr(small, average).f1
        assert 8 < (wide.high - wide.low) / (narrow.high - narrow.low) < 12  # the square root of 100


def test_rejected_rows_count_against_recall_and_not_against_precision() -> None:
    found = report(count([0, 0, 1, 1], [0, 2, 1, 2], ["a", "b"]))
    assert found.micro.precision.value == 1.0
    assert (found.accuracy.value, found.micro.recall.value) == (0.5, 0.5)
    assert found.micro.f1.value == pytest.approx(2 / 3)
    assert found.micro.precision.n == 2


FEW_TAGS = np.array([[0.3, 0.05, 0.05, 0.02], [0.02, 0.25, 0.03, 0], [0.05, 0.03, 0.17, 0.03]])
MANY_TAGS = np.append(0.01 * np.ones((20, 20)) + 0.6 * np.eye(20), np.full((20, 1), 0.05), axis=1)


@pytest.mark.parametrize(
    ("shares", "rows", "drawn"),
    [(FEW_TAGS, 40, True), (FEW_TAGS, 400, True), (FEW_TAGS, 1500, False), (MANY_TAGS, 700, False)],
)
def test_what_is_not_drawn_equals_what_drawing_finds(
    shares: np.ndarray, rows: int, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bias and spread of the averages, against thousands of samples and no control variate."""
    rng = np.random.default_rng(1)
    shares = shares / shares.sum()
    truth = averages.averages(shares)
    if not drawn:
        monkeypatch.setattr(averages, "_DRAWS", 0)
        monkeypatch.setattr(averages, "_FEWEST_DRAWS", 0)
    elif rows == 400:
        monkeypatch.setattr(averages, "_ENOUGH_ROWS", 10**9)
    bias, variance = averages._moments(shares, rows, np.random.default_rng(0), truth)
    samples = 8_000 if len(shares) > 3 else 20_000
    found = averages.averages(rng.multinomial(rows, shares.ravel(), size=samples).reshape(-1, *shares.shape))
    assert list(bias) == list(found)
    for name, values in found.items():
        errors = values - truth[name]
        assert variance[name] ** 0.5 == pytest.approx(errors.std(), rel=0.04)
        # The mean of so many has a spread of 0.01 of theirs, that of what is drawn here less than 0.03.
        assert bias[name] == pytest.approx(errors.mean(), abs=0.05 * errors.std())


def test_the_lessons_figures_keep_their_digits(lesson_data) -> None:
    lesson = json.loads((lesson_data / "performance.json").read_text(encoding="utf-8"))
    true, predicted = [], []
    for tag, score in lesson["class"].items():
        right = round(score["recall"] * score["num_samples"])
        true += [tag] * round(score["num_samples"])
        predicted += [tag] * right + ["other"] * (round(score["num_samples"]) - right)
    found, _ = reports(true, predicted, list(lesson["class"]))
    for tag, score in lesson["class"].items():
        kept = found.tags[tag]
        assert (kept.precision.value, kept.recall.value, kept.f1.value, kept.support) == pytest.approx(
            tuple(score.values())
        )
    assert found.weighted.f1.value == pytest.approx(lesson["overall"]["f1"])


def test_missing_tags_are_refused() -> None:
    with pytest.raises(DataError, match="true tags are missing in 1 row"):
        reports(["a", None], ["a", "a"], ["a"])


def test_intervals_cover_the_truth() -> None:
    """A glance; `benchmarks/statistics.py` looks closely. Of 300 intervals 285 are expected, 4 more or fewer often."""
    rng = np.random.default_rng(0)
    shares = np.array([[0.42, 0.06, 0.02, 0], [0.06, 0.22, 0.02, 0], [0.03, 0.03, 0.14, 0]])
    support, given, right = shares.sum(1), shares[:, :3].sum(0), np.diagonal(shares)
    f1 = 2 * right / (support + given)
    truth = {"weighted": (f1 * support).sum(), "macro": f1.mean(), "tag": f1[1]}
    covered = dict.fromkeys(truth, 0)
    for _ in range(300):
        cells = rng.multinomial(40, shares.ravel()).reshape(3, 4)
        found = report(count(*cell_codes(cells), "abc"))
        for name, estimate in {
            "weighted": found.weighted.f1,
            "macro": found.macro.f1,
            "tag": found.tags["b"].f1,
        }.items():
            covered[name] += estimate.low <= truth[name] <= estimate.high
    assert all(273 <= number <= 297 for number in covered.values()), covered


def cell_codes(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = np.repeat(np.arange(cells.size), cells.ravel())
    return places // cells.shape[1], places % cells.shape[1]


def test_a_million_rows_of_fifty_tags_are_quick() -> None:
    rng = np.random.default_rng(0)
    tags = [f"tag {number}" for number in range(50)]
    true = rng.integers(0, 50, 1_000_000)
    predicted = np.where(rng.random(len(true)) < 0.8, true, rng.integers(0, 50, len(true)))
    start = time.process_time()
    found = report(count(true, predicted, tags))
    assert time.process_time() - start < 5
    assert found.macro.f1.high - found.macro.f1.low < 0.003
