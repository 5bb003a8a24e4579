"""The journal of a tuning: every measurement is kept as it is made, so that an interrupted one goes on where it was.

One line of JSON each, in a file per run and processor. The first line says what the measurements belong to; where
that has changed (another model, processor, library or data), the journal begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Self

import msgspec

from engine.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """One reading of one way under one load, in one round."""

    way: str
    batch: int
    sequence: int
    callers: int
    threads: int
    round: int
    latency: float
    throughput: float


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """The tags, by number, that a way gives to some of the texts: `alone`, and `mixed` into batches with others."""

    way: str
    start: int
    alone: tuple[int, ...]
    mixed: tuple[int, ...] = ()


class Shaped(msgspec.Struct, frozen=True, tag="shaped"):
    """How far a way is off over the grid of shapes, as a share of the baseline's largest logit."""

    way: str
    difference: float


class _Header(msgspec.Struct, frozen=True, tag="header"):
    identity: str


Entry = Measured | Answered | Shaped
_DECODER = msgspec.json.Decoder(Measured | Answered | Shaped | _Header)


class Journal:
    """What was measured so far; open for one process at a time.

    Parameters
    ----------
    path
        The file; made with its folder where it is not there.
    identity
        What the measurements belong to.
    again
        Forget what is there.

    Raises
    ------
    engine.errors.BundleError
        The file cannot be written, or another process has it open.
    """

    def __init__(self, path: Path, identity: str, *, again: bool = False) -> None:
        self._path = path
        self.entries: list[Entry] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            kept = self._read(identity)
            if again or not kept:
                self.entries = []
                kept = 0
            # A line that was half-written when the process was killed is measured again.
            self._file.truncate(kept)
            self._file.seek(kept)
            if not kept:
                self._append(_Header(identity))
        except BlockingIOError:
            self._file.close()
            raise BundleError(
                f"{path}: this run is being tuned by another process; wait for it, or end it, and try again."
            ) from None
        except OSError as error:
            self._file.close()
            raise self._unwritable(error) from None

    def add(self, entry: Entry) -> None:
        """Keep one measurement.

        Raises
        ------
        engine.errors.BundleError
            The disk is full or cannot be written; what was kept before stays.
        """
        try:
            self._append(entry)
        except OSError as error:
            raise self._unwritable(error) from None
        self.entries.append(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _append(self, entry: Entry | _Header) -> None:
        end = self._file.tell()
        line = msgspec.json.encode(entry) + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):
                # A full disk takes a part of the line first.
                self._file.write(line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
                self._file.seek(end)
            raise

    def _read(self, identity: str) -> int:
        """Read the entries; return how many bytes of the file are whole lines of this identity."""
        self._file.seek(0)
        content = self._file.read(os.fstat(self._file.fileno()).st_size) or b""
        kept = 0
        for line in content.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            try:
                entry = _DECODER.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                break
            if kept == 0:
                if not isinstance(entry, _Header) or entry.identity != identity:
                    return 0
            elif not isinstance(entry, _Header):
                self.entries.append(entry)
            kept += len(line)
        return kept

    def _unwritable(self, error: OSError) -> BundleError:
        return BundleError(
            f"{self._path}: what was measured cannot be kept ({error.strerror or error}); free some space, or check "
            "the folder's permissions, and run the command again."
        )
