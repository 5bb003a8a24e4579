"""The predictor: texts and a run id go in, tags with probabilities come out.

One per process (`get_predictor`). `ask` never waits and is what the HTTP service calls; `predict`, `predict_async` and
`predict_stream` are for everybody else. What happens to a text in between stands in `engine.inference.dispatcher`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from config.settings import get_settings
from engine.backends.machine import usable_cores
from engine.errors import BackendError, BundleError, OverloadedError, RunNotFoundError
from engine.inference.cache import ResultCache
from engine.inference.call import Call
from engine.inference.dispatcher import Dispatcher
from engine.inference.model import ServedModel
from engine.inference.pool import ModelPool
from engine.inference.prediction import Prediction, Refusal, answers, check_options
from engine.inference.scheduler import moment_of
from engine.inference.sessions import DEFAULT_WAY, served_way
from engine.runs.manifest import checked_run_id
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from engine.inference.cores import Cores

__all__ = ["Call", "Prediction", "Predictor", "Refusal", "answers", "get_predictor"]

_Errors = Literal["raise", "return"]
# Texts of a long list that are asked for at once; two such calls are on their way at any time.
_WINDOW = 256
_LOG = logging.getLogger(__name__)


class Predictor:
    """Answers texts by any run of a store; safe to share between threads and event loops.

    Parameters
    ----------
    store
        Where runs are kept.
    cache_bytes
        Bound of the result cache, in bytes.
    cache_seconds
        How long a result may be used again; 0 sets no limit.
    loaded_runs
        How many models stay in memory; the one unused longest leaves.
    max_text_characters
        A longer text is refused.
    threads
        Threads that compute models which are too slow to be computed where a text arrives; 0 takes one per core.
    queue_texts
        Most texts that wait; `ask` refuses more, `predict` waits for room.
    backend, precision
        How runs are computed; where empty, as `tagscope tune` chose.

    Examples
    --------
    >>> predictor = get_predictor()  # doctest: +SKIP
    >>> predictor.predict(["Transfer learning with transformers"])[0].predicted_tag  # doctest: +SKIP
    'natural-language-processing'
    """

    def __init__(
        self,
        store: RunStore,
        *,
        cache_bytes: int,
        loaded_runs: int,
        max_text_characters: int,
        cache_seconds: float = 0,
        threads: int = 0,
        queue_texts: int = 512,
        backend: str = "",
        precision: str = "",
    ) -> None:
        self.store = store
        self.cache = ResultCache(cache_bytes, cache_seconds)
        self._dispatcher = Dispatcher(
            self.cache,
            threads=threads or usable_cores(),
            queue_texts=queue_texts,
            max_text_characters=max_text_characters,
        )
        self.counters = self._dispatcher.counters
        self._backend = backend
        self._precision = precision
        self._pool = ModelPool(self._opened, loaded_runs)
        self._served: ServedModel | None = None
        self._following = threading.Lock()

    # Runs

    def load(self, run_id: str | None = None) -> ServedModel:
        """Return a run's model, loading it and warming it up where it is not in memory; may take seconds.

        Parameters
        ----------
        run_id
            The promoted run where it is None or empty.

        Raises
        ------
        engine.errors.RunNotFoundError
            No such run, or none was promoted.
        engine.errors.BundleError, engine.errors.BackendError
            The run is damaged, has no model, or cannot be computed here.
        """
        served = self._served
        if served is not None and (not run_id or run_id == served.run_id):
            # It need not be in the pool any more, and is not loaded a second time.
            return served
        return self._pool.load(self.resolve(run_id))

    def loaded(self, run_id: str | None = None) -> ServedModel | None:
        """Return a run's model where it is in memory; never waits.

        Parameters
        ----------
        run_id
            The served run where it is None or empty, see `follow`; without `follow`, the promoted one.

        Raises
        ------
        engine.errors.RunNotFoundError
            It is not a run id, or no run was promoted.
        """
        served = self._served
        if served is not None and (not run_id or run_id == served.run_id):
            return served
        return self._pool.get(self.resolve(run_id))

    def follow(self) -> ServedModel:
        """Look where the pointer to the promoted run stands and serve that run; the service calls it again and again.

        A run that was promoted is loaded and warmed up while the former one goes on answering; then one reference is
        swapped. What was asked before is still answered by the former.

        Raises
        ------
        engine.errors.TagscopeError
            As `load`; the former run goes on being served.
        """
        with self._following:
            promoted = self.resolve(None)
            if self._served is None or self._served.run_id != promoted:
                self._served = self._pool.load(promoted)
            return self._served

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

    def invalidate(self, run_id: str) -> int:
        """Forget the cached results of a run; return how many there were.

        Raises
        ------
        engine.errors.TagscopeError
            As `load`.
        """
        return self.cache.invalidate(self.load(run_id).identity)

    def _opened(self, run_id: str) -> ServedModel:
        bundle = self.store.open(run_id)
        bundle.require_model()
        way = served_way(bundle, self._backend, self._precision)
        try:
            model = ServedModel(bundle, way.backend, way.precision, batching=way.batching, plan=way.plan)
        except (BackendError, BundleError) as error:
            if self._backend or way == DEFAULT_WAY:
                raise
            # What was tuned elsewhere, or before something was removed here, must not keep a run from being served.
            _LOG.warning("%s It is served in fp32 by ONNX Runtime.", error)
            model = ServedModel(bundle)
        model.warm_up()
        return model

    # Asking

    def ask(
        self,
        texts: Sequence[str],
        model: ServedModel,
        *,
        deadline: float | None = None,
        on_done: Callable[[Call], None] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Call:
        """Queue texts and return at once.

        A text that cannot be answered gets its own error and does not disturb its neighbours.

        Parameters
        ----------
        texts
            Raw texts.
        model
            From `load`, `loaded` or `follow`.
        deadline
            Seconds from now after which texts that still wait are given up.
        on_done
            Called once on `loop`, when the last text has its answer or error; not called where the call is `done`
            right away, nor after `cancel`.
        loop
            The running event loop of this thread. Without one, `Call.wait` blocks until the call is done; a cheap
            model is computed before `ask` returns.

        Raises
        ------
        engine.errors.OverloadedError
            The queue has no room for all texts; none was taken.
        engine.errors.ClosedError
            The predictor was closed.
        """
        return self._dispatcher.ask(texts, model, deadline=deadline, on_done=on_done, loop=loop)

    def refuses(self, text: str, model: ServedModel) -> float | None:
        """Look whether `ask` would refuse a text because the queue is full, and count it as refused if so.

        Under overload most requests end so, and `ask` does much before it comes to that.

        Parameters
        ----------
        text, model
            As for `ask`.

        Returns
        -------
        float or None
            Seconds after which to ask again; None where it may be taken: ask.
        """
        return self._dispatcher.refuses(text, model)

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
        """Predict the tag of each text; waits for room in the queue and for the answers.

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
        errors
            `raise`: the first text that cannot be answered ends the call. `return`: it gets a `Refusal` in its place.
        deadline
            Seconds after which texts that still wait are given up.

        Returns
        -------
        list of Prediction or Refusal
            In the order of `texts`.

        Raises
        ------
        engine.errors.RunNotFoundError
            No such run, or none was promoted.
        engine.errors.BundleError, engine.errors.BackendError
            The run is damaged, has no model, or cannot be computed here.
        engine.errors.DataError
            A text is empty, too long or not a string (the message names its position), or an option has no meaning.
        engine.errors.DeadlineError, engine.errors.InferenceError, engine.errors.ClosedError
            A text waited too long or could not be computed, or the predictor was closed.
        """
        return list(
            self.predict_stream(texts, run_id, top_k=top_k, threshold=threshold, errors=errors, deadline=deadline)
        )

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
        """Predict as `predict` does, without blocking the event loop.

        The texts of a task that is cancelled leave the queue, unless they were too many for it and wait for room.
        """
        check_options(top_k, threshold)
        loop = asyncio.get_running_loop()
        model = self.loaded(run_id)
        if model is None:
            model = await asyncio.to_thread(self.load, run_id)
        answered = loop.create_future()

        def on_done(call: Call) -> None:
            if not answered.done():
                answered.set_result(None)

        try:
            if len(texts) > self._window:
                raise OverloadedError("This is more than one call takes.")
            call = self._dispatcher.try_ask(texts, model, deadline, on_done, loop, 1)
        except OverloadedError:
            # Waiting for room blocks, so a thread does it.
            return await asyncio.to_thread(
                self.predict, texts, model.run_id, top_k=top_k, threshold=threshold, errors=errors, deadline=deadline
            )
        if not call.done:
            try:
                await answered
            except asyncio.CancelledError:
                call.cancel()
                raise
        _raise_first(call, errors)
        return answers(call, top_k, threshold)

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
        """Predict any number of texts, in order, reading and keeping only a few hundred at a time.

        Parameters
        ----------
        texts
            Raw texts; may be without an end.
        run_id, top_k, threshold, errors
            As `predict`.
        deadline
            As `predict`, for all of them together.
        progress
            Called with the number of texts answered so far.

        Yields
        ------
        Prediction or Refusal
            One for each text.

        Raises
        ------
        engine.errors.TagscopeError
            As `predict`, when the text is reached.
        """
        check_options(top_k, threshold)
        model = self.load(run_id)
        until = moment_of(deadline)
        remaining = iter(texts)
        waiting: deque[Call] = deque()
        asked = answered = 0
        try:
            while True:
                # Two calls are on their way: while one is turned into answers, the other is computed.
                while len(waiting) < 2 and (window := list(islice(remaining, self._window))):
                    call = self._dispatcher.ask_patiently(window, model, until, asked + 1)
                    waiting.append(call)
                    asked += len(window)
                    if waiting[0] is call:
                        # A text that is refused at once is not waited for; what comes before it is handed out first.
                        _raise_first(call, errors)
                if not waiting:
                    return
                waiting[0].wait()
                call = waiting.popleft()
                _raise_first(call, errors)
                answered += len(call.texts)
                if progress:
                    progress(answered)
                yield from answers(call, top_k, threshold)
        finally:
            for call in waiting:
                call.cancel()

    # The service

    def share(self, cores: Cores, guests: int) -> None:
        """Compute on cores that other processes leave idle as well; to be called before the first text.

        Parameters
        ----------
        cores
            Of all processes.
        guests
            Most threads of this process that do so.
        """
        self._dispatcher.share(cores, guests)

    @property
    def depth(self) -> int:
        """Texts that wait."""
        return self._dispatcher.depth

    @property
    def healthy(self) -> bool:
        """Whether all threads that compute are alive."""
        return self._dispatcher.healthy

    def close(self, timeout: float | None = None) -> bool:
        """Take nothing new and wait until everything that was accepted is answered.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits as long as it takes.

        Returns
        -------
        bool
            Whether everything was answered.
        """
        return self._dispatcher.close(timeout)

    @property
    def _window(self) -> int:
        return max(1, min(_WINDOW, self._dispatcher.capacity // 2))


def _raise_first(call: Call, errors: _Errors) -> None:
    """Raise the first error of a call, where its caller wants that."""
    if errors == "raise":
        for error in call.errors:
            if error is not None:
                raise error


@functools.cache
def get_predictor() -> Predictor:
    """Return the predictor of this process, made from the settings at the first call."""
    settings = get_settings().inference
    return Predictor(
        open_store(),
        cache_bytes=settings.cache_bytes,
        cache_seconds=settings.cache_seconds,
        loaded_runs=settings.loaded_runs,
        max_text_characters=settings.max_text_characters,
        threads=settings.threads,
        queue_texts=settings.queue_texts,
        backend=settings.backend,
        precision=settings.precision,
    )
