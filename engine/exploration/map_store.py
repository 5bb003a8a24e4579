"""Where maps are kept: drawn once per data set and embeddings, then opened.

``<folder>/<key>/`` holds ``points.npy`` and ``vectors.npy`` (NumPy's own format, read without pickle; vectors are
mapped, so that processes share them) and ``map.json``: how they were made, and their SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from config.settings import get_settings
from engine.disk import encode_json, publish
from engine.exploration.layout import ANCHORS, lay_out
from engine.exploration.progress import part, unheard
from engine.exploration.text_map import MapInfo, TextMap
from engine.exploration.vectors import Embeddings, embedding_source, shorter_vectors, word_source, word_vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.exploration.words import Words

_VERSION = 2  # raise it whenever another map, or other words about it, come out of the same data
_STALE_SECONDS = 24 * 3600
_FILES = ("points.npy", "vectors.npy")


class _Record(msgspec.Struct, frozen=True):
    """The whole of ``map.json``."""

    info: MapInfo
    sha256: dict[str, str]


class MapStore:
    """A folder of maps.

    Parameters
    ----------
    folder : Path, optional
        By default ``data/maps`` of the home.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or get_settings().home / "data" / "maps"

    def key(self, digest: str, embeddings: str = "") -> str:
        """Return under which name the map of a data set is kept; 32 hexadecimal digits.

        Parameters
        ----------
        digest : str
            Of the data set.
        embeddings : str, optional
            Digest of the embeddings that it is drawn from; by default it is drawn from words.
        """
        source = f"embeddings {embeddings}" if embeddings else "words"
        return hashlib.sha256(f"tagscope-map {_VERSION}\0{digest}\0{source}".encode()).hexdigest()[:32]

    def open(self, digest: str, embeddings: str = "") -> TextMap | None:
        """Return the map of a data set, or None if there is none; one that is damaged is deleted.

        Parameters are those of `key`.
        """
        folder = self.folder / self.key(digest, embeddings)
        if not folder.is_dir():
            return None
        try:
            record = msgspec.json.decode((folder / "map.json").read_bytes(), type=_Record)
            for name in _FILES:
                with (folder / name).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != record.sha256.get(name):
                        raise ValueError(name)
            points: NDArray[np.float32] = np.load(folder / "points.npy", allow_pickle=False)
            vectors: NDArray[np.float32] = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, msgspec.MsgspecError):
            # A map is made of what is kept elsewhere, so nothing is lost.
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return TextMap(points, vectors, record.info)

    def has(self, digest: str, embeddings: str = "") -> bool:
        """Return whether there is a map of a data set, without a look into it; parameters are those of `key`."""
        return (self.folder / self.key(digest, embeddings)).is_dir()

    def draw(
        self,
        digest: str,
        words: Callable[[], Words],
        embeddings: Embeddings | None = None,
        progress: Callable[[float], None] = unheard,
    ) -> TextMap:
        """Return the map of a data set: the one that is kept, or else a new one, which is then kept.

        Parameters
        ----------
        digest : str
            Of the data set.
        words : callable
            Returns the words of its rows; asked only if there are no embeddings.
        embeddings : Embeddings, optional
            An encoder's vectors of its rows, in their order.
        progress : callable, optional
            Called with the share done, 0 to 1; what it raises ends the work.

        Raises
        ------
        DataError
            If the embeddings cannot be used.
        """
        source_digest = "" if embeddings is None else embeddings.digest
        kept = self.open(digest, source_digest)
        if kept is not None:
            progress(1.0)
            return kept
        started = time.monotonic()
        to_vectors = part(progress, 0, 0.3)
        if embeddings is None:
            own = words()
            vectors = word_vectors(own, to_vectors)
            source = word_source(own, vectors.shape[1])
        else:
            vectors = shorter_vectors(embeddings, to_vectors)
            source = embedding_source(embeddings, vectors.shape[1])
        points = lay_out(vectors, part(progress, 0.3, 1))
        placed = int(np.count_nonzero(np.isfinite(points[:, 0])))
        anchors = min(placed, ANCHORS)
        method = f"{source}; t-SNE"
        if placed > anchors:
            method += f" of {anchors:,} rows drawn at random, each other row beside the most similar of these"
        seconds = round(time.monotonic() - started, 2)
        info = MapInfo(self.key(digest, source_digest), method, len(points), placed, anchors, seconds)
        self._keep(points, vectors, info)
        progress(1.0)
        return self.open(digest, source_digest) or TextMap(points, vectors, info)

    def _keep(self, points: NDArray[np.float32], vectors: NDArray[np.float32], info: MapInfo) -> None:
        """Write a map whole; where the disk takes nothing more it is not kept, and nothing else happens."""
        self._sweep()
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=f".{info.key}-", dir=self.folder))
            try:
                temporary.chmod(0o755)
                sha256 = {}
                for name, array in zip(_FILES, (points, vectors), strict=True):
                    np.save(temporary / name, array, allow_pickle=False)
                    with (temporary / name).open("rb") as file:
                        sha256[name] = hashlib.file_digest(file, "sha256").hexdigest()
                (temporary / "map.json").write_bytes(encode_json(_Record(info, sha256)))
                # Another process may have drawn it meanwhile.
                with contextlib.suppress(FileExistsError):
                    publish(temporary, self.folder / info.key)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what a killed process left behind."""
        oldest = time.time() - _STALE_SECONDS
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.name.startswith(".") and entry.stat(follow_symlinks=False).st_mtime < oldest:
                        shutil.rmtree(entry.path, ignore_errors=True)
