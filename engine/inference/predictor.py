"""The predictor: texts and a run id go in, tags with probabilities come out.

One per process (`get_predictor`): models are loaded once and shared, results are cached, the promoted run is looked
up anew at each call, so that a promotion is seen without a restart.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, Any

import cachetools
import msgspec
import numpy as np

from config.settings import get_settings
from engine.dataset.fields import OTHER
from engine.errors import DataError, RunNotFoundError
from engine.inference.cache import ResultCache
from engine.inference.model import ServedModel
from engine.runs.manifest import checked_run_id
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence


class Prediction(msgspec.Struct, frozen=True):
    """Answer for one text.

    `probabilities` maps tags to probabilities, highest first, cut to `top_k` where that was asked for. `seconds` is
    the time of the whole call, shared by its texts. `below_threshold` says that no tag was probable enough, so that
    the predicted tag is `other`.
    """

    input_text: str
    predicted_tag: str
    probabilities: dict[str, float]
    run_id: str
    model: str
    model_digest: str
    cached: bool
    seconds: float
    below_threshold: bool = False


class Predictor:
    """Answers texts by any run of a store; safe to share between threads.

    Parameters
    ----------
    store
        Where runs are kept.
    cache_bytes
        Bound of the result cache, in bytes.
    loaded_runs
        How many models stay in memory; the one unused longest leaves.
    max_text_characters
        A longer text is refused.

    Examples
    --------
    >>> predictor = get_predictor()  # doctest: +SKIP
    >>> predictor.predict(["Transfer learning with transformers"])[0].predicted_tag  # doctest: +SKIP
    'natural-language-processing'
    """

    def __init__(self, store: RunStore, *, cache_bytes: int, loaded_runs: int, max_text_characters: int) -> None:
        self.store = store
        self.cache = ResultCache(cache_bytes)
        self._max_text_characters = max_text_characters
        self._models: cachetools.LRUCache[str, ServedModel] = cachetools.LRUCache(maxsize=loaded_runs)
        self._loading = threading.Lock()

    def predict(
        self,
        texts: Sequence[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
    ) -> list[Prediction]:
        """Predict the tag of each text.

        Parameters
        ----------
        texts
            Raw texts; they are cleaned as the run's training texts were.
        run_id
            Which run answers; the promoted one where it is None.
        top_k
            How many probabilities to return; all where it is None.
        threshold
            Where the highest probability is below this (0 to 1), the predicted tag is `other`.

        Returns
        -------
        list of Prediction
            In the order of `texts`.

        Raises
        ------
        engine.errors.RunNotFoundError
            No such run, or none was promoted.
        engine.errors.BundleError
            The run is damaged or has no model.
        engine.errors.DataError
            A text is empty, too long or not a string; the message names its position.
        """
        started = time.perf_counter()
        model = self.model(run_id)
        cleaned = [self._cleaned(text, model, position) for position, text in enumerate(texts, start=1)]
        keys = [ResultCache.key(model.identity, text) for text in texts]
        found = [self.cache.get(key) for key in keys]
        missing = {key: cleaned[index] for index, key in enumerate(keys) if found[index] is None}
        computed = dict(zip(missing, model.probabilities(list(missing.values())), strict=True)) if missing else {}
        for key, row in computed.items():
            self.cache.put(key, row.copy())
        rows = [computed[key] if row is None else row for key, row in zip(keys, found, strict=True)]
        seconds = time.perf_counter() - started
        return [
            _prediction(text, row, model, top_k, threshold, cached=hit is not None, seconds=seconds)
            for text, row, hit in zip(texts, rows, found, strict=True)
        ]

    def model(self, run_id: str | None = None) -> ServedModel:
        """Return a run's model, loading it where it is not in memory.

        Raises
        ------
        engine.errors.RunNotFoundError, engine.errors.BundleError
            As `predict`.
        """
        resolved = self.resolve(run_id)
        with self._loading:
            model = self._models.get(resolved)
            if model is None:
                model = ServedModel(self.store.open(resolved))
                self._models[resolved] = model
            return model

    def resolve(self, run_id: str | None) -> str:
        """Return a checked run id; the promoted run's where it is None or empty.

        Raises
        ------
        engine.errors.RunNotFoundError
            It is not a run id, or no run was promoted.
        """
        if run_id and run_id.strip():
            return checked_run_id(run_id)
        promoted = self.store.promoted()
        if promoted is None:
            raise RunNotFoundError(
                "No run was promoted yet; train one with `tagscope train --data FILE` and run `tagscope promote RUN`."
            )
        return promoted

    def _cleaned(self, text: str, model: ServedModel, position: int) -> str:
        if not isinstance(text, str):
            raise DataError(f"Text {position} is not a text but {type(text).__name__}; give a string.")
        if len(text) > self._max_text_characters:
            raise DataError(
                f"Text {position} has {len(text):,} characters, more than the {self._max_text_characters:,} allowed; "
                "shorten it, or raise `inference.max_text_characters`."
            )
        cleaned = model.clean(text)
        if not cleaned:
            raise DataError(
                f"Text {position} has no words left after cleaning; enter a sentence that says what it is about."
            )
        return cleaned


def _prediction(
    text: str, row: np.ndarray, model: ServedModel, top_k: int | None, threshold: float, *, cached: bool, seconds: float
) -> Prediction:
    order = np.argsort(-row, kind="stable")
    below = bool(row[order[0]] < threshold)
    return Prediction(
        input_text=text,
        predicted_tag=OTHER if below else model.labels[order[0]],
        probabilities={model.labels[index]: float(row[index]) for index in order[:top_k]},
        run_id=model.run_id,
        model=model.model_name,
        model_digest=model.model_digest,
        cached=cached,
        seconds=seconds,
        below_threshold=below,
    )


@functools.cache
def get_predictor() -> Predictor:
    """Return the predictor of this process, made from the settings at the first call."""
    settings = get_settings().inference
    return Predictor(
        open_store(),
        cache_bytes=settings.cache_bytes,
        loaded_runs=settings.loaded_runs,
        max_text_characters=settings.max_text_characters,
    )


def predict_tag(text: str | Sequence[str], run_id: str | None = None, **options: Any) -> list[dict[str, Any]]:
    """Predict tags, as plain dictionaries.

    Parameters
    ----------
    text
        One text or several.
    run_id
        Which run answers; the promoted one where it is None.
    **options
        `top_k` and `threshold`, as `Predictor.predict`.

    Returns
    -------
    list of dict
        Per text: input_text, predicted_tag, probabilities, run_id, model, model_digest, cached, seconds,
        below_threshold.

    Raises
    ------
    engine.errors.TagscopeError
        As `Predictor.predict`.

    Examples
    --------
    >>> from engine import predict_tag
    >>> predict_tag(text="Detecting objects in video frames")[0]["predicted_tag"]  # doctest: +SKIP
    'computer-vision'
    """
    texts = [text] if isinstance(text, str) else list(text)
    return [msgspec.to_builtins(answer) for answer in get_predictor().predict(texts, run_id, **options)]
