"""`run.json`: what a run is, where it came from, and the digest of every file beside it."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from engine.errors import BundleError, RunNotFoundError

SCHEMA_VERSION = 1
MANIFEST_NAME = "run.json"
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def checked_run_id(run_id: str) -> str:
    """Let only a run id through: nothing that a person typed comes near a path before this.

    Parameters
    ----------
    run_id
        Text from a person, a URL or a file.

    Returns
    -------
    str
        The same, without surrounding white space.

    Raises
    ------
    engine.errors.RunNotFoundError
        It is not 32 lower-case hexadecimal characters.
    """
    candidate = run_id.strip()
    if not _RUN_ID.fullmatch(candidate):
        shown = candidate if len(candidate) <= 60 else candidate[:57] + "..."
        raise RunNotFoundError(
            f"{shown!r} is not a run id: a run id has 32 characters of 0-9 and a-f; `tagscope runs` lists them."
        )
    return candidate


class DatasetReference(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """Which snapshot the run was trained and judged on."""

    digest: str
    version: str
    name: str
    num_rows: int
    num_left_out: int


class TokenizerReference(msgspec.Struct, frozen=True):
    """Format of `tokenizer.json`, where texts are cut, in tokens, and the id that fills up a batch."""

    format: str
    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    pad_id: Annotated[int, msgspec.Meta(ge=0)] = 0


NO_TOKENIZER = TokenizerReference("none", 1)
"""What a run without a model has."""


class Source(msgspec.Struct, frozen=True):
    """State of the code that trained the run; None where it did not run from a git checkout."""

    commit: str | None = None
    dirty: bool | None = None
    tag: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """Content of `run.json`.

    `files` maps each other file of the bundle to its sha256 in hexadecimal; `parts` names the optional ones that
    are there. `labels` are in the order of the model's output columns. `mapped_tags` counts the rows of each tag
    that became `other`. `environment` holds library versions and CPU flags.
    """

    schema_version: int
    run_id: str
    task: str
    created: str
    model: str
    labels: tuple[str, ...]
    text_fields: tuple[str, ...]
    label_field: str
    cleaning: tuple[str, ...]
    preprocessing_version: str
    tokenizer: TokenizerReference
    dataset: DatasetReference
    slices_digest: str
    parameters: dict[str, Any]
    parts: tuple[str, ...]
    parent_run: str | None = None
    mapped_tags: dict[str, int] = {}
    parity: dict[str, Any] = {}
    source: Source = Source()
    environment: dict[str, Any] = {}
    files: dict[str, str] = {}

    @property
    def model_digest(self) -> str:
        """Sha256 of `model.onnx` in hexadecimal; empty for a run without a model."""
        return self.files.get("model.onnx", "")

    @property
    def short_id(self) -> str:
        """First eight characters of the run id, for people."""
        return self.run_id[:8]


def encode_manifest(manifest: Manifest) -> bytes:
    """Write `run.json`: indented, stable key order."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=2) + b"\n"


def decode_manifest(content: bytes, where: str) -> Manifest:
    """Read `run.json`.

    Parameters
    ----------
    content
        The file's bytes.
    where
        What to call the file in an error.

    Raises
    ------
    engine.errors.BundleError
        It is not such a file, or of another schema version.
    """
    try:
        version = msgspec.json.decode(content, type=_Versioned).schema_version
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{where}: schema version {version}, this Tagscope reads {SCHEMA_VERSION}; install the Tagscope "
                "that made the run, or train it again."
            )
        manifest = msgspec.json.decode(content, type=Manifest)
        if len(set(manifest.labels)) != len(manifest.labels):
            raise BundleError(f"{where}: a label stands twice; restore it or train the run again.")
        return manifest
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}: not a valid run.json ({error}); restore it or train the run again.") from None


class _Versioned(msgspec.Struct):
    schema_version: int
