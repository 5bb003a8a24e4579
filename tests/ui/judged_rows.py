"""The rows that a run was judged on, read from the disk without the engine."""

from __future__ import annotations

import pandas as pd

from .conftest import ROOT


def judged(run_id: str) -> pd.DataFrame:
    """Return them by id, with the confidence of each answer and whether it is right."""
    rows = pd.read_parquet(ROOT / "data" / "runs" / run_id / "predictions.parquet").astype({"id": str})
    rows = rows[rows["split"] == "test"].set_index("id", drop=False)
    chances = [name for name in rows if name.startswith("probability:")]
    return rows.assign(confidence=rows[chances].max(axis=1), right=rows["tag"] == rows["predicted_tag"])
