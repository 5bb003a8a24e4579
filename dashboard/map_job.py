"""The work on the map of a data set's texts: what it is drawn from, and drawing it, or opening the one that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.job import Job
from dashboard.text import sentence_of
from engine.errors import BundleError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.exploration.explorer import Explorer
    from engine.exploration.text_map import TextMap
    from engine.exploration.vectors import Embeddings
    from engine.runs.bundle import Bundle
    from engine.runs.embeddings import AttachedEmbeddings


class MapJob(Job["TextMap"]):
    """Draws the map of a data set; nothing is begun yet.

    Embeddings that turn out to be damaged make a map of words, and a `remark` that says so.

    Parameters
    ----------
    digest
        Of the data set.
    explorer
        Of its rows.
    embeddings
        Those that it is drawn from; by default it is drawn from the words of the texts.
    remark
        Why embeddings that there are cannot be used.
    """

    def __init__(
        self, digest: str, explorer: Explorer, embeddings: AttachedEmbeddings | None = None, remark: str = ""
    ) -> None:
        super().__init__(self._draw, "map")
        self.remark = remark
        self._digest = digest
        self._explorer = explorer
        self._embeddings = embeddings

    def kept(self) -> bool:
        """Whether it was drawn before, so that opening it costs little."""
        from engine.exploration.map_store import MapStore

        return MapStore().has(self._digest, "" if self._embeddings is None else self._embeddings.digest)

    def _draw(self, report: Callable[[str, float], None]) -> TextMap:
        from engine.exploration.map_store import MapStore

        def progress(share: float) -> None:
            report("Drawing the map", share)

        store, words, attached = MapStore(), self._explorer.words, self._embeddings
        if attached is not None:
            # A map that is kept needs no vectors any more, and a gigabyte of them takes seconds to check.
            kept = store.open(self._digest, attached.digest)
            if kept is not None:
                return kept
            try:
                return store.draw(self._digest, words, self._read(attached), progress)
            except (BundleError, DataError) as error:
                self.remark = _unusable(attached.bundle, error)
        return store.draw(self._digest, words, progress=progress)

    def _read(self, attached: AttachedEmbeddings) -> Embeddings:
        from engine.exploration.vectors import Embeddings

        vectors = attached.vectors(len(self._explorer.table))
        return Embeddings(vectors, attached.digest, attached.source.encoder)


def choose_embeddings(bundles: Iterable[Bundle]) -> tuple[AttachedEmbeddings | None, str]:
    """Return the embeddings that the map of a data set is drawn from, without a look at the vectors.

    Parameters
    ----------
    bundles
        Runs of the data set; the first that has embeddings counts.

    Returns
    -------
    AttachedEmbeddings or None
        None where no run has any that can be used.
    str
        Why not, if there are some; else empty.
    """
    from engine.runs.embeddings import find_embeddings

    remark = ""
    for bundle in bundles:
        try:
            found = find_embeddings(bundle)
        except BundleError as error:
            remark = remark or _unusable(bundle, error)
        else:
            if found is not None:
                return found, ""
    return None, remark


def _unusable(bundle: Bundle, error: Exception) -> str:
    return f"Not by the embeddings of run {bundle.manifest.short_id}, which cannot be used: {sentence_of(error)}"
