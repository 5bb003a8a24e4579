"""Snapshots: an immutable copy of the rows that a run was trained and judged on, named by the digest of its content.

``<directory>/<digest>/`` holds ``rows.parquet`` (the rows) and ``dataset.json`` (name, version, columns, rows left
out).
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.dataset.cleaning import join_fields
from engine.dataset.content import Dataset, columns_of, content_digest
from engine.dataset.fields import Fields
from engine.dataset.problems import quoted
from engine.disk import publish
from engine.errors import DataError, reason_of

__all__ = ["Dataset", "DatasetInfo", "content_digest", "list_datasets", "open_dataset", "save_dataset"]

FORMAT = "tagscope-dataset"
FORMAT_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{32}")
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}-.+")
_STALE_SECONDS = 24 * 60 * 60  # no save takes so long; whatever is younger may be one at work


class DatasetInfo(msgspec.Struct, frozen=True):
    """What is known of a snapshot without reading its rows; the head of ``dataset.json``.

    Parameters
    ----------
    digest, name, version : str
        As in `Dataset`.
    saved : str
        When it was saved, ISO 8601 in UTC.
    rows, holdout_rows, left_out_rows : int
        Numbers of rows: all usable ones, those among them that came from a holdout file, and those left out.
    tags : int
        Number of different tags.
    """

    digest: str
    name: str
    version: str
    saved: str
    rows: int
    holdout_rows: int
    left_out_rows: int
    tags: int


class _LeftOut(msgspec.Struct, frozen=True):
    id: str
    row: int
    reason: str


class _Record(msgspec.Struct, frozen=True):
    """The whole of ``dataset.json``."""

    format: str
    format_version: int
    info: DatasetInfo
    fields: Fields
    left_out: list[_LeftOut]


def save_dataset(dataset: Dataset, directory: str | os.PathLike[str]) -> Path:
    """Save a data set under its digest.

    It is written to a hidden folder beside, synced and renamed: a reader sees all of it or nothing. Saving the same
    content a second time changes nothing, whatever its name. Hidden folders that a save left behind when it was killed
    are deleted once they are a day old.

    Parameters
    ----------
    dataset : Dataset
        What to save.
    directory : path-like
        The folder of all data sets; made if need be.

    Returns
    -------
    Path
        ``directory/<digest>``.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    directory = Path(directory)
    _sweep(directory)
    target = directory / dataset.digest
    if (target / "dataset.json").is_file():
        return target
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{dataset.digest}-", dir=directory))
        try:
            temporary.chmod(0o755)
            _write_rows(dataset, temporary / "rows.parquet")
            (temporary / "dataset.json").write_bytes(_record(dataset))
            # Another process may have saved the same content meanwhile.
            with contextlib.suppress(FileExistsError):
                publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{target}: the data set cannot be written ({error.strerror or error}); check the folder, its "
            "permissions and the free space."
        ) from error
    return target


def _sweep(directory: Path) -> None:
    """Delete what killed saves left behind; what cannot be deleted now waits for the next save."""
    oldest = time.time() - _STALE_SECONDS
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            # Another process may sweep, too, so a folder can vanish at any time.
            with contextlib.suppress(OSError):
                if (
                    _UNFINISHED.fullmatch(entry.name)
                    and entry.is_dir(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_mtime < oldest
                ):
                    shutil.rmtree(entry.path, ignore_errors=True)


def _write_rows(dataset: Dataset, path: Path) -> None:
    """Write the rows without what can be made again (the joined text) and without metadata of library versions."""
    frame = dataset.frame.drop(columns="text")
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", compression_level=9, use_dictionary=["tag"], store_schema=False)


def _record(dataset: Dataset) -> bytes:
    """Return the content of ``dataset.json``."""
    info = DatasetInfo(
        digest=dataset.digest,
        name=dataset.name,
        version=dataset.version,
        saved=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        rows=len(dataset.frame),
        holdout_rows=int(dataset.frame["holdout"].sum()),
        left_out_rows=len(dataset.left_out),
        tags=int(dataset.frame["tag"].nunique()),
    )
    columns = (dataset.left_out[name].to_list() for name in ("id", "row", "reason"))
    left_out = [_LeftOut(*values) for values in zip(*columns, strict=True)]
    record = _Record(FORMAT, FORMAT_VERSION, info, dataset.fields, left_out)
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def open_dataset(directory: str | os.PathLike[str], digest: str) -> Dataset:
    """Open a saved data set and check that its content still has its digest.

    Parameters
    ----------
    directory : path-like
        The folder of all data sets.
    digest : str
        32 hexadecimal digits.

    Returns
    -------
    Dataset
        Equal to the one that was saved.

    Raises
    ------
    DataError
        If the digest is none, no such data set is there, or its files are damaged or changed.
    """
    if not _DIGEST.fullmatch(digest):
        raise DataError(f"{quoted(digest)} is no digest of a data set; a digest has 32 hexadecimal digits.")
    folder = Path(directory) / digest
    if not folder.is_dir():
        raise DataError(f"There is no data set {digest} in {directory}; run the training on its file again to make it.")
    record = _read_record(folder)
    fields = record.fields
    try:
        frame = pq.read_table(folder / "rows.parquet").to_pandas()
        columns = [frame[name] for name in fields.text_columns]
        text = [join_fields(values) for values in zip(*columns, strict=True)]
        frame = frame.assign(text=pd.Series(text, dtype="str", index=frame.index))[columns_of(fields)]
        frame["created"] = frame["created"].astype("datetime64[us]")
        changed = content_digest(frame, fields) != digest
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / 'rows.parquet'}: {_damaged(error)}") from error
    if changed or record.info.digest != digest:
        raise DataError(f"{folder}: the rows were changed after they were saved; {_RESTORE}.")
    left_out = pd.DataFrame(
        {
            "id": pd.Series([entry.id for entry in record.left_out], dtype="str"),
            "row": pd.Series([entry.row for entry in record.left_out], dtype="int64"),
            "reason": pd.Series([entry.reason for entry in record.left_out], dtype="str"),
        }
    )
    return Dataset(digest, record.info.name, record.info.version, fields, frame, left_out)


_RESTORE = "restore the folder, or delete it and run the training on its file again"


def _damaged(error: Exception) -> str:
    """Return what to say of a file that cannot be read."""
    return f"the file is missing or damaged ({reason_of(error)}); {_RESTORE}."


def _read_record(folder: Path) -> _Record:
    """Read ``dataset.json``."""
    path = folder / "dataset.json"
    try:
        record = msgspec.json.decode(path.read_bytes(), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {_damaged(error)}") from error
    if record.format != FORMAT or record.format_version != FORMAT_VERSION:
        raise DataError(
            f"{path}: the format is {quoted(record.format)} version {record.format_version}, and this program reads "
            f"{quoted(FORMAT)} version {FORMAT_VERSION}; update the program, or make the data set again."
        )
    return record


def list_datasets(directory: str | os.PathLike[str]) -> list[DatasetInfo]:
    """Return what is known of all saved data sets, the newest first.

    Folders that are no data set, or whose ``dataset.json`` cannot be read, are passed over; `open_dataset` says what is
    wrong with them. The rows are not read.
    """
    infos = []
    directory = Path(directory)
    for folder in directory.iterdir() if directory.is_dir() else ():
        if _DIGEST.fullmatch(folder.name):
            with contextlib.suppress(DataError):
                infos.append(_read_record(folder).info)
    return sorted(infos, key=lambda info: (info.saved, info.digest), reverse=True)
