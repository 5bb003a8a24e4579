"""Does training time grow linearly with the rows? Rows per second of every model at 1,000, 10,000 and 100,000 rows.

    python benchmarks/training.py [--rows 1000 10000 100000] [--tags 6 50] [--models ngram cnn]

Rows are made by recombining halves of the lesson's real texts, so that they differ; with more tags than the data has,
rows of a tag are shared out and each tag gets a word of its own in half of its rows. Each measurement runs the whole
training (vocabulary, features, fit) in a process of its own, which also gives its peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from machine import LESSON_DATA, write_results
from rich.console import Console
from rich.table import Table

from engine.dataset.cleaning import clean


def make_rows(count: int, tags: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Recombine real texts: the first half of one and the second half of another of the same tag."""
    frame = pd.concat(
        [pd.read_csv(LESSON_DATA / name, keep_default_na=False) for name in ("dataset.csv", "holdout.csv")]
    )
    random = np.random.default_rng(seed)
    by_tag = [
        [clean(f"{row.title} {row.description}").split() for row in group.itertuples()]
        for _, group in frame.groupby("tag")
    ]
    targets = np.sort(random.integers(tags, size=count)).astype(np.int64)
    targets[:tags] = np.arange(tags)
    texts = []
    for target in targets:
        pool = by_tag[target % len(by_tag)]
        one, other = pool[random.integers(len(pool))], pool[random.integers(len(pool))]
        words = one[: len(one) // 2 + 1] + other[len(other) // 2 :]
        if target >= len(by_tag) and random.random() < 0.5:
            words.insert(0, f"topic{target}")
        texts.append(" ".join(words))
    return texts, targets


def measure(model: str, rows: int, tags: int) -> dict[str, float]:
    """Train once in this process."""
    from engine.training.trainer import train_model

    texts, targets = make_rows(rows, tags)
    held_texts, held_targets = make_rows(max(200, rows // 10), tags, seed=1)
    started = time.perf_counter()
    train_model(model, texts, targets, tags, validation=(held_texts, held_targets), seed=0)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "model": model,
        "rows": rows,
        "tags": tags,
        "seconds": seconds,
        "rows_per_second": rows / seconds,
        "peak_mib": memory,
    }


def main() -> None:
    """Measure each combination in a fresh process, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--tags", type=int, nargs="+", default=[6, 50])
    parser.add_argument("--models", nargs="+", default=["ngram", "cnn"])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.models[0], arguments.rows[0], arguments.tags[0])))
        return
    results = []
    table = Table("model", "tags", "rows", "seconds", "rows/s", "peak MiB")
    for model in arguments.models:
        for tags in arguments.tags:
            for rows in arguments.rows:
                command = [
                    sys.executable,
                    __file__,
                    "--one",
                    "--rows",
                    str(rows),
                    "--tags",
                    str(tags),
                    "--models",
                    model,
                ]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                row = json.loads(done.stdout)
                results.append(row)
                table.add_row(
                    model,
                    str(tags),
                    f"{rows:,}",
                    f"{row['seconds']:.1f}",
                    f"{row['rows_per_second']:,.0f}",
                    f"{row['peak_mib']:,.0f}",
                )
                Console(stderr=True).print(f"{model} {tags} tags {rows:,} rows: {row['seconds']:.1f} s")
    Console().print(table)
    write_results("training", {"command": "python benchmarks/training.py", "results": results})


if __name__ == "__main__":
    main()
