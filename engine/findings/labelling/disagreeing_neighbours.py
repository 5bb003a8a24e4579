"""Rows whose nearest texts have another tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import FindingError, Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

OWN_AT_MOST, OTHER_AT_LEAST = 0.1, 0.7


@finding(
    "disagreeing-neighbours",
    "labelling",
    "Neighbours with another tag",
    advice="Compare each row with its neighbours: correct its tag, or theirs.",
    harm=0.7,
    needs=("neighbours",),
)
def disagreeing_neighbours(context: Context) -> Result:
    """Score each row by the share of its neighbours' similarity that belongs to other tags.

    It is affected if its own tag has at most `OWN_AT_MOST` of it, and one other tag at least `OTHER_AT_LEAST`.
    """
    group, first = context.distinct
    found, tags, names = context.neighbours, context.tags, context.tag_names
    if not found.positions.shape[1]:
        raise FindingError("There is only one text, so it has no neighbours; add rows.")
    weights = np.clip(found.similarities, 1e-6, None)
    votes = np.zeros((len(first), len(names)), np.float32)
    neighbour_tags = tags[first[found.positions]]
    for column in range(found.positions.shape[1]):
        np.add.at(votes, (np.arange(len(first)), neighbour_tags[:, column]), weights[:, column])
    votes /= votes.sum(axis=1, keepdims=True)
    votes = votes[group]
    own = votes[np.arange(len(group)), tags]
    best = votes.argmax(axis=1)
    share = votes.max(axis=1)
    affected = (own <= OWN_AT_MOST) & (share >= OTHER_AT_LEAST) & (best != tags)
    note = [
        f"{theirs:.0%} of its neighbours' similarity is {names[tag]}, {mine:.0%} its own tag"
        for mine, theirs, tag in zip(own, share, best, strict=True)
    ]
    nearest = first[found.positions[group, 0]]
    proposed = [names[tag] if tag != mine else None for tag, mine in zip(best, tags, strict=True)]
    return Result(
        f"{counted(int(affected.sum()), 'row')} of {len(group):,} lie among texts of another tag."
        + context.sample_remark(),
        rows_frame(
            np.arange(len(group)),
            np.clip(1 - own, 0, 1),
            affected=affected,
            note=note,
            proposed_tag=proposed,
            other_id=context.ids[nearest],
        ),
    )
