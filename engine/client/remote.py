"""The predictor's interface, answered by `tagscope api` on this machine or another."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal

from engine.client.connection import Connection
from engine.client.exchange import Exchange
from engine.inference.prediction import REFUSALS, Prediction, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_Errors = Literal["raise", "return"]


class RemotePredictor:
    """Answers texts through a service, as `engine.inference.predictor.Predictor` does in this process.

    Safe to share between threads. A list of any length may be given: it goes out in several requests, which one and
    the same run answers. Asking twice does no harm, so a request is sent again where a connection breaks or the
    service has no room, as long as `timeout` allows.

    Parameters
    ----------
    url
        Where the service is, such as `http://127.0.0.1:8000`.
    key
        Its API key; needed where the service was told to ask for it.
    timeout
        Seconds that one request may take, all that is tried again included.

    Raises
    ------
    engine.errors.SettingsError
        The URL or the key cannot be used.

    Examples
    --------
    >>> predictor = RemotePredictor("http://127.0.0.1:8000")
    >>> predictor.predict(["Transfer learning with transformers"])[0].predicted_tag  # doctest: +SKIP
    'natural-language-processing'
    """

    def __init__(self, url: str, key: str = "", timeout: float = 30.0) -> None:
        self._connection = Connection(url, key)
        self._timeout = timeout

    @property
    def host(self) -> str:
        """Host and port of the service."""
        return self._connection.host

    def predict(
        self,
        texts: Sequence[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
    ) -> list[Any]:
        """Predict the tag of each text.

        Parameters
        ----------
        texts
            Raw texts; they are cleaned as the run's training texts were.
        run_id
            Which run answers; the one that the service serves where it is None.
        top_k
            How many probabilities to return; all where it is None.
        threshold
            Where the highest probability is below this (0 to 1), the predicted tag is `other`.
        errors
            `raise`: the first text that cannot be answered ends the call. `return`: it gets a `Refusal` in its place.
        deadline
            Seconds after which the call is given up; without one, each of its requests has `timeout`.

        Returns
        -------
        list of Prediction or Refusal
            In the order of `texts`; `seconds` is the time of the request that the text went out with, network and
            waiting included.

        Raises
        ------
        engine.errors.RunNotFoundError
            The service has no such run, or none was promoted.
        engine.errors.BundleError
            The run is damaged or has no model.
        engine.errors.DataError
            With `errors="raise"`: a text is empty, too long or not a string; the message names its position. Always:
            `top_k` or `threshold` cannot be used.
        engine.errors.OverloadedError, engine.errors.DeadlineError, engine.errors.ClosedError
            The service had no room, did not answer in time, or shuts down.
        engine.errors.TagscopeError
            The service cannot be reached or does not accept the key; the message names the setting to mend.
        """
        until = float("inf") if deadline is None else time.monotonic() + deadline
        return self._all(texts, run_id, top_k, threshold, errors, until)

    async def predict_async(
        self,
        texts: Sequence[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
    ) -> list[Any]:
        """As `predict`, in a thread beside the event loop."""
        # Counted from here: the thread may have to wait for others.
        until = float("inf") if deadline is None else time.monotonic() + deadline
        return await asyncio.to_thread(self._all, texts, run_id, top_k, threshold, errors, until)

    def predict_stream(
        self,
        texts: Iterable[str],
        run_id: str | None = None,
        *,
        top_k: int | None = None,
        threshold: float = 0.0,
        errors: _Errors = "raise",
        deadline: float | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Any]:
        """Predict the tags of any number of texts, holding a few hundred of them in memory.

        Parameters
        ----------
        texts
            Raw texts; read as fast as they are answered.
        run_id, top_k, threshold, errors
            As `predict`.
        deadline
            As `predict`, for each request.
        progress
            Called with the number of texts answered so far.

        Yields
        ------
        Prediction or Refusal
            One for each text, in order.

        Raises
        ------
        engine.errors.TagscopeError
            As `predict`, when the text is reached.
        """
        answered = 0
        patience = self._timeout if deadline is None else deadline
        exchange = Exchange(self._connection, run_id, top_k, threshold, patience=patience)
        for answers in exchange.answers(texts):
            _raise_first(answers, errors)
            answered += len(answers)
            if progress:
                progress(answered)
            yield from answers

    def close(self) -> None:
        """End the connections; the predictor cannot be used any more."""
        self._connection.close()

    def _all(
        self,
        texts: Sequence[str],
        run_id: str | None,
        top_k: int | None,
        threshold: float,
        errors: _Errors,
        until: float,
    ) -> list[Prediction | Refusal]:
        exchange = Exchange(self._connection, run_id, top_k, threshold, patience=self._timeout, until=until)
        found: list[Prediction | Refusal] = []
        for answers in exchange.answers(texts):
            _raise_first(answers, errors)
            found += answers
        return found


def _raise_first(answers: Sequence[Prediction | Refusal], errors: _Errors) -> None:
    """Raise the first refusal, where the caller wants that."""
    if errors == "raise":
        for answer in answers:
            if isinstance(answer, Refusal):
                raise REFUSALS[answer.kind](answer.error)
