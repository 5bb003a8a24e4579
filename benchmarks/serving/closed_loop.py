"""Closed loop: `wrk` holds a number of connections, each of which sends its next request when it has its answer."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from serving.bodies import Bodies
    from serving.server import Server

SCRIPT = Path(__file__).with_name("closed_loop.lua")
_THREADS = 2
_TIMEOUT_SECONDS = 60
_MARK = "RESULT "


@dataclass(frozen=True)
class Load:
    """How long and how hard.

    Attributes
    ----------
    connections
        Requests that are under way at any time.
    seconds
        What is measured.
    warm
        Seconds before that whose answers are not counted; with 0, everything since the first request is counted.
    most
        No server answers more requests in a second: that many different texts are laid ready.
    """

    connections: int
    seconds: float
    warm: float
    most: int


@dataclass(frozen=True)
class Outcome:
    """What one run gave.

    Attributes
    ----------
    rate
        Answers with status 200 in a second.
    answered, rejected, failed
        Answers in the measured time by status: 200, 429 or 503 (all other than 2xx where nothing is warmed up, wrk does
        not tell which), anything else; `failed` also holds lost connections and requests that took a minute.
    seconds
        Length of the measured time.
    p50, p90, p99, p999, slowest
        Seconds of an answer, of the whole run, from when it was sent: a closed loop leaves out what it did not send.
    core_seconds
        Time of one core that the server spent on a request: unlike the rate, it does not count what the client took.
    repeats
        How often a thread began its texts anew: 0 where no text was sent twice.
    """

    rate: float
    answered: int
    rejected: int
    failed: int
    seconds: float
    p50: float
    p90: float
    p99: float
    p999: float
    slowest: float
    core_seconds: float
    repeats: int

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def require_wrk() -> None:
    """End the program with a sentence where `wrk` is not installed."""
    if shutil.which("wrk") is None:
        sys.exit("This benchmark sends requests with wrk; install it, on Debian with: apt-get install wrk")


def closed_loop(server: Server, bodies: Bodies, load: Load) -> Outcome:
    """Measure a server.

    Parameters
    ----------
    server
        Answers already.
    bodies
        The next lines of this file are sent, each once.
    load
        How long and how hard.
    """
    threads = min(_THREADS, load.connections)
    whole = math.ceil(load.warm + load.seconds)
    parts = bodies.take(math.ceil(load.most * whole), threads)
    timed = load.warm > 0
    positions = [str(position) for part in parts for position in part]
    command = [
        *("wrk", "--threads", str(threads), "--connections", str(load.connections), "--duration", f"{whole}s"),
        *("--timeout", f"{_TIMEOUT_SECONDS}s", "--script", str(SCRIPT), f"http://127.0.0.1:{server.port}/predict"),
        *("--", str(bodies.path), str(load.warm), str(load.seconds if timed else 0), *positions),
    ]
    before = server.processor_seconds()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = server.processor_seconds() - before
    found = msgspec.json.decode(next(line for line in printed.splitlines() if line.startswith(_MARK))[len(_MARK) :])
    lost = found["connect"] + found["read"] + found["write"] + found["timeout"]
    if timed:
        answered, rejected, failed, seconds = found["counted"], found["rejected"], found["failed"] + lost, load.seconds
    else:
        answered, rejected, failed = found["requests"] - found["refused"], found["refused"], lost
        seconds = found["seconds"]
    return Outcome(
        rate=answered / seconds,
        answered=answered,
        rejected=rejected,
        failed=failed,
        seconds=seconds,
        p50=found["p50"],
        p90=found["p90"],
        p99=found["p99"],
        p999=found["p99.9"],
        slowest=found["max"],
        core_seconds=spent / max(1, found["requests"]),
        repeats=found["repeats"],
    )
