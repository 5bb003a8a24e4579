"""One start of one server, and all that is measured of it before it is stopped."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from serving.agreement import check_answers
from serving.closed_loop import Load, Outcome, closed_loop
from serving.open_loop import Plan, open_loop
from serving.peers import MOSEC
from serving.server import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from serving.bodies import Bodies
    from serving.models import Model
    from serving.peers import Peer
    from serving.server import Server

CONNECTIONS = (1, 16, 64, 256)
MAIN = 64
SHARES = (0.5, 0.7, 0.9)
GOAL_SHARE = 0.7
"""The other shares are for mosec and Tagscope only: there is no end to what could be measured."""
# Counters without labels: what the engine did, not what HTTP did.
_SAMPLE = re.compile(r"^tagscope_(\w+)_total ([-+.\deE]+)$", re.MULTILINE)
# Whoever is this much slower than a rate cannot show anything at it but a growing queue.
_OUT_OF_REACH = 1.1


@dataclass(frozen=True)
class Timing:
    """How long things take, and how many texts are laid ready.

    Attributes
    ----------
    seconds
        Measured at 64 connections.
    open
        Of an open loop.
    side
        Measured at other numbers of connections.
    warm
        What comes before, and is not counted; 0 where one answer costs so little that all may be counted.
    most
        More answers in a second than any server gives.
    """

    seconds: float
    open: float
    side: float
    warm: float
    most: int


@dataclass(frozen=True)
class Bench:
    """All that the servers of one model have in common.

    Attributes
    ----------
    model
        What is served.
    unique, repeated
        Texts of which none comes twice, and texts that come again; None where there is no such measurement.
    texts, expected
        For comparing answers.
    processes
        That compute, in each server.
    connections, shares
        Closed loops, and open ones as shares of mosec's capacity.
    environments, scratch
        Folders.
    """

    model: Model
    unique: Bodies
    repeated: Bodies | None
    texts: Sequence[str]
    expected: Sequence[dict[str, Any]]
    timing: Timing
    processes: int
    connections: Sequence[int]
    shares: Sequence[float]
    environments: Path
    scratch: Path

    @contextlib.contextmanager
    def started(self, peer: Peer, knobs: dict[str, object]) -> Iterator[Server]:
        """Start a server with nothing measured yet, and end it."""
        port = free_port()
        command = peer.command(peer.interpreter(self.environments), port, knobs)
        variables = peer.variables(self.model, port, self.processes, knobs)
        self.unique.rewind()
        if self.repeated:
            self.repeated.rewind()
        with running(command, variables, port, self.scratch) as server:
            server.wait_until_answering(self.texts[0])
            yield server

    def closed(self, server: Server, connections: int, seconds: float, bodies: Bodies | None = None) -> Outcome:
        """Measure one closed loop, once the server is at rest."""
        server.settle()
        load = Load(connections, seconds, self.timing.warm, self.timing.most)
        return closed_loop(server, bodies or self.unique, load)

    def warm_up(self, server: Server) -> None:
        """Let it answer for a second, uncounted, where a measurement does not begin with that anyway."""
        if not self.timing.warm:
            self.closed(server, MAIN, 1.0)


@dataclass
class Visit:
    """What one start gave; every part is fit for JSON.

    Attributes
    ----------
    closed
        Outcome by number of connections.
    zipf
        Outcome with repeated texts; None where not measured.
    open
        Latencies by share of mosec's capacity; a sentence where the rate is out of reach.
    agreement
        Its answers against the expected ones.
    counted
        Of Tagscope: what its engine counted over all `unique` texts, and over the `zipf` texts that were measured.
    mib
        Memory of all processes at the end.
    """

    closed: dict[int, dict[str, Any]] = field(default_factory=dict)
    zipf: dict[str, Any] | None = None
    open: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    agreement: dict[str, Any] = field(default_factory=dict)
    counted: dict[str, dict[str, float]] = field(default_factory=dict)
    mib: float = 0.0


def visit(bench: Bench, peer: Peer, knobs: dict[str, object], rates: dict[float, float], seed: int) -> Visit:
    """Start a server, compare its answers, measure everything, stop it.

    Parameters
    ----------
    bench
        What is measured.
    peer, knobs
        Which server, at its best.
    rates
        Requests per second of the open loops, by their share of mosec's capacity.
    seed
        Of the open loops' times: the same for every server of a round.

    Raises
    ------
    serving.server.ServerFailed
        It does not start, dies, or answers something else than the others.
    """
    found = Visit()
    with bench.started(peer, knobs) as server:
        if peer.alike:
            found.agreement = check_answers(server, bench.texts, bench.expected, exact=peer.exact).plain()
        bench.warm_up(server)
        for connections in bench.connections:
            seconds = bench.timing.seconds if connections == MAIN else bench.timing.side
            found.closed[connections] = bench.closed(server, connections, seconds).plain()
        own = float(found.closed[MAIN]["rate"])
        for share, rate in rates.items() if peer.alike else ():
            compared = peer.ours or peer.name == MOSEC
            if share != GOAL_SHARE and not compared:
                continue
            name = f"{share:.0%}"
            if not compared and rate > own * _OUT_OF_REACH:
                found.open[name] = f"out of reach: it answers {own:,.0f}/s at most"
                continue
            server.settle()
            found.open[name] = msgspec.to_builtins(open_loop(_plan(bench, server, rate, seed)))
        if peer.ours:
            found.counted["unique"] = _counters(server)
        if bench.repeated and peer.alike:
            bench.closed(server, MAIN, 2.0, bench.repeated)
            before = _counters(server) if peer.ours else {}
            found.zipf = bench.closed(server, MAIN, bench.timing.seconds, bench.repeated).plain()
            if peer.ours:
                after = _counters(server)
                found.counted["zipf"] = {name: after[name] - before.get(name, 0.0) for name in after}
        found.mib = server.resident_mib()
    return found


def _plan(bench: Bench, server: Server, rate: float, seed: int) -> Plan:
    warm = 0.5
    ((start, end),) = bench.unique.take(int(rate * (bench.timing.open + warm)) + 2)
    return Plan(
        port=server.port,
        bodies=str(bench.unique.path),
        start=start,
        end=end,
        rate=rate,
        seconds=bench.timing.open,
        warm=warm,
        connections=MAIN,
        seed=seed,
    )


def _counters(server: Server) -> dict[str, float]:
    """Return what the engine behind `/metrics` has counted since the start, by name."""
    return {name: float(value) for name, value in _SAMPLE.findall(server.get("/metrics").decode())}
