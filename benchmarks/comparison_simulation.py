"""Do tests and intervals of the comparison of runs keep what they promise? Two made-up runs, thousands of times.

    python benchmarks/comparison_simulation.py [--rounds 1000] [--draws 5]

Without a difference: how often is p at most alpha, overall, for a tag and for a slice; how often is any of eight
slices flagged? With one: how often is the true change within its 95 % interval? With one slice broken: how often is it
flagged, and how often one that did not change? The true change is drawn anew every ten rounds, so coverage is averaged
over it. On the lesson's data, by predictions out of fold: the answers to the rows with a word broken.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import write_results
from rich.console import Console
from rich.table import Table
from verdicts import Verdict, print_verdicts
from weak_slices import TERMS, Lesson

from engine.evaluation.comparison import Comparison, compare
from engine.evaluation.significance import mcnemar

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHAS = (0.01, 0.05, 0.10)
ROWS = (12, 30, 100, 400, 2000)
TAGS = ("a", "b", "c", "d")
SHARES = np.array([0.45, 0.3, 0.2, 0.05])
SLICES = 8
RESAMPLES = 400
EXACT = 200_000


def answers(rng: np.random.Generator, true: np.ndarray, hard: np.ndarray, right: float) -> np.ndarray:
    """Return a run's answers: what is hard for one run is hard for the other, too."""
    knows = rng.random(len(true)) < np.where(hard, right - 0.3, right)
    return np.where(knows, true, rng.choice(len(TAGS), len(true), p=SHARES))


def pair(rng: np.random.Generator, n: int, before: float, after: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true tags and both runs' answers."""
    true = rng.choice(len(TAGS), n, p=SHARES)
    hard = rng.random(n) < 0.3
    return true, answers(rng, true, hard, before), answers(rng, true, hard, after)


def without_difference(rng: np.random.Generator, n: int, rounds: int) -> dict[str, Any]:
    """Return how often a test calls chance a difference."""
    seen: dict[str, list[float]] = defaultdict(list)
    apart, any_flagged, any_found = [], [], []
    for seed in range(rounds):
        true, before, after = pair(rng, n, 0.8, 0.8)
        slices = {f"s{at}": rng.random(n) < share for at, share in enumerate(np.linspace(0.05, 0.6, SLICES))}
        found = compare(true, before, after, TAGS, slices, seed=seed, resamples=RESAMPLES)
        first = found.overall[0]
        seen["overall, exact"].append(float(first.p or 0))
        seen["overall, mid-p"].append(float(mcnemar(first.improved, first.regressed, mid_p=True)))
        seen["tag"].append(float(found.tags[1].p or 0))
        seen["slice"].append(float(found.slices[3].p or 0))
        apart.append([one.significant for one in found.overall[1:]])
        any_flagged.append(any(one.significant for one in found.slices))
        any_found.append(any(one.significant for one in found.tags))
    return {
        "p": {name: {str(alpha): float(np.mean(np.array(p) <= alpha)) for alpha in ALPHAS} for name, p in seen.items()},
        "f1_interval_without_zero": dict(zip(("weighted", "macro"), np.mean(apart, axis=0).tolist(), strict=True)),
        "any_slice_flagged": float(np.mean(any_flagged)),
        "any_tag_flagged": float(np.mean(any_found)),
    }


def coverage(rng: np.random.Generator, n: int, rounds: int) -> dict[str, float]:
    """Return how often the 95 % interval holds the true change, which many rows of the same two runs tell."""
    inside: dict[str, list[bool]] = defaultdict(list)
    for seed in range(rounds):
        if seed % 10 == 0:
            right = rng.uniform(0.55, 0.98, 2)
            truth = _named(compare(*pair(rng, EXACT, *right), TAGS, resamples=2))
        found = _named(compare(*pair(rng, n, *right), TAGS, seed=seed, resamples=RESAMPLES))
        for name, one in found.items():
            inside[name].append(one.low <= truth[name].change <= one.high)
    return {name: float(np.mean(values)) for name, values in inside.items()}


def _named(found: Comparison) -> dict[str, Any]:
    return {one.name: one for one in (*found.overall, *found.tags)}


def planted(rng: np.random.Generator, rounds: int) -> dict[str, float]:
    """Return how often a slice of 60 rows of which half broke is flagged, and how often one without any of them."""
    n, hits, false, overlapping = 1000, [], [], []
    for seed in range(rounds):
        true, before, after = pair(rng, n, 0.85, 0.85)
        broken = np.zeros(n, dtype=bool)
        broken[:60] = True
        after = np.where(broken & (rng.random(n) < 0.5), (true + 1) % len(TAGS), after)
        slices = {f"s{at}": (rng.random(n) < 0.08) & ~broken for at in range(10)}
        slices |= {"broken": broken, "around": broken | (rng.random(n) < 0.15)}
        found = {one.name: one for one in compare(true, before, after, TAGS, slices, seed=seed, resamples=2).slices}
        hits.append(found["broken"].significant and not found["broken"].explained_by)
        false.append(any(found[f"s{at}"].significant for at in range(10)))
        overlapping.append(found["around"].significant and not found["around"].explained_by)
    return {
        "flagged": float(np.mean(hits)),
        "any_unchanged_flagged": float(np.mean(false)),
        "wider_slice_not_explained": float(np.mean(overlapping)),
    }


def planted_on_lesson(draws: int, share: float) -> list[dict[str, Any]]:
    """Break the answers to the rows with a word, out of fold, for ten words; return what is said of each slice.

    Both runs are the same model, learnt on other folds, so that they differ by chance, too. Beside the broken slice
    there are those of the nine other words and of the tags: all of them overlap with it, and apart from its rows none
    has changed.
    """
    lesson = Lesson()
    kept = lesson.candidates(lesson.tags)
    names = np.unique(lesson.tags)
    terms = [place for place, condition in enumerate(kept.conditions) if condition.kind == "term"]
    codes = np.searchsorted(names, lesson.tags)
    found = []
    for draw in range(draws):
        rng = np.random.default_rng([7, draw])
        before, same = (np.searchsorted(names, lesson.answers(lesson.tags, 2 * draw + at)) for at in range(2))
        chosen = rng.choice(terms, TERMS, replace=False).tolist()
        slices = {kept.conditions[place].value: kept.mask((place,)) for place in chosen}
        slices |= {f"tag {name}": codes == at for at, name in enumerate(names)}
        for place in chosen:
            term = kept.conditions[place].value
            rows = np.flatnonzero(slices[term])
            after = same.copy()
            for row in rng.choice(rows, round(share * len(rows)), replace=False):
                after[row] = rng.choice(np.flatnonzero(np.arange(len(names)) != codes[row]))
            deltas = {one.name: one for one in compare(codes, before, after, names, slices, resamples=2).slices}
            alarms = [name for name, one in deltas.items() if one.significant and not one.explained_by]
            apart = [name for name in alarms if not (slices[name] & slices[term]).any()]
            found.append(
                {
                    "term": term,
                    "rows": len(rows),
                    "flagged": term in alarms and deltas[term].change < 0,
                    "others": [name for name in alarms if name != term],
                    "unchanged": [name for name in apart if name != term],
                }
            )
    return found


def main(arguments: Sequence[str] | None = None) -> list[Verdict]:
    """Simulate, print, write; return what was promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5, help="how many times ten words of the lesson's are drawn")
    options = parser.parse_args(arguments)
    rounds = options.rounds
    rng = np.random.default_rng(6)
    started = time.perf_counter()
    same = {str(n): without_difference(rng, n, rounds) for n in ROWS}
    covered = {str(n): coverage(rng, n, rounds) for n in ROWS}
    regression = planted(rng, rounds)
    lesson = {str(share): planted_on_lesson(options.draws, share) for share in (1.0, 0.5)}
    console = Console(width=140)
    table = Table("rows", "test", *(f"P(p <= {alpha})" for alpha in ALPHAS))
    for n, row in same.items():
        for name, shares in row["p"].items():
            table.add_row(n, name, *(f"{shares[str(alpha)]:.3f}" for alpha in ALPHAS))
    console.print(table)
    for n, row in same.items():
        console.print(n, {key: value for key, value in row.items() if key != "p"})
    table = Table("rows", *covered[str(ROWS[0])])
    for n, shares in covered.items():
        table.add_row(n, *(f"{share:.3f}" for share in shares.values()))
    console.print(table)
    console.print(regression)
    results = {
        "command": "python benchmarks/statistics.py --only comparison",
        "rounds": rounds,
        "no_difference": same,
        "coverage": covered,
        "planted": regression,
        "planted_on_lesson": lesson,
    }
    write_results("comparison_simulation", {**results, "seconds": round(time.perf_counter() - started, 1)})
    return [*_verdicts(same, covered, rounds), *_lesson_verdicts(lesson)]


def _verdicts(same: dict[str, Any], covered: dict[str, dict[str, float]], rounds: int) -> list[Verdict]:
    # Three standard errors of the Monte Carlo simulation.
    allowed = {alpha: alpha + 3 * (alpha * (1 - alpha) / rounds) ** 0.5 for alpha in ALPHAS}
    verdicts = []
    for alpha in ALPHAS:
        # Mid-p, which is only offered, keeps its level on the average only.
        shares = [p[str(alpha)] for row in same.values() for name, p in row["p"].items() if "mid-p" not in name]
        measured = f"at most {max(shares):.3f} (with error {allowed[alpha]:.3f})"
        verdicts.append(Verdict(f"no difference: P(p <= {alpha}) <= {alpha}", measured, max(shares) <= allowed[alpha]))
    flagged = [row[key] for row in same.values() for key in ("any_slice_flagged", "any_tag_flagged")]
    verdicts.append(
        Verdict(
            "no difference: any slice or tag flagged in at most 5 %",
            f"{max(flagged):.3f}",
            max(flagged) <= allowed[0.05],
        )
    )
    error = 3 * (0.05 * 0.95 / rounds) ** 0.5
    missed, means = [], []
    for n, shares in covered.items():
        for name, share in shares.items():
            # The figures of a tag rest on its rows.
            rests_on = int(n) * (SHARES[TAGS.index(name)] if name in TAGS else 1)
            means.append(share)
            if not 0.93 - error <= share <= (0.97 + error if rests_on >= 30 else 1):
                missed.append(f"; missed by {name}, n = {n}: {share:.1%}")
    measured = f"{min(means):.1%} to {max(means):.1%}{''.join(missed)}"
    return [
        *verdicts,
        Verdict("coverage of the intervals of changes, 93-97 % (n < 30: at least 93 %)", measured, not missed),
    ]


def _lesson_verdicts(lesson: dict[str, list[dict[str, Any]]]) -> list[Verdict]:
    parts = lesson["1.0"]
    count = len(parts)
    flagged, clean = sum(part["flagged"] for part in parts), sum(not part["unchanged"] for part in parts)
    alone = sum(not part["others"] for part in parts)
    half = sum(part["flagged"] for part in lesson["0.5"])
    return [
        Verdict(
            "planted regression in one slice is flagged (lesson's data)",
            f"{flagged} of {count} (half of its rows: {half})",
            flagged >= 0.9 * count,
        ),
        Verdict(
            "... and no unchanged slice, in at least 9 of 10",
            f"{clean} of {count} (nor one that overlaps: {alone})",
            clean >= 0.9 * count,
        ),
    ]


if __name__ == "__main__":
    print_verdicts(main())
