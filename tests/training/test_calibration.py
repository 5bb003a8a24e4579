from __future__ import annotations

import numpy as np
import pytest

from engine.training.calibration import FEWEST_ROWS, fit_sharpness


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_factor_that_was_taken_out_is_found(factor):
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(20_000, 3)) * 2
    odds = np.exp(logits)
    share = np.cumsum(odds / odds.sum(1, keepdims=True), 1)
    targets = (chance.random((20_000, 1)) > share).sum(1)
    assert fit_sharpness(logits / factor, targets) == pytest.approx(factor, rel=0.05)


def test_few_texts_leave_the_logits_alone():
    assert fit_sharpness(np.eye(3)[: FEWEST_ROWS - 1], np.arange(3)) == 1.0


def test_perfect_answers_do_not_make_it_certain():
    assert fit_sharpness(np.eye(3)[np.arange(60) % 3] * 1e3, np.arange(60) % 3) <= 8.0
