"""Rows whose tag is probably wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "label-errors",
    "labelling",
    "Probable label errors",
    advice="Read them from the top and correct the tags that are wrong; stop where most are right.",
    harm=1.0,
    needs=("probabilities",),
)
def label_errors(context: Context) -> Result:
    """Score each row by one minus the out-of-fold probability of its tag (self-confidence).

    How many of them to read is estimated by confident learning (Northcutt et al., 2021) as cleanlab computes it: the
    noise rate of each pair of tags, and from each the rows with the largest margin.
    """
    from cleanlab.filter import find_label_issues  # it takes a second to import

    rows = np.flatnonzero(context.judged)
    present = np.unique(context.tags[rows])
    codes = np.searchsorted(present, context.tags[rows])
    probabilities = context.probabilities[np.ix_(rows, present)].astype(np.float64)
    marked = find_label_issues(codes, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    own = probabilities[np.arange(len(rows)), codes]
    best = probabilities.argmax(axis=1)
    marked = np.asarray(marked, bool) & (best != codes)
    names = context.tag_names[present]
    proposed = [names[tag] if tag != mine else None for tag, mine in zip(best, codes, strict=True)]
    note = [
        f"its tag has probability {mine:.2f}, {names[top]} {highest:.2f}"
        for mine, top, highest in zip(own, best, probabilities.max(axis=1), strict=True)
    ]
    share = marked.sum() / len(rows)
    return Result(
        f"{counted(int(marked.sum()), 'row')} of {len(rows):,} ({share:.1%}) probably have a wrong tag, by a model "
        "that had not seen them.",
        rows_frame(rows, np.clip(1 - own, 0, 1), affected=marked, proposed_tag=proposed, note=note),
    )
