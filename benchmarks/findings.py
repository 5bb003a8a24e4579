"""Do findings find what is known to be wrong, and how long do they take? Precision, recall, time and memory.

    python benchmarks/findings.py [--rows 100000] [--flips 20] [--logistic] [--skip-time]

Label errors and duplicates of the embedded data against its lists of what is wrong on purpose; 5 % of the tags of the
lesson's `dataset.csv` flipped at random, with 20 seeds; and time and memory of all findings, in a process of its own,
on rows made of thirds of three embedded texts of a tag. With `--logistic` flipped tags are also looked for by logistic
regression on the same features (C = 10) in the place of naive Bayes. With `--skip-time` the time measured before is
kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from machine import LESSON_DATA, RESULTS, ROOT, write_results
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sklearn.linear_model import LogisticRegression

from config.settings import get_settings
from engine.dataset.content import Dataset
from engine.dataset.loading import load_table
from engine.findings.context import Context
from engine.findings.finder import default_options, find
from engine.findings.model import complement_bayes
from engine.findings.registry import specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.findings.store import Findings

EMBEDDED = ROOT / "data" / "labeled_projects.csv"
FLIPPED = 0.05


def load(path: Path) -> Dataset:
    """Load a data set."""
    return Dataset.from_table(load_table(path), path.stem)


def worst(scores: np.ndarray, wrong: np.ndarray, share: float) -> dict[str, float]:
    """Precision and recall of the worst share of the rows."""
    rows = np.argsort(-scores, kind="stable")[: round(share * len(scores))]
    return {"precision": float(wrong[rows].mean()), "recall": float(wrong[rows].sum() / wrong.sum())}


def label_errors() -> dict[str, Any]:
    """Compare with the known wrong tags of the embedded data."""
    dataset = load(EMBEDDED)
    known = pd.read_csv(ROOT / "data" / "known_wrong_tags.csv", dtype=str)
    wrong = dataset.frame["id"].isin(known["id"]).to_numpy()
    found = find(dataset, kinds=["label-errors"])
    scores, marked = found.scores("label-errors"), found.affected("label-errors")
    rows = found.rows("label-errors").assign(id=lambda frame: dataset.frame["id"].to_numpy()[frame["position"]])
    proposed = rows.set_index("id")["proposed_tag"].reindex(known["id"]).to_numpy()
    return {
        "rows": len(wrong),
        "wrong": int(wrong.sum()),
        "worst 4 %": worst(scores, wrong, 0.04),
        "worst 8 %": worst(scores, wrong, 0.08),
        "marked": {
            "rows": len(marked),
            "precision": float(wrong[marked].mean()),
            "recall": float(wrong[marked].sum() / wrong.sum()),
        },
        "right_tag_proposed": float((proposed == known["correct_tag"].to_numpy()).mean()),
    }


def duplicates() -> dict[str, Any]:
    """Compare with the known duplicate pairs of the embedded data."""
    dataset = load(EMBEDDED)
    listed = pd.read_csv(ROOT / "data" / "known_duplicates.csv", dtype=str)
    known = {frozenset(pair) for pair in listed.itertuples(index=False)}
    found = find(dataset, kinds=["exact-duplicates", "near-duplicates"])
    pairs = _pairs(dataset, found, "exact-duplicates") | _pairs(dataset, found, "near-duplicates")
    return {
        "known": len(known),
        "found": len(pairs),
        "precision": len(pairs & known) / len(pairs),
        "recall": len(pairs & known) / len(known),
        "not_listed": sorted(" = ".join(sorted(pair)) for pair in pairs - known),
        "missed": sorted(" = ".join(sorted(pair)) for pair in known - pairs),
    }


def _pairs(dataset: Dataset, found: Findings, kind: str) -> set[frozenset[str]]:
    rows = found.rows(kind)
    return {
        frozenset(pair) for pair in zip(dataset.frame["id"].to_numpy()[rows["position"]], rows["other_id"], strict=True)
    }


def logistic() -> LogisticRegression:
    """Make the model that naive Bayes is compared with."""
    return LogisticRegression(C=10, max_iter=1_000)


def flips(seeds: int, models: dict[str, Callable[[], Any]]) -> dict[str, dict[str, Any]]:
    """Flip 5 % of the lesson's tags to any other tag, and look for them among the worst 10 %, by each model."""
    path = LESSON_DATA / "dataset.csv"
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    names, tags = np.unique(raw["tag"], return_inverse=True)
    readings: dict[str, list[tuple[float, float, float]]] = {name: [] for name in models}
    (label_errors_spec,) = specs(["label-errors"])
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            rows = random.choice(len(raw), round(FLIPPED * len(raw)), replace=False)
            wrong = np.zeros(len(raw), bool)
            wrong[rows] = True
            flipped = tags.copy()
            flipped[rows] = (flipped[rows] + random.integers(1, len(names), len(rows))) % len(names)
            written = Path(folder) / f"{seed}.csv"
            raw.assign(tag=names[flipped]).to_csv(written, index=False)
            dataset = load(written)
            for name, model in models.items():
                context = Context(dataset, options=default_options(), model=model)
                _ = context.features  # the same for all
                started = time.process_time()
                _ = context.probabilities
                seconds = time.process_time() - started
                listed = label_errors_spec.compute(context).rows
                scores = np.zeros(len(wrong))
                scores[listed["position"]] = listed["score"]
                marked = listed["position"][listed["affected"]]
                readings[name].append((worst(scores, wrong, 0.1)["recall"], float(wrong[marked].mean()), seconds))
    return {name: _summed_up(len(raw), of_seeds) for name, of_seeds in readings.items()}


def _summed_up(rows: int, readings: list[tuple[float, float, float]]) -> dict[str, Any]:
    recalls, precisions, seconds = map(np.asarray, zip(*readings, strict=True))
    return {
        "rows": rows,
        "seeds": len(readings),
        "recall": float(recalls.mean()),
        "lowest": float(recalls.min()),
        "highest": float(recalls.max()),
        "precision_of_marked": float(precisions.mean()),
        "model_cpu_seconds": float(seconds.mean()),
    }


def make_rows(count: int, path: Path) -> None:
    """Write rows made of thirds of three real texts of one tag, with dates and 2 % wrong tags."""
    frame = pd.read_csv(EMBEDDED, dtype=str, keep_default_na=False)
    random = np.random.default_rng(0)
    pools = {
        tag: [f"{row.title} {row.description}".split() for row in rows.itertuples()]
        for tag, rows in frame.groupby("tag")
    }
    tags = frame["tag"].to_numpy()[random.integers(len(frame), size=count)]
    texts = []
    for tag in tags:
        one, two, three = (pools[tag][index] for index in random.integers(len(pools[tag]), size=3))
        middle = two[len(two) // 3 : 2 * len(two) // 3 + 1]
        texts.append(" ".join(one[: len(one) // 3 + 1] + middle + three[2 * len(three) // 3 :]))
    shown = np.where(random.random(count) < 0.02, random.permutation(tags), tags)
    days = pd.Timestamp("2023-11-01") + pd.to_timedelta(random.integers(730, size=count), unit="D")
    made = pd.DataFrame({"id": np.arange(count), "created_on": days, "title": texts, "description": "", "tag": shown})
    made.to_csv(path, index=False)


def one_measurement(rows: int) -> dict[str, Any]:
    """Time all findings in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        make_rows(rows, path)
        dataset = load(path)
        splits = np.where(np.random.default_rng(1).random(rows) < 0.85, "train", "test")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        stages: list[tuple[str, float]] = []
        started = time.perf_counter()
        found = find(dataset, splits=splits, progress=lambda name, share: stages.append((name, time.perf_counter())))
        seconds = time.perf_counter() - started
        opened = time.perf_counter()
        find(dataset, splits=splits)
        again = time.perf_counter() - opened
    taken: dict[str, float] = {}
    for (name, at), (_, until) in itertools.pairwise(stages):
        taken[name] = taken.get(name, 0.0) + until - at
    return {
        "rows": rows,
        "seconds": seconds,
        "again_seconds": again,
        "rows_mib": before,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": dict(sorted(taken.items(), key=lambda item: -item[1])[:10]),
        "affected": {item.kind: item.affected for item in found.items},
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--flips", type=int, default=20)
    parser.add_argument("--logistic", action="store_true")
    parser.add_argument("--skip-time", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["TAGSCOPE_HOME"] = home
        get_settings.cache_clear()
        if arguments.one:
            print(json.dumps(one_measurement(arguments.rows)))
            return
        results: dict[str, Any] = {
            "label_errors": label_errors(),
            "duplicates": duplicates(),
        }
        models: dict[str, Callable[[], Any]] = {"flips": complement_bayes}
        if arguments.logistic:
            models["flips_by_logistic_regression"] = logistic
        results |= flips(arguments.flips, models)
    path = RESULTS / "findings.json"
    if arguments.skip_time:
        results["time"] = json.loads(path.read_text(encoding="utf-8")).get("time") if path.is_file() else None
    else:
        command = [sys.executable, __file__, "--one", "--rows", str(arguments.rows)]
        results["time"] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    show(results)
    write_results("findings", {"command": "python benchmarks/findings.py", **results})


def show(results: dict[str, Any]) -> None:
    """Print the figures."""
    table = Table("what", "precision", "recall")
    for name in ("worst 4 %", "worst 8 %", "marked"):
        row = results["label_errors"][name]
        table.add_row(f"known wrong tags, {name}", f"{row['precision']:.3f}", f"{row['recall']:.3f}")
    row = results["duplicates"]
    table.add_row("known duplicate pairs", f"{row['precision']:.3f}", f"{row['recall']:.3f}")
    for name, model in (("flips", "naive Bayes"), ("flips_by_logistic_regression", "logistic regression")):
        if row := results.get(name):
            spread = f"{row['recall']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f})"
            seconds = f"{row['model_cpu_seconds']:.2f} s of the processor"
            table.add_row(f"5 % flips, {row['seeds']} seeds, worst 10 %, {model}: {seconds}", "", spread)
    console = Console(width=120)
    console.print(table)
    if measured := results["time"]:
        line = f"{measured['rows']:,} rows: {measured['seconds']:.0f} s, {measured['peak_mib']:,.0f} MiB at most"
        console.print(Text(f"{line}; opened again in {measured['again_seconds'] * 1e3:.0f} ms"))
        for name, seconds in measured["stages"].items():
            console.print(Text(f"  {seconds:6.1f} s  {name}"))


if __name__ == "__main__":
    main()
