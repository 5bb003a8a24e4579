"""What the rounds add up to: medians with their spread, ratios within each round, and what the goals say."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from serving.models import NGRAM
from serving.peers import FASTAPI, GRANIAN, LITSERVE, MOSEC, OPENVINO, TAGSCOPE, TORCH, TRIVIAL, TUNED
from serving.rounds import GOAL_SHARE, MAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from serving.rounds import Visit

Visits = dict[str, list["Visit"]]
_GOALS: dict[str, tuple[tuple[str, str, str, float], ...]] = {
    "ngram": (
        ("unique", TAGSCOPE, MOSEC, 1.5),
        ("unique", TAGSCOPE, FASTAPI, 5.0),
        ("unique", TAGSCOPE, TORCH, 10.0),
        ("zipf", TAGSCOPE, MOSEC, 2.0),
        ("zipf", TAGSCOPE, TRIVIAL, 0.6),
        ("zipf", TAGSCOPE, GRANIAN, 0.6),
    ),
    "minilm": (("unique", TAGSCOPE, MOSEC, 1.5), ("unique", OPENVINO, MOSEC, 1.5), ("unique", TUNED, MOSEC, 3.0)),
}
_STRETCH = {("ngram", "unique", TAGSCOPE, MOSEC): 2.0}


def spread(values: Iterable[float]) -> dict[str, float] | None:
    """Median, lowest and highest; None of nothing."""
    found = sorted(values)
    return {"median": statistics.median(found), "low": found[0], "high": found[-1]} if found else None


def summarised(visits: Visits) -> dict[str, Any]:
    """Median and spread of every figure of every server."""
    return {name: _server(found) for name, found in visits.items()}


def ratios(model: str, visits: Visits) -> list[dict[str, Any]]:
    """Each server of Tagscope against each other server, and the goals.

    A ratio is taken within a round, so that a machine that is slow for a while is slow for both; then come median and
    spread over the rounds.

    Returns
    -------
    list of dict
        `load` (`unique` or `zipf` texts at 64 connections, or `p99 at 70%` of an open loop), `of`, `to`, `ratio`,
        `goal`, `stretch`, `met`; the last three are None where there is no goal, `ratio` where no round is valid.
    """
    rows = []
    goals = {(load, of, to): goal for load, of, to, goal in _GOALS[model]}
    others = [name for name in (MOSEC, LITSERVE, FASTAPI, TORCH, TRIVIAL, GRANIAN) if name in visits]
    for of in (TAGSCOPE, OPENVINO, TUNED):
        for to in others if of in visits else ():
            for load in ("unique", "zipf") if model == NGRAM else ("unique",):
                # The ceiling does not read what it is sent, so it has one figure for all texts.
                found = spread(_pairs(visits, of, to, lambda visit, load=load: _rate(visit, load)))
                if found is None:
                    continue
                goal = goals.get((load, of, to))
                stretch = _STRETCH.get((model, load, of, to))
                met = None if goal is None else found["median"] >= goal
                rows.append(
                    {"load": load, "of": of, "to": to, "ratio": found, "goal": goal, "stretch": stretch, "met": met}
                )
        if of in visits and MOSEC in visits:
            found = spread(_pairs(visits, of, MOSEC, _tail))
            row = {"load": f"p99 at {GOAL_SHARE:.0%}", "of": of, "to": MOSEC, "ratio": found}
            rows.append({**row, "goal": 1.0, "stretch": None, "met": found is not None and found["median"] <= 1.0})
    return rows


def complaints(model: str, visits: Visits) -> list[str]:
    """Sentences on what must not be: texts sent twice, requests refused or lost in a closed loop, void rows."""
    found = []
    for name, several in visits.items():
        for number, visit in enumerate(several, start=1):
            where = f"{model}, {name}, round {number}"
            for connections, run in visit.closed.items():
                if run["repeats"] and name not in (TRIVIAL, GRANIAN):
                    found.append(f"{where}: at {connections} connections texts were sent twice.")
                if run["rejected"] or run["failed"]:
                    counts = f"{run['rejected']:,} rejected, {run['failed']:,} failed"
                    found.append(f"{where}: at {connections} connections {counts} of {run['answered']:,}.")
            for share, run in visit.open.items():
                if isinstance(run, dict) and (run["void"] or run["rejected"] or run["failed"]):
                    state = f"{run['achieved_rate']:,.0f}/s of {run['planned_rate']:,.0f}/s"
                    counts = f"{run['rejected']:,} rejected, {run['failed']:,} failed"
                    found.append(f"{where}: open loop at {share}: {state}, {counts}{', void' if run['void'] else ''}.")
    return found


def _server(visits: Sequence[Visit]) -> dict[str, Any]:
    connections = visits[0].closed
    shares = {share for visit in visits for share in visit.open}
    return {
        "closed": {str(number): _runs([visit.closed[number] for visit in visits]) for number in connections},
        "zipf": _runs([visit.zipf for visit in visits if visit.zipf]),
        "open": {
            share: _open([visit.open[share] for visit in visits if share in visit.open]) for share in sorted(shares)
        },
        "agreement": [visit.agreement for visit in visits],
        "counted": [visit.counted for visit in visits],
        "from_cache": {
            kind: spread(share for visit in visits for share in _from_cache(visit, kind)) for kind in ("unique", "zipf")
        },
        "mib": spread(visit.mib for visit in visits),
    }


def _runs(runs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if not runs:
        return None
    figures = {name: spread(run[name] for run in runs) for name in ("rate", "p50", "p99", "p999", "core_seconds")}
    return {**figures, **{name: sum(run[name] for run in runs) for name in ("answered", "rejected", "failed")}}


def _open(runs: Sequence[dict[str, Any] | str]) -> dict[str, Any] | str:
    measured = [run for run in runs if isinstance(run, dict)]
    if not measured:
        return str(runs[0])
    valid = [run for run in measured if not run["void"]]
    names = ("planned_rate", "achieved_rate", "answer_rate", "p50", "p99", "p999", "late_p99")
    figures = {name: spread(run[name] for run in valid) for name in names}
    counts = {name: sum(run[name] for run in measured) for name in ("answered", "rejected", "failed")}
    return {**figures, **counts, "rounds": len(measured), "void_rounds": len(measured) - len(valid)}


def _from_cache(visit: Visit, kind: str) -> list[float]:
    """Return the share of texts that were not computed; nothing where nothing was counted."""
    counted = visit.counted.get(kind, {})
    spared = counted.get("cache_hits", 0.0) + counted.get("cache_shared", 0.0)
    texts = spared + counted.get("cache_misses", 0.0)
    return [spared / texts] if texts else []


def _pairs(visits: Visits, of: str, to: str, value: Callable[[Visit], float | None]) -> list[float]:
    both = [(value(a), value(b)) for a, b in zip(visits[of], visits[to], strict=False)]
    return [a / b for a, b in both if a is not None and b]


def _rate(visit: Visit, load: str) -> float | None:
    if load == "zipf" and visit.agreement:
        return visit.zipf["rate"] if visit.zipf else None
    return visit.closed[MAIN]["rate"]


def _tail(visit: Visit) -> float | None:
    run = visit.open.get(f"{GOAL_SHARE:.0%}")
    return run["p99"] if isinstance(run, dict) and not run["void"] else None
