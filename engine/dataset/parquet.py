"""Reading a Parquet file to the same columns of strings that a CSV gives; its rows count from 2, as below a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.dataset.problems import listed
from engine.errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.dataset.problems import ProblemList

SUFFIXES = frozenset({".parquet", ".pq"})
_FIRST_ROW = 2


def is_parquet(path: Path) -> bool:
    """Whether a file is to be read as Parquet: its name says so."""
    return path.suffix.lower() in SUFFIXES


def parquet_columns(path: Path) -> list[str]:
    """Names of a Parquet file's columns.

    Raises
    ------
    OSError, pyarrow.ArrowException
        It cannot be read.
    """
    return list(pq.read_schema(path).names)


def read_parquet(
    path: Path, required: Sequence[str], optional: Sequence[str], problems: ProblemList
) -> tuple[dict[str, pa.ChunkedArray], np.ndarray] | None:
    """Read the named columns of a Parquet file as strings.

    Parameters
    ----------
    path
        The file.
    required, optional
        Columns that must be there, and columns that are read if they are.
    problems
        Takes what is wrong.

    Returns
    -------
    tuple or None
        The columns, ``large_string`` with empty texts for missing values, and the number of each row; None if there
        is no table to speak of.
    """
    try:
        names = parquet_columns(path)
        if twice := [name for name in dict.fromkeys((*required, *optional)) if names.count(name) > 1]:
            problems.add("duplicate-column", f"the file has several columns {listed(twice)}", "rename all but one")
            return None
        wanted = [name for name in dict.fromkeys((*required, *optional)) if name in names]
        missing = [name for name in required if name not in names]
        table = pq.read_table(path, columns=wanted)
    except FileNotFoundError:
        problems.add(
            "missing-file", "there is no such file", "check the name, and the folder from which it is looked up"
        )
        return None
    except (OSError, pa.ArrowException) as error:
        problems.add("unreadable-file", f"the file is no whole Parquet file ({reason_of(error)})", "write it again")
        return None
    for name in missing:
        problems.add(
            "missing-column", f"there is no column {listed([name])}, only {listed(names)}", "name one of these"
        )
    columns = {name: _strings(table[name], name, problems) for name in wanted}
    if missing or problems.fatal:
        return None
    if not table.num_rows:
        problems.add("no-rows", "the file has no rows", "write one row per text")
    return columns, np.arange(_FIRST_ROW, table.num_rows + _FIRST_ROW, dtype=np.int64)


def _strings(column: pa.ChunkedArray, name: str, problems: ProblemList) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    try:
        return column.cast(pa.large_string()).fill_null("")
    except pa.ArrowException:
        problems.add(
            "not-text", f"the column holds {kind}, which is no text", "write it as text or numbers", column=name
        )
        return pa.chunked_array([[""] * len(column)], pa.large_string())
