"""One number that makes probabilities honest: the temperature of held-out logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fewer rows than this say too little: a handful of lucky answers would make the model certain.
FEWEST_ROWS = 30
_LARGEST_FACTOR = 8.0
_STEPS = 60


def fit_sharpness(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """Factor for the logits (one over the temperature) that makes held-out cross-entropy smallest.

    The loss is convex in the factor (Guo et al., "On Calibration of Modern Neural Networks", 2017, section 4.2),
    so a golden-section search over [1/8, 8] finds it. The predicted tags stay what they are.

    Parameters
    ----------
    logits
        [texts, labels] of texts the model was not fitted on.
    targets
        int64 [texts], their tag numbers.

    Returns
    -------
    float
        1.0 where there are too few texts.
    """
    if len(targets) < FEWEST_ROWS:
        return 1.0
    logits = np.asarray(logits, dtype=np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    picked = logits[np.arange(len(targets)), targets]

    def loss(log_factor: float) -> float:
        factor = np.exp(log_factor)
        return float((np.log(np.exp(factor * logits).sum(axis=1)) - factor * picked).mean())

    low, high = -np.log(_LARGEST_FACTOR), np.log(_LARGEST_FACTOR)
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(_STEPS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) <= loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2.0))
