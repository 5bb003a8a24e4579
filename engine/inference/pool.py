"""The models that are in memory: a few runs, of which the one unused longest leaves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cachetools

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.inference.model import ServedModel


class ModelPool:
    """Loaded models by run id; safe to share between threads.

    A model that leaves goes on answering the texts it was given; its memory is freed when the last is answered.

    Parameters
    ----------
    load
        Loads a run, warmed up; may take seconds.
    size
        How many stay.
    """

    def __init__(self, load: Callable[[str], ServedModel], size: int) -> None:
        self._load = load
        self._models: cachetools.LRUCache[str, ServedModel] = cachetools.LRUCache(maxsize=size)
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def get(self, run_id: str) -> ServedModel | None:
        """Return a model that is in memory; never waits for one that is being loaded."""
        with self._lock:
            model: ServedModel | None = self._models.get(run_id)
            return model

    def load(self, run_id: str) -> ServedModel:
        """Return a model, loading it where it is not in memory; other runs are not held up meanwhile.

        Raises
        ------
        engine.errors.TagscopeError
            Whatever loading raises; the next call tries again.
        """
        with self._lock:
            loading = self._loading.setdefault(run_id, threading.Lock())
        with loading:
            model = self.get(run_id)
            if model is None:
                try:
                    model = self._load(run_id)
                    with self._lock:
                        self._models[run_id] = model
                finally:
                    with self._lock:
                        self._loading.pop(run_id, None)
            return model
