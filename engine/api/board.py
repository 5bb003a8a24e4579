"""What the processes of the service know of each other: a piece of memory that they share.

Each process owns one slot and alone writes to it: its state, what it serves, and its counts. Any process can read all
slots, so any of them answers for the whole service, and what a killed process has counted stays. Orders to all, such
as "forget cached results", stand on the board until each process has carried them out.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import mmap
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLOT_BYTES = 16_384
_HEAD_BYTES = 4_096
_ORDERS = 64
_ORDERS_AT = 64
_ORDER_BYTES = 40
_NUMBER = 8
# Places in a slot, in numbers of eight bytes; the text that says what is served, and then the counts, follow.
_STATE, _PID, _HEARTBEAT, _APPLIED, _PUBLISHED, _RESTARTS, _EDITION, _LENGTH, _BUSY = range(9)
_TEXT_AT, _TEXT_BYTES = 128, 1_920
_COUNTS_AT = _TEXT_AT + _TEXT_BYTES
COUNTS = (_SLOT_BYTES - _COUNTS_AT) // _NUMBER
"""How many counts a slot has room for."""


class Turn(enum.IntEnum):
    """What only one process does at a time."""

    ORDER = 0
    PROMOTE = 1


class State(enum.IntEnum):
    """What a process is doing."""

    DEAD = 0
    """There is none: it has ended and its successor was not started yet."""
    STARTING = 1
    """It has not yet tried to load the promoted run."""
    READY = 2
    """It answers."""
    WAITING = 3
    """It is up and has no run to answer with."""
    DRAINING = 4
    """It answers what it has accepted, and then ends."""


class Served(msgspec.Struct, frozen=True):
    """What a process answers with.

    `reason` says why the promoted run does not answer, and `kind` which problem that is: nothing answers where `run_id`
    is empty, else the former run goes on. Both are empty where all is well.
    """

    run_id: str = ""
    model: str = ""
    model_digest: str = ""
    backend: str = ""
    precision: str = ""
    kind: str = ""
    reason: str = ""


class Order(msgspec.Struct, frozen=True):
    """Something that every process does: forget the cached results of a run, or of all where `run_id` is empty."""

    number: int
    run_id: str


class Slot:
    """The place of one process; see `Board`.

    Attributes
    ----------
    counts
        Numbers that only grow, and gauges, as `engine.api.metrics` lays them out; float64[COUNTS].
    """

    def __init__(self, content: mmap.mmap, at: int) -> None:
        whole = memoryview(content)[at : at + _SLOT_BYTES]
        self._numbers = whole[:_TEXT_AT].cast("d")
        self._text = whole[_TEXT_AT:_COUNTS_AT]
        self.counts = whole[_COUNTS_AT:].cast("d")

    @property
    def state(self) -> State:
        """What the process is doing."""
        return State(int(self._numbers[_STATE]))

    @state.setter
    def state(self, state: State) -> None:
        self._numbers[_STATE] = float(state)

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._numbers[_PID])

    @property
    def alive(self) -> bool:
        """Whether there is a process that may take requests, now or soon."""
        return self.state in (State.STARTING, State.READY, State.WAITING)

    @property
    def heartbeat(self) -> float:
        """When the process last said that it runs, by `time.monotonic`."""
        return self._numbers[_HEARTBEAT]

    @property
    def busy(self) -> int:
        """How many of its threads compute now."""
        return int(self._numbers[_BUSY])

    @busy.setter
    def busy(self, threads: int) -> None:
        self._numbers[_BUSY] = float(threads)

    @property
    def applied(self) -> int:
        """The last order that was carried out."""
        return int(self._numbers[_APPLIED])

    @applied.setter
    def applied(self, number: int) -> None:
        self._numbers[_APPLIED] = float(number)

    @property
    def published(self) -> float:
        """When all counts were last brought up to date, by `time.monotonic`."""
        return self._numbers[_PUBLISHED]

    @property
    def restarts(self) -> int:
        """How often a process of this slot ended and was replaced."""
        return int(self._numbers[_RESTARTS])

    @property
    def served(self) -> Served | None:
        """What the process answers with; None where it is just being written, or never was."""
        for _ in range(100):
            edition, length = self._numbers[_EDITION], int(self._numbers[_LENGTH])
            content = bytes(self._text[:length])
            if edition % 2 == 0 and edition == self._numbers[_EDITION]:
                return msgspec.json.decode(content, type=Served) if content else None
        return None

    @served.setter
    def served(self, served: Served) -> None:
        content = msgspec.json.encode(served)
        if len(content) > _TEXT_BYTES:
            content = msgspec.json.encode(Served(served.run_id, served.model[:100], served.model_digest))
        # An odd edition tells readers that the text is being written.
        edition = self._numbers[_EDITION] // 2 * 2
        self._numbers[_EDITION] = edition + 1
        self._text[: len(content)] = content
        self._numbers[_LENGTH] = len(content)
        self._numbers[_EDITION] = edition + 2

    def vacate(self, *, replaced: bool) -> None:
        """Say that the process has ended; its counts stay. Called by the supervisor."""
        self.state = State.DEAD
        self.busy = 0
        self._numbers[_RESTARTS] += replaced
        self._numbers[_LENGTH] = 0
        self._numbers[_EDITION] = self._numbers[_EDITION] // 2 * 2 + 2

    def expect(self) -> None:
        """Say that a process is about to start, so that nobody overlooks it. Called by the supervisor."""
        self.state = State.STARTING
        self._numbers[_PID] = 0
        self.beat()

    def occupy(self, applied: int) -> None:
        """Take the slot for this process.

        Parameters
        ----------
        applied
            The newest order: a process that starts has nothing to forget.
        """
        self.state = State.STARTING
        self._numbers[_PID] = os.getpid()
        self.applied = applied
        self.beat()

    def beat(self) -> None:
        """Say that the process runs."""
        self._numbers[_HEARTBEAT] = time.monotonic()

    def publish(self) -> None:
        """Say that all counts are up to date."""
        self._numbers[_PUBLISHED] = time.monotonic()


class SharedCores:
    """Follows `engine.inference.cores.Cores`: what the processes of the service compute on, all together.

    Parameters
    ----------
    board
        Of the service.
    slot
        Of this process.
    cores
        How many there are.
    """

    def __init__(self, board: Board, slot: Slot, cores: int) -> None:
        self._slots = board.slots
        self._slot = slot
        self._cores = cores

    def busy(self, threads: int) -> None:
        """Say on how many threads this process computes now."""
        self._slot.busy = threads

    def idle(self) -> bool:
        """Tell whether the processes together leave a core idle."""
        return sum(slot.busy for slot in self._slots) < self._cores


class Board:
    """Shared memory with one slot for each process.

    Parameters
    ----------
    descriptor
        File descriptor of the memory, from `create`; inherited by the processes.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        size = os.fstat(descriptor).st_size
        self._content = mmap.mmap(descriptor, size)
        self._newest = memoryview(self._content)[:_NUMBER].cast("d")
        self._in_process = {turn: threading.Lock() for turn in Turn}
        self.slots = tuple(Slot(self._content, at) for at in range(_HEAD_BYTES, size, _SLOT_BYTES))

    @classmethod
    def create(cls, slots: int) -> Board:
        """Make a board; the memory has no name and is freed with the last process that has it."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("tagscope-board")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _HEAD_BYTES + slots * _SLOT_BYTES)
        return cls(descriptor)

    @property
    def newest_order(self) -> int:
        """Number of the last order; 0 where there was none."""
        return int(self._newest[0])

    def post(self, run_id: str) -> int:
        """Tell every process to forget the cached results of a run, of all runs where it is empty.

        Returns
        -------
        int
            Number of the order; carried out where every `Slot.applied` has reached it.
        """
        with self.locked(Turn.ORDER):
            number = self.newest_order + 1
            at = _ORDERS_AT + number % _ORDERS * _ORDER_BYTES
            self._content[at : at + 32] = run_id.encode("ascii").ljust(32, b"\0")
            self._newest[0] = number
        return number

    def orders_after(self, number: int) -> list[Order]:
        """Return the orders that came after one; where those are too many to be kept, one that covers them all."""
        newest = self.newest_order
        # One less than there is room for, because another process may be writing the next.
        if newest - number >= _ORDERS:
            return [Order(newest, "")]
        found = []
        for each in range(number + 1, newest + 1):
            at = _ORDERS_AT + each % _ORDERS * _ORDER_BYTES
            found.append(Order(each, self._content[at : at + 32].rstrip(b"\0").decode("ascii")))
        return found

    def totals(self, width: int = COUNTS) -> list[float]:
        """Sum the first `width` counts over all slots."""
        return [sum(column) for column in zip(*(slot.counts[:width].tolist() for slot in self.slots), strict=True)]

    @contextlib.contextmanager
    def locked(self, turn: Turn) -> Iterator[None]:
        """Let one process, and in it one thread, in at a time; a process that is killed lets go."""
        with self._in_process[turn]:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, turn)
            try:
                yield
            finally:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, turn)
