r"""The language of text queries.

A query is a list of parts, separated by white space; a row must match all of them.

``attention``
    The whole word, in upper or lower case. ``state-of-the-art`` is several words and is taken as a phrase.
``atten*``
    A word that starts so.
``"graph neural network"``
    The words one after the other, whatever stands between them. The last one may end in ``*``.
``/v\d+\.\d+/`` or ``/bert|gpt/i``
    A regular expression of RE2, somewhere in the text; ``i`` after it ignores the case. A slash inside is written
    ``\/``. White space inside belongs to it.

What a word is, `engine.runs.tokenizer.words_of` decides, as for the models: in scripts without spaces each character is
one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.problems import quoted
from engine.errors import reason_of
from engine.exploration.filter import FilterError
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_QUERY = 1_000
"""Most characters of a query."""

_PART = re.compile(
    r"""
    \s*(?:
        /(?P<pattern>(?:[^/\\]|\\.)+)/(?P<flag>i?)(?=\s|$)
      | "(?P<phrase>[^"]*)(?:"|$)
      | (?P<plain>[^\s"]+)
    )
    """,
    re.VERBOSE | re.DOTALL,
)


class Phrase(msgspec.Struct, frozen=True):
    """Words that follow each other; often just one.

    Parameters
    ----------
    words : tuple of str
        Lower case, at least one.
    prefix : bool
        Whether the last one is only the beginning of a word.
    """

    words: tuple[str, ...]
    prefix: bool = False


class Pattern(msgspec.Struct, frozen=True):
    """A regular expression of RE2.

    Parameters
    ----------
    pattern : str
        Checked: it compiles.
    ignore_case : bool
        Whether upper and lower case are the same.
    """

    pattern: str
    ignore_case: bool = False


def parse_query(text: str) -> tuple[Phrase | Pattern, ...]:
    """Read a query.

    Parameters
    ----------
    text : str
        As a person writes it; a quote that is not closed ends with the text.

    Returns
    -------
    tuple of Phrase or Pattern
        What a row must match, each part once; empty for a query without parts.

    Raises
    ------
    FilterError
        If it is too long, a regular expression is bad, or a part has nothing to look for.

    Examples
    --------
    >>> parse_query('"Neural net*" BERT')
    (Phrase(words=('neural', 'net'), prefix=True), Phrase(words=('bert',), prefix=False))
    """
    if len(text) > LONGEST_QUERY:
        raise FilterError(
            f"The query has {len(text):,} characters, but it may have {LONGEST_QUERY:,}; look for less at a time."
        )
    return tuple(dict.fromkeys(_parts(text)))


def with_word(text: str, word: str) -> str:
    """Return a query for what matches `text` and has a word, too; a quote that is open is closed."""
    more = f"{text} {word}".strip()
    wanted = tuple(dict.fromkeys([*parse_query(text), Phrase((word,))]))
    return more if parse_query(more) == wanted else f'{text}" {word}'


def _parts(text: str) -> Iterator[Phrase | Pattern]:
    """Yield the parts of a query as they stand."""
    for match in _PART.finditer(text):
        if match["pattern"] is not None:
            yield _pattern(match["pattern"].replace(r"\/", "/"), bool(match["flag"]))
            continue
        written = match["plain"] if match["phrase"] is None else match["phrase"]
        if match["phrase"] is not None and not written.strip():
            continue
        if match["phrase"] is None and written.startswith("/") and len(written) > 1:
            raise FilterError(
                f"The regular expression {quoted(written)} has no end; write a slash and a space after it, and "
                r"\/ for a slash inside, or leave the first slash out to look for words."
            )
        words = tuple(words_of(written))
        if not words:
            raise FilterError(
                f"There is no letter or digit in {quoted(written)}; look for signs with a regular expression, "
                rf"such as /{re.escape(written.strip())[:40]}/."
            )
        yield Phrase(words, prefix=written.rstrip().endswith("*"))


def _pattern(pattern: str, ignore_case: bool) -> Pattern:
    """Return a pattern that RE2 takes."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern, ignore_case=ignore_case)
    except (pa.ArrowException, UnicodeEncodeError) as error:
        reason = reason_of(error).removeprefix("Invalid regular expression: ")
        raise FilterError(
            f"The regular expression {quoted(pattern)} cannot be used ({reason}); mend it, or leave the slashes out to "
            "look for words."
        ) from error
    return Pattern(pattern, ignore_case)
