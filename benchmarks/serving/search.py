"""Each server at its best: all its settings tried in short runs, before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serving.rounds import MAIN
from serving.server import ServerFailed

if TYPE_CHECKING:
    from serving.peers import Peer
    from serving.rounds import Bench

# Within so much of the best, the setting that waits less and makes smaller batches wins: it answers sooner.
_AS_GOOD = 0.98


def search(bench: Bench, peer: Peer, seconds: float) -> tuple[dict[str, object], list[dict[str, Any]]]:
    """Find a server's best settings at 64 connections.

    Parameters
    ----------
    bench
        What is measured.
    peer
        Which server.
    seconds
        Of each run.

    Returns
    -------
    tuple
        The best settings, and all that was tried with its rate; nothing is tried where there is no choice.

    Raises
    ------
    ServerFailed
        It works with none of them.
    """
    if len(peer.knobs) == 1:
        return peer.knobs[0], []
    tried: list[dict[str, Any]] = []
    for knobs in peer.knobs:
        try:
            with bench.started(peer, knobs) as server:
                bench.warm_up(server)
                found = bench.closed(server, MAIN, seconds)
            tried.append({**knobs, "rate": found.rate, "rejected": found.rejected, "failed": found.failed})
            print(f"  {peer.title}: {described(knobs)}: {found.rate:,.0f}/s", flush=True)
        except ServerFailed as error:
            tried.append({**knobs, "rate": 0.0, "error": str(error)})
            print(f"  {peer.title}: {described(knobs)}: {error}", flush=True)
    most = max(row["rate"] for row in tried)
    if most == 0:
        raise ServerFailed(tried[0]["error"])
    # The settings stand in the order from the quickest to answer to the most patient.
    best = next(index for index, row in enumerate(tried) if row["rate"] >= _AS_GOOD * most)
    print(f"  {peer.title}: best is {described(peer.knobs[best])}", flush=True)
    return peer.knobs[best], tried


def described(knobs: dict[str, object]) -> str:
    """Return settings as people read them; empty where there are none."""
    return ", ".join(f"{name} {value}{' ms' if name == 'wait' else ''}" for name, value in knobs.items())
