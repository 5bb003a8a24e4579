"""How long do the questions of Performance, Errors and Compare take? Seconds at 200,000 rows, 50 tags, 10 runs.

    python benchmarks/evaluation.py [--rows 200000] [--tags 50] [--runs 10] [--slices 20] [--million 1000000]

Made-up answers: tags are as frequent as words are (Zipf), runs share what is hard for them. Each figure is the least of
three repetitions, by the clock and by the processor, for other work may share the machine.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import write_results
from markdown_tables import table
from verdicts import Verdict, print_verdicts

from engine.evaluation.answers import Answers
from engine.evaluation.calibration import calibration
from engine.evaluation.counts import count_slices
from engine.evaluation.coverage import Coverage
from engine.evaluation.estimates import report
from engine.evaluation.history import history
from engine.evaluation.outcomes import outcomes
from engine.evaluation.ranking import Ranking
from engine.pipeline.comparison import compare_answers

if TYPE_CHECKING:
    from collections.abc import Callable

REPETITIONS = 3


class MadeUp:
    """Answers of several runs to the same rows."""

    def __init__(self, rows: int, tags: int, runs: int, slices: int) -> None:
        rng = np.random.default_rng(0)
        shares = 1 / np.arange(1, tags + 1)
        self.tags = tuple(f"tag {number}" for number in range(tags))
        names = np.array(self.tags, object)
        true = rng.choice(tags, rows, p=shares / shares.sum())
        hard = rng.random(rows) < 0.3
        ids = np.array([f"row {number}" for number in range(rows)], object)
        self.slices = {f"slice {number}": rng.random(rows) < 0.3 / (number + 1) for number in range(slices)}
        self.runs = []
        for run in range(runs):
            right = rng.random(rows) < np.where(hard, 0.6, 0.9)
            weights = rng.standard_gamma(0.3, (rows, tags), dtype=np.float32)
            best = np.where(right, true, rng.integers(0, tags, rows))
            weights[np.arange(rows), best] = weights.max(axis=1) * 1.5 + 0.1
            weights /= weights.sum(axis=1, keepdims=True)
            self.runs.append(
                Answers.of(
                    f"{run:032x}",
                    ids,
                    names[true],
                    names[best],
                    self.tags,
                    probabilities=weights,
                    trained=[],
                    dataset="made up",
                    created=f"2026-01-{run + 1:02}",
                )
            )


def clocked(work: Callable[[], Any]) -> dict[str, float]:
    """Return the seconds of work, by the clock and by the processor."""
    clock, processor = [], []
    for _ in range(REPETITIONS):
        started, used = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return {"clock": round(min(clock), 4), "processor": round(min(processor), 4)}


def questions(made: MadeUp) -> dict[str, Callable[[], Any]]:
    """Return what the sections ask."""
    one, other = made.runs[0], made.runs[-1]
    chances = one.probabilities
    assert chances is not None
    confidence, right = chances.max(axis=1), one.true == one.predicted
    curve = Coverage(confidence, right)
    found = outcomes(one.true, one.predicted, one.tags, chances)
    flips = history(made.runs).flips

    def of_slices() -> None:
        counted = count_slices(one.true, one.predicted, one.tags, {"": None, **made.slices})
        for counts in counted.values():
            report(counts)

    return {
        "report": lambda: report(count_slices(one.true, one.predicted, one.tags, {"": None})[""]),
        "report of all slices": of_slices,
        "calibration": lambda: calibration(confidence, right),
        "coverage, once per run": lambda: Coverage(confidence, right),
        "coverage at 101 thresholds": lambda: (curve.at(np.linspace(0, 1, 101)), curve.cheapest(10, 1)),
        "ranking, once per run": lambda: Ranking(chances, one.true),
        "log loss": lambda: Ranking(chances[:1000], one.true[:1000]).log_loss(),
        "outcomes, once per run": lambda: outcomes(one.true, one.predicted, one.tags, chances),
        "examples of a tag or a cell": lambda: (found.rows("fp", one.tags[0]), found.cell(one.tags[0], one.tags[1])),
        "compare two runs": lambda: compare_answers(one, other, masks=lambda _: made.slices),
        "history of all runs": lambda: history(made.runs),
        "patterns of flips": flips.patterns,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--tags", type=int, default=50)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--slices", type=int, default=20)
    parser.add_argument("--million", type=int, default=1_000_000, help="rows of one run; 0 leaves it out")
    options = parser.parse_args()
    seconds = {
        name: clocked(work)
        for name, work in questions(MadeUp(options.rows, options.tags, options.runs, options.slices)).items()
    }
    million: dict[str, dict[str, float]] = {}
    if options.million:
        asked = questions(MadeUp(options.million, options.tags, 1, options.slices))
        million = {name: clocked(asked[name]) for name in asked if "runs" not in name and "flips" not in name}
    lines = []
    for name, found in seconds.items():
        more = f"{million[name]['clock']:.3f} s" if name in million else ""
        lines.append([name, f"{found['clock']:.3f} s", f"{found['processor']:.3f} s", more])
    rows = f"{options.rows:,} rows"
    print(table(["question", rows, f"{rows}, processor", f"{options.million:,} rows"], lines))
    goals = {"report of all slices": 0.3, "compare two runs": 0.5, "history of all runs": 0.3}
    verdicts = [
        Verdict(f"{name}: at most {goal} s of the processor", f"{used:.3f} s", used <= goal)
        for name, goal in goals.items()
        for used in [seconds[name]["processor"]]
    ]
    if million:
        together = sum(found["processor"] for found in million.values())
        verdicts.append(
            Verdict(
                f"{options.million:,} rows, all of it: at most 10 s of the processor",
                f"{together:.2f} s",
                together <= 10,
            )
        )
    print_verdicts(verdicts)
    command = "python benchmarks/evaluation.py"
    write_results(
        "evaluation", {"command": command, **vars(options), "seconds": seconds, "seconds_of_a_million": million}
    )


if __name__ == "__main__":
    main()
