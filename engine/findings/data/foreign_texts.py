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
    needs=("cleaned",),
)
def foreign_texts(context: Context) -> Result:
    """Identify the language of each text by py3langid (Lui and Baldwin, 2012): offline, the same everywhere."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model takes half a second to load

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    languages = np.empty(len(context), object)
    certain = np.zeros(len(context))
    for row, text in enumerate(context.cleaned):
        languages[row], certain[row] = identifier.classify(text)
        if row % 1000 == 0:
            context.progress(row / len(context))
    sure = certain >= SURE
    counts = collections.Counter(languages[sure])
    usual = {name for name, count in counts.items() if count >= USUAL_SHARE * sure.sum()}
    usual |= {name for name, _ in counts.most_common(1)}
    rows = np.flatnonzero(sure & ~np.isin(languages.astype(str), list(usual)))
    foreign = collections.Counter(languages[rows])
    table = [{"language": name, "rows": count} for name, count in foreign.most_common()]
    own = ", ".join(sorted(usual)) or "unknown"
    shown = ", ".join(f"{name} {count:,}" for name, count in foreign.most_common(5))
    return Result(
        f"{counted(len(rows), 'text')} of {len(context):,} {'is' if len(rows) == 1 else 'are'} in another language "
        f"than most ({own})" + (f": {shown}." if shown else "."),
        rows_frame(rows, np.clip(certain[rows], 0, 1), note=[f"language {languages[row]}" for row in rows]),
        table,
    )
