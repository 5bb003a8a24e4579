"""Cleaning: from the raw fields of a row to the text that a tokenizer sees. Standard library only.

Training and serving call the same `clean`; `PREPROCESSING_VERSION` is part of every cache key and run, so it must
change whenever the result of `clean` changes for any text. Case is kept: the tokenizers lower it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PREPROCESSING_VERSION = "1"
"""Changes whenever `clean` gives another result for any text."""

_PASSES = 8

# Only entities that end in ";" are decoded: "R&D" and "a&lt" in code stay as they are.
_ENTITY = re.compile(r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

# Known element names only, so that "<mask>", "<pad>" and "List<int>" survive. "[^<>]*" stops at the next bracket,
# which keeps the search linear on hostile input.
_HTML = re.compile(
    r"</?(?:a|abbr|address|article|aside|audio|b|blockquote|body|br|button|caption|center|cite|code|col|dd|del|details|"
    r"div|dl|dt|em|embed|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|"
    r"legend|li|link|main|mark|meta|nav|noscript|object|ol|option|p|picture|pre|q|s|samp|script|section|select|small|"
    r"source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|var|"
    r"video|wbr)(?:\s[^<>]*)?/?>|<!(?:--|doctype\s)[^<>]*>",
    re.IGNORECASE,
)

# Printable ASCII only: in a script without spaces the sentence goes on right after an address.
_URL = re.compile(r"(?<![A-Za-z0-9])(?:(?:https?|ftp)://|www\.(?=[A-Za-z0-9]))[!#-;=?-~]+", re.IGNORECASE)

# Zero-width space separates words in Thai and Khmer, so it becomes a space. The joiners U+200C and U+200D carry
# meaning (Persian, Indic scripts, emoji) and stay. A lone surrogate cannot be encoded, so it cannot stay.
_TO_SPACE = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")


def _entities(text: str) -> str:
    """Decode HTML entities: ``&amp;`` to ``&``, ``&#39;`` to an apostrophe."""
    if "&" not in text or ";" not in text:
        return text
    return _ENTITY.sub(lambda match: html.unescape(match[0].replace("amp;", "")) or " ", text.replace("&amp;", "&"))


def _unicode(text: str) -> str:
    """Normalise to NFKC, so that one word has one spelling (full-width letters, ligatures, combined accents)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _html_tags(text: str) -> str:
    """Replace HTML tags and comments by a space; brackets that are no HTML stay."""
    return _HTML.sub(" ", text) if "<" in text else text


def _urls(text: str) -> str:
    """Replace web addresses by a space."""
    return _URL.sub(" ", text) if "://" in text or "www." in text.lower() else text


def _control(text: str) -> str:
    """Replace control characters by a space and drop invisible marks (soft hyphen, direction marks, BOM)."""
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("", _TO_SPACE.sub(" ", text))


def _white_space(text: str) -> str:
    """Make every run of white space one space and strip both ends."""
    return " ".join(text.split())


STEPS: dict[str, Callable[[str], str]] = {
    "entities": _entities,
    "unicode": _unicode,
    "control": _control,
    "html": _html_tags,
    "urls": _urls,
    "whitespace": _white_space,
}
"""Every step by its name. A new one is a function from str to str; raise `PREPROCESSING_VERSION` when the default
changes."""

DEFAULT_STEPS: tuple[str, ...] = tuple(STEPS)
"""The steps of `clean`, in their order."""


def join_fields(values: Sequence[str]) -> str:
    """Join the text fields of one row with a space, leaving out those that are empty or white space only.

    Examples
    --------
    >>> join_fields(["Title", "", "A description."])
    'Title A description.'
    """
    return " ".join([value for value in values if value and not value.isspace()])


def is_plain(text: str) -> bool:
    """Tell whether no step, whichever are chosen, can change a text: true of most, and ten times faster than trying."""
    return (
        text.isascii()
        and text.isprintable()
        and "<" not in text
        and "&" not in text
        and "://" not in text
        and "  " not in text
        and "www." not in text.lower()
        and text == text.strip()
    )


def clean(text: str, steps: Sequence[str] = DEFAULT_STEPS) -> str:
    """Clean one text.

    The steps are repeated until nothing changes, which makes the result a fixed point: ``clean(clean(x)) == clean(x)``
    for every text and every choice of steps. (One pass is not enough: ``&lt;b&gt;`` becomes a tag only once decoded.)

    Parameters
    ----------
    text : str
        Any text, in any language.
    steps : sequence of str
        Names out of `STEPS`, in the order in which they run.

    Returns
    -------
    str
        The cleaned text; empty if nothing is left.

    Raises
    ------
    KeyError
        If a step is not in `STEPS`.

    Examples
    --------
    >>> clean("<b>Fast</b> R-CNN &amp; friends, see https://example.org/x")
    'Fast R-CNN & friends, see'
    """
    functions = [STEPS[name] for name in steps]
    if is_plain(text):
        return text
    for _ in range(_PASSES):
        before = text
        for function in functions:
            text = function(text)
        if text == before:
            return text
    # Only entities and tags nested on purpose get here. Without "&" and "<" none can form again, so what follows ends
    # after a few passes, and a text that was cleaned so comes back unchanged.
    while True:
        before = text
        text = text.replace("&", " ").replace("<", " ")
        for function in functions:
            text = function(text)
        if text == before:
            return text
