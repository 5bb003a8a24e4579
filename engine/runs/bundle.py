"""One run bundle: a folder that is complete and unchanged, or is refused with a sentence that says why."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import BundleError
from engine.runs.manifest import MANIFEST_NAME, Manifest, decode_manifest, encode_manifest
from engine.runs.tokenizer import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODEL_NAME = "model.onnx"
TOKENIZER_NAME = "tokenizer.json"
WEIGHTS_NAME = "model.safetensors"
PERFORMANCE_NAME = "performance.json"
PREDICTIONS_NAME = "predictions.parquet"
ATTACHMENTS_NAME = "attachments"


def file_digest(path: Path) -> str:
    """Sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=4096)
def _known_digest(path: Path, modified_ns: int, size: int) -> str:
    # A bundle is immutable: a file whose time and size stand is read once per process, not at every look.
    return file_digest(path)


class _Scores(msgspec.Struct):
    precision: float
    recall: float
    f1: float
    num_samples: float


class _Performance(msgspec.Struct):
    overall: _Scores
    classes: dict[str, _Scores] = msgspec.field(name="class")
    slices: dict[str, _Scores]


class Bundle:
    """A run bundle on disk, checked.

    Parameters
    ----------
    path
        The bundle's folder.

    Raises
    ------
    engine.errors.BundleError
        `run.json` cannot be read, names another run than the folder, or a file is missing or was changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = read_manifest(path)
        check_files(path, self.manifest.files, path / MANIFEST_NAME, "restore the run or train it again")

    @property
    def run_id(self) -> str:
        """The run's id: 32 hexadecimal characters."""
        return self.manifest.run_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Tags in the order of the model's output columns."""
        return self.manifest.labels

    def model_bytes(self) -> bytes:
        """Return the ONNX model.

        Raises
        ------
        engine.errors.BundleError
            The run has no model (it was made from predictions).
        """
        return self._part(MODEL_NAME).read_bytes()

    def tokenizer(self) -> Tokenizer:
        """Read the tokenizer.

        Raises
        ------
        engine.errors.BundleError
            The run has none, or it is of an unknown format.
        """
        reference = self.manifest.tokenizer
        return load_tokenizer(self._part(TOKENIZER_NAME), reference.format, reference.max_tokens)

    def weights_path(self) -> Path:
        """Path of the torch weights (safetensors), needed to export again.

        Raises
        ------
        engine.errors.BundleError
            The run has none.
        """
        return self._part(WEIGHTS_NAME)

    def predictions_path(self) -> Path:
        """Path of `predictions.parquet`; `engine.runs.predictions` reads it.

        Raises
        ------
        engine.errors.BundleError
            The run has none.
        """
        return self._part(PREDICTIONS_NAME)

    def performance(self) -> dict[str, Any]:
        """Read `performance.json`: overall, class and slices, as in the Made With ML lesson.

        Raises
        ------
        engine.errors.BundleError
            The run has none, or it does not hold metrics of that form.
        """
        path = self._part(PERFORMANCE_NAME)
        try:
            content: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
            msgspec.convert(content, type=_Performance)
        except msgspec.MsgspecError as error:
            raise BundleError(f"{path}: not metrics ({error}); restore the run or train it again.") from None
        return content

    def require_model(self) -> None:
        """Refuse a run that has no model, with a sentence that says what to do instead.

        Raises
        ------
        engine.errors.BundleError
            The run has no model (it was made from predictions).
        """
        if MODEL_NAME not in self.manifest.files:
            raise BundleError(
                f"Run {self.run_id} was made from predictions and has no model to answer with; choose a run that has "
                "one (`tagscope runs` lists them), or import the model itself (`tagscope import --help`)."
            )

    def _part(self, name: str) -> Path:
        if name in (MODEL_NAME, TOKENIZER_NAME):
            self.require_model()
        if name not in self.manifest.files:
            raise BundleError(f"Run {self.run_id} has no {name}; what needs it is not available for this run.")
        return self.path / name


def check_files(folder: Path, files: Mapping[str, str], manifest: Path, remedy: str) -> None:
    """Let only files through that lie inside a folder and are as they were written.

    Parameters
    ----------
    folder
        Holds the files.
    files
        Sha256 by the name of the file, relative to the folder.
    manifest
        Where that stands, for an error.
    remedy
        What a person does about a damaged folder.

    Raises
    ------
    engine.errors.BundleError
        A file is missing, was changed, or lies elsewhere; the first one is named.
    """
    # Not `resolve`, which raises on a circle of links.
    home = Path(os.path.realpath(folder))
    for name, expected in files.items():
        path = folder / name
        inside = "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts
        try:
            if not inside or path.is_symlink() or not Path(os.path.realpath(path)).is_relative_to(home):
                raise BundleError(f"{manifest}: file name {name[:200]!r} leaves the bundle; {remedy}.")
            status = path.stat()
            # A pipe would be waited for without an end.
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path}: not a file; {remedy}.")
            found = _known_digest(path, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            raise BundleError(f"{path}: the run lacks this file; {remedy}.") from None
        except OSError as error:
            raise BundleError(
                f"{manifest}: file {name[:200]!r} cannot be read ({error.strerror}); check its permissions."
            ) from None
        if found != expected:
            raise BundleError(
                f"{path}: the file was changed after it was written (its sha256 is not the one in {manifest.name}); "
                f"{remedy}."
            )


def read_manifest(path: Path) -> Manifest:
    """Read a bundle's `run.json` without looking at the other files.

    Raises
    ------
    engine.errors.BundleError
        It is missing, broken, of another schema version, or names another run than the folder.
    """
    where = path / MANIFEST_NAME
    try:
        content = where.read_bytes()
    except OSError as error:
        raise BundleError(f"{where}: cannot be read ({error.strerror}); restore the run or train it again.") from None
    manifest = decode_manifest(content, str(where))
    if manifest.run_id != path.name and not path.name.startswith("."):
        raise BundleError(f"{where}: names run {manifest.run_id}, not that of its folder; restore the folder's name.")
    return manifest


def seal(folder: Path, manifest: Manifest) -> Manifest:
    """Write `run.json` over a folder's files, as the last step before it is published.

    Parameters
    ----------
    folder
        Holds every other file of the bundle.
    manifest
        Its `files` are replaced by what the folder holds.

    Returns
    -------
    Manifest
        As written.
    """
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in _files(folder)}
    sealed = msgspec.structs.replace(manifest, files=dict(sorted(files.items())))
    (folder / MANIFEST_NAME).write_bytes(encode_manifest(sealed))
    return sealed


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST_NAME)
