"""Small data sets for the tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.dataset.content import Dataset
from engine.dataset.fields import Fields


def make_dataset(texts, tags=None, created=None, digest="0" * 32) -> Dataset:
    count = len(texts)
    frame = pd.DataFrame(
        {
            "id": pd.Series([f"r{number}" for number in range(count)], dtype="str"),
            "row": np.arange(2, count + 2),
            "title": pd.Series(list(texts), dtype="str"),
            "tag": pd.Series(tags if tags is not None else ["a"] * count, dtype="str"),
            "created": pd.Series(created if created is not None else [None] * count, dtype="datetime64[us]"),
            "text": pd.Series(list(texts), dtype="str"),
            "holdout": False,
        }
    )
    left_out = pd.DataFrame({"id": [], "row": [], "reason": []})
    return Dataset(digest, "made", "1", Fields(text=("title",)), frame, left_out)
