"""A home with runs that were judged on many rows: texts, tags, and what several models answered."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from exploration import make_dataset
from machine import CACHE

from browsing.server import serve_dashboard
from config.settings import get_settings
from engine.dataset.content import Dataset
from engine.dataset.loading import Table
from engine.pipeline.rows import TEST, Rows
from engine.pipeline.run import write_run
from engine.runs.predictions import PROBABILITY_PREFIX
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from browsing.server import Server
    from engine.runs.store import RunStore

_SLICES = """
[slice.graphs]
text = ["graph*"]
[slice.long]
words = { from = 40 }
[slice.recent]
created = { from = 2025-01-01 }
"""


@contextmanager
def serve_judged(rows: int, tags: int, runs: int) -> Iterator[tuple[Server, list[str]]]:
    """Run the dashboard on a home with judged runs, which is made once and kept in the user's cache.

    Yields
    ------
    Server
        Ready.
    list of str
        Ids of the runs, the oldest first.
    """
    home = CACHE / f"judged-{rows}-{tags}-{runs}"
    listed = home / "runs.json"
    if not listed.is_file():
        listed.parent.mkdir(parents=True, exist_ok=True)
        ids = _make(home, rows, tags, runs)
        listed.write_text(json.dumps(ids), encoding="utf-8")
    with serve_dashboard({"TAGSCOPE_HOME": str(home)}) as server:
        yield server, json.loads(listed.read_text(encoding="utf-8"))


def _make(home: Path, rows: int, tags: int, runs: int) -> list[str]:
    """Write a data set and its runs through the door by which every run is written."""
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "slices.toml").write_text(_SLICES, encoding="utf-8")
    rng = np.random.default_rng(0)
    names = tuple(f"tag {number:02}" for number in range(tags))
    # As frequent as words are.
    shares = 1 / np.arange(1, tags + 1)
    true = rng.choice(tags, rows, p=shares / shares.sum())
    made = make_dataset(rows)
    frame = made.frame.drop(columns="holdout").assign(tag=pd.Series(np.array(names, object)[true], dtype="str"))
    dataset = Dataset.from_table(Table(frame, made.left_out, [], made.fields, home / "rows.csv"), "judged")
    split = np.full(rows, TEST, object)
    judged = Rows(dataset, frame["text"].to_numpy(object), frame["tag"].to_numpy(object), split, names, {})
    hard = rng.random(rows) < 0.3
    store, ids = _store(home), []
    for _ in range(runs):
        chances = _probabilities(rng, true, hard, tags)
        answers = pd.DataFrame({"id": frame["id"], "split": split, "tag": frame["tag"]})
        answers["predicted_tag"] = pd.Series(np.array(names, object)[chances.argmax(axis=1)], dtype="str")
        columns = {f"{PROBABILITY_PREFIX}{name}": chances[:, at] for at, name in enumerate(names)}
        answers = pd.concat([answers, pd.DataFrame(columns)], axis=1)
        parameters = {"source": {"format": "predictions"}, "training": {}, "model": {}}
        result = write_run(
            store=store,
            model="predictions",
            rows=judged,
            fields=made.fields,
            fill=None,
            parameters=parameters,
            predictions=answers,
        )
        ids.append(result.manifest.run_id)
        print(f"run {len(ids)} of {runs} written", flush=True)
    return ids


def _store(home: Path) -> RunStore:
    """Open the store of a home that is not this process's."""
    os.environ["TAGSCOPE_HOME"] = str(home)
    get_settings.cache_clear()
    return open_store()


def _probabilities(rng: np.random.Generator, true: np.ndarray, hard: np.ndarray, tags: int) -> np.ndarray:
    """Return float32 (rows, tags): right about as often as they say; what is hard is hard for all runs."""
    rows = len(true)
    sure = np.where(hard, rng.beta(3, 2, rows), rng.beta(9, 1, rows)).astype(np.float32)
    # Wrong answers are those of a neighbour, as tags that are confused are.
    best = np.where(rng.random(rows) < sure, true, (true + rng.integers(1, 4, rows)) % tags)
    weights = rng.standard_gamma(0.3, (rows, tags), dtype=np.float32) + np.float32(1e-6)
    weights[np.arange(rows), best] = 0
    weights *= ((1 - sure) / weights.sum(axis=1))[:, None]
    weights[np.arange(rows), best] = sure
    return weights
