"""Tags that become `other`, and what that hides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from engine.dataset.fields import OTHER
from engine.dataset.tags import map_tags
from engine.findings.contract import FindingError, Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

LEARNABLE = 0.7


@finding(
    "mapped-tags",
    "preprocessing",
    "Tags mapped to `other`",
    advice="Accept the tags that can be told apart (training.accepted, training.min_count); label more of the rest.",
    harm=0.3,
    needs=("probabilities",),
)
def mapped_tags(context: Context) -> Result:
    """List the rows whose tag training replaces by `other`, and whether a model could have told that tag apart.

    A row's score is the out-of-fold probability of its own tag: how well it is known although it is thrown away.
    """
    tags = pd.Series(context.tag_names[context.tags], dtype="str")
    bundle = context.bundle
    if bundle is not None:
        names = [name for name in bundle.manifest.mapped_tags if name != OTHER]
    else:
        names = list(map_tags(tags, context.options.accepted, context.options.min_count)[1])
    if not names:
        return Result("No tag is mapped to `other`.", rows_frame(np.empty(0, np.int32), np.empty(0)))
    rows = np.flatnonzero(tags.isin(names).to_numpy())
    own, right = _known(context, rows)
    table: list[dict[str, Any]] = []
    for name in names:
        mine = rows[(tags.iloc[rows] == name).to_numpy()]
        known = right[np.isin(rows, mine)]
        table.append({"tag": name, "rows": len(mine), "recall": float(known.mean()) if len(mine) else 0.0})
    learnable = [entry["tag"] for entry in table if entry["recall"] >= LEARNABLE]
    hidden = f"; {', '.join(learnable)} could be told apart by a simple model" if learnable else ""
    return Result(
        f"{counted(len(names), 'tag')} with {counted(len(rows), 'row')} of {len(context):,} "
        f"{'becomes' if len(names) == 1 else 'become'} `{OTHER}`{hidden}.",
        rows_frame(rows, own, note=[f"its tag was {tag}" for tag in tags.iloc[rows]]),
        table,
    )


def _known(context: Context, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of each row's own tag, and whether it is the most probable; zeros without a model."""
    try:
        own = context.probabilities[rows, context.tags[rows]]
        return np.clip(own, 0, 1), context.guesses[rows] == context.tags[rows]
    except FindingError:
        return np.zeros(len(rows)), np.zeros(len(rows), bool)
