from __future__ import annotations

import re

import numpy as np
import pytest

from engine.errors import DataError
from engine.evaluation.calibration import calibration
from engine.evaluation.coverage import Coverage
from engine.evaluation.probabilities import ROUNDING, bounded
from engine.evaluation.ranking import Ranking


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_costs_no_figure(dtype: type) -> None:
    values = np.array([[1.0000002, -0.0000002], [0.25, 0.75]], dtype=dtype)
    assert bounded(values).tolist() == [[1, 0], [0.25, 0.75]]
    assert bounded(values).dtype == dtype
    ranking = Ranking(values, [0, 1])
    assert ranking.ranks.tolist() == [0, 0]
    assert np.isfinite(ranking.log_loss().value)
    assert Coverage(values.max(axis=1), [True, True]).at([1.0])[0].answered == 1
    assert calibration(values.max(axis=1), [True, True]).bins[-1].accuracy.n == 1


def test_what_lies_between_is_returned_as_it_is() -> None:
    values = np.array([0.0, 0.5, 1.0])
    assert bounded(values) is values
    assert bounded(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.5, "is 1.5 in"), (-0.25, "is -0.25 in"), (np.nan, "is missing (NaN) in"), (np.inf, "is inf in")],
)
def test_what_is_wrong_is_named(value: float, said: str) -> None:
    values = np.full((3, 2), 0.5)
    values[1, 1] = value
    with pytest.raises(DataError, match=re.escape(f"A probability {said} row 2")):
        bounded(values)
    with pytest.raises(DataError, match=re.escape(f"Run 0f3c: the probability of 'mlops' {said} the row 'x7'")):
        bounded(values, run="0f3c", ids=["x6", "x7", "x8"], labels=["other", "mlops"])
    with pytest.raises(DataError, match=re.escape(f"A confidence {said} row 1")):
        bounded(values[1, 1:], "confidence")
    with pytest.raises(DataError, match="in row 1"):
        bounded(np.array([1 + 3 * ROUNDING]))
