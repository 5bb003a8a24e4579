"""Judge predictions as `performance.json` holds them: the lesson's schema, with our intervals beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.evaluation.averages import average_intervals
from engine.evaluation.counts import count_tags
from engine.evaluation.metrics import performance
from engine.evaluation.slices import slice_masks
from engine.evaluation.slices_file import all_slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd

    from engine.evaluation.declared_slices import SliceDefinition


def judge(
    frame: pd.DataFrame,
    predicted: np.ndarray,
    labels: Sequence[str],
    slices: Mapping[str, SliceDefinition] | None = None,
) -> dict[str, Any]:
    """Score predictions overall, per tag and per slice.

    Parameters
    ----------
    frame
        Rows judged: columns `text` (raw) and `tag` (true), and those that declared slices ask for: `split`, `created`.
    predicted
        Predicted tags, object[rows].
    labels
        The model's tags.
    slices
        Those of the configuration by default.

    Returns
    -------
    dict
        Keys `overall`, `class` and `slices` as in the Made With ML lesson, and beside them `intervals`: the 95 %
        bootstrap interval of the overall weighted F1.

    Raises
    ------
    engine.errors.TagscopeError
        A slice of `config/slices.py` or `config/slices.toml` fails.
    """
    true = frame["tag"].to_numpy(dtype=object)
    scored = performance(true, predicted, labels, slice_masks(frame, all_slices() if slices is None else slices))
    # The same interval as wherever else this figure is shown.
    _, *interval = average_intervals(count_tags(true, predicted, labels).cells)["weighted f1"]
    return {**scored, "intervals": {"confidence": 0.95, "overall": {"f1": interval}}}
