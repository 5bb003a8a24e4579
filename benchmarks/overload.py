"""MiniLM behind `tagscope api`, asked for four times as much as it can do; then a process is killed, then all end.

    python benchmarks/overload.py [--seconds 20] [--home FOLDER] [--fp32]

Loads come from a process of its own. Peak: 64 connections, each of which asks again when it has its answer. Overload
and the rest: requests leave at the times of a Poisson process, whether or not others were answered, and their time
counts from when they were due. Every request ends as an answer, as a refusal with its status, as a connection that was
refused before anything was sent, or as lost; nothing is left out. MiniLM is imported into FOLDER once and stays there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import http.client
import multiprocessing
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import psutil
import uvloop
from machine import CACHE, ROOT, write_results
from serving.bodies import demo_words
from serving.server import HOST, free_port, running

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from serving.server import Server

CONNECTIONS, FACTOR = 64, 4
# Answered, refused as overloaded, refused as not ready; then what HTTP has no status for.
OK, FULL, UNREADY = 200, 429, 503
REFUSED, LOST, UNANSWERED = "connection refused", "lost", "no answer within a minute"
# The system completes connections that the service has not taken yet.
LOST_NEW = "lost on a connection that had no answer before"
_PATIENCE = 60.0
_TICK = 0.001
_ROUNDS = 3
# Made before a closed load, for each second of it.
_PREPARED = 2000
_WARM_SHARE = 0.15
_REJECT_SECONDS = 0.05
# A connection that the system gave to the process that was killed waits for its replacement: others are asked.
_PROBE_SECONDS = 0.1


class Asking(asyncio.Protocol):
    """One connection; carries one request at a time."""

    def __init__(self, client: Client) -> None:
        self.transport: asyncio.Transport | None = None
        self.due = self.sent = 0.0
        self.busy = self.used = False
        self._client = client
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's are no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request."""
        assert self.transport is not None
        self.due, self.sent, self.busy, self._received = due, time.perf_counter(), True, b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait until the whole answer is there: head, and as many bytes as it announces."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        fields = self._received[: end + 2].lower()
        begin = fields.find(b"content-length:") + len(b"content-length:")
        length = int(fields[begin : fields.find(b"\r", begin)])
        if self.busy and len(self._received) >= end + 4 + length:
            self.busy, self.used = False, True
            if b"\r\nconnection: close" in fields and self.transport is not None:
                # The service takes no more requests here.
                self.transport.close()
            self._client.ended(self, int(fields[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits gets no answer."""
        self.transport = None
        if self.busy:
            self.busy = False
            self._client.ended(self, LOST if self.used else LOST_NEW)


class Client:
    """Sends requests of one unique text each, and keeps what became of every one.

    It has the cores in common with the service, so a request costs it little: no task, no future, no timer of its own,
    and its bytes are made before the load begins.
    """

    def __init__(self, port: int, prepared: int) -> None:
        self._port = port
        # No two loads send the same texts: the second would be answered from the cache.
        self._rng = random.Random()
        self._words = demo_words()
        self._free: list[Asking] = []
        self._all: list[Asking] = []
        self._load = self._rng.getrandbits(32)
        self._number = self._under_way = 0
        self._closed_until = 0.0
        self._connecting: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._bodies = [self._new_body() for _ in range(prepared)]
        self.outcomes: list[tuple[float, float, float, int | str]] = []
        """When a request was due, when it was sent and when it ended, in seconds; and status or kind of end."""

    def body(self) -> bytes:
        """Return the bytes of a request that was not sent before."""
        return self._bodies.pop() if self._bodies else self._new_body()

    def _new_body(self) -> bytes:
        self._number += 1
        text = f"{' '.join(self._rng.choices(self._words, k=12))} {self._load} {self._number}"
        content = msgspec.json.encode({"texts": [text]})
        return b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)

    def send(self, due: float) -> None:
        """Send one request on a free connection, or on a new one."""
        self._under_way += 1
        while self._free:
            connection = self._free.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                connection.ask(self.body(), due)
                return
        task = asyncio.create_task(self._send_on_new(due))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _send_on_new(self, due: float) -> None:
        connection = Asking(self)
        connection.due = connection.sent = due
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, HOST, self._port)
        except OSError:
            self.ended(connection, REFUSED)
            return
        self._all.append(connection)
        if connection.transport is None:
            self.ended(connection, LOST_NEW)
        else:
            connection.ask(self.body(), due)

    def ended(self, connection: Asking, end: int | str) -> None:
        """Keep what became of a request; in a closed loop, send the next."""
        now = time.perf_counter()
        self.outcomes.append((connection.due, connection.sent, now, end))
        self._under_way -= 1
        if connection.transport is not None and not connection.transport.is_closing():
            self._free.append(connection)
        if now < self._closed_until:
            self.send(now)
        elif not self._under_way:
            self._settled.set()

    async def closed(self, seconds: float, connections: int) -> None:
        """Keep so many requests under way."""
        self._closed_until = time.perf_counter() + seconds
        for _ in range(connections):
            self.send(time.perf_counter())
        await asyncio.sleep(seconds)
        await self._settle()

    async def open(self, seconds: float, rate: float) -> None:
        """Send at the times of a Poisson process, as exactly as one look a millisecond allows."""
        sent = 0
        due = started = time.perf_counter()
        while (due := due + self._rng.expovariate(rate)) < started + seconds:
            while due > time.perf_counter():
                await asyncio.sleep(_TICK)
            self.send(due)
            sent += 1
            if sent % 16 == 0:
                # Late already: what has come in meanwhile is read all the same.
                await asyncio.sleep(0)
        await self._settle()

    async def _settle(self) -> None:
        """Wait for the last answers; what has none after that is kept as such."""
        self._settled.clear()
        if self._under_way:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), _PATIENCE)
        now = time.perf_counter()
        self.outcomes += [(one.due, one.sent, now, UNANSWERED) for one in self._all if one.busy]


def client_process(port: int, seconds: float, rate: float, result: Connection) -> None:
    """Send a load, closed where the rate is 0, and hand back all outcomes."""
    gc.disable()
    client = Client(port, int(seconds * (rate or _PREPARED)))
    result.send("begins")
    started, used = time.perf_counter(), time.process_time()
    uvloop.run(client.open(seconds, rate) if rate else client.closed(seconds, CONNECTIONS))
    outcomes = [(due - started, sent - started, ended - started, end) for due, sent, ended, end in client.outcomes]
    result.send((outcomes, (time.process_time() - used) / (time.perf_counter() - started)))


def under_load(
    port: int, seconds: float, rate: float = 0.0, meanwhile: Callable[[], dict[str, Any]] = dict
) -> dict[str, Any]:
    """Let the client send a load, do something after a third of it; return both summed up."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=client_process, args=(port, seconds, rate, sender))
    child.start()
    sender.close()
    assert receiver.recv() == "begins"
    receiver.poll(seconds / 3)
    found = meanwhile()
    outcomes, cores = receiver.recv()
    child.join()
    return {**summary(outcomes, seconds), **found, "client_cores": cores}


def summary(outcomes: list[Any], seconds: float) -> dict[str, Any]:
    """Count ends; the rate leaves out the beginning, while the queue fills, and what is answered after the load."""
    begin = _WARM_SHARE * seconds
    ends = Counter(str(end) for *_, end in outcomes)
    steady = sum(begin <= ended < seconds and end == OK for _, _, ended, end in outcomes)

    def times(status: int) -> dict[str, float]:
        # A client that shares the cores may send late; what the server took counts from when it was sent.
        taken = [ended - sent for _, sent, ended, end in outcomes if end == status]
        if not taken:
            return {}
        p50, p99 = np.percentile(taken, [50, 99])
        return {"p50": float(p50), "p99": float(p99), "slowest": max(taken)}

    late = [sent - due for due, sent, *_ in outcomes]
    return {
        "asked": len(outcomes),
        "ends": dict(ends),
        "rate": steady / (seconds - begin),
        "answers": times(OK),
        "rejects": times(FULL),
        "sent_late_p99": float(np.percentile(late, 99)),
    }


def ready(port: int) -> bool | None:
    """Ask whether the service is ready, on a connection of its own; None where nobody answers in time."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return {OK: True, UNREADY: False}.get(status)


def wait_for_readiness(port: int, wanted: bool, most: float = 60.0) -> float:
    """Ask again and again; return seconds until the service said so, or infinity."""
    started = time.perf_counter()
    while (now := time.perf_counter() - started) < most:
        if ready(port) is wanted:
            return now
        time.sleep(0.002)
    return float("inf")


def kill_one(server: Server) -> dict[str, float | None]:
    """Kill one computing process; return when readiness went down and when it came back."""
    process = max(psutil.Process(server.process.pid).children(), key=lambda child: child.memory_info().rss)
    process.send_signal(signal.SIGKILL)
    down = wait_for_readiness(server.port, wanted=False, most=5.0)
    if down == float("inf"):
        return {"down_after": None, "back_after": None}
    return {"down_after": down, "back_after": down + wait_for_readiness(server.port, wanted=True)}


def terminate(server: Server) -> dict[str, float]:
    """Ask the service to end; return when it had, and its exit code."""
    started = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(120)
    return {"ended_after": time.perf_counter() - started, "exit_code": code}


def measure(server: Server, seconds: float) -> dict[str, Any]:
    """Run the four loads."""
    port = server.port
    under_load(port, min(5.0, seconds))
    peaks = [under_load(port, seconds)]
    print(f"peak: {peaks[0]['rate']:,.0f}/s")
    floods = []
    for _ in range(_ROUNDS):
        flood = under_load(port, seconds, FACTOR * peaks[0]["rate"])
        floods.append(flood)
        peaks.append(under_load(port, seconds))
        print(
            f"asked for {FACTOR} times as much: {flood['rate']:,.0f}/s, ends {flood['ends']}, rejects p99 "
            f"{flood['rejects'].get('p99', 0) * 1e3:.1f} ms, the client took {flood['client_cores']:.2f} cores; "
            f"the peak again: {peaks[-1]['rate']:,.0f}/s"
        )
    shares = [
        flood["rate"] / statistics.mean((before["rate"], after["rate"]))
        for flood, before, after in zip(floods, peaks, peaks[1:], strict=False)
    ]
    print(f"share of the peaks before and after: {', '.join(f'{share:.3f}' for share in shares)}")
    peak = peaks[0]
    killed = under_load(port, seconds, 0.5 * peak["rate"], lambda: kill_one(server))
    print(f"killed: not ready after {killed['down_after']} s, ready again after {killed['back_after']} s")
    print(f"  ends {killed['ends']}, slowest answer {killed['answers'].get('slowest', 0):.2f} s")
    wait_for_readiness(port, wanted=True)
    ended = under_load(port, seconds, peak["rate"], lambda: terminate(server))
    print(f"SIGTERM: ended after {ended['ended_after']:.1f} s with {ended['exit_code']}, ends {ended['ends']}")
    return {"peaks": peaks, "overloads": floods, "shares": shares, "killed": killed, "terminated": ended}


def verdicts(found: dict[str, Any]) -> dict[str, bool]:
    """Say what holds."""
    floods, killed, ended = found["overloads"], found["killed"], found["terminated"]
    kinds = {str(OK), str(FULL)}
    ends = [set(flood["ends"]) for flood in floods]
    return {
        "throughput within 10 % of the peaks before and after, median": statistics.median(found["shares"]) >= 0.9,
        "rejects are 429": all(end <= kinds and str(FULL) in end for end in ends),
        "99 % of rejects within 50 ms": all(flood["rejects"].get("p99", 1.0) <= _REJECT_SECONDS for flood in floods),
        "no accepted request lost": not any(end & {LOST, LOST_NEW, UNANSWERED} for end in ends),
        "no hang after kill -9": UNANSWERED not in killed["ends"],
        "readiness goes down and comes back": killed["down_after"] is not None and killed["back_after"] < _PATIENCE,
        "every accepted request answered after SIGTERM": LOST not in ended["ends"] and UNANSWERED not in ended["ends"],
        "ends with 0": ended["exit_code"] == 0,
    }


def main() -> None:
    """Start the service, measure, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--home", type=Path, default=CACHE)
    arguments.add_argument("--fp32", action="store_true", help="fp32 on ONNX Runtime instead of the tuned choice")
    given = arguments.parse_args()
    # Here and not above: the client reads this file too, and is to start without torch.
    from serving.models import MINILM, open_model

    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = open_model(MINILM, given.home, folder, None)
        own = {key: value for key, value in os.environ.items() if not key.startswith("TAGSCOPE_")}
        variables = {
            **own,
            "TAGSCOPE_HOME": str(model.home),
            "TAGSCOPE_API__PORT": str(port),
            "PYTHONPATH": str(ROOT),
            **({"TAGSCOPE_INFERENCE__BACKEND": "onnxruntime"} if given.fp32 else {}),
        }
        with running([sys.executable, "-m", "engine.cli", "api"], variables, port, folder) as server:
            server.wait_until_answering("a first text")
            wait_for_readiness(port, wanted=True)
            found = measure(server, given.seconds)
    found["verdicts"] = verdicts(found)
    for sentence, holds in found["verdicts"].items():
        print(f"{'yes' if holds else 'NO ':3} {sentence}")
    command = f"python benchmarks/overload.py --seconds {given.seconds:g}{' --fp32' * given.fp32}"
    write_results("overload", {"command": command, **found})


if __name__ == "__main__":
    main()
