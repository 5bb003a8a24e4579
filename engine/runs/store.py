"""Where runs are kept: one protocol, and the store that is a plain directory.

The store allocates run ids, publishes a bundle whole or not at all, and owns the pointer to the promoted run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING, Protocol

from config.settings import get_settings
from engine.disk import encode_json, publish, write_atomically
from engine.errors import BundleError, RunNotFoundError
from engine.runs.bundle import ATTACHMENTS_NAME, PERFORMANCE_NAME, Bundle, read_manifest
from engine.runs.manifest import MANIFEST_NAME, Manifest, checked_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ABANDONED_AFTER_SECONDS = 24 * 3600
_WRITING_PREFIX = ".writing-"
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


class RunStore(Protocol):
    """What the rest of Tagscope needs of a place that keeps runs."""

    def allocate(self) -> str:
        """Return a new run id."""
        ...

    def runs(self) -> list[Manifest]:
        """List the readable runs, newest first."""
        ...

    def broken(self) -> dict[str, str]:
        """List the runs whose `run.json` cannot be read: id and a sentence that says why."""
        ...

    def open(self, run_id: str) -> Bundle:
        """Return a run, checked."""
        ...

    def has_attachment(self, run_id: str, name: str) -> bool:
        """Tell whether a run has an attachment of that name, without a look at the run itself."""
        ...

    def writing(self, run_id: str) -> contextlib.AbstractContextManager[Path]:
        """Give a folder to fill; it becomes the run when the block ends without an error."""
        ...

    def promoted(self) -> str | None:
        """Return the id of the promoted run."""
        ...

    def promote(self, run_id: str) -> None:
        """Make a run the promoted one."""
        ...


class DirectoryStore:
    """Runs as folders of one directory; the pointer is `run_id.txt`, its metrics `performance.json`.

    Parameters
    ----------
    runs_dir
        Holds one folder per run; made when the first run is written.
    config_dir
        Holds `run_id.txt` and `performance.json`.
    """

    def __init__(self, runs_dir: Path, config_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.config_dir = config_dir
        self._pointer_path = str(self.pointer)
        self._promoted: tuple[tuple[int, int, int], str] | None = None

    @property
    def pointer(self) -> Path:
        """File that names the promoted run."""
        return self.config_dir / "run_id.txt"

    def allocate(self) -> str:
        """Return a new run id: 32 random hexadecimal characters."""
        return uuid.uuid4().hex

    def runs(self) -> list[Manifest]:
        """List the readable runs, newest first; the files beside each `run.json` are not looked at."""
        manifests = []
        for folder in self._folders():
            with contextlib.suppress(BundleError):
                manifests.append(read_manifest(folder))
        return sorted(manifests, key=lambda manifest: (manifest.created, manifest.run_id), reverse=True)

    def broken(self) -> dict[str, str]:
        """List the runs whose `run.json` cannot be read: id and a sentence that says why."""
        found = {}
        for folder in self._folders():
            try:
                read_manifest(folder)
            except BundleError as error:
                found[folder.name] = str(error)
        return found

    def open(self, run_id: str) -> Bundle:
        """Return a run, every file checked against its digest.

        Raises
        ------
        engine.errors.RunNotFoundError
            The id is not one, or no run has it.
        engine.errors.BundleError
            The run is incomplete or was changed.
        """
        run_id = checked_run_id(run_id)
        folder = self.runs_dir / run_id
        if not folder.is_dir():
            raise RunNotFoundError(f"No run has the id {run_id}; `tagscope runs` lists those there are.")
        return Bundle(folder)

    def has_attachment(self, run_id: str, name: str) -> bool:
        """Tell whether a run has an attachment of that name, damaged or not; the run itself is not looked at.

        Opening a run costs reading all its files once; this costs nothing.
        """
        return (self.runs_dir / checked_run_id(run_id) / ATTACHMENTS_NAME / name).is_dir()

    @contextlib.contextmanager
    def writing(self, run_id: str) -> Iterator[Path]:
        """Give a folder to fill; it becomes the run, whole, when the block ends without an error.

        Whatever ends the block early, a kill included, leaves no run behind. The block seals the folder
        (`engine.runs.bundle.seal`) as its last step.

        Raises
        ------
        engine.errors.BundleError
            The run is there already (runs are immutable), or the disk cannot be written.
        """
        run_id = checked_run_id(run_id)
        target = self.runs_dir / run_id
        folder = self.runs_dir / f"{_WRITING_PREFIX}{run_id}"
        try:
            folder.mkdir(parents=True)
            self._remove_abandoned()
            yield folder
            if not (folder / MANIFEST_NAME).exists():
                raise RuntimeError("a bundle is sealed before it is published")
            publish(folder, target)
        except FileExistsError:
            raise BundleError(
                f"{target}: the run exists already and runs are immutable; allocate a new run id."
            ) from None
        except OSError as error:
            if error.errno not in _CANNOT_WRITE:
                raise
            raise BundleError(
                f"{folder}: a run cannot be written here ({error.strerror}); free some space, or set TAGSCOPE_HOME to "
                "a folder that can be written to."
            ) from None
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def promoted(self) -> str | None:
        """Return the id of the promoted run; None where none was promoted.

        Raises
        ------
        engine.errors.RunNotFoundError
            The pointer's content is not a run id.
        """
        try:
            # Asked for with every text: a look at the file's state costs a tenth of reading it. Each promotion puts a
            # new file in the place of the old one.
            status = os.stat(self._pointer_path)
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._promoted
            if known is not None and known[0] == state:
                return known[1]
            content = self.pointer.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            state, content = (0, 0, 0), ""
        try:
            run_id = checked_run_id(content)
        except RunNotFoundError:
            raise RunNotFoundError(
                f"{self.pointer}: holds no run id; run `tagscope promote RUN` with one that `tagscope runs` lists."
            ) from None
        self._promoted = (state, run_id)
        return run_id

    def promote(self, run_id: str) -> None:
        """Make a run the promoted one: write `performance.json`, then move the pointer.

        Raises
        ------
        engine.errors.RunNotFoundError, engine.errors.BundleError
            As `open`, or the run has no model: nothing is changed.
        """
        bundle = self.open(run_id)
        # The promoted run answers whoever names none.
        bundle.require_model()
        performance = bundle.performance()
        try:
            self.config_dir.mkdir(parents=True, exist_ok=True)
            write_atomically(self.config_dir / PERFORMANCE_NAME, encode_json(performance))
            write_atomically(self.pointer, f"{bundle.run_id}\n".encode())
        except OSError as error:
            raise BundleError(
                f"{self.config_dir}: the pointer to the promoted run cannot be written ({error.strerror}); free some "
                "space, or check the folder's permissions."
            ) from None

    def _folders(self) -> list[Path]:
        if not self.runs_dir.is_dir():
            return []
        return [path for path in self.runs_dir.iterdir() if path.is_dir() and not path.name.startswith(".")]

    def _remove_abandoned(self) -> None:
        # A killed process leaves its unfinished folder; nobody else's work of the last day is touched.
        for folder in self.runs_dir.glob(f"{_WRITING_PREFIX}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def open_store() -> RunStore:
    """Return the store that the settings name: the directory `data/runs` under the home."""
    settings = get_settings()
    return DirectoryStore(settings.runs_dir, settings.config_dir)
