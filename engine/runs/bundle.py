"""One run bundle: a folder that is complete and unchanged, or is refused with a sentence that says why."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import BundleError
from engine.runs.manifest import MANIFEST_NAME, Manifest, decode_manifest, encode_manifest
from engine.runs.tokenizer import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        self._verify()

    @property
    def run_id(self) -> str:
        """The run's id: 32 hexadecimal characters."""
        return self.manifest.run_id

    @property
    def labels(self) -> tuple[str, ...]:
        """Tags in the order of the model's output columns."""
        return self.manifest.labels

    def _verify(self) -> None:
        for name, expected in self.manifest.files.items():
            path = self.path / name
            if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts or path.is_symlink():
                raise BundleError(f"{self.path / MANIFEST_NAME}: file name {name!r} leaves the bundle; restore it.")
            try:
                status = path.stat()
                found = _known_digest(path, status.st_mtime_ns, status.st_size)
            except FileNotFoundError:
                raise BundleError(f"{path}: the run lacks this file; restore the run or train it again.") from None
            except OSError as error:
                raise BundleError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from None
            if found != expected:
                raise BundleError(
                    f"{path}: the file was changed after the run was written (its sha256 is not the one in run.json); "
                    "restore the run or train it again."
                )

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

    def _part(self, name: str) -> Path:
        if name not in self.manifest.files:
            raise BundleError(f"Run {self.run_id} has no {name}; what needs it is not available for this run.")
        return self.path / name


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
