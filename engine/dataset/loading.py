"""Loading: from a CSV file to a `Table`, or to one clear sentence about what is wrong with the file."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.cleaning import clean, join_fields
from engine.dataset.fields import Fields
from engine.dataset.problems import LISTED, Problem, ProblemList, listed, quoted
from engine.dataset.reading import RawTable, read_raw
from engine.dataset.rules import check_ids, check_lengths, check_tags, fields_make_sense
from engine.errors import DataError

if TYPE_CHECKING:
    import os

# A text whose first word is plain and followed by white space keeps that word whatever cleaning does. Most texts are
# like this, and for them the slower question (what does `clean` leave?) need not be asked.
_SURELY_NOT_EMPTY = r"^[0-9A-Za-z]+(?:[ \t\r\n]|$)"


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """The rows of a file that can be used, and what is known about the others.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per usable row of the file, in its order: ``id`` (str), ``row`` (int64: the line of the file on which
        the row starts, the header being line 1), each text field (str, under `Fields.text_columns`), ``tag`` (str,
        without white space around it; missing where a file to predict has none), ``created`` (datetime64[us], in UTC,
        NaT if unknown) and ``text`` (str: the raw text fields joined with a space).
    left_out : pandas.DataFrame
        ``id``, ``row`` and ``reason`` of the rows without text or tag.
    problems : list of Problem
        What is not quite right but does not hinder.
    fields : Fields
        The columns as they were used: `id` and `created` are None if the file has no such column.
    path : Path
        The file.
    generated_ids : bool
        Whether the ids were made from the texts, for want of a column.
    """

    frame: pd.DataFrame
    left_out: pd.DataFrame
    problems: list[Problem]
    fields: Fields
    path: Path
    generated_ids: bool = False


def load_table(
    path: str | os.PathLike[str],
    fields: Fields | None = None,
    *,
    max_cell_characters: int = 100_000,
    labelled: bool = True,
    minimum_tags: int = 2,
) -> Table:
    """Load a CSV file (or a TSV file, if its name ends in ``.tsv`` or ``.tab``) in UTF-8.

    All cells are texts: "NA" and "null" stay what they are and an id 007 keeps its zeros.

    Parameters
    ----------
    path : str or path-like
        The file.
    fields : Fields, optional
        Its columns.
    max_cell_characters : int, optional
        A longer cell in one of the columns is refused.
    labelled : bool, optional
        Whether the file must have tags. Without, the label column may be missing and its cells may be empty.
    minimum_tags : int, optional
        How many different tags a labelled file must have at least: 2 to train, 1 to be judged on.

    Returns
    -------
    Table
        The usable rows.

    Raises
    ------
    DataError
        If the file is missing, empty, not UTF-8 or damaged, or if a column is missing, an id is there twice, a cell is
        too long or there are too few tags. The message is one sentence: file, line, what is wrong, what to do.

    Examples
    --------
    >>> table = load_table("projects.csv", Fields(text=("title",), label="topic"))  # doctest: +SKIP
    """
    path = Path(path)
    table, problems = examine(
        path,
        fields or Fields(),
        max_cell_characters=max_cell_characters,
        labelled=labelled,
        minimum_tags=minimum_tags,
    )
    fatal = [problem for problem in problems.sorted() if problem.fatal]
    if fatal or table is None:
        count = sum(problem.more or 1 for problem in fatal)
        rest = f' (the first of {count:,} problems; "tagscope check" lists them)' if count > 1 else ""
        raise DataError(fatal[0].sentence(path).removesuffix(".") + rest + ".")
    return dataclasses.replace(table, problems=problems.sorted())


def examine(
    path: Path,
    fields: Fields,
    *,
    max_cell_characters: int,
    labelled: bool,
    minimum_tags: int,
    limit: int | None = LISTED,
) -> tuple[Table | None, ProblemList]:
    """Read a file as far as it can be read and collect what is wrong with it.

    This is what `load_table` and `engine.dataset.check.check_file` share; parameters as there. `limit` is how many
    problems of one kind are listed; None lists all.

    Returns
    -------
    table : Table or None
        The usable rows, also if there are fatal problems; None if there are none to speak of.
    problems : ProblemList
        Everything that was found.
    """
    problems = ProblemList(limit)
    if not fields_make_sense(fields, labelled, problems):
        return None, problems
    default = Fields()
    required = list(fields.text)
    optional: list[str] = []
    (required if labelled else optional).append(fields.label)
    for name, fallback in ((fields.id, default.id), (fields.created, default.created)):
        if name is not None:
            (optional if name == fallback else required).append(name)
    raw = read_raw(path, list(dict.fromkeys(required)), list(dict.fromkeys(optional)), problems)
    if raw is None or not len(raw.lines):
        return None, problems
    check_lengths(raw, max_cell_characters, problems)
    return _to_table(raw, path, fields, labelled, minimum_tags, problems), problems


def _to_table(
    raw: RawTable, path: Path, fields: Fields, labelled: bool, minimum_tags: int, problems: ProblemList
) -> Table:
    """Put the frame together and sort out rows without text or tag."""
    count = len(raw.lines)
    has_id = fields.id is not None and fields.id in raw.columns
    has_created = fields.created is not None and fields.created in raw.columns
    texts = [raw.columns[name] for name in fields.text]
    joined = [join_fields(values) for values in zip(*(column.to_pylist() for column in texts), strict=True)]
    data: dict[str, pd.Series] = {
        "id": _strings(raw.columns[str(fields.id)]) if has_id else pd.Series(_generated_ids(texts), dtype="str"),
        "row": pd.Series(raw.lines),
    }
    data |= {fields.column(name): _strings(raw.columns[name]) for name in fields.text}
    if fields.label in raw.columns:
        data["tag"] = _tags(raw, fields.label, problems)
    else:
        data["tag"] = pd.Series([None] * count, dtype="str")
    data["created"] = _dates(raw, fields.created if has_created else None, problems)
    text = pa.array(joined, pa.large_string())
    data["text"] = _strings(text)
    frame = pd.DataFrame(data)
    sure = pc.match_substring_regex(text, _SURELY_NOT_EMPTY).to_numpy(zero_copy_only=False)
    empty = np.zeros(count, bool)
    for position in np.flatnonzero(~sure):
        empty[position] = not clean(joined[position])
    no_tag = frame["tag"].eq("").to_numpy(bool)
    if not labelled:
        frame.loc[no_tag, "tag"] = None
        no_tag = np.zeros(count, bool)
    blank = empty & (frame["tag"].isna() | frame["tag"].eq("")).to_numpy(bool)
    if has_id:
        blank &= frame["id"].str.strip().eq("").to_numpy(bool)
        check_ids(frame["id"], blank, raw, str(fields.id), problems)
    reasons = np.where(
        blank,
        "the row is blank",
        np.where(empty, f"no text in {listed(fields.text)} after cleaning", f"no tag in {quoted(fields.label)}"),
    )
    out = empty | no_tag
    left_out = frame.loc[out, ["id", "row"]].reset_index(drop=True).assign(reason=pd.Series(reasons[out], dtype="str"))

    def report(position: int) -> None:
        problems.add(
            "left-out",
            f"{reasons[position]}, so the row is left out",
            "fill the cell or delete the row",
            row=int(raw.lines[position]),
            column=None if empty[position] else fields.label,
            fatal=False,
            spreadsheet_row=int(raw.records[position]),
        )

    problems.add_each(np.flatnonzero(out).tolist(), report, "left-out")
    kept = frame[~out].reset_index(drop=True)
    # Where rows could not be read, too few rows or tags may only be a consequence.
    if kept.empty and not problems.fatal:
        message = "no row has both a text and a tag" if labelled else "no row has a text"
        problems.add("no-rows", message, "name the right columns, or fill the cells")
    if labelled and len(kept):
        check_tags(kept["tag"], fields.label, minimum_tags, problems)
    used = Fields(fields.text, fields.label, fields.id if has_id else None, fields.created if has_created else None)
    return Table(kept, left_out, [], used, path, generated_ids=not has_id)


def _strings(values: pa.Array | pa.ChunkedArray) -> pd.Series:
    """Return an Arrow column as a pandas str column, without a copy."""
    return pd.Series(pd.array(values, dtype="str"))


def _tags(raw: RawTable, name: str, problems: ProblemList) -> pd.Series:
    """Return the tags without the white space around them, and report those that had some."""
    written = _strings(raw.columns[name])
    tags = written.str.strip()

    def report(position: int) -> None:
        problems.add(
            "tag-space",
            f"there is white space around the tag {quoted(written.iloc[position])}",
            f"it is read as {quoted(tags.iloc[position])}; take the white space out",
            row=int(raw.lines[position]),
            column=name,
            fatal=False,
            spreadsheet_row=int(raw.records[position]),
        )

    spaced = np.flatnonzero((tags.ne(written) & tags.ne("")).to_numpy(bool))
    problems.add_each(spaced.tolist(), report, "tag-space")
    return tags


def _generated_ids(columns: list[pa.ChunkedArray]) -> list[str]:
    """Make ids from the text fields: 16 hex digits of a SHA-256, and the occurrence number from the second one on."""
    seen: dict[str, int] = {}
    ids = []
    for values in zip(*(column.to_pylist() for column in columns), strict=True):
        digest = hashlib.sha256("\0".join(values).encode()).hexdigest()[:16]
        number = seen[digest] = seen.get(digest, 0) + 1
        ids.append(digest if number == 1 else f"{digest}-{number}")
    return ids


def _dates(raw: RawTable, name: str | None, problems: ProblemList) -> pd.Series:
    """Read ISO 8601 dates; others become NaT and are reported."""
    if name is None:
        return pd.Series(np.full(len(raw.lines), "NaT", "datetime64[us]"))
    values = _strings(raw.columns[name]).str.strip()
    dates = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    dates = dates.astype("datetime64[us]")

    def report(position: int) -> None:
        problems.add(
            "date",
            f"{quoted(values[position])} is no date that can be read, so the row has none",
            "write dates as 2024-05-17 or 2024-05-17 10:30:00",
            row=int(raw.lines[position]),
            column=name,
            fatal=False,
            spreadsheet_row=int(raw.records[position]),
        )

    problems.add_each(np.flatnonzero((dates.isna() & values.ne("")).to_numpy(bool)).tolist(), report, "date")
    return dates
