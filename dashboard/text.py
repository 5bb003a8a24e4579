"""Text from people, on its way to the screen: always text, never markup.

Everything that a file, a URL or a visitor supplied passes through here before it stands in HTML or in a plot.
The labels of Material widgets show plain text already.
"""

from __future__ import annotations

import html
import os
import re
from collections import Counter

from config.settings import get_settings

# What a browser would not show or would use to reorder its neighbours: C0/C1 controls (except tab and line feed),
# bidirectional overrides and isolates, and lone surrogates, which cannot be encoded as UTF-8 at all.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WHITE_SPACE = re.compile(r"\s+")
# Bokeh reads text between these as TeX and would fetch MathJax for it.
_TEX = re.compile(r"\$(?=\$)|\\(?=[\[\](){}])")

DEFAULT_LIMIT = 2_000
LABEL_LIMIT = 36


def plain_text(value: object, limit: int | None = DEFAULT_LIMIT) -> str:
    """Make a value showable as text that is not HTML: a table cell, a widget's label, a notification.

    Parameters
    ----------
    value
        Anything; None gives an empty text.
    limit
        Longer texts end in an ellipsis and say how long they are; None keeps all.

    Returns
    -------
    str
        Without control characters.
    """
    text = "" if value is None else str(value)
    shown = text if limit is None or len(text) <= limit else text[:limit]
    shown = _UNSHOWABLE.sub("\ufffd", shown)
    if len(text) > len(shown):
        shown = f"{shown.rstrip()}… ({len(text):,} characters)"
    return shown


def safe_text(value: object, limit: int | None = DEFAULT_LIMIT) -> str:
    """Make a value safe inside HTML, as content and inside quoted attributes.

    Parameters
    ----------
    value
        Anything; None gives an empty text.
    limit
        As in `plain_text`.

    Returns
    -------
    str
        With `&`, `<`, `>` and both quotes escaped.
    """
    return html.escape(plain_text(value, limit), quote=True)


def sentence_of(error: BaseException) -> str:
    """Return what a mistake says, with the files of the home named as they are called from there.

    Where a server keeps its files concerns only who runs it, and makes a sentence long. Commands, between backticks,
    stay as they are: they are run anywhere.
    """
    parts = str(error).split("`")
    parts[::2] = [part.replace(f"{get_settings().home}{os.sep}", "") for part in parts[::2]]
    return "`".join(parts)


def label_text(value: object, limit: int = LABEL_LIMIT) -> str:
    """Make a value fit an axis label or a hover text of a plot: one line, short, and never TeX.

    Parameters
    ----------
    value
        Anything; None gives an empty text.
    limit
        Longer texts end in an ellipsis.

    Returns
    -------
    str
        One line.
    """
    text = _WHITE_SPACE.sub(" ", _UNSHOWABLE.sub("\ufffd", str("" if value is None else value)[: limit + 1])).strip()
    if len(text) > limit:
        text = text[: limit - 1].rstrip() + "…"
    return _TEX.sub(lambda match: match.group() + "\u2060", text)


def unique_labels(values: list[str], limit: int = LABEL_LIMIT) -> list[str]:
    """Shorten values for an axis and keep them apart: an axis merges equal labels.

    Parameters
    ----------
    values
        Distinct texts.
    limit
        As in `label_text`.

    Returns
    -------
    list of str
        As many, all different: those that begin alike are shortened in their middle, and what would collide even then
        carries a number.
    """
    labels: dict[str, None] = {}
    often = Counter(label_text(value, limit) for value in values)
    head = limit // 3
    for value in values:
        label = label_text(value, limit)
        if often[label] > 1 and len(value) > limit:
            label = label_text(f"{value[:head]}…{value[head + 1 - limit :]}", limit)
        short = label
        number = 1
        while label in labels:
            number += 1
            label = f"{short} ({number})"
        labels[label] = None
    return list(labels)
