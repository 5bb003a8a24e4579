"""Who computes the batches that the scheduler gives out: the thread that has work, or threads kept for it.

A cheap model is computed where its texts arrive (`InlineDriver`): on an event loop everything that came in during one
turn of the loop goes together, and nothing is handed to another thread. A model that takes longer is computed by
threads (`ThreadDriver`), each with a batch of its own, while the loop goes on reading requests.

Both share one lock with the predictor: it guards queue, calls and counters, and is never held while computing.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from engine.errors import InferenceError, TagscopeError, reason_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from engine.inference.cores import Cores
    from engine.inference.counters import Counters
    from engine.inference.scheduler import Batch, Scheduler, Ticket

_LOG = logging.getLogger(__name__)
# Weight of the newest batch in the running mean of seconds per text.
_NEWEST = 0.1
# Long texts of a model that is cheap for short ones must not keep an event loop from everything else for longer.
_TURN_SECONDS = 0.005
# While texts wait, the event loop looks so often whether a core is idle, and believes it when it has seen so twice: the
# moment between two batches of another process is shorter.
_LOOK_SECONDS = 0.005
_LOOKS = 2


class Driver:
    """What both drivers do with a batch.

    Parameters
    ----------
    scheduler
        Its queue.
    lock
        The predictor's.
    counters
        Of the process.
    settle
        Called without the lock, with the tickets that were answered or have failed.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        lock: threading.Lock,
        counters: Counters,
        settle: Callable[[Sequence[Ticket]], None],
    ) -> None:
        self.scheduler = scheduler
        self._lock = lock
        self._counters = counters
        self._settle = settle
        self.threads = 1
        """How many compute side by side."""
        self.seconds_per_text = 0.0
        """Running mean of the time that a text took in its batch."""

    def _compute(self, batch: Batch) -> None:
        """Run a batch and hand out what came of it."""
        started = time.perf_counter()
        try:
            rows = batch.model.run(batch.ids)
            if len(rows) != len(batch.ids):
                raise InferenceError(
                    f"The model gave {len(rows)} answers to {len(batch.ids)} texts; export or train the run again."
                )
        except TagscopeError as error:
            self._failed(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - see below
            # A text that breaks a library must not end the thread that computes all others.
            _LOG.exception("A batch of %d texts failed", len(batch.tickets))
            self._failed(batch, InferenceError(f"The text cannot be computed ({reason_of(error)}); try another one."))
            return
        size = len(batch.tickets)
        taken = (time.perf_counter() - started) / size
        with self._lock:
            self.seconds_per_text += _NEWEST * (taken - self.seconds_per_text)
            lengths = list(map(len, batch.ids))
            self._counters.batch(size, sum(lengths), batch.model.plan.padded(max(lengths)) * size)
            self.scheduler.finish(batch, rows)
            finished = self.scheduler.take_finished()
        self._settle(finished)

    def _failed(self, batch: Batch, error: TagscopeError) -> None:
        with self._lock:
            self.scheduler.fail(batch, error)
            finished = self.scheduler.take_finished()
        self._settle(finished)

    def _give_up(self, batch: Batch, sentence: str) -> None:
        with self._lock:
            self.scheduler.give_up(batch, InferenceError(sentence))
            finished = self.scheduler.take_finished()
        self._settle(finished)


class InlineDriver(Driver):
    """Computes on the thread that has texts; see `Driver` for the parameters."""

    def __init__(
        self,
        scheduler: Scheduler,
        lock: threading.Lock,
        counters: Counters,
        settle: Callable[[Sequence[Ticket]], None],
    ) -> None:
        super().__init__(scheduler, lock, counters, settle)
        self._computing = threading.Lock()
        self._expected_on: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """See to it that what was queued is computed: at the loop's next turn, or, without a loop, before returning.

        Parameters
        ----------
        loop
            The event loop of this thread.
        """
        if loop is None:
            self.drive()
        elif self._expected_on is not loop:
            # All requests that the loop reads in this turn are queued before the next turn begins.
            self._expected_on = loop
            loop.call_soon(self.drive, loop)

    def drive(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Compute until nothing waits, or, on a loop, until others have to have their turn."""
        self._expected_on = None
        until = time.perf_counter() + _TURN_SECONDS
        with self._computing:
            while loop is None or time.perf_counter() < until:
                with self._lock:
                    batch = self.scheduler.next_batch()
                    finished = self.scheduler.take_finished()
                if finished:
                    self._settle(finished)
                if batch is None:
                    return
                try:
                    self._compute(batch)
                except BaseException:
                    # Ctrl+C, as a rule: whoever asks for the same text later would wait for it without an end.
                    self._give_up(batch, "The computation of this text was interrupted; ask again.")
                    raise
        self.start(loop)


class ThreadDriver(Driver):
    """Computes on threads of its own, started with the first text.

    Parameters
    ----------
    scheduler, lock, counters, settle
        As `Driver`.
    threads
        How many compute side by side.

    Notes
    -----
    Connections are not shared out evenly among processes, so texts may wait in one while another has nothing to do.
    `share` adds guests: threads that compute only while the processes together leave a core idle. More threads without
    that condition would take each other's cores and make smaller batches: MiniLM answered a quarter less. It is the
    event loop that looks for an idle core: guests that did so themselves, hundreds of times a second, would each time
    take Python's lock from the loop, on a busy machine for as long as they wait for a core.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        lock: threading.Lock,
        counters: Counters,
        settle: Callable[[Sequence[Ticket]], None],
        threads: int,
    ) -> None:
        super().__init__(scheduler, lock, counters, settle)
        self.threads = threads
        self._waiting_for_work = threading.Condition(lock)
        self._waiting_as_guest = threading.Condition(lock)
        self._cores: Cores | None = None
        self._guests = 0
        self._guests_alive = self._seen_idle = 0
        self._looking = self._invited = False
        self._at_work: set[int] = set()
        self._alive = 0
        self._idle = 0
        self._started = False
        self._closed = False

    @property
    def healthy(self) -> bool:
        """Whether every thread is alive; true before the first text."""
        return not self._started or (self._alive, self._guests_alive) == (self.threads, self._guests)

    def share(self, cores: Cores, guests: int) -> None:
        """Compute on cores that other processes leave idle as well; see `Predictor.share`."""
        with self._lock:
            self._cores, self._guests = cores, guests

    def start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """See to it that what was queued is computed; returns at once, on whatever thread or loop."""
        with self._lock:
            self._start_threads()
            self._started = True
            self._waiting_for_work.notify_all()
            if self._guests and loop is not None and not self._looking:
                self._looking = True
                self._seen_idle = 0
                loop.call_later(_LOOK_SECONDS, self._look, loop)

    def close(self) -> None:
        """End the threads when nothing waits any more."""
        with self._lock:
            self._closed = True
            self._waiting_for_work.notify_all()
            self._waiting_as_guest.notify_all()

    def _start_threads(self) -> None:
        """Start those that are missing; under the lock. Where the system has no thread left, the next text tries it."""
        while self._alive < self.threads:
            # A daemon: a process that ends without `close` is not held up by texts that nobody waits for.
            threading.Thread(target=self._work, name="tagscope-inference", daemon=True).start()
            self._alive += 1
        while self._guests_alive < self._guests:
            threading.Thread(target=self._work, args=(True,), name="tagscope-guest", daemon=True).start()
            self._guests_alive += 1

    def _work(self, guest: bool = False) -> None:
        batch: Batch | None = None
        orderly = False
        next_batch = self._next_batch_of_guest if guest else self._next_batch
        try:
            while (batch := next_batch()) is not None:
                self._compute(batch)
            orderly = True
        finally:
            with self._lock:
                self._work_on(False)
            if not orderly:
                self._replace(batch, guest)

    def _next_batch(self) -> Batch | None:
        """Wait for work; None when the driver was closed."""
        while True:
            with self._lock:
                self._idle += 1
                if not self.scheduler.depth:
                    # Not before: a guest elsewhere would take this core in the moment between two batches.
                    self._work_on(False)
                try:
                    while not self.scheduler.depth and not self._closed:
                        self._waiting_for_work.wait()
                    batch = self.scheduler.next_batch(self._idle)
                finally:
                    self._idle -= 1
                finished = self.scheduler.take_finished()
                if batch is not None:
                    self._work_on(True)
                elif self._closed and not self.scheduler.depth:
                    self._alive -= 1
                    return None
            if finished:
                self._settle(finished)
            if batch is not None:
                return batch

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Invite a guest where texts wait that no own thread takes while a core is idle; again until none waits."""
        cores = self._cores
        assert cores is not None
        with self._lock:
            if not self.scheduler.depth or self._closed:
                self._looking = False
                return
            idle = len(self._at_work) >= self.threads and cores.idle()
            self._seen_idle = self._seen_idle + 1 if idle else 0
            if self._seen_idle >= _LOOKS and not self._invited:
                self._invited = True
                self._waiting_as_guest.notify()
        loop.call_later(_LOOK_SECONDS, self._look, loop)

    def _next_batch_of_guest(self) -> Batch | None:
        """Wait to be invited, and stay while there is work and an idle core; None when the driver was closed."""
        cores = self._cores
        assert cores is not None
        stays = threading.get_ident() in self._at_work
        while True:
            with self._lock:
                self._work_on(False)
                if not (stays and self.scheduler.depth and cores.idle()):
                    while not self._invited and not self._closed:
                        self._waiting_as_guest.wait()
                    if self._closed:
                        self._guests_alive -= 1
                        return None
                    self._invited = False
                stays = False
                batch = self.scheduler.next_batch()
                if batch is not None:
                    self._work_on(True)
                finished = self.scheduler.take_finished()
            if finished:
                self._settle(finished)
            if batch is not None:
                return batch

    def _work_on(self, computing: bool) -> None:
        """Say whether this thread has a batch; under the lock."""
        thread = threading.get_ident()
        if computing is (thread in self._at_work):
            return
        if computing:
            self._at_work.add(thread)
        else:
            self._at_work.remove(thread)
        if self._cores is not None:
            self._cores.busy(len(self._at_work))

    def _replace(self, batch: Batch | None, guest: bool = False) -> None:
        """Fail what a crashed thread held and start another in its place."""
        _LOG.error("An inference thread crashed and is replaced")
        with self._lock:
            if guest:
                self._guests_alive -= 1
            else:
                self._alive -= 1
        if batch is not None:
            self._give_up(batch, "The thread that computed this text crashed; it is being replaced, try again.")
        with self._lock:
            self._start_threads()
            self._counters.threads_replaced += 1
