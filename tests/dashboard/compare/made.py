"""Runs that answer at random, as Compare sees them, and what pandas says of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from dashboard.evaluation.comparison import pair_of
from dashboard.evaluation.evaluation import Evaluation
from dashboard.evaluation.history import history_of, reference_for
from engine.evaluation.answers import Answers

LABELS = ("a", "b", "c")


class Runs:
    """Some runs on overlapping rows of one data set, the earliest first; `right` is how often each is right."""

    def __init__(self, seed: int, size: int = 60, right: tuple[float, ...] = (0.5, 0.6, 0.7, 0.6)) -> None:
        rng = np.random.default_rng(seed)
        true = rng.choice(LABELS, size).astype(object)
        ids = np.array([f"row {place}" for place in range(size)], object)
        self.run_ids = tuple(f"{place:032x}" for place in range(len(right)))
        self.frames: dict[str, pd.DataFrame] = {}
        self.runs: dict[str, Evaluation] = {}
        for run_id, share in zip(self.run_ids, right, strict=True):
            said = np.where(rng.random(size) < share, true, rng.choice(LABELS, size)).astype(object)
            there = np.flatnonzero(rng.random(size) < 0.9) if run_id != self.run_ids[-1] else rng.permutation(size)
            frame = pd.DataFrame({"id": ids, "true": true, "said": said}).iloc[there].reset_index(drop=True)
            matrix = rng.dirichlet([0.3] * 3, len(frame)).astype(np.float32)
            self.frames[run_id] = frame
            answers = Answers.of(
                run_id, frame["id"], frame["true"], frame["said"], LABELS, created=run_id, labelled=run_id
            )
            bundle = SimpleNamespace(run_id=run_id, manifest=SimpleNamespace(dataset=SimpleNamespace(digest="gone")))
            self.runs[run_id] = Evaluation(bundle, None, answers, self, lambda matrix=matrix: matrix, None)  # type: ignore[arg-type]
        self._histories: dict[object, object] = {}

    def get(self, run_id: str) -> Evaluation:
        return self.runs[run_id]

    def pair(self, before: str, after: str):
        return pair_of(self.runs[before], self.runs[after], {})

    def history(self, runs, order: str | None = "time", reference: str = ""):
        return history_of([self.runs[run_id] for run_id in runs], order, {}, {}, self.runs.get(reference))

    def reference(self, runs, shown: str, base: str = "") -> str:
        return reference_for([self.runs[run_id] for run_id in runs], self.runs[shown], self.runs.get(base), {})

    def relatives(self, _run_id: str) -> tuple[str, ...]:
        return self.run_ids

    def both(self, before: str, after: str) -> pd.DataFrame:
        """The rows that two runs share, with the answers of each and whether they are right."""
        found = self.frames[before].merge(self.frames[after], on=["id", "true"], suffixes=("_0", "_1"))
        return found.assign(was=found["said_0"] == found["true"], now=found["said_1"] == found["true"])
