"""Open loop: requests leave at times fixed beforehand, whatever the server does; a program of its own.

    python open_loop.py < plan.json > outcome.json

The times are a Poisson process, given how many requests it has in all: sorted even draws. The time of an answer counts
from the moment when its request should have left, so that a server that holds up the sender is charged for it. Reads a
`Plan`, writes a `Latencies`, both as JSON.
"""

from __future__ import annotations

import collections
import errno
import gc
import math
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OFF = 0.01
"""A run whose achieved rate is further from the planned one is void."""
_MOST_CONNECTIONS = 2_000
_PATIENCE_SECONDS = 10.0
_LEAD_SECONDS = 0.05
_LENGTH = b"content-length:"
_OK, _REJECTED = b"200", (b"429", b"503")


class Plan(msgspec.Struct):
    """What to send.

    Attributes
    ----------
    port
        Of 127.0.0.1.
    bodies, start, end
        A file of bodies, one a line, and the part of it to send, in bytes.
    rate
        Requests per second.
    seconds, warm
        Length of what is measured, and of what comes before it at the same rate.
    connections
        Open from the beginning; more are opened when all are busy.
    seed
        Of the times.
    """

    port: int
    bodies: str
    start: int
    end: int
    rate: float
    seconds: float
    warm: float
    connections: int
    seed: int


class Latencies(msgspec.Struct):
    """What came back, of the measured part.

    Attributes
    ----------
    planned_rate
        Requests per second, of the plan.
    sent_rate
        How fast requests left, between the middle of the run's first quarter and that of the last.
    achieved_rate
        Of those, the ones that were answered with 200, however late.
    answer_rate
        How fast 200s came back, measured as `sent_rate`: less where a queue grew as long as the run went on.
    sent, answered, rejected, failed
        Requests; rejected are 429 and 503, failed is anything else but 200, and what was not answered 10 s after the
        last one left.
    p50, p99, p999, slowest
        Seconds from planned departure to answer, over the answered ones.
    late_p99, late_slowest
        Seconds by which requests left too late: of the sender, already in the figures above.
    connections
        Opened in all.
    void
        Whether the achieved rate is off by more than 1 %: the times are then not those of the planned load.
    """

    planned_rate: float
    sent_rate: float
    achieved_rate: float
    answer_rate: float
    sent: int
    answered: int
    rejected: int
    failed: int
    p50: float
    p99: float
    p999: float
    slowest: float
    late_p99: float
    late_slowest: float
    connections: int
    void: bool


class Sender:
    """Sends a plan and keeps all times.

    Parameters
    ----------
    plan
        What to send.
    """

    def __init__(self, plan: Plan) -> None:
        self._address = ("127.0.0.1", plan.port)
        # Warm-up and measured part each have their own number of requests, so that the planned rate is exact.
        before, counted = round(plan.rate * plan.warm), round(plan.rate * plan.seconds)
        count = before + counted
        self._requests = _read_requests(plan, count)
        rng = np.random.default_rng(plan.seed)
        end = plan.warm + plan.seconds
        self.due = np.sort(np.concatenate([rng.uniform(0.0, plan.warm, before), rng.uniform(plan.warm, end, counted)]))
        self.left = [math.nan] * count
        self.done = [math.nan] * count
        self.status = [0] * count
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._buffers: dict[int, bytes] = {}
        # What each connection is waiting for; the one that has been free longest is used next, so that all are.
        self._waiting: dict[int, int] = {}
        self._free: collections.deque[int] = collections.deque()
        self._held: collections.deque[int] = collections.deque()
        self.opened = 0
        for _ in range(plan.connections):
            self._free.append(self._open())

    def run(self) -> None:
        """Send everything; wait for the answers at most `_PATIENCE_SECONDS` after the last one was due."""
        gc.collect()
        gc.disable()
        due = self.due.tolist()
        count, following = len(due), 0
        wakers = [self._poll.fileno()]
        started = time.perf_counter() + _LEAD_SECONDS
        self._started = started
        end = due[-1] + _PATIENCE_SECONDS
        while following < count or self._waiting or self._held:
            now = time.perf_counter() - started
            while following < count and due[following] <= now:
                self._send(following, now)
                following += 1
                now = time.perf_counter() - started
            if now > end:
                break
            pause = (due[following] if following < count else end) - now
            # `epoll` itself knows no time shorter than a millisecond.
            if pause > 0 and select.select(wakers, (), (), pause)[0]:
                for descriptor, _ in self._poll.poll(0):
                    self._receive(descriptor)

    def _open(self) -> int:
        connection = socket.create_connection(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        descriptor = connection.fileno()
        self._sockets[descriptor] = connection
        self._buffers[descriptor] = b""
        self._poll.register(descriptor, select.EPOLLIN)
        self.opened += 1
        return descriptor

    def _send(self, number: int, now: float) -> None:
        if self._free:
            descriptor = self._free.popleft()
        elif len(self._sockets) < _MOST_CONNECTIONS:
            try:
                descriptor = self._open()
            except OSError:
                return
        else:
            self._held.append(number)
            return
        request = self._requests[number]
        self.left[number] = now
        try:
            whole = self._sockets[descriptor].send(request) == len(request)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            whole = False
        if whole:
            self._waiting[descriptor] = number
        else:
            self._close(descriptor)

    def _receive(self, descriptor: int) -> None:
        try:
            received = self._sockets[descriptor].recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            received = b""
        if not received:
            # What it was waiting for has failed; a server may also close a connection that has nothing to do.
            self._waiting.pop(descriptor, None)
            if descriptor in self._free:
                self._free.remove(descriptor)
            self._close(descriptor)
            return
        answer = self._buffers[descriptor] + received
        body = answer.find(b"\r\n\r\n") + 4
        if body < 4:
            self._buffers[descriptor] = answer
            return
        head = answer[:body].lower()
        at = head.find(_LENGTH)
        if at < 0:
            sys.exit(f"The server answers without a length, which this program cannot read: {head[:200]!r}")
        at += len(_LENGTH)
        if len(answer) < body + int(head[at : head.index(b"\r", at)]):
            self._buffers[descriptor] = answer
            return
        self._buffers[descriptor] = b""
        number = self._waiting.pop(descriptor)
        now = time.perf_counter() - self._started
        self.done[number] = now
        self.status[number] = int(answer[9:12])
        if b"connection: close" in head:
            self._close(descriptor)
        else:
            self._free.append(descriptor)
        if self._held:
            self._send(self._held.popleft(), now)

    def _close(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._sockets.pop(descriptor).close()
        self._buffers.pop(descriptor)


def _read_requests(plan: Plan, count: int) -> list[bytes]:
    with Path(plan.bodies).open("rb") as file:
        file.seek(plan.start)
        lines = file.read(plan.end - plan.start).splitlines()
    if len(lines) < count:
        sys.exit(f"{plan.bodies}: has {len(lines)} bodies where {count} are to be sent.")
    head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return [head % len(line) + line for line in lines[:count]]


def summary(sender: Sender, plan: Plan) -> Latencies:
    """Figures of what was due after the warm-up."""
    counted = sender.due >= plan.warm
    due, left, done, status = (
        np.asarray(values)[counted] for values in (sender.due, sender.left, sender.done, sender.status)
    )
    answered = status == int(_OK)
    rejected = np.isin(status, [int(code) for code in _REJECTED])
    latency = (done - due)[answered]
    late = np.nan_to_num(left - due, nan=np.inf)
    planned = len(due) / plan.seconds
    sent = planned * _pace(due, left, ~np.isnan(left))
    share = float(answered.mean())
    achieved = sent * share
    p50, p99, p999, slowest = (
        np.quantile(latency, (0.5, 0.99, 0.999, 1)).tolist() if len(latency) else [float("nan")] * 4
    )
    return Latencies(
        planned_rate=planned,
        sent_rate=sent,
        achieved_rate=achieved,
        answer_rate=planned * _pace(due, done, answered) * share,
        sent=int((~np.isnan(left)).sum()),
        answered=int(answered.sum()),
        rejected=int(rejected.sum()),
        failed=int((~answered & ~rejected).sum()),
        p50=p50,
        p99=p99,
        p999=p999,
        slowest=slowest,
        late_p99=float(np.quantile(late, 0.99)),
        late_slowest=float(late.max()),
        connections=sender.opened,
        void=abs(achieved / planned - 1) > MOST_OFF,
    )


def _pace(due: NDArray[np.float64], happened: NDArray[np.float64], which: NDArray[np.bool_]) -> float:
    """How fast things happened, as a share of how fast they were due.

    The time between the mean of the run's first quarter and that of its last: where each request takes as long as
    the other, whatever that is, it is 1; where a queue grows, less.
    """
    due, happened = due[which], happened[which]
    quarter = len(due) // 4
    if quarter == 0:
        return 0.0
    first, last = slice(None, quarter), slice(-quarter, None)
    return float((due[last].mean() - due[first].mean()) / (happened[last].mean() - happened[first].mean()))


def open_loop(plan: Plan) -> Latencies:
    """Carry out a plan in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve())]
    done = subprocess.run(command, input=msgspec.json.encode(plan), stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Latencies)


def main() -> None:
    """Read a plan, carry it out, write what came back."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sender = Sender(plan)
    sender.run()
    sys.stdout.buffer.write(msgspec.json.encode(summary(sender, plan)))


if __name__ == "__main__":
    main()
