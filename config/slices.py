"""Slices: parts of the data whose performance is looked at by itself.

To add one, write a function that takes a frame with the columns ``text`` (the text fields joined, not cleaned) and
``tag`` (the true tag; missing for rows without) and returns one True or False per row, and put it into `SLICES`:

    def mentions_bert(frame):
        return frame["text"].str.contains("bert", case=False)

    SLICES["mentions_bert"] = mentions_bert

Runs record a digest of these definitions, so that figures of different definitions are not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

SliceFunction: TypeAlias = "Callable[[pd.DataFrame], pd.Series[bool]]"
"""From a frame with ``text`` and ``tag`` to one truth value per row."""


def nlp_cnn(frame: pd.DataFrame) -> pd.Series[bool]:
    """Natural-language-processing projects that mention a convolution or a CNN (also TextCNN, R-CNN, CNNs)."""
    mentions = frame["text"].str.contains("convolution|cnn", case=False, regex=True, na=False)
    return mentions & frame["tag"].eq("natural-language-processing").fillna(False)


def short_text(frame: pd.DataFrame) -> pd.Series[bool]:
    """Texts of fewer than 8 words (separated by white space)."""
    return frame["text"].str.count(r"\S+").fillna(0) < 8


SLICES: dict[str, SliceFunction] = {"nlp_cnn": nlp_cnn, "short_text": short_text}
"""Every slice by its name, in the order in which they are shown."""
