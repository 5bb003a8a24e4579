"""Laws of the scheduler's core, on made-up models: nothing lost, nothing twice, in order, within its bounds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DeadlineError, InferenceError, OverloadedError
from engine.inference.plan import BatchPlan
from engine.inference.scheduler import Batch, Scheduler, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EDGES, TEXTS = (4, 16, 64), (8, 3, 1)
lengths = st.lists(st.integers(1, 64), min_size=1, max_size=40)


class Model:
    """What the scheduler looks at: a plan. It answers with the first id of each text, and stumbles over some."""

    def __init__(self, culprits: Sequence[int] = ()) -> None:
        self.plan = BatchPlan(EDGES, TEXTS, 0.001)
        self.culprits = frozenset(culprits)

    def run(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        if self.culprits & {text[0] for text in ids}:
            raise InferenceError("This batch holds a text that cannot be computed.")
        return np.array([[text[0], text[0] + 0.5] for text in ids], dtype=np.float32)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tickets_of(model: Model, lengths: Sequence[int], first: int = 0, deadline: float = float("inf")) -> list[Ticket]:
    """Tickets whose first id is their number, counted from `first`."""
    return [
        Ticket(model, [number] + [0] * (length - 1), b"%d" % number, deadline)
        for number, length in enumerate(lengths, start=first)
    ]


def compute(scheduler: Scheduler, batch: Batch) -> None:
    try:
        rows = batch.model.run(batch.ids)
    except InferenceError as error:
        scheduler.fail(batch, error)
    else:
        scheduler.finish(batch, rows)


def drain(scheduler: Scheduler, seen: Callable[[Batch], None] = lambda batch: None) -> list[Ticket]:
    """Compute until nothing waits; every look must give a batch as long as something does."""
    finished: list[Ticket] = []
    while scheduler.depth:
        batch = scheduler.next_batch()
        assert batch is not None
        seen(batch)
        compute(scheduler, batch)
        finished += scheduler.take_finished()
    assert scheduler.next_batch() is None
    return finished


@given(lengths, lengths, st.integers(1, 4))
def test_every_text_gets_its_own_answer_once(one: list[int], other: list[int], free: int) -> None:
    models = Model(), Model()
    scheduler = Scheduler(1000)
    tickets = tickets_of(models[0], one) + tickets_of(models[1], other, first=500)
    scheduler.add(tickets)
    finished: list[Ticket] = []
    while (batch := scheduler.next_batch(free)) is not None:
        assert {ticket.model for ticket in batch.tickets} == {batch.model}
        compute(scheduler, batch)
        finished += scheduler.take_finished()
    assert Counter(map(id, finished)) == Counter(map(id, tickets))
    assert all(ticket.row is not None and ticket.row[0] == ticket.ids[0] for ticket in tickets)
    assert scheduler.depth == 0


@given(lengths)
def test_a_batch_holds_one_class_of_lengths_within_its_plan_and_in_order(wanted: list[int]) -> None:
    model, scheduler = Model(), Scheduler(1000)
    scheduler.add(tickets_of(model, wanted))
    order: dict[int, list[int]] = {}

    def look(batch: Batch) -> None:
        (bucket,) = {model.plan.bucket(len(ids)) for ids in batch.ids}
        assert 1 <= len(batch.tickets) <= TEXTS[bucket]
        padded = len(batch.ids) * max(map(len, batch.ids))
        assert padded <= EDGES[bucket] * TEXTS[bucket]
        order.setdefault(bucket, []).extend(ids[0] for ids in batch.ids)

    drain(scheduler, look)
    assert all(numbers == sorted(numbers) for numbers in order.values())


@given(lengths, st.integers(1, 4))
def test_the_text_that_has_waited_longest_is_always_in_the_next_batch(wanted: list[int], more: int) -> None:
    # Whatever arrives meanwhile: no lane starves.
    model, scheduler, arrived = Model(), Scheduler(10_000), 0
    waiting: list[Ticket] = []
    for _ in range(len(wanted)):
        fresh = tickets_of(model, wanted[:more], first=arrived)
        arrived += len(fresh)
        scheduler.add(fresh)
        waiting += fresh
        batch = scheduler.next_batch()
        assert batch is not None
        assert waiting[0] in batch.tickets
        waiting = [ticket for ticket in waiting if ticket not in batch.tickets]


@given(st.lists(st.integers(0, 6), max_size=30), st.integers(1, 10))
def test_the_queue_takes_a_call_whole_or_not_at_all(sizes: list[int], capacity: int) -> None:
    model, scheduler, depth = Model(), Scheduler(capacity), 0
    for size in sizes:
        if depth + size > capacity:
            with pytest.raises(OverloadedError, match="try again soon") as refused:
                scheduler.add(tickets_of(model, [1] * size))
            assert refused.value.retry_after > 0
        else:
            scheduler.add(tickets_of(model, [1] * size))
            depth += size
        assert scheduler.depth == depth <= capacity
    assert len(drain(scheduler)) == depth


@given(lengths, st.sets(st.integers(0, 39)))
def test_cancelled_texts_leave_their_place_at_once_and_are_never_computed(wanted: list[int], gone: set[int]) -> None:
    model, scheduler = Model(), Scheduler(len(wanted))
    tickets = tickets_of(model, wanted)
    scheduler.add(tickets)
    cancelled = [ticket for ticket in tickets if ticket.ids[0] in gone]
    assert all(scheduler.cancel(ticket) for ticket in cancelled)
    assert not any(scheduler.cancel(ticket) for ticket in cancelled)
    assert scheduler.depth == len(wanted) - len(cancelled)
    scheduler.add(tickets_of(model, [1] * len(cancelled), first=1000))
    finished = drain(scheduler)
    assert {ticket.ids[0] for ticket in finished} & {ticket.ids[0] for ticket in cancelled} == set()
    assert len(finished) == len(wanted)


def test_a_text_that_is_being_computed_cannot_be_cancelled() -> None:
    model, scheduler = Model(), Scheduler(10)
    (ticket,) = tickets_of(model, [3])
    scheduler.add([ticket])
    batch = scheduler.next_batch()
    assert not scheduler.cancel(ticket)
    assert scheduler.depth == 0
    compute(scheduler, batch)
    assert scheduler.take_finished() == [ticket]


@given(lengths, st.sets(st.integers(0, 39)))
def test_texts_past_their_deadline_get_an_error_and_the_others_an_answer(wanted: list[int], short: set[int]) -> None:
    clock, model = Clock(), Model()
    scheduler = Scheduler(100, clock)
    tickets = tickets_of(model, wanted)
    for ticket in tickets:
        ticket.deadline = clock.now + (1 if ticket.ids[0] in short else 3)
    scheduler.add(tickets)
    clock.now += 2
    finished: list[Ticket] = []
    while scheduler.depth:
        batch = scheduler.next_batch()
        if batch is not None:
            assert not {ids[0] for ids in batch.ids} & short
            compute(scheduler, batch)
        finished += scheduler.take_finished()
    assert Counter(map(id, finished)) == Counter(map(id, tickets))
    for ticket in tickets:
        expired = ticket.ids[0] in short
        assert isinstance(ticket.error, DeadlineError) is expired
        assert (ticket.row is None) is expired


@given(lengths, st.sets(st.integers(0, 39)))
def test_only_the_texts_that_break_a_batch_fail(wanted: list[int], culprits: set[int]) -> None:
    model, scheduler = Model(sorted(culprits)), Scheduler(100)
    tickets = tickets_of(model, wanted)
    scheduler.add(tickets)
    finished = drain(scheduler)
    assert Counter(map(id, finished)) == Counter(map(id, tickets))
    for ticket in tickets:
        guilty = ticket.ids[0] in culprits
        assert (ticket.error is not None) is guilty
        assert (ticket.row is None) is guilty
        assert guilty or ticket.row[0] == ticket.ids[0]


@given(st.integers(1, 30), st.integers(1, 5))
def test_free_threads_share_what_waits(texts: int, threads: int) -> None:
    model, scheduler = Model(), Scheduler(100)
    scheduler.add(tickets_of(model, [1] * texts))
    batches = [scheduler.next_batch(threads - taken) for taken in range(threads)]
    sizes = [len(batch.tickets) for batch in batches if batch is not None]
    assert len(sizes) == min(texts, threads)
    assert max(sizes) <= TEXTS[0]
    if texts <= TEXTS[0] * threads:
        assert sum(sizes) == texts
        assert max(sizes) - min(sizes) <= 1


def test_an_answer_does_not_keep_its_batch_in_memory() -> None:
    model, scheduler = Model(), Scheduler(10)
    tickets = tickets_of(model, [1] * 5)
    scheduler.add(tickets)
    drain(scheduler)
    assert all(ticket.row.base is None or ticket.row.base.nbytes == ticket.row.nbytes for ticket in tickets)
