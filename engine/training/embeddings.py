"""Embeddings of texts, computed once: kept on disk under the digest of the encoder and the ids of the text.

A file of the cache is an array of (key, vector) in NumPy's own format, read without pickle; its name is the sha256 of
its content, so a damaged one is found out, deleted and computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from engine.disk import write_atomically
from engine.training.padding import batches, pad

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

CACHE_BYTES = 512 * 2**20
_KEY_BYTES = 16
# Written together, so that little is lost where the work is interrupted, and files stay few.
_TEXTS_PER_FILE = 2_048
_TOKENS_PER_BATCH = 8_192
_TEXTS_PER_BATCH = 64


class Embedder(Protocol):
    """A module, in evaluation mode, that makes a vector of each padded text; see `engine.training.encoder`."""

    @property
    def pad_id(self) -> int:
        """Fills up a text in a batch."""
        ...

    @property
    def width(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, input_ids: Tensor) -> Tensor:
        """Vectors of padded texts: int64 [batch, sequence] -> float32 [batch, width]."""
        ...


class EmbeddingCache:
    """A folder of embeddings with an upper bound; what was not used for longest is deleted first.

    Parameters
    ----------
    folder
        Made when the first embedding is kept.
    limit
        Most bytes that it takes.
    """

    def __init__(self, folder: Path, limit: int = CACHE_BYTES) -> None:
        self.folder = folder
        self.limit = limit

    def read(self, encoder: str, width: int) -> dict[bytes, NDArray[np.float32]]:
        """Return what is kept for an encoder: vectors by key.

        Parameters
        ----------
        encoder
            Its digest.
        width
            Length of a vector.
        """
        found: dict[bytes, NDArray[np.float32]] = {}
        for path in sorted(self._of(encoder).glob("*.npy")):
            table = _read(path, width)
            if table is None:
                path.unlink(missing_ok=True)
                continue
            # A read-only home can still be read from.
            with contextlib.suppress(OSError):
                path.touch()
            found.update(zip((key.tobytes() for key in table["key"]), table["vector"], strict=True))
        return found

    def write(self, encoder: str, keys: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        """Keep embeddings; where the disk takes no more they are not kept, and nothing else happens."""
        table = np.empty(len(keys), dtype=_type(vectors.shape[1]))
        table["key"] = np.frombuffer(b"".join(keys), dtype=f"V{_KEY_BYTES}")
        table["vector"] = vectors
        buffer = io.BytesIO()
        np.save(buffer, table, allow_pickle=False)
        content = buffer.getvalue()
        if len(content) > self.limit:
            return
        with contextlib.suppress(OSError):
            self._shrink(self.limit - len(content))
            self._of(encoder).mkdir(parents=True, exist_ok=True)
            write_atomically(self._of(encoder) / f"{hashlib.sha256(content).hexdigest()}.npy", content)

    def _of(self, encoder: str) -> Path:
        return self.folder / encoder[:32]

    def _shrink(self, limit: int) -> None:
        files = [(path, path.stat()) for path in self.folder.rglob("*.npy")]
        total = sum(status.st_size for _, status in files)
        for path, status in sorted(files, key=lambda item: item[1].st_mtime_ns):
            if total <= limit:
                break
            path.unlink(missing_ok=True)
            total -= status.st_size


def embed(
    module: Embedder,
    ids: Sequence[Sequence[int]],
    *,
    encoder: str,
    cache: EmbeddingCache,
    progress: Callable[[float], None],
) -> NDArray[np.float32]:
    """Compute the vectors of tokenized texts, or take them from the cache.

    Parameters
    ----------
    module
        Makes the vectors.
    ids
        Token ids of each text, not padded.
    encoder
        Digest of everything in the module that decides on a vector.
    cache
        Keeps vectors.
    progress
        Called with the share done, 0 to 1.

    Returns
    -------
    numpy.ndarray
        float32 [texts, width].
    """
    keys = [_key(row) for row in ids]
    known = cache.read(encoder, module.width)
    missing = {key: row for key, row in zip(keys, ids, strict=True) if key not in known}
    # Longest first: who waits sees the slow part first, and memory runs out at once or never.
    order = sorted(missing, key=lambda key: (-len(missing[key]), key))
    for start in range(0, len(order), _TEXTS_PER_FILE):
        part = order[start : start + _TEXTS_PER_FILE]
        rows = [missing[key] for key in part]
        vectors = _vectors(module, rows, lambda share, at=start: progress((at + share) / len(order)))  # type: ignore[misc]
        # What is no number is of no use a second time; whoever asked says what is wrong.
        if np.isfinite(vectors).all():
            cache.write(encoder, part, vectors)
        known.update(zip(part, vectors, strict=True))
    progress(1.0)
    if not keys:
        return np.zeros((0, module.width), np.float32)
    return np.stack([known[key] for key in keys])


@torch.no_grad()
def _vectors(module: Embedder, rows: Sequence[Sequence[int]], progress: Callable[[int], None]) -> NDArray[np.float32]:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    vectors = np.empty((len(rows), module.width), np.float32)
    done = 0
    for batch in batches(lengths, np.arange(len(rows)), tokens=_TOKENS_PER_BATCH, rows=_TEXTS_PER_BATCH):
        vectors[batch] = module.embed(pad([rows[number] for number in batch], module.pad_id)).numpy()
        done += len(batch)
        progress(done)
    return vectors


def _key(ids: Sequence[int]) -> bytes:
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).digest()[:_KEY_BYTES]


def _type(width: int) -> np.dtype[np.void]:
    return np.dtype([("key", f"V{_KEY_BYTES}"), ("vector", "<f4", (width,))])


def _read(path: Path, width: int) -> NDArray[np.void] | None:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != path.stem:
            return None
        table: NDArray[np.void] = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return table if table.dtype == _type(width) else None
