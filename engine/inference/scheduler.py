"""Which texts are computed next, and together: the core of serving, without threads, clocks of its own or I/O.

Texts that wait stand in lanes, one per model and class of length. Whoever has time to compute asks for a batch: it
comes from the lane whose first text has waited longest, and as many texts of that lane come with it as the model's
plan allows. There is no timer: while anything waits, `next_batch` has something to do.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from engine.errors import DeadlineError, OverloadedError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.inference.call import Call
    from engine.inference.model import ServedModel

NO_DEADLINE = float("inf")
"""A moment that never comes, where nothing has to be done by then."""


def moment_of(deadline: float | None) -> float:
    """Return when a deadline, in seconds from now, is over by `time.monotonic`; `NO_DEADLINE` for None."""
    return NO_DEADLINE if deadline is None else time.monotonic() + deadline


class Ticket:
    """One text on its way through a model.

    Parameters
    ----------
    model
        Answers it.
    ids
        Token ids, at least one.
    key
        Of the result cache.
    deadline
        When it is no longer wanted, on the scheduler's clock.

    Attributes
    ----------
    row
        The answer, float32[labels], once there is one.
    error
        Why there is none.
    waiters
        Who wants the answer: calls, and the position in each. Kept by the predictor.
    """

    __slots__ = ("bucket", "deadline", "error", "ids", "key", "model", "number", "queued", "row", "waiters")

    def __init__(self, model: ServedModel, ids: Sequence[int], key: bytes, deadline: float = NO_DEADLINE) -> None:
        self.model = model
        self.ids = ids
        self.key = key
        self.deadline = deadline
        self.row: NDArray[np.float32] | None = None
        self.error: TagscopeError | None = None
        self.waiters: list[tuple[Call, int]] = []
        self.number = 0
        self.bucket = 0
        self.queued = False


class Batch:
    """Tickets of one model that are computed together."""

    __slots__ = ("ids", "model", "tickets")

    def __init__(self, tickets: list[Ticket]) -> None:
        self.tickets = tickets
        self.model = tickets[0].model
        self.ids = [ticket.ids for ticket in tickets]


class Scheduler:
    """A bounded queue that gives out batches; its callers hold a lock where there are several.

    Parameters
    ----------
    capacity
        Most texts that wait.
    clock
        Seconds that never go back.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.depth = 0
        """Texts that wait."""
        self._clock = clock
        self._count = 0
        self._lanes: dict[tuple[int, int], deque[Ticket]] = {}
        self._again: deque[list[Ticket]] = deque()
        self._finished: list[Ticket] = []

    def add(self, tickets: Sequence[Ticket]) -> None:
        """Let tickets wait.

        Raises
        ------
        engine.errors.OverloadedError
            There is no room for all of them; none was taken.
        """
        self.require_room(len(tickets))
        for ticket in tickets:
            self._count += 1
            ticket.number = self._count
            ticket.queued = True
            ticket.bucket = ticket.model.plan.bucket(len(ticket.ids))
            lane = (id(ticket.model), ticket.bucket)
            waiting = self._lanes.get(lane)
            if waiting is None:
                waiting = self._lanes[lane] = deque()
            waiting.append(ticket)
        self.depth += len(tickets)

    def require_room(self, texts: int) -> None:
        """Refuse texts that `add` would not take.

        Raises
        ------
        engine.errors.OverloadedError
            There is no room for all of them.
        """
        if self.depth + texts > self.capacity:
            raise OverloadedError(
                f"The queue has room for {max(0, self.capacity - self.depth):,} of {self.capacity:,} texts, not for "
                f"{texts:,} more; try again soon."
            )

    def cancel(self, ticket: Ticket) -> bool:
        """Let a ticket leave the queue; False where it is being computed or done already."""
        if not ticket.queued:
            return False
        # It stays in its lane, as a blank, until its turn comes: its place is free at once.
        ticket.queued = False
        self.depth -= 1
        return True

    def next_batch(self, free: int = 1) -> Batch | None:
        """Take what is computed next; None where nothing waits.

        Parameters
        ----------
        free
            How many threads have nothing to do, the caller included: what waits is shared among them.
        """
        while self._again:
            if tickets := [ticket for ticket in self._again.popleft() if self._wanted(ticket)]:
                return Batch(tickets)
        while self._lanes:
            lane = min(self._lanes, key=self._age)
            waiting = self._lanes[lane]
            tickets = self._take(waiting, max(1, -(-len(waiting) // free)))
            if not waiting:
                del self._lanes[lane]
            if tickets:
                return Batch(tickets)
        return None

    def finish(self, batch: Batch, rows: NDArray[np.float32]) -> None:
        """Keep the answers of a batch, texts x labels."""
        alone = len(batch.tickets) == 1
        for ticket, row in zip(batch.tickets, rows, strict=True):
            # A view would keep the whole batch in memory for as long as one answer is kept.
            ticket.row = row if alone else row.copy()
        self._finished += batch.tickets

    def fail(self, batch: Batch, error: TagscopeError) -> None:
        """Find out whose fault it was: halves are tried again, before all others; a single ticket gets the error."""
        if len(batch.tickets) == 1:
            batch.tickets[0].error = error
            self._finished += batch.tickets
            return
        middle = len(batch.tickets) // 2
        for half in (batch.tickets[middle:], batch.tickets[:middle]):
            for ticket in half:
                ticket.queued = True
            self._again.appendleft(half)
        self.depth += len(batch.tickets)

    def give_up(self, batch: Batch, error: TagscopeError) -> None:
        """Give the error to every ticket of a batch that is not done, where none can be tried again."""
        for ticket in batch.tickets:
            if ticket.row is None and ticket.error is None and not ticket.queued:
                ticket.error = error
                self._finished.append(ticket)

    def take_finished(self) -> list[Ticket]:
        """Return the tickets that were answered or have failed since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def _age(self, lane: tuple[int, int]) -> int:
        return self._lanes[lane][0].number

    def _take(self, waiting: deque[Ticket], most: int) -> list[Ticket]:
        """Take the first tickets of a lane, within the padded size that the plan allows."""
        tickets: list[Ticket] = []
        while waiting and len(tickets) < most:
            ticket = waiting[0]
            if not tickets:
                # A lane has one class of length, so one limit; the longest of the class set it.
                most = min(most, ticket.model.plan.texts[ticket.bucket])
            waiting.popleft()
            if self._wanted(ticket):
                tickets.append(ticket)
        return tickets

    def _wanted(self, ticket: Ticket) -> bool:
        """Take a ticket out of the queue; False where nobody waits for it any more."""
        if not ticket.queued:
            return False
        ticket.queued = False
        self.depth -= 1
        if ticket.deadline < self._clock():
            ticket.error = DeadlineError("The text waited longer than its deadline allows; try again later.")
            self._finished.append(ticket)
            return False
        return True
