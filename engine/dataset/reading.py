"""Reading: from a CSV or TSV file to columns of strings and the line on which each row starts.

The csv module of the standard library does the parsing, because it alone tells the line of each row exactly,
whatever line breaks the cells before it contain, and because its strict mode finds quotes that are not closed. Rows
go to Arrow columns in blocks, so that a million rows never exist as Python objects at once.
"""

from __future__ import annotations

import collections
import csv
import difflib
import itertools
import re
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa

from engine.dataset.parquet import is_parquet, read_parquet
from engine.dataset.problems import listed, quoted
from engine.dataset.source import probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from engine.dataset.problems import ProblemList
    from engine.dataset.source import Source

_BLOCK_ROWS = 32_768
_RESTARTS = 10
_CELL_LIMIT = 1 << 26  # characters; past this a quote is taken to be open, whatever the setting for cells says
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_UNDECODABLE = re.compile("[\udc80-\udcff]")
_QUOTES = 'put quotes around the whole cell and write a quote inside it twice ("")'


class RawTable(msgspec.Struct, frozen=True):
    """The rows of a file as strings.

    Parameters
    ----------
    columns : dict of str to pyarrow.ChunkedArray
        The columns that were asked for and exist, ``large_string``, one entry per row.
    lines : numpy.ndarray
        int64, the line of the file on which each row starts; the header is line 1.
    records : numpy.ndarray
        int64, the number that a spreadsheet shows for each row: it counts a row once, however many lines it takes.
    """

    columns: dict[str, pa.ChunkedArray]
    lines: np.ndarray
    records: np.ndarray


def read_raw(path: Path, required: Sequence[str], optional: Sequence[str], problems: ProblemList) -> RawTable | None:
    """Read the named columns of a file.

    Parameters
    ----------
    path : Path
        A file in UTF-8, with or without BOM. Cells are separated by tabs if its name ends in ``.tsv`` or ``.tab``,
        otherwise by commas. Or a Parquet file, if its name ends in ``.parquet`` or ``.pq``.
    required, optional : sequence of str
        Columns that must be there, and columns that are read if they are.
    problems : ProblemList
        Takes what is wrong. Rows that cannot be read are reported and skipped.

    Returns
    -------
    RawTable or None
        None if there is no table to speak of; `problems` then says why.
    """
    if is_parquet(path):
        found = read_parquet(path, required, optional, problems)
        return None if found is None else RawTable(found[0], found[1], found[1])
    source = probe(path, problems)
    if source is None:
        return None
    # The limit is one for the whole process, so it is only ever raised: two threads may be reading.
    if csv.field_size_limit() < _CELL_LIMIT:
        csv.field_size_limit(_CELL_LIMIT)
    separator = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    rows = _rows(path, separator, problems)
    if not source.utf8 or source.nul:
        rows = _mended(rows, source, problems)
    header: list[str] | None = None
    line = 1
    for line, _, cells in rows:  # noqa: B007 - the line of the header is told below
        if cells:
            header = [name.strip() for name in cells]
            break
    if header is None:
        if not problems.fatal:
            problems.add("empty-file", "the file is empty", "it needs a header line and one line per text")
        return None
    if not _check_header(path, header, required, optional, separator, line, problems):
        return None
    wanted = {name: header.index(name) for name in (*required, *optional) if name in header}
    table = _collect(rows, header, wanted, problems)
    if not len(table.lines) and not problems.fatal:
        problems.add("no-rows", "the file has a header line and no rows", "add one line per text below the header")
    return table


def _rows(path: Path, separator: str, problems: ProblemList) -> Iterator[tuple[int, int, list[str]]]:
    """Yield line, spreadsheet row and cells of each record; a blank line has no cells.

    After a quote that is not closed, reading starts again on the next line, so that the rows below it are checked too.
    """
    skip, record = 0, 0
    for _ in range(_RESTARTS):
        # Bytes that are not UTF-8 become lone surrogates here and are reported with their row; see `_mended`.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            collections.deque(itertools.islice(stream, skip), maxlen=0)
            reader = csv.reader(stream, delimiter=separator, strict=True)
            start = skip + 1
            try:
                for cells in reader:
                    record += 1
                    yield start, record, cells
                    start = skip + reader.line_num + 1
                return
            except csv.Error as error:
                last = skip + reader.line_num
                message = _quote_message(str(error), start, last)
            record += 1
            problems.add("quote", message, _QUOTES, row=start, spreadsheet_row=record)
            skip = start
    problems.add("unread", f"the lines after {skip} were not checked", "mend the quotes above first", row=skip + 1)


def _quote_message(error: str, start: int, last: int) -> str:
    """Say what the csv module means."""
    if "field limit" in error:
        return f"a quote opens a cell that is not closed within {_CELL_LIMIT:,} characters"
    if "unexpected end" in error:
        return "a quote opens a cell that is not closed before the end of the file"
    if last > start:
        return f"a quote opens a cell that is not closed properly (the next quote, on line {last}, is inside a text)"
    return "a cell goes on after its closing quote"


def _mended(
    rows: Iterator[tuple[int, int, list[str]]], source: Source, problems: ProblemList
) -> Iterator[tuple[int, int, list[str]]]:
    """Report NUL bytes and bytes that are not UTF-8, and pass the rows on with U+FFFD in their place.

    The cells are noted in `ProblemList.mended`.
    The first bad byte may lie in a row that is skipped for another reason; then its position in the file is still told.
    """
    header: list[str] = []
    told = False
    for line, record, cells in rows:
        if cells and not header:
            header = cells
        for number, cell in enumerate(cells):
            bad = _UNDECODABLE.search(cell)
            if not bad and "\0" not in cell:
                continue
            name = header[number] if number < len(header) else None
            column = None if name is None or name is cell else _mend(name).strip()
            if bad:
                byte = ord(bad[0]) - 0xDC00
                meant = bytes([byte]).decode("cp1252", "replace")
                where = "" if told else f" at offset {source.bad_position:,} of the file"
                hint = f" ({quoted(meant)} in Windows-1252 or Latin-1)" if meant.isprintable() else ""
                message = f"byte 0x{byte:02X}{where} is not UTF-8{hint}"
                remedy = 'save the file as "CSV UTF-8", or run "iconv -f WINDOWS-1252 -t UTF-8"'
                problems.add("encoding", message, remedy, row=line, column=column, spreadsheet_row=record)
                told = True
            if "\0" in cell:
                message = f"the cell has a NUL byte, after {cell.index(chr(0)):,} characters"
                remedy = "the file is damaged or binary; export it again, or take the NUL bytes out"
                problems.add("nul", message, remedy, row=line, column=column, spreadsheet_row=record)
            cells[number] = _mend(cell)
            if column is not None:
                problems.mended.add((line, column))
        yield line, record, cells
    if not source.utf8 and not told:
        message = f"the byte at offset {source.bad_position:,} of the file is not UTF-8"
        problems.add("encoding", message, 'save the file as "CSV UTF-8"')


def _mend(cell: str) -> str:
    """Put U+FFFD in place of what cannot be a character of a text."""
    return _UNDECODABLE.sub("\ufffd", cell).replace("\0", "\ufffd")


def _check_header(
    path: Path,
    header: list[str],
    required: Sequence[str],
    optional: Sequence[str],
    separator: str,
    line: int,
    problems: ProblemList,
) -> bool:
    """Report columns that are missing or there twice; False if the rows cannot be read."""
    missing = [name for name in required if name not in header]
    if missing:
        other = _other_separator(path, required, separator, line)
        if other:
            names = _SEPARATORS
            remedy = f"save it with {names[separator]}"
            if other == "\t":
                remedy = "rename it to end in .tsv, or " + remedy
            elif separator == "\t":
                remedy += ", or rename it to end in .csv" if other == "," else ""
            message = f"the cells are separated by {names[other]} ({quoted(other)}), not by {names[separator]}"
            problems.add("separator", message, remedy, row=line)
            return False
    for name in missing:
        near = difflib.get_close_matches(name.casefold(), [n.casefold() for n in header if n], 1, 0.6)
        nearest = next((n for n in header if near and n.casefold() == near[0]), None)
        remedy = f"did you mean {quoted(nearest)}? Name the column as it is" if nearest else "name one of these"
        there = listed([n for n in header if n])
        problems.add("missing-column", f"there is no column {quoted(name)}, only {there}", remedy, row=line)
    for name, count in collections.Counter(header).items():
        if count > 1 and name:
            message = f"{count} columns have the name {quoted(name)}"
            used = name in required or name in optional
            remedy = "rename all but one of them" if used else "they are ignored; no setting names them"
            problems.add("duplicate-column", message, remedy, row=line, column=name, fatal=used)
    return not missing


def _other_separator(path: Path, required: Sequence[str], separator: str, line: int) -> str | None:
    """Return the separator under which the header makes sense, if it is not the one in use."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        text = next(itertools.islice(stream, line - 1, None), "")[:100_000]
    columns = {}
    for other in _SEPARATORS:
        try:
            columns[other] = [name.strip() for name in next(csv.reader([text], delimiter=other), [])]
        except csv.Error:
            columns[other] = []
    for other, names in columns.items():
        if other != separator and set(required) <= set(names):
            return other
    if len(columns[separator]) == 1:  # not one cell was separated: then the separator is to blame, whatever is missing
        most = max(columns, key=lambda other: len(columns[other]))
        if len(columns[most]) > 1:
            return most
    return None


def _collect(
    rows: Iterator[tuple[int, int, list[str]]], header: list[str], wanted: dict[str, int], problems: ProblemList
) -> RawTable:
    """Gather the wanted columns in blocks; report rows with too few or too many cells."""
    blocks: dict[str, list[pa.Array]] = {name: [] for name in wanted}
    lines, records = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    width = len(header)
    while block := list(itertools.islice(rows, _BLOCK_ROWS)):
        good = [row for row in block if len(row[2]) == width]
        if len(good) != len(block):
            for line, record, cells in block:
                if cells and len(cells) != width:
                    message = f"the row has {len(cells)} {_cells(len(cells))} and the header has {width}"
                    remedy = "put quotes around cells that contain the separator or a line break"
                    problems.add("ragged-row", message, remedy, row=line, spreadsheet_row=record)
        if not good:
            continue
        lines.append(np.fromiter((row[0] for row in good), np.int64, len(good)))
        records.append(np.fromiter((row[1] for row in good), np.int64, len(good)))
        for name, number in wanted.items():
            blocks[name].append(pa.array([row[2][number] for row in good], pa.large_string()))
    columns = {name: pa.chunked_array(arrays, pa.large_string()) for name, arrays in blocks.items()}
    return RawTable(columns, np.concatenate(lines), np.concatenate(records))


def _cells(count: int) -> str:
    """Return "cell" or "cells"."""
    return "cell" if count == 1 else "cells"
