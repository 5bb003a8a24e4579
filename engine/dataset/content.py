"""A data set: the rows of a file, and of a holdout file, under a digest of their content."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from engine.dataset.problems import listed, quoted
from engine.errors import DataError

if TYPE_CHECKING:
    from engine.dataset.fields import Fields
    from engine.dataset.loading import Table


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that does not change.

    Parameters
    ----------
    digest : str
        32 hexadecimal digits of a SHA-256 over ids, text fields, tags, dates and holdout marks, in the order of the
        rows. It does not depend on the order of the columns, the names of files or the library versions.
    name : str
        What people call it.
    version : str
        Which version of it this is; by default the first 8 digits of the digest.
    fields : Fields
        The columns as they were used.
    frame : pandas.DataFrame
        As `Table.frame`, plus ``holdout`` (bool: the row came from the holdout file, in which `row` then is its line).
    left_out : pandas.DataFrame
        ``id``, ``row`` and ``reason`` of rows without text or tag.
    """

    digest: str
    name: str
    version: str
    fields: Fields
    frame: pd.DataFrame
    left_out: pd.DataFrame

    @classmethod
    def from_table(
        cls, table: Table, name: str, holdout: Table | None = None, *, version: str | None = None
    ) -> Dataset:
        """Make a data set of a loaded file and, optionally, a holdout file.

        Parameters
        ----------
        table, holdout : Table
            The rows; both must have the same text fields.
        name : str
            What people call it.
        version : str, optional
            The default is the first 8 digits of the digest.

        Raises
        ------
        DataError
            If the two tables have an id in common, or different columns.
        """
        frame, left_out = table.frame.assign(holdout=False), table.left_out
        fields = table.fields
        if holdout is not None:
            frame = pd.concat([frame, _holdout_frame(table, holdout)], ignore_index=True)
            left_out = pd.concat([left_out, holdout.left_out], ignore_index=True)
            if fields.created is None:
                fields = msgspec.structs.replace(fields, created=holdout.fields.created)
        frame = frame[columns_of(fields)]
        digest = content_digest(frame, fields)
        return cls(digest, name, version or digest[:8], fields, frame, left_out)


def columns_of(fields: Fields) -> list[str]:
    """Return the columns of a data set's frame, in order."""
    return ["id", "row", *fields.text_columns, "tag", "created", "text", "holdout"]


def _holdout_frame(table: Table, holdout: Table) -> pd.DataFrame:
    """Return the holdout's rows, their ids told apart from those of the table."""
    if table.fields.text != holdout.fields.text:
        raise DataError(
            f"{holdout.path}: the text columns are {listed(holdout.fields.text)} but {table.path} has "
            f"{listed(table.fields.text)}; name the same columns for both."
        )
    if table.generated_ids != holdout.generated_ids:
        with_ids, without = (holdout, table) if table.generated_ids else (table, holdout)
        raise DataError(
            f"{without.path}: there is no id column, but {with_ids.path} has one; give both files an id column, "
            "or neither."
        )
    frame = holdout.frame.assign(holdout=True)
    common = frame["id"].isin(table.frame["id"])
    if not common.any():
        return frame
    if holdout.generated_ids:  # the same text in both files: the ids are ours, so they can be told apart
        return frame.assign(id=frame["id"].where(~common, frame["id"] + "-holdout"))
    first = frame.loc[common, ["id", "row"]].iloc[0]
    raise DataError(
        f"{holdout.path}, line {first['row']}: the id {quoted(first['id'])} is also in {table.path} "
        f"({int(common.sum()):,} ids are in both); a row to judge a model on must not be one to learn from, so delete "
        "it from one of them."
    )


def content_digest(frame: pd.DataFrame, fields: Fields) -> str:
    """Return the digest of a data set's content.

    Each column goes into a SHA-256 under the name of its role, as the lengths of its values (int64, little-endian,
    -1 for a missing one) and their UTF-8 bytes, so that no two different contents are written alike.

    Parameters
    ----------
    frame : pandas.DataFrame
        A frame as that of `Dataset`.
    fields : Fields
        Its text columns; their order counts, since it decides on the text.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    total = hashlib.sha256(f"tagscope-dataset 1 {len(frame)}".encode())
    parts = [("id", "id"), ("tag", "tag")]
    parts += [(f"text:{name}", column) for name, column in zip(fields.text, fields.text_columns, strict=True)]
    for role, column in parts:
        total.update(_framed(role.encode()))
        _update(total, frame[column])
    total.update(_framed(b"created"))
    created = frame["created"].to_numpy("datetime64[us]").astype("<i8")
    total.update(created.tobytes())
    total.update(_framed(b"holdout"))
    total.update(frame["holdout"].to_numpy(bool).tobytes())
    return total.hexdigest()[:32]


def _framed(name: bytes) -> bytes:
    """Return a name with its length before it."""
    return len(name).to_bytes(8, "little") + name


def _update(total: hashlib._Hash, values: pd.Series) -> None:
    """Add a column of strings to a hash: all lengths, then all bytes; Arrow has both ready."""
    array = pa.array(values, pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    offsets = np.zeros(1, np.int64)
    if len(array):
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(offsets)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if missing.any():
        # What lies under a missing value is undefined, so go by the values themselves.
        lengths = np.where(missing, -1, lengths)
        data: bytes | memoryview = "".join(value for value in array.to_pylist() if value is not None).encode()
    else:
        buffer = array.buffers()[2]
        data = memoryview(buffer)[offsets[0] : offsets[-1]] if buffer is not None and len(array) else b""
    total.update(lengths.astype("<i8").tobytes())
    total.update(data)
