"""Texts in another language than most."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

SURE = 0.7
"""A language counts from this probability on; names and jargon make short texts look like anything."""

USUAL_SHARE = 0.1
"""A language with this share of the rows is one of the data's own."""


@finding(
    "foreign-texts",
    "data",
    "Texts in another language",
    advice="Translate them, collect more of their language, or leave them out.",
    harm=0.3,
    needs=("languages",),
)
def foreign_texts(context: Context) -> Result:
    """List the texts that are surely in a language which few of the texts have."""
    languages, certain = context.languages.names, context.languages.probabilities
    sure = certain >= SURE
    counts = collections.Counter(languages[sure].tolist())
    usual = {name for name, count in counts.items() if count >= USUAL_SHARE * sure.sum()}
    usual |= {name for name, _ in counts.most_common(1)}
    rows = np.flatnonzero(sure & ~np.isin(languages, list(usual)))
    foreign = collections.Counter(languages[rows].tolist())
    table = [{"language": name, "rows": count} for name, count in foreign.most_common()]
    own = ", ".join(sorted(usual)) or "unknown"
    shown = ", ".join(f"{name} {count:,}" for name, count in foreign.most_common(5))
    return Result(
        f"{counted(len(rows), 'text')} of {len(context):,} {'is' if len(rows) == 1 else 'are'} in another language "
        f"than most ({own})" + (f": {shown}." if shown else "."),
        rows_frame(rows, np.clip(certain[rows], 0, 1), note=[f"language {languages[row]}" for row in rows]),
        table,
    )
