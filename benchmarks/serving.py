"""Tagscope's service beside the best Python model servers: same model, texts, processes and threads, one text each.

    python benchmarks/serving.py [--models ngram minilm] [--rounds 3] [--seconds 5] [--quick]

Each peer runs in a virtual environment of its own under `--environments` (made with pip where absent) on as many
processes as there are cores, each computing on one thread, at its best of batch 1, 8, 32 and wait 0, 1, 5 ms (FastAPI:
on the event loop or in threads). `ngram` is the demo's promoted run; `minilm` is all-MiniLM-L6-v2 with a head, imported
once and kept in the cache folder, or `--run RUN` of TAGSCOPE_HOME.

Closed loops by `wrk` at 1 to 256 connections; open loops with Poisson arrivals at 50, 70 and 90 % of what mosec answers
at 64 connections. Clients and servers share the cores, as they do for every server alike. No text comes twice, so the
result cache, which is on as it is shipped, never helps; texts that come again are measured apart. Before anything is
timed, each server's answers to 50 texts are compared with ONNX Runtime's. Rounds take the servers in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import RESULTS, write_results
from serving.agreement import TEXTS, expected_of
from serving.bodies import TOKENS, WORDS, ZIPF_EXPONENT, ZIPF_TEXTS, mixed, unique, zipf
from serving.closed_loop import require_wrk
from serving.models import MINILM, NGRAM, Model, open_model
from serving.outcome import complaints, ratios, summarised
from serving.peers import MOSEC, Peer, peers_of
from serving.rounds import CONNECTIONS, MAIN, SHARES, Bench, Timing, Visit, visit
from serving.search import described, search
from serving.server import ServerFailed
from serving.tables import print_ratios, print_servers

from engine.backends.machine import usable_cores

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tagscope-benchmarks"
_KINDS = {
    NGRAM: f"{WORDS[0]} to {WORDS[1]} words recombined from the demo data",
    MINILM: f"{TOKENS[0]} to {TOKENS[1]} tokens, the logarithm even, words recombined from the demo data",
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=(NGRAM, MINILM), default=[NGRAM, MINILM])
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="only these, such as: mosec tagscope")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of a run at 64 connections")
    parser.add_argument(
        "--quick", action="store_true", help="to see that it works: one short round, nothing is written"
    )
    parser.add_argument("--run", help="a run of TAGSCOPE_HOME to serve as minilm")
    parser.add_argument("--environments", type=Path, default=CACHE / "environments")
    return parser.parse_args()


def timing_of(model: Model, given: argparse.Namespace) -> Timing:
    """How long a model's runs are: where an answer takes long, few of them make a run, and it must reach its stride."""
    seconds = 2.0 if given.quick else given.seconds
    if not model.heavy:
        return Timing(seconds, seconds, max(1.0, 0.4 * seconds), 0.0, 60_000)
    return Timing(seconds, 1.5 * seconds, max(1.0, 0.4 * seconds), 2.0, 2_000)


def make_bench(model: Model, given: argparse.Namespace, scratch: Path) -> Bench:
    """Lay texts ready, enough of them that no start of a server meets one twice."""
    timing = timing_of(model, given)
    connections = (MAIN,) if given.quick else CONNECTIONS
    shares = (0.7,) if given.quick else SHARES
    spent = (timing.warm + 1) * (len(connections) + 2) + timing.seconds + timing.side * (len(connections) - 1)
    count = int(timing.most * (spent + (timing.open + 1) * len(shares) / 2))
    print(f"{model.name}: writing {count:,} texts", flush=True)
    if model.heavy:
        fresh, repeated = mixed(scratch / "mixed.jsonl", count, model.bundle.tokenizer().encode), None
    else:
        fresh = unique(scratch / "unique.jsonl", count)
        repeated = zipf(scratch / "zipf.jsonl", int(timing.most * (timing.seconds + 3)))
    texts = fresh.texts(TEXTS)
    return Bench(
        model=model,
        unique=fresh,
        repeated=repeated,
        texts=texts,
        expected=expected_of(model, texts),
        timing=timing,
        processes=usable_cores(),
        connections=connections,
        shares=shares,
        environments=given.environments,
        scratch=scratch,
    )


def best_of(bench: Bench, peers: list[Peer], quick: bool) -> tuple[dict[str, dict[str, object]], dict[str, Any]]:
    """Find every server's best settings; one that does not work is left out, and said so."""
    knobs: dict[str, dict[str, object]] = {}
    found: dict[str, Any] = {}
    print(f"{bench.model.name}: looking for each server's best settings", flush=True)
    for peer in peers:
        try:
            if quick:
                knobs[peer.name] = peer.knobs[0 if bench.model.heavy else -1]
            else:
                knobs[peer.name], found[peer.name] = search(bench, peer, 2.0 if bench.model.heavy else 1.0)
        except ServerFailed as error:
            found[peer.name] = str(error)
    return knobs, found


def capacity_of(bench: Bench, peer: Peer, knobs: dict[str, object]) -> float:
    """Answers per second of mosec at 64 connections: what the open loops are shares of."""
    with bench.started(peer, knobs) as server:
        bench.warm_up(server)
        return bench.closed(server, MAIN, bench.timing.seconds).rate


def measure(model: Model, given: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Measure all servers of a model; print; return what is written."""
    bench = make_bench(model, given, scratch)
    peers = [peer for peer in peers_of(model, bench.processes) if not given.servers or peer.name in given.servers]
    if model.heavy and model.choice is None:
        home = model.bundle.path.parents[2]
        print(f"No tuned row: first run, on a quiet machine: TAGSCOPE_HOME={home} tagscope tune {model.bundle.run_id}")
    versions = {peer.name: peer.versions(given.environments) for peer in peers}
    knobs, tried = best_of(bench, peers, given.quick)
    rates: dict[float, float] = {}
    mosec = next((peer for peer in peers if peer.name == MOSEC and MOSEC in knobs), None)
    if mosec:
        capacity = capacity_of(bench, mosec, knobs[MOSEC])
        rates = {share: share * capacity for share in bench.shares}
        print(f"{model.name}: mosec answers {capacity:,.0f}/s at {MAIN} connections", flush=True)
    visits: dict[str, list[Visit]] = {}
    failures: dict[str, str] = {name: row for name, row in tried.items() if isinstance(row, str)}
    rounds = 1 if given.quick else given.rounds
    for number in range(rounds):
        # Another one begins each round: who comes after whom changes too.
        turn = number * 2 % max(1, len(peers))
        for peer in [*peers[turn:], *peers[:turn]]:
            if peer.name in failures:
                continue
            try:
                found = visit(bench, peer, knobs[peer.name], rates, seed=number)
            except ServerFailed as error:
                failures[peer.name] = str(error)
                print(f"{model.name}: {peer.title}: {error}", flush=True)
                continue
            visits.setdefault(peer.name, []).append(found)
            rate = found.closed[MAIN]["rate"]
            print(f"{model.name}, round {number + 1} of {rounds}: {peer.title}: {rate:,.0f}/s", flush=True)
    # One that failed in a later round is void as a whole.
    visits = {peer.name: visits[peer.name] for peer in peers if peer.name in visits and peer.name not in failures}
    servers, against, wrong = summarised(visits), ratios(model.name, visits), complaints(model.name, visits)
    titles = {peer.name: peer.title for peer in peers}
    print_servers(f"{model.name}: {_KINDS[model.name]}", titles, servers)
    print_ratios(f"{model.name}: ratios within a round", titles, against)
    for sentence in [*wrong, *(f"{titles[name]} failed: {error}" for name, error in failures.items())]:
        print(sentence)
    return {
        "texts": _KINDS[model.name],
        "run_model_digest": model.bundle.manifest.model_digest,
        "titles": titles,
        "versions": versions,
        "settings": {name: described(chosen) for name, chosen in knobs.items()},
        "search": {name: row for name, row in tried.items() if isinstance(row, list) and row},
        "open_loop_rates": {f"{share:.0%}": rate for share, rate in rates.items()},
        "servers": servers,
        "ratios": against,
        "complaints": wrong,
        "failures": failures,
    }


def main() -> None:
    """Measure, print and write."""
    given = arguments()
    require_wrk()
    # An end asked for from outside ends the servers too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for name in given.models:
        with tempfile.TemporaryDirectory(prefix="tagscope-serving-") as folder:
            model = open_model(name, CACHE, Path(folder), given.run)
            found = measure(model, given, Path(folder))
        if given.quick or given.servers:
            print("Not written: this was a part of the benchmark.")
            continue
        # Beside what stands there of the other model: an hour's work is not lost when the rest is stopped.
        before = RESULTS / "serving.json"
        kept = json.loads(before.read_text(encoding="utf-8"))["models"] if before.is_file() else {}
        write_results(
            "serving",
            {
                "command": f"python benchmarks/serving.py --rounds {given.rounds} --seconds {given.seconds:g}",
                "rounds": given.rounds,
                "seconds": given.seconds,
                "processes": usable_cores(),
                "zipf": {"texts": ZIPF_TEXTS, "exponent": ZIPF_EXPONENT},
                "models": kept | {name: found},
            },
        )


if __name__ == "__main__":
    main()
