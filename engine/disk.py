"""Writing so that a reader, or a power cut, meets the old or the new, never a part of it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


def publish(folder: Path, target: Path) -> None:
    """Force a filled folder to the disk and give it its name, all at once.

    Parameters
    ----------
    folder
        On the same file system as `target`; gone afterwards.
    target
        Its new name.

    Raises
    ------
    FileExistsError
        A folder with content has that name already; nothing was changed.
    """
    for path in [*(path for path in folder.rglob("*") if path.is_file()), folder]:
        _sync(path)
    try:
        folder.rename(target)
    except OSError:
        if target.exists():
            raise FileExistsError(target) from None
        raise
    _sync(target.parent)


def encode_json(value: Any) -> bytes:
    """Return JSON as people read it: indented, one line end after it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
