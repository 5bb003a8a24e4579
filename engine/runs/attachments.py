"""Attachments: what is added to a run later, each with its own manifest that names the model it belongs to.

The bundle itself never changes. An attachment is one folder, `attachments/<name>/`: `attachment.json` and, in a
folder of its own, the files that it names. A first one is written aside and renamed; to replace one, the new files
are put beside the old and the manifest is replaced. So a reader meets the old or the new, and never a part.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from engine.disk import encode_json, publish, write_atomically
from engine.errors import BundleError
from engine.runs.bundle import ATTACHMENTS_NAME, check_files, file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from engine.runs.bundle import Bundle

SCHEMA_VERSION = 1
MANIFEST_NAME = "attachment.json"
KINDS = ("precision", "parity", "profile", "choice", "embeddings")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_CONTENT = re.compile(r"[0-9a-f]{32}")
_WRITING_PREFIX = ".writing-"
_ABANDONED_AFTER_SECONDS = 24 * 3600
_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


class AttachmentManifest(msgspec.Struct, frozen=True):
    """Content of `attachment.json`.

    `content` names the folder beside it that holds the files; `files` maps each of them to its sha256 in
    hexadecimal. `parameters` say how it was made, `environment` with which libraries and on which processor.
    """

    schema_version: int
    name: str
    kind: str
    created: str
    model_digest: str
    content: str
    parameters: dict[str, Any] = {}
    environment: dict[str, Any] = {}
    files: dict[str, str] = {}


@dataclass(frozen=True)
class Attachment:
    """An attachment, checked.

    Attributes
    ----------
    path
        Folder with its files.
    manifest
        What it is.
    """

    path: Path
    manifest: AttachmentManifest

    @property
    def name(self) -> str:
        """Name under which it is attached."""
        return self.manifest.name

    def read(self, file: str) -> bytes:
        """Read one of its files, as it was when it was checked.

        Raises
        ------
        engine.errors.BundleError
            The manifest does not name the file, so nobody has checked it, or it is gone.
        """
        where = self.path.parent / MANIFEST_NAME
        if file not in self.manifest.files:
            raise BundleError(f"{where}: the attachment lacks {file}; {_remedy(where.parent)}.")
        try:
            return (self.path / file).read_bytes()
        except OSError as error:
            raise BundleError(
                f"{self.path / file}: cannot be read ({error.strerror}); {_remedy(where.parent)}."
            ) from None


def has_attachment(bundle: Bundle, name: str) -> bool:
    """Tell whether a run has an attachment of that name, damaged or not."""
    return (_folder(bundle, name) / MANIFEST_NAME).is_file()


def read_attachment_manifest(bundle: Bundle, name: str) -> AttachmentManifest:
    """Read what an attachment says of itself, without a look at its files.

    Raises
    ------
    engine.errors.BundleError
        As `read_attachment`, but for the files.
    """
    return _read_manifest(bundle, _folder(bundle, name))


def read_attachment(bundle: Bundle, name: str) -> Attachment:
    """Read an attachment, every file checked against its digest.

    Raises
    ------
    engine.errors.BundleError
        The name is not one, there is no such attachment, or it is damaged or belongs to another model.
    """
    folder = _folder(bundle, name)
    while True:
        manifest = _read_manifest(bundle, folder)
        path = folder / manifest.content
        if path.is_symlink():
            raise BundleError(f"{path}: a link stands in its way, which is not followed; {_remedy(folder)}.")
        try:
            check_files(path, manifest.files, folder / MANIFEST_NAME, _remedy(folder))
        except BundleError:
            # Replaced while it was read: the new one is looked at instead.
            if _read_manifest(bundle, folder).content == manifest.content:
                raise
            continue
        return Attachment(path, manifest)


def attachments(bundle: Bundle) -> list[Attachment]:
    """List a run's attachments by name; damaged ones are left out, `broken_attachments` tells of them."""
    found = []
    for name in _names(bundle):
        with contextlib.suppress(BundleError):
            found.append(read_attachment(bundle, name))
    return found


def broken_attachments(bundle: Bundle) -> dict[str, str]:
    """List the attachments that cannot be read: name and a sentence that says why."""
    found = {}
    for name in _names(bundle):
        try:
            read_attachment(bundle, name)
        except BundleError as error:
            found[name] = str(error)
    return found


@contextlib.contextmanager
def writing_attachment(
    bundle: Bundle,
    name: str,
    kind: str,
    parameters: Mapping[str, Any],
    environment: Mapping[str, Any],
    *,
    replace: bool = False,
) -> Iterator[Path]:
    """Give a folder to fill; it becomes the attachment, whole, when the block ends without an error.

    Whatever ends the block early leaves what was there before.

    Parameters
    ----------
    bundle
        The run.
    name
        1 to 64 characters of a-z, 0-9, dot and hyphen, not first a dot or hyphen.
    kind
        One of `KINDS`.
    parameters, environment
        For the manifest, fit for JSON; read at the end, so the block may add to them.
    replace
        Whether an attachment of that name may be there already.

    Raises
    ------
    engine.errors.BundleError
        There is one already and it may not be replaced, or the disk cannot be written.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a kind of attachment (known: {', '.join(KINDS)})")
    target = _folder(bundle, name)
    content = uuid.uuid4().hex
    # Beside the target, so that nobody who lists attachments meets it; a name may not begin with a dot.
    aside = target.parent / f"{_WRITING_PREFIX}{name}-{content}"
    try:
        if not replace and target.exists():
            raise FileExistsError(target)
        folder = aside / content
        folder.mkdir(parents=True)
        _remove_abandoned(target.parent)
        yield folder
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        manifest = AttachmentManifest(
            SCHEMA_VERSION,
            name,
            kind,
            datetime.now(UTC).isoformat(timespec="seconds"),
            bundle.manifest.model_digest,
            content,
            dict(parameters),
            dict(environment),
            {relative: file_digest(path) for relative, path in files.items()},
        )
        _publish(aside, target, manifest, replace=replace)
    except FileExistsError:
        raise BundleError(
            f"{target}: the run has this attachment already; remove that folder to make it anew."
        ) from None
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise BundleError(
            f"{target}: an attachment cannot be written here ({error.strerror}); free some space, or check the "
            "folder's permissions."
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _publish(aside: Path, target: Path, manifest: AttachmentManifest, *, replace: bool) -> None:
    content = encode_json(manifest)
    if not (replace and target.is_dir()):
        (aside / MANIFEST_NAME).write_bytes(content)
        publish(aside, target)
        return
    before = [path for path in target.iterdir() if _CONTENT.fullmatch(path.name)]
    publish(aside / manifest.content, target / manifest.content)
    write_atomically(target / MANIFEST_NAME, content)
    for old in before:
        shutil.rmtree(old, ignore_errors=True)


def _folder(bundle: Bundle, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise BundleError(
            f"{name[:64]!r} is not the name of an attachment: 1 to 64 characters of a-z, 0-9, dot and hyphen, the "
            "first a letter or digit."
        )
    folder = bundle.path / ATTACHMENTS_NAME / name
    if folder.parent.is_symlink() or folder.is_symlink():
        raise BundleError(f"{folder}: a link stands in its way, which is not followed; {_remedy(folder)}.")
    return folder


def _names(bundle: Bundle) -> list[str]:
    folder = bundle.path / ATTACHMENTS_NAME
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _read_manifest(bundle: Bundle, folder: Path) -> AttachmentManifest:
    where = folder / MANIFEST_NAME
    # A pipe would be waited for without an end.
    if where.is_symlink() or (where.exists() and not where.is_file()):
        raise BundleError(f"{where}: not a file; {_remedy(folder)}.")
    try:
        content = where.read_bytes()
    except FileNotFoundError:
        there = ", ".join(_names(bundle)) or "none"
        raise BundleError(f"Run {bundle.run_id} has no attachment {folder.name!r}; there are: {there}.") from None
    except OSError as error:
        raise BundleError(f"{where}: cannot be read ({error.strerror}); check its permissions.") from None
    try:
        version = msgspec.json.decode(content, type=_Versioned).schema_version
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{where}: schema version {version}, this Tagscope reads {SCHEMA_VERSION}; {_remedy(folder)}."
            )
        manifest = msgspec.json.decode(content, type=AttachmentManifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{where}: not a valid {MANIFEST_NAME} ({error}); {_remedy(folder)}.") from None
    if manifest.name != folder.name or manifest.kind not in KINDS or not _CONTENT.fullmatch(manifest.content):
        raise BundleError(f"{where}: does not describe the attachment in its folder; {_remedy(folder)}.")
    if manifest.model_digest != bundle.manifest.model_digest:
        raise BundleError(f"{where}: belongs to another model than that of run {bundle.run_id}; {_remedy(folder)}.")
    return manifest


def _remedy(folder: Path) -> str:
    return f"remove the folder {folder.name} and make it again"


def _remove_abandoned(parent: Path) -> None:
    # As in the store: a killed process leaves its unfinished folder; nobody else's work of the last day is touched.
    for folder in parent.glob(f"{_WRITING_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


class _Versioned(msgspec.Struct):
    schema_version: int
