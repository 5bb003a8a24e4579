"""Pairs of tags that are hard to tell apart."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding
from engine.findings.statistics import wilson

if TYPE_CHECKING:
    from engine.findings.context import Context

LEAST_SHARE = 0.05


@finding(
    "overlapping-tags",
    "labelling",
    "Tags that overlap",
    advice="Write down what tells the two tags apart and label these rows by it, or make one tag of both.",
    harm=0.6,
    needs=("probabilities",),
)
def overlapping_tags(context: Context) -> Result:
    """Count for each pair of tags how many of its rows the model gives the other tag.

    A pair counts if the lower end of the 95 % Wilson interval of that share is at least `LEAST_SHARE`.
    """
    tags, guesses, names = context.tags, context.guesses, context.tag_names
    judged = context.judged
    mixed = np.zeros((len(names), len(names)), np.int64)
    np.add.at(mixed, (tags[judged], guesses[judged]), 1)
    sizes = mixed.sum(axis=1)
    table, overlapping = [], np.zeros_like(mixed, bool)
    for one, other in itertools.combinations(np.flatnonzero(sizes), 2):
        swapped, total = int(mixed[one, other] + mixed[other, one]), int(sizes[one] + sizes[other])
        low, high = wilson(swapped, total)
        if low >= LEAST_SHARE:
            overlapping[one, other] = overlapping[other, one] = True
            entry = {"tag": names[one], "other_tag": names[other], "rows": swapped, "share": swapped / total}
            table.append({**entry, "low": low, "high": high})
    table.sort(key=lambda entry: -entry["share"])
    rows = np.flatnonzero(judged)
    rows = rows[overlapping[tags[rows], guesses[rows]]]
    sentence = "No two tags are mixed up often."
    if table:
        worst = table[0]
        sentence = (
            f"{counted(len(table), 'pair')} of tags {'is' if len(table) == 1 else 'are'} mixed up; most of all "
            f"{worst['tag']} and {worst['other_tag']}: {worst['share']:.1%} of their rows look like the other one."
        )
    return Result(
        sentence,
        rows_frame(
            rows,
            np.clip(context.probabilities[rows, guesses[rows]], 0, 1),
            proposed_tag=names[guesses[rows]],
            note=[f"{names[tags[row]]} that looks like {names[guesses[row]]}" for row in rows],
        ),
        table,
    )
