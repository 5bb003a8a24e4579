"""Findings on disk: computed once per data set, opened in milliseconds.

``<directory>/<key>/`` holds ``findings.json`` (every `Finding`) and ``<kind>.parquet`` (its rows).
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.disk import encode_json, publish
from engine.errors import reason_of
from engine.findings.contract import ROW_COLUMNS, Finding, FindingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

FORMAT_VERSION = 1
_RECORD = "findings.json"


class _Record(msgspec.Struct, frozen=True):
    format_version: int
    rows: int
    findings: tuple[Finding, ...]


class Findings:
    """What was found in one data set, the worst first.

    Parameters
    ----------
    total : int
        How many rows the data set has.
    items : sequence of Finding
        In any order.
    read : callable
        From a kind to its rows.
    """

    def __init__(self, total: int, items: Sequence[Finding], read: Callable[[str], pd.DataFrame]) -> None:
        self.total = total
        self.items = tuple(sorted(items, key=lambda item: (-item.severity, not item.noteworthy, not item.computed)))
        self._read = read

    def __getitem__(self, kind: str) -> Finding:
        for item in self.items:
            if item.kind == kind:
                return item
        raise FindingError(f"The finding {kind!r} was not looked for; compute it first.")

    def rows(self, kind: str) -> pd.DataFrame:
        """Return the rows of a finding, affected ones first and then by score.

        Parameters
        ----------
        kind : str
            Which finding.

        Returns
        -------
        pandas.DataFrame
            As `engine.findings.contract.rows_frame` makes it; no rows if it could not be computed.

        Raises
        ------
        FindingError
            It was not looked for, or its file is damaged.
        """
        self[kind]
        return self._read(kind)

    def scores(self, kind: str) -> np.ndarray:
        """Return the score of every row of the data set: float32, shape (n,), 0 where it has none."""
        rows = self.rows(kind)
        scores = np.zeros(self.total, np.float32)
        scores[rows["position"].to_numpy()] = rows["score"].to_numpy()
        return scores

    def affected(self, kind: str) -> np.ndarray:
        """Return the positions of the affected rows, sorted: int32."""
        rows = self.rows(kind)
        return np.sort(rows["position"].to_numpy()[rows["affected"].to_numpy()])


def in_memory(total: int, items: Sequence[Finding], frames: Mapping[str, pd.DataFrame]) -> Findings:
    """Make findings of frames that have just been computed."""
    return Findings(total, items, lambda kind: frames[kind])


def save_findings(folder: Path, total: int, items: Sequence[Finding], frames: Mapping[str, pd.DataFrame]) -> None:
    """Write findings to a hidden folder and rename it: a reader sees all of them or none.

    Raises
    ------
    FindingError
        They cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            temporary.chmod(0o755)
            for kind, frame in frames.items():
                table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
                pq.write_table(table, temporary / f"{kind}.parquet", compression="zstd")
            record = _Record(FORMAT_VERSION, total, tuple(items))
            (temporary / _RECORD).write_bytes(encode_json(record))
            with contextlib.suppress(FileExistsError):  # another process may have computed the same
                publish(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise FindingError(
            f"{folder}: the findings cannot be written ({error.strerror or error}); check the folder, its permissions "
            "and the free space."
        ) from error


def open_findings(folder: Path) -> Findings | None:
    """Open findings; None if there are none, or they are of another version or damaged, so that they are made anew."""
    try:
        record = msgspec.json.decode((folder / _RECORD).read_bytes(), type=_Record)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if record.format_version != FORMAT_VERSION:
        return None
    if not all((folder / f"{item.kind}.parquet").is_file() for item in record.findings):
        return None

    def read(kind: str) -> pd.DataFrame:
        path = folder / f"{kind}.parquet"
        try:
            frame: pd.DataFrame = pq.read_table(path, columns=list(ROW_COLUMNS)).to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise FindingError(
                f"{path}: the file is damaged ({reason_of(error)}); delete its folder and compute the findings again."
            ) from error
        return frame.astype(dict.fromkeys(("proposed_tag", "other_id", "note"), "str"))

    return Findings(record.rows, record.findings, read)


def discard(folder: Path) -> None:
    """Delete findings that cannot be used."""
    shutil.rmtree(folder, ignore_errors=True)
