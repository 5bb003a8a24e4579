from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, top_k_accuracy_score

from engine.errors import DataError
from engine.evaluation.intervals import wilson
from engine.evaluation.ranking import Ranking

# Tenths, so that ties are frequent and zeros and ones occur.
ROWS = st.lists(
    st.tuples(st.lists(st.integers(0, 10), min_size=4, max_size=4), st.integers(0, 3)), min_size=1, max_size=20
)


def arrays(rows, dtype) -> tuple[np.ndarray, np.ndarray]:
    weights = np.array([weights for weights, _ in rows], dtype=np.float64) + 1e-300
    return (weights / weights.sum(axis=1, keepdims=True)).astype(dtype), np.array([true for _, true in rows])


@given(ROWS, st.sampled_from([np.float32, np.float64]), st.integers(1, 5))
@settings(deadline=None)
def test_top_k_and_log_loss_equal_scikit_learn(rows, dtype, k) -> None:
    probabilities, true = arrays(rows, dtype)
    ranking = Ranking(probabilities, true)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # k of 4 and more is always right, says scikit-learn
        expected = top_k_accuracy_score(true, probabilities, k=k, labels=range(4))
    found = ranking.top(k)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.low, found.high) == pytest.approx(wilson(round(expected * len(true)), len(true)), abs=1e-12)
    loss = ranking.log_loss()
    assert loss.value == pytest.approx(
        log_loss(true, probabilities, labels=range(4)), rel=1e-5 if dtype == np.float32 else 1e-12
    )
    assert 0 <= loss.low <= loss.value <= loss.high
    assert np.isfinite(loss.high)
    assert loss.n == len(true)


@given(ROWS, st.lists(st.booleans(), min_size=20, max_size=20))
@settings(deadline=None)
def test_a_tag_that_the_model_does_not_know_is_never_found_and_has_no_probability(rows, unknown) -> None:
    probabilities, true = arrays(rows, np.float64)
    true = np.where(unknown[: len(true)], 4, true)
    ranking = Ranking(probabilities, true)
    # For scikit-learn it is a further tag of the probability 0; a loss counts by the same smallest step.
    padded = np.column_stack([probabilities, np.zeros(len(true))])
    assert ranking.log_loss().value == pytest.approx(log_loss(true, padded, labels=range(5)), rel=1e-12)
    for k in (1, 3, 4, 9):
        assert ranking.top(k).value == pytest.approx(np.mean((true < 4) & (ranking.ranks < k)))
    assert (ranking.ranks[true == 4] == 4).all()


def test_what_cannot_be_ranked_is_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match=r"A probability is missing \(NaN\) in row 2; leave"):
        Ranking([[0.5, 0.5], [0.5, np.nan]], [0, 1])
    with pytest.raises(DataError, match=r"A probability is 1\.5 in row 1; probabilities lie"):
        Ranking([[1.5, 0.5]], [0])
    with pytest.raises(DataError, match=r"A probability is -0\.5 in row 1; probabilities lie"):
        Ranking([[-0.5, 0.5]], [0])
    with pytest.raises(DataError, match=r"shape \(1, 2\) do not fit 2 true tags"):
        Ranking([[0.5, 0.5]], [0, 1])
    with pytest.raises(DataError, match="must be whole numbers"):
        Ranking([[0.5, 0.5]], [0.0])
    with pytest.raises(DataError, match="The true tag -1 is no column"):
        Ranking([[0.5, 0.5]], [-1])
    for k in (0, -1, 1.5, True):
        with pytest.raises(DataError, match="There is no top"):
            Ranking([[0.5, 0.5]], [0]).top(k)


def test_no_rows() -> None:
    ranking = Ranking(np.zeros((0, 3)), [])
    assert (ranking.top(1).low, ranking.top(1).high, ranking.top(1).n) == (0.0, 1.0, 0)
    loss = ranking.log_loss()
    assert (loss.value, loss.low, loss.high, loss.n) == (0.0, 0.0, float("inf"), 0)


def test_the_loss_of_few_sure_answers_is_not_said_to_be_sure() -> None:
    """All ten right with 0.98: what the eleventh may cost is not in the sample, but it is in the probabilities."""
    ranking = Ranking(np.tile([0.98, 0.01, 0.01], (10, 1)), [0] * 10)
    loss = ranking.log_loss()
    assert loss.value == pytest.approx(-np.log(0.98))
    assert loss.high > -(0.98 * np.log(0.98) + 0.02 * np.log(0.01))


def test_many_rows_are_ranked_in_parts() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(50), 100_000)
    true = rng.integers(0, 50, len(probabilities))
    ranking = Ranking(probabilities, true)
    assert ranking.top(5).value == top_k_accuracy_score(true, probabilities, k=5, labels=range(50))
    normal = ranking.losses().std() / np.sqrt(len(true)) * 1.96
    assert ranking.log_loss().high - ranking.log_loss().value == pytest.approx(normal, rel=0.03)
