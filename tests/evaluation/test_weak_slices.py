from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine.dataset.content import Dataset
from engine.dataset.loading import load_table
from engine.evaluation.candidates import Candidates, candidates_of
from engine.evaluation.chance import excess, guessing
from engine.evaluation.effect import difference, ratio, standardised
from engine.evaluation.intervals import wilson
from engine.evaluation.term_counts import TermCounts, of_texts
from engine.evaluation.weak_slices import weak_slices
from engine.runs.tokenizer import words_of

TOPICS = {
    "vision": "image camera pixel segment object",
    "language": "word sentence translate parse corpus",
    "operations": "deploy monitor serve pipeline cluster",
}
COMMON = ["the", "a", "model", "fast", "new", "open", "tool", "simple"]
ERROR_RATES = {"vision": 0.05, "language": 0.1, "operations": 0.4}


def rows_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts, tags and dates."""
    rng = np.random.default_rng(seed)
    tags = rng.choice(list(TOPICS), count, p=[0.5, 0.35, 0.15]).astype(object)
    own = [rng.choice(TOPICS[tag].split(), 3) for tag in tags]
    texts = [" ".join([*words, *rng.choice(COMMON, rng.integers(2, 9))]) for words in own]
    created = np.datetime64("2020-01-01", "us") + rng.integers(0, 180, count) * np.timedelta64(1, "D")
    return np.array(texts, object), tags, created


def answers_of(tags: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Predicted tags that are wrong where they should be."""
    names = list(TOPICS)
    return np.array([names[(names.index(tag) + int(no)) % 3] for tag, no in zip(tags, wrong, strict=True)], object)


def noise(tags: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors that hang on the tag alone."""
    return np.asarray(rng.random(len(tags)) < np.array([ERROR_RATES[tag] for tag in tags]))


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows_of(600, 0)


@pytest.fixture(scope="module")
def candidates(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Candidates:
    return candidates_of(*rows)


def by_hand(condition, texts: np.ndarray, tags: np.ndarray, created: np.ndarray) -> np.ndarray | None:
    """The rows that meet a condition, by pandas; None for neighbourhoods."""
    lengths = np.array([len(words_of(text)) for text in texts])
    days = pd.Series(created).dt.date
    match condition.kind:
        case "term":
            return np.array([condition.value in words_of(text) for text in texts])
        case "tag":
            return tags == condition.value
        case "length":
            return (lengths >= (condition.least or 0)) & (lengths <= (condition.most or 10**9))
        case "period":
            return ((days >= condition.first) & (days <= condition.last)).to_numpy()
    return None


def test_rows_of_each_condition_equal_pandas(rows, candidates: Candidates) -> None:
    assert {condition.kind for condition in candidates.conditions} == {
        "term", "tag", "length", "period", "neighbourhood"
    }  # fmt: skip
    for place, condition in enumerate(candidates.conditions):
        expected = by_hand(condition, *rows)
        mask = candidates.mask((place,))
        assert expected is None or mask.tolist() == expected.tolist(), condition
        assert 15 <= mask.sum() <= len(mask) - 15
    for kind in ("length", "period", "neighbourhood"):
        assert sum(condition.kind == kind for condition in candidates.conditions) > 1
    assert candidates.mask((0, 1)).tolist() == (candidates.mask((0,)) & candidates.mask((1,))).tolist()


@pytest.mark.parametrize(
    ("days", "name", "first", "last"),
    [
        (200, "January 2020", (2020, 1, 1), (2020, 1, 31)),
        (1000, "quarter 1 of 2020", (2020, 1, 1), (2020, 3, 31)),
        (4000, "2020", (2020, 1, 1), (2020, 12, 31)),
    ],
)
def test_periods_are_as_fine_as_they_can_be(days: int, name: str, first: tuple, last: tuple) -> None:
    created = np.datetime64("2020-01-01", "us") + np.linspace(0, days, 900).astype(int) * np.timedelta64(1, "D")
    created[5] = np.datetime64("NaT")
    made = candidates_of(np.full(900, "a word", object), np.full(900, "x", object), created)
    period = next(condition for condition in made.conditions if condition.kind == "period")
    assert (period.value, period.first, period.last) == (name, datetime.date(*first), datetime.date(*last))
    assert not made.mask((made.conditions.index(period),))[5]


def test_noise_reports_nothing(rows, candidates: Candidates) -> None:
    """The tag operations is weak in truth; what else is reported would be chance."""
    reported = 0
    for seed in range(1000, 1040):
        wrong = noise(rows[1], np.random.default_rng(seed))
        found = weak_slices(candidates, rows[1], answers_of(rows[1], wrong)).found
        reported += any(part.conditions[0].value != "operations" or len(part.conditions) > 1 for part in found)
    assert reported <= 2


def test_words_of_a_difficult_tag_are_not_weak(rows, candidates: Candidates) -> None:
    tags = rows[1]
    kept = [place for place, condition in enumerate(candidates.conditions) if condition.kind != "tag"]
    conditions = tuple(candidates.conditions[place] for place in kept)
    without = Candidates(conditions, candidates.matrix[:, kept], np.arange(len(kept)))
    for seed in range(1000, 1010):
        wrong = noise(tags, np.random.default_rng(seed))
        assert weak_slices(without, tags, answers_of(tags, wrong)).found == ()


def test_a_model_that_guesses_has_no_weak_slices(rows, candidates: Candidates) -> None:
    tags = rows[1]
    reported = 0
    for seed in range(40):
        found = weak_slices(candidates, tags, np.random.default_rng(seed).permutation(tags))
        reported += bool(found.found)
        assert found.found or "guessing" in found.sentence or "chance" in found.sentence
    assert reported <= 1


@pytest.mark.parametrize("word", ["fast", "image", "corpus"])
def test_a_planted_word_is_first(rows, candidates: Candidates, word: str) -> None:
    texts, tags, _ = rows
    has = np.array([word in words_of(text) for text in texts])
    wrong = noise(tags, np.random.default_rng(1)) | (has & (np.random.default_rng(2).random(len(tags)) < 0.7))
    answers = answers_of(tags, wrong)
    found = weak_slices(candidates, tags, answers)
    first = found.found[0]
    assert [condition.value for condition in first.conditions] == [word]
    assert first.positions.tolist() == np.flatnonzero(has).tolist()
    assert first.errors == (tags != answers)[has].sum()
    assert first.error_rate == pytest.approx(wrong[has].mean())
    # What its rows would have at the error rates that the other rows of their tags have.
    frame = pd.DataFrame({"tag": tags, "wrong": wrong, "has": has})
    rates = frame[~has].groupby("tag")["wrong"].mean()
    assert first.usual == pytest.approx(frame[has]["tag"].map(rates).mean())
    assert first.difference.low < first.error_rate - first.usual < first.difference.high
    assert first.ratio.value == pytest.approx(first.error_rate / first.usual)
    assert f'with the word "{word}"' in first.sentence
    assert f"{first.errors} are wrong" in first.sentence
    assert f"{found.looked_at:,} slices" in found.sentence
    assert first.p < 0.001
    # None of the others is the same thing once more.
    covered = np.zeros(len(tags), bool)
    for part in found.found:
        new = np.setdiff1d(part.positions, np.flatnonzero(covered))
        assert len(new) >= 15
        covered[part.positions] = True
    assert len(found.found) <= 3


def test_a_planted_pair_is_found_as_a_pair(rows, candidates: Candidates) -> None:
    _, tags, created = rows
    rows_of_pair = (pd.Series(created).dt.month == 3).to_numpy() & (tags == "vision")
    wrong = (np.random.default_rng(3).random(len(tags)) < 0.05) | rows_of_pair
    first = weak_slices(candidates, tags, answers_of(tags, wrong)).found[0]
    assert {condition.value for condition in first.conditions} == {"March 2020", "vision"}
    assert first.positions.tolist() == np.flatnonzero(rows_of_pair).tolist()


def test_nearly_the_same_rows_are_told_once() -> None:
    texts, tags, created = rows_of(600, 4)
    has = np.array(["fast" in words_of(text) for text in texts])
    texts = np.array([text + " quick" * int(no) for text, no in zip(texts, has, strict=True)], object)
    wrong = noise(tags, np.random.default_rng(5)) | has
    found = weak_slices(candidates_of(texts, tags, created), tags, answers_of(tags, wrong)).found
    assert [part.conditions[0].value for part in found if part.errors == part.rows] == ["fast"]
    assert any(other[0].value == "quick" and len(other) == 1 for other in found[0].also)


def test_the_order_of_the_rows_does_not_matter(rows, candidates: Candidates) -> None:
    texts, tags, created = rows
    has = np.array(["open" in words_of(text) for text in texts])
    answers = answers_of(tags, noise(tags, np.random.default_rng(6)) | has)
    found = weak_slices(candidates, tags, answers)
    order = np.random.default_rng(7).permutation(len(tags))
    again = candidates_of(texts[order], tags[order], created[order])
    assert again.conditions == candidates.conditions
    assert (again.matrix != candidates.matrix[order]).nnz == 0
    other = weak_slices(again, tags[order], answers[order])
    assert [part.sentence for part in other.found] == [part.sentence for part in found.found]
    assert np.sort(order[other.found[0].positions]).tolist() == found.found[0].positions.tolist()


def test_only_judged_rows_count(rows, candidates: Candidates) -> None:
    texts, tags, _ = rows
    judged = np.random.default_rng(8).random(len(tags)) < 0.6
    has = np.array(["tool" in words_of(text) for text in texts])
    answers = answers_of(tags, noise(tags, np.random.default_rng(9)) | has)
    answers[~judged] = None
    unknown = np.where(judged, tags, None)
    found = weak_slices(candidates, unknown, answers, judged=judged)
    assert found.rows == judged.sum()
    assert found.found[0].positions.tolist() == np.flatnonzero(has & judged).tolist()
    with pytest.raises(ValueError, match="without tag"):
        weak_slices(candidates, unknown, answers)
    nothing = weak_slices(candidates, tags, answers, judged=np.zeros(len(tags), bool))
    assert (nothing.found, nothing.looked_at) == ((), 0)


@pytest.mark.parametrize("count", [0, 1, 20])
def test_few_rows_have_no_slices(count: int) -> None:
    texts, tags, created = rows_of(count, 0)
    made = candidates_of(texts, tags, created)
    assert weak_slices(made, tags, tags).found == ()
    assert weak_slices(candidates_of(texts, tags), tags, tags).found == ()


def test_lengths_must_agree(candidates: Candidates) -> None:
    with pytest.raises(ValueError, match="another number"):
        candidates_of(["a", "b"], ["x"])
    with pytest.raises(ValueError, match="600 rows, 1 true"):
        weak_slices(candidates, ["a"], ["a"])


@given(st.lists(st.text("ab ÜC-像\n", max_size=12), max_size=12))
@settings(max_examples=60, deadline=None)
def test_terms_are_the_words_of_the_tokenizer(texts: list[str]) -> None:
    terms = TermCounts.of(texts)
    counts = terms.counts.toarray()
    assert list(terms.words) == sorted({word for text in texts for word in words_of(text)})
    for row, text in enumerate(texts):
        words = words_of(text)
        assert counts[row].tolist() == [words.count(word) for word in terms.words]
    assert terms.lengths.tolist() == [len(words_of(text)) for text in texts]


def test_terms_can_be_taken_from_the_explorer(tmp_path) -> None:
    from engine.exploration.explorer import Explorer
    from engine.exploration.table import Table

    texts, tags, _ = rows_of(60, 1)
    pd.DataFrame({"id": range(60), "title": texts, "description": "Ü-bung", "tag": tags}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    dataset = Dataset.from_table(load_table(tmp_path / "rows.csv"), "rows")
    words = Explorer(Table.of(dataset)).words()
    taken = TermCounts.of_occurrences(words.vocabulary.to_pylist(), words.occurrences, words.first[1:], words.rows)
    counted = of_texts(dataset.frame["text"])
    assert taken.words.tolist() == counted.words.tolist()
    assert (taken.counts != counted.counts).nnz == 0


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.01, 0.99))
@settings(deadline=None)
def test_excess_is_the_tail_of_the_binomial(rows: int, errors: int, rate: float) -> None:
    errors = min(errors, rows)
    p = float(excess(np.array([errors * 1.0]), np.array([rows * 1.0]), np.array([rate * rows]))[0])
    assert p == pytest.approx(stats.binom.sf(errors - 1, rows, rate) if errors > rate * rows else 1.0, rel=1e-6)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_guessing_has_the_variance_of_all_orders(pairs: list[tuple[int, int]]) -> None:
    from itertools import permutations

    true, predicted = (np.array(part) for part in zip(*pairs, strict=True))
    right = np.array([(true == np.array(order)).sum() for order in permutations(predicted.tolist())])
    spread = right.std()
    p = guessing(true, predicted)
    if spread < 1e-9:
        assert p == 1
    else:
        assert p == pytest.approx(stats.norm.sf(((true == predicted).sum() - right.mean()) / spread), abs=1e-9)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
@settings(deadline=None)
def test_intervals_of_effects(n: int, m: int, a: int, b: int) -> None:
    a, b = min(a, n), min(b, m)
    more = difference(a, n, b, m)
    assert more.low - 1e-12 <= more.value <= more.high + 1e-12
    assert more.low >= -1 - 1e-12
    assert more.high <= 1 + 1e-12
    times = ratio(a, n, b, m)
    if b and a:
        assert 0 < times.low <= times.value <= times.high
        # The formula as it is printed.
        (l, u), (lo, up) = wilson(a, n), wilson(b, m)  # noqa: E741
        p, q = a / n, b / m
        if abs(2 * q - up) > 1e-9:
            root = math.sqrt((p * q) ** 2 - l * up * (2 * p - l) * (2 * q - up))
            assert times.low == pytest.approx((p * q - root) / (up * (2 * q - up)), rel=1e-6)
        root = math.sqrt((p * q) ** 2 - u * lo * (2 * p - u) * (2 * q - lo))
        assert times.high == pytest.approx((p * q + root) / (lo * (2 * q - lo)), rel=1e-6)
    elif not b:
        assert times.high == math.inf


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    for here, elsewhere, n, m in ((0.3, 0.1, 40, 300), (0.9, 0.2, 20, 500)):
        drawn = zip(rng.binomial(n, here, 1000).tolist(), rng.binomial(m, elsewhere, 1000).tolist(), strict=True)
        effects = [(difference(a, n, b, m), ratio(a, n, b, m)) for a, b in drawn]
        assert np.mean([d.low <= here - elsewhere <= d.high for d, _ in effects]) > 0.93
        assert np.mean([r.low <= here / elsewhere <= r.high for _, r in effects]) > 0.93


def test_standardised_rate() -> None:
    events, n = standardised(np.array([3, 1, 0]), np.array([10, 20, 5]), np.array([1, 10, 5]))
    assert events / n == pytest.approx(0.75 * 0.1 + 0.25 * 0.5)
    assert n == pytest.approx(1 / (0.75**2 / 10 + 0.25**2 / 20))
    events, n = standardised(np.array([2]), np.array([10]), np.array([4]))
    assert (events, n) == (pytest.approx(4), pytest.approx(10))
    assert standardised(np.array([2, 0]), np.array([0, 0]), np.array([0, 0])) == (0.0, 0.0)
    events, n = standardised(np.array([2, 0]), np.array([0, 8]), np.array([0, 2]))
    assert events / n == pytest.approx(0.25)
