"""Checking: everything that is wrong or odd in a file, by row, whether or not it can be loaded."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.fields import OTHER, Fields
from engine.dataset.loading import examine
from engine.dataset.problems import Problem, ProblemList, quoted
from engine.dataset.tags import MAX_TAGS, map_tags, tag_problems

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

    from engine.dataset.loading import Table

__all__ = ["Problem", "check_file"]

_NOT_ASCII = re.compile(r"[^\x00-\x7f]{2,}")
_BREAKS = re.compile(r"[\s_-]+")

# Rows with these are not read, or not as they were meant: that a tag has no row may only be a consequence.
_ROWS_LOST = frozenset({"ragged-row", "quote", "unread", "encoding", "nul"})

# Every UTF-8 character of two or three bytes that was read as Windows-1252 starts with one of these.
_MOJIBAKE_START = "[\u00c2-\u00c5\u00ce-\u00d1\u00d7-\u00d9\u00e0-\u00ef\u00f0]"


def check_file(
    path: str | os.PathLike[str],
    fields: Fields | None = None,
    *,
    labelled: bool = True,
    max_cell_characters: int = 100_000,
    min_count: int = 5,
    minimum_tags: int = 2,
    accepted: Sequence[str] = (),
    max_tags: int = MAX_TAGS,
    limit: int | None = None,
) -> list[Problem]:
    """List what is wrong with a file: what stops it from being loaded or trained on, and what only deserves a look.

    Not fatal are: rows left out (no text, no tag), dates that cannot be read, white space around tags, tags that differ
    only by case or hyphens, tags with few rows, texts that are there twice, and characters damaged by a wrong encoding.

    Parameters
    ----------
    path, fields, labelled, max_cell_characters, minimum_tags
        As in `engine.dataset.loading.load_table`.
    min_count : int, optional
        Tags with fewer rows are reported (they will be mapped to ``other``).
    accepted : sequence of str, optional
        The tags to keep, as for `engine.dataset.tags.map_tags`; empty keeps all.
    max_tags : int, optional
        How many tags may be left after mapping. What training refuses (more than these, fewer than two, or an accepted
        tag that no row has) is fatal; it is not asked of a file with `minimum_tags` below 2, which only judges.
    limit : int or None, optional
        How many problems of one kind are listed; None, the default, lists all.

    Returns
    -------
    list of Problem
        First what concerns the whole file, then by row; then, for each kind with more problems than `limit`, one entry
        with their number. Empty if all is well. Never raises `DataError`: a missing file is a problem, too.

    Examples
    --------
    >>> for problem in check_file("projects.csv"):  # doctest: +SKIP
    ...     print(problem.sentence("projects.csv"))
    """
    path = Path(path)
    fields = fields or Fields()
    table, problems = examine(
        path,
        fields,
        max_cell_characters=max_cell_characters,
        labelled=labelled,
        minimum_tags=minimum_tags,
        limit=limit,
    )
    if table is not None and not table.frame.empty:
        if labelled:
            _tags(table, fields.label, accepted, min_count, problems)
            if minimum_tags > 1:
                _training(table, fields.label, accepted, min_count, max_tags, problems)
        _duplicates(table, problems)
        _damage(table, problems)
    return problems.sorted()


def _training(
    table: Table, name: str, accepted: Sequence[str], min_count: int, max_tags: int, problems: ProblemList
) -> None:
    """Report tags on which training would be refused."""
    tags = table.frame["tag"]
    mapped, _ = map_tags(tags, accepted, min_count)
    for problem in tag_problems(mapped, tags, accepted, min_count, max_tags):
        consequence = problem.kind != "too-many-tags" and problems.kinds & _ROWS_LOST
        told = problem.kind == "few-tags" and "one-tag" in problems.kinds
        if not consequence and not told:
            problems.add(problem.kind, problem.message, problem.remedy, column=name)


def _tags(table: Table, name: str, accepted: Sequence[str], min_count: int, problems: ProblemList) -> None:
    """Report spellings of one tag and tags with few rows."""
    tags = table.frame["tag"]
    counts = tags.value_counts()
    first = table.frame.drop_duplicates("tag").set_index("tag")["row"]
    spellings: dict[str, list[str]] = {}
    for tag in counts.index:  # the most frequent one first
        key = _BREAKS.sub("-", unicodedata.normalize("NFKC", tag).casefold())
        spellings.setdefault(key, []).append(tag)
    for usual, *others in spellings.values():
        for tag in others:
            message = (
                f"the tag {quoted(tag)} ({_rows(counts[tag])}, here first) is spelt almost as "
                f"{quoted(usual)} ({_rows(counts[usual])})"
            )
            remedy = f"write {quoted(usual)} if they are the same"
            problems.add("similar-tags", message, remedy, row=int(first[tag]), column=name, fatal=False)
    for tag in counts[counts < min_count].index:
        if tag == OTHER or (accepted and tag not in accepted):  # it stays, or goes, however many rows it has
            continue
        message = f"the tag {quoted(tag)} (here first) has {_rows(counts[tag])}, fewer than {min_count}"
        remedy = 'label more rows with it, or it becomes "other"'
        problems.add("rare-tag", message, remedy, row=int(first[tag]), column=name, fatal=False)


def _rows(count: int) -> str:
    """Return "1 row" or "12 rows"."""
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _duplicates(table: Table, problems: ProblemList) -> None:
    """Report texts that are exactly the same, and say so when their tags differ."""
    frame = table.frame
    doubles = frame[frame["text"].duplicated(keep=False)]
    firsts = doubles.drop_duplicates("text").set_index("text")
    again = doubles[doubles["text"].duplicated()]
    lines, first_lines = again["row"].tolist(), again["text"].map(firsts["row"]).tolist()
    tags, first_tags = again["tag"].tolist(), again["text"].map(firsts["tag"]).tolist()

    def report(position: int) -> None:
        here, there = tags[position], first_tags[position]
        message = f"the text is the same as on line {first_lines[position]}"
        remedy = "delete one of them, or keep both if that is meant"
        if isinstance(here, str) and isinstance(there, str) and here != there:
            message += f", with the tag {quoted(here)} here and {quoted(there)} there"
            remedy = "decide for one tag and delete the other row"
        problems.add("duplicate-text", message, remedy, row=lines[position], fatal=False)

    problems.add_each(range(len(again)), report, "duplicate-text")


def _damage(table: Table, problems: ProblemList) -> None:
    """Report U+FFFD and UTF-8 that was once read as Windows-1252."""
    frame, lines = table.frame, table.frame["row"].to_numpy()
    names = dict(zip(table.fields.text_columns, table.fields.text, strict=True)) | {"tag": table.fields.label}
    for column, name in names.items():
        if column not in frame:
            continue
        suspects = _matching(frame[column], "\ufffd|" + _MOJIBAKE_START)
        for position in np.flatnonzero(suspects):
            row, value = int(lines[position]), str(frame[column].iat[int(position)])
            if "\ufffd" in value and (row, name) not in problems.mended:
                message = f"the character U+FFFD after {value.index(chr(0xFFFD))} others stands where one was lost"
                remedy = "put the right character in, or export the file again from its source as UTF-8"
                problems.add("lost-character", message, remedy, row=row, column=name, fatal=False)
            damaged = _mojibake(value)
            if damaged:
                wrong, right = damaged
                message = f"{quoted(wrong)} looks like {quoted(right)} read in a wrong encoding"
                remedy = f"write {quoted(right)}, or export the file again from its source as UTF-8"
                problems.add("mojibake", message, remedy, row=row, column=name, fatal=False)


def _matching(values: pd.Series, pattern: str) -> np.ndarray:
    """Return a mask of the values in which `pattern` (RE2) is found."""
    found = pc.match_substring_regex(pa.array(values, pa.large_string()), pattern)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), bool)


def _mojibake(value: str) -> tuple[str, str] | None:
    """Return the first damaged run of characters and what it was, if reading it as UTF-8 makes sense.

    A run of two or more non-ASCII letters that happens to be valid UTF-8 when written in Windows-1252 does not occur in
    ordinary text: the second byte of a UTF-8 character is a sign such as a currency or a quotation mark there.
    """
    for match in _NOT_ASCII.finditer(value):
        run = match[0]
        data = bytearray()
        try:
            for character in run:
                code = ord(character)
                data += bytes([code]) if 0x80 <= code <= 0x9F else character.encode("cp1252")
            return run, data.decode("utf-8")
        except UnicodeError:
            continue
    return None
