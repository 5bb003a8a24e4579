"""What the handlers of one process share: settings, predictor, its place on the board, and how it stands."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engine.api.board import Served, SharedCores, State
from engine.api.metrics import Tally
from engine.api.problems import DAMAGED, NOT_READY, NOTHING_PROMOTED, ProblemError, public
from engine.backends.machine import usable_cores
from engine.errors import OverloadedError, RunNotFoundError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import ApiSettings
    from engine.api.board import Board, Slot
    from engine.inference.model import ServedModel
    from engine.inference.predictor import Predictor

# What reads from the disk waits for a thread; more than so many would wait too long.
_MOST_WAITING = 32
# A process whose event loop has not turned for so long, in seconds, cannot answer now.
_SILENT = 5.0
# Threads of a process that compute where other processes leave a core idle; each costs a session's buffers.
_MOST_GUESTS = 3


class Service:
    """One process of the service.

    Parameters
    ----------
    settings
        Section `api`.
    predictor
        Of this process.
    board
        Shared with the other processes.
    number
        This process's slot.

    Attributes
    ----------
    model
        Answers requests that name no run; None before it is loaded, and where no run can be served.
    draining
        Whether the process is being stopped.
    """

    def __init__(self, settings: ApiSettings, predictor: Predictor, board: Board, number: int) -> None:
        self.settings = settings
        self.predictor = predictor
        self.board = board
        self.slot: Slot = board.slots[number]
        self.slot.occupy(board.newest_order)
        self.tally = Tally(self.slot)
        cores = usable_cores()
        own = -(-cores // len(board.slots))
        if guests := min(max(0, cores - own), _MOST_GUESTS):
            predictor.share(SharedCores(board, self.slot, cores), guests)
        self.model: ServedModel | None = None
        self.draining = False
        self._missing = (NOT_READY, "The model is being loaded; ask again in a moment.")
        self._shown: Served | None = None
        self._tried = False
        self._loads: dict[str, asyncio.Future[Any]] = {}
        self._waiting = 0
        self._disk = ThreadPoolExecutor(2, "tagscope-disk")
        self._turns = ThreadPoolExecutor(1, "tagscope-promote")

    def follow(self) -> None:
        """Serve the promoted run, and say so on the board; called again and again by a thread of its own.

        Raises
        ------
        engine.errors.TagscopeError
            The promoted run cannot be served, or there is none; the former one goes on being served.
        """
        try:
            model = self.predictor.follow()
        except TagscopeError as error:
            kind = NOTHING_PROMOTED if isinstance(error, RunNotFoundError) else DAMAGED
            self._missing = (kind, public(str(error)))
            self._show(self.model, kind.name, self._missing[1])
            raise
        else:
            self.model = model
            self._show(model)
        finally:
            self._tried = True
            self.show_state()

    def show_state(self) -> None:
        """Write on the board how this process stands."""
        if self.draining:
            state = State.DRAINING
        elif not self._tried:
            state = State.STARTING
        else:
            state = State.READY if self.model is not None and self.predictor.healthy else State.WAITING
        self.slot.state = state

    def obey(self) -> None:
        """Carry out the orders on the board that this process has not carried out yet."""
        for order in self.board.orders_after(self.slot.applied):
            if order.run_id:
                model = self._loaded(order.run_id)
                if model is not None:
                    self.predictor.cache.invalidate(model.identity)
                else:
                    # Its results may outlive it in the cache, and which ones they are is known only by loading it.
                    self.predictor.cache.clear()
            else:
                self.predictor.cache.clear()
            self.slot.applied = order.number

    def needed(self) -> int:
        """How many processes must be able to answer."""
        total = len(self.board.slots)
        return min(self.settings.ready_processes or total, total)

    def ready(self) -> list[Slot]:
        """Slots of the processes that can answer now."""
        earliest = time.monotonic() - _SILENT
        return [slot for slot in self.board.slots if slot.state is State.READY and slot.heartbeat > earliest]

    def require_model(self) -> ServedModel:
        """Return the model that answers where no run is named.

        Raises
        ------
        ProblemError
            There is none.
        """
        if self.model is None:
            kind, reason = self._missing
            raise ProblemError(kind, reason, retry_after=1)
        return self.model

    async def model_of(self, run_id: str) -> ServedModel:
        """Return a run's model, loading it where it is not in memory.

        Raises
        ------
        ProblemError
            It cannot be loaded within the deadline.
        engine.errors.TagscopeError
            No such run, it is damaged, or too many are being loaded.
        """
        model = self.predictor.loaded(run_id)
        if model is not None:
            return model
        loading = self._loads.get(run_id)
        if loading is None:
            # One thread loads for all who ask meanwhile; the other one is free for other runs.
            loading = self._loads[run_id] = self.on_disk(self.predictor.load, run_id)
            loading.add_done_callback(lambda _: self._loads.pop(run_id))
        try:
            return await asyncio.wait_for(asyncio.shield(loading), self.settings.deadline_seconds)
        except TimeoutError:
            raise ProblemError(
                NOT_READY, f"Run {run_id} is still being loaded; ask again in a moment.", retry_after=1
            ) from None

    def on_disk(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Let a thread do what would hold up the event loop.

        Raises
        ------
        engine.errors.OverloadedError
            Too much waits for the threads already.
        """
        return self._in_thread(self._disk, work, *arguments)

    def in_turn(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Let a thread do what takes long and is done one after the other; otherwise as `on_disk`."""
        return self._in_thread(self._turns, work, *arguments)

    def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        if self._waiting >= _MOST_WAITING:
            raise OverloadedError(
                f"{self._waiting} requests wait for the disk or for a run to be loaded already; try again soon."
            )
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            # Looked at, so that nobody complains where the client had left.
            future.exception()

    def _show(self, model: ServedModel | None, kind: str = "", reason: str = "") -> None:
        """Write on the board what is served, and why it is not the promoted run."""
        served = Served(kind=kind, reason=reason)
        if model is not None:
            served = Served(
                model.run_id, model.model_name, model.model_digest, model.backend, model.precision, kind, reason
            )
        if served != self._shown:
            self._shown = self.slot.served = served

    def _loaded(self, run_id: str) -> ServedModel | None:
        try:
            return self.predictor.loaded(run_id)
        except RunNotFoundError:
            return None
