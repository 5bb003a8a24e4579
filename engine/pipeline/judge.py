"""Judge predictions as `performance.json` holds them: the lesson's schema, with our intervals beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.slices import SLICES
from engine.evaluation.intervals import bootstrap_f1
from engine.evaluation.metrics import performance
from engine.evaluation.slices import slice_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd


def judge(frame: pd.DataFrame, predicted: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Score predictions overall, per tag and per slice.

    Parameters
    ----------
    frame
        Rows judged: columns `text` (raw) and `tag` (true).
    predicted
        Predicted tags, object[rows].
    labels
        The model's tags.

    Returns
    -------
    dict
        Keys `overall`, `class` and `slices` as in the Made With ML lesson, and beside them `intervals`: the 95 %
        bootstrap interval of the overall weighted F1.

    Raises
    ------
    engine.errors.TagscopeError
        A slice function of `config/slices.py` fails.
    """
    true = frame["tag"].to_numpy(dtype=object)
    scored = performance(true, predicted, labels, slice_masks(frame, SLICES))
    interval = bootstrap_f1(true, predicted, labels, seed=0)
    return {**scored, "intervals": {"confidence": 0.95, "overall": {"f1": list(interval)}}}
