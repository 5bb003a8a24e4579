"""Between callers and scheduler: cache, equal texts in flight, queueing, and handing out what was computed.

A text is looked up in the result cache; else it joins an equal text that is being computed; else it is cleaned, turned
into token ids and queued. Nothing here waits, except `ask_patiently` and `close`, which say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

from engine.errors import ClosedError, DataError, DeadlineError, OverloadedError
from engine.inference.call import Call
from engine.inference.counters import Counters
from engine.inference.drivers import InlineDriver, ThreadDriver
from engine.inference.scheduler import NO_DEADLINE, Scheduler, Ticket, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.inference.cache import ResultCache
    from engine.inference.cores import Cores
    from engine.inference.model import ServedModel

_LONGEST_WAIT = 60.0  # seconds, in `retry_after`


class Dispatcher:
    """Takes texts for any loaded model; safe to share between threads and event loops.

    Parameters
    ----------
    cache
        Results that are there already.
    threads
        Threads that compute models which are too slow to be computed where a text arrives.
    queue_texts
        Most texts that wait, for each of the two drivers.
    max_text_characters
        A longer text is refused.
    """

    def __init__(self, cache: ResultCache, *, threads: int, queue_texts: int, max_text_characters: int) -> None:
        self.cache = cache
        self.counters = Counters()
        self.capacity = queue_texts
        self._max_text_characters = max_text_characters
        # One lock for queues, calls in flight and counters; never held while anything is computed.
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._flights: dict[bytes, Ticket] = {}
        self._open_calls = 0
        self._closed = False
        self._inline = InlineDriver(Scheduler(queue_texts), self._lock, self.counters, self._settle)
        self._threads = ThreadDriver(Scheduler(queue_texts), self._lock, self.counters, self._settle, threads)

    @property
    def depth(self) -> int:
        """Texts that wait."""
        return self._inline.scheduler.depth + self._threads.scheduler.depth

    @property
    def healthy(self) -> bool:
        """Whether all threads that compute are alive."""
        return self._threads.healthy

    def share(self, cores: Cores, guests: int) -> None:
        """Compute on cores that other processes leave idle as well; see `Predictor.share`."""
        self._threads.share(cores, guests)

    def ask(
        self,
        texts: Sequence[str],
        model: ServedModel,
        *,
        deadline: float | None = None,
        on_done: Callable[[Call], None] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        first: int = 1,
    ) -> Call:
        """Queue texts and return at once; see `Predictor.ask`."""
        try:
            return self.try_ask(texts, model, deadline, on_done, loop, first)
        except OverloadedError as error:
            error.retry_after = self._rejected(self._driver(model), len(texts))
            raise

    def refuses(self, text: str, model: ServedModel) -> float | None:
        """Look whether `ask` would refuse a text, at a third of its cost; see `Predictor.refuses`."""
        driver = self._driver(model)
        if driver.scheduler.depth < driver.scheduler.capacity:
            return None
        key = self.cache.key(model.identity, text)
        if key in self.cache or key in self._flights:
            return None
        return self._rejected(driver, 1)

    def _rejected(self, driver: InlineDriver | ThreadDriver, texts: int) -> float:
        """Count texts that the queue has no room for; return after how many seconds it may have."""
        with self._lock:
            self.counters.rejected += texts
        waiting = driver.scheduler.depth * driver.seconds_per_text / driver.threads
        return min(max(waiting, 1.0), _LONGEST_WAIT)

    def try_ask(
        self,
        texts: Sequence[str],
        model: ServedModel,
        deadline: float | None,
        on_done: Callable[[Call], None] | None,
        loop: asyncio.AbstractEventLoop | None,
        first: int,
    ) -> Call:
        """Queue texts as `ask` does; a full queue is not counted as a rejection, because the caller tries again."""
        call = Call(model, texts, self._cancel, on_done, loop)
        driver = self._inline if model.plan.inline else self._threads
        until = moment_of(deadline)
        if len(texts) == 1:
            wanted = self._queue_one(call, driver, until, first)
        else:
            wanted = self._queue_all(call, driver, until, first)
        if wanted:
            # Even where others asked for all of it: the loop that was to compute it may have been closed, or may be
            # the one that waits here.
            driver.start(loop)
        else:
            call.on_done = None
            call.end()
        return call

    def _queue_one(self, call: Call, driver: InlineDriver | ThreadDriver, until: float, first: int) -> bool:
        """Do what `_queue_all` does for the one text that nearly every request has, at half its cost."""
        ticket = self._looked_up(call, 0, call.texts[0], driver.scheduler, until, first)
        with self._lock:
            if self._closed:
                raise _closed()
            counters = self.counters
            if ticket is None:
                counters.cache_hits += call.cached[0]
                return False
            flight = self._flights.get(ticket.key)
            if flight is None:
                driver.scheduler.add((ticket,))
                self._flights[ticket.key] = flight = ticket
                counters.cache_misses += 1
            else:
                flight.deadline = max(flight.deadline, until)
                counters.cache_shared += 1
            flight.waiters.append((call, 0))
            call.tickets.append(flight)
            call.missing = 1
            self._open_calls += 1
        return True

    def _queue_all(self, call: Call, driver: InlineDriver | ThreadDriver, until: float, first: int) -> bool:
        """Queue what is not known yet; return whether there is any."""
        wanted: list[tuple[int, Ticket]] = []
        for index, text in enumerate(call.texts):
            ticket = self._looked_up(call, index, text, driver.scheduler, until, first)
            if ticket is not None:
                wanted.append((index, ticket))
        with self._lock:
            if self._closed:
                raise _closed()
            flights: dict[bytes, Ticket] = {}
            for _, ticket in wanted:
                if ticket.key not in self._flights:
                    flights.setdefault(ticket.key, ticket)
            driver.scheduler.add(tuple(flights.values()))
            self._flights |= flights
            self.counters.cache_hits += call.cached.count(True)
            self.counters.cache_misses += len(flights)
            self.counters.cache_shared += len(wanted) - len(flights)
            for index, ticket in wanted:
                flight = self._flights[ticket.key]
                flight.waiters.append((call, index))
                flight.deadline = max(flight.deadline, until)
                call.tickets.append(flight)
            call.missing = len(wanted)
            self._open_calls += bool(wanted)
        return bool(wanted)

    def ask_patiently(self, texts: Sequence[str], model: ServedModel, until: float, first: int) -> Call:
        """Queue texts as soon as there is room for all of them; blocks until then.

        Parameters
        ----------
        texts, model, first
            As `ask`.
        until
            When to give up, on `time.monotonic`.

        Raises
        ------
        engine.errors.DeadlineError
            There was no room in time.
        """
        driver = self._driver(model)
        scheduler = driver.scheduler
        while True:
            try:
                return self.try_ask(texts, model, until - time.monotonic(), None, None, first)
            except OverloadedError:
                # Where a loop that this thread blocks was to compute what waits, nobody else would.
                driver.start(None)
            with self._lock:
                left = None if until == NO_DEADLINE else until - time.monotonic()
                if not self._settled.wait_for(lambda: scheduler.depth + len(texts) <= scheduler.capacity, left):
                    raise DeadlineError("There was no room for the texts before their deadline; try again later.")

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
        with self._lock:
            self._closed = True
            drained = self._settled.wait_for(lambda: not self._open_calls, timeout)
        self._threads.close()
        return drained

    def _driver(self, model: ServedModel) -> InlineDriver | ThreadDriver:
        return self._inline if model.plan.inline else self._threads

    def _looked_up(
        self, call: Call, index: int, text: Any, scheduler: Scheduler, until: float, first: int
    ) -> Ticket | None:
        """Fill in what is known of a text already, or why it has no answer; else return what is to be computed."""
        model = call.model
        if not isinstance(text, str):
            call.errors[index] = DataError(
                f"Text {first + index} is not a text but {type(text).__name__}; give a string."
            )
            return None
        if len(text) > self._max_text_characters:
            call.errors[index] = DataError(
                f"Text {first + index} has {len(text):,} characters, more than the {self._max_text_characters:,} "
                "allowed; shorten it, or raise `inference.max_text_characters`."
            )
            return None
        key = self.cache.key(model.identity, text)
        row = self.cache.get(key)
        if row is not None:
            call.rows[index] = row
            call.cached[index] = True
            return None
        if scheduler.depth >= scheduler.capacity and key not in self._flights:
            # Before the work of cleaning and tokenising: under overload most of it would be for nothing.
            scheduler.require_room(1)
        cleaned = model.clean(text)
        if not cleaned:
            call.errors[index] = DataError(
                f"Text {first + index} has no words left after cleaning; enter a sentence that says what it is about."
            )
            return None
        return Ticket(model, model.encode(cleaned), key, until)

    def _settle(self, tickets: Sequence[Ticket]) -> None:
        """Hand out what the tickets hold; called by the drivers, without the lock."""
        # Kept before they stop being in flight: whoever asks now finds it in one place or the other.
        self.cache.put_all([(ticket.key, ticket.row) for ticket in tickets if ticket.row is not None])
        ended: list[Call] = []
        with self._lock:
            for ticket in tickets:
                if self._flights.get(ticket.key) is ticket:
                    del self._flights[ticket.key]
                if ticket.error is not None:
                    expired = isinstance(ticket.error, DeadlineError)
                    self.counters.expired += expired
                    self.counters.failed_texts += not expired
                for call, index in ticket.waiters:
                    call.rows[index] = ticket.row
                    call.errors[index] = ticket.error
                    call.missing -= 1
                    if not call.missing:
                        ended.append(call)
                ticket.waiters = []
            self._open_calls -= len(ended)
            self._settled.notify_all()
        _end(ended)

    def _cancel(self, call: Call) -> None:
        with self._lock:
            if not call.missing:
                call.on_done = None
                return
            for ticket in dict.fromkeys(call.tickets):
                ticket.waiters = [waiter for waiter in ticket.waiters if waiter[0] is not call]
                # One that is being computed goes on: its answer is kept.
                if not ticket.waiters and self._driver(ticket.model).scheduler.cancel(ticket):
                    self._flights.pop(ticket.key, None)
                    self.counters.cancelled += 1
            call.missing = 0
            call.on_done = None
            self._open_calls -= 1
            self._settled.notify_all()


def _closed() -> ClosedError:
    return ClosedError("The service is shutting down and takes no new texts; ask again in a moment.")


def _end(calls: Sequence[Call]) -> None:
    """Tell each caller, on its event loop where it has one."""
    if not calls:
        return
    here: asyncio.AbstractEventLoop | None = None
    with contextlib.suppress(RuntimeError):
        here = asyncio.get_running_loop()
    elsewhere: dict[asyncio.AbstractEventLoop, list[Call]] = {}
    for call in calls:
        if call.loop is None or call.loop is here:
            call.end()
        else:
            elsewhere.setdefault(call.loop, []).append(call)
    for loop, theirs in elsewhere.items():
        # A loop that was closed meanwhile has nobody who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_end, theirs)
