"""The evaluations of a process: each made once for all visitors, and as many kept as ten runs of 200,000 rows need.

Per row an evaluation holds some 90 bytes, its text not among them (the data set is kept by the catalogue, once for all
runs on it), and 8 for each row that the run was trained on; ids are shared by the runs on a data set. Twelve runs of
200,000 rows are 220 MB at most, a pair of runs 0.5 MB beside what pairs share, a history of ten 5 MB.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from dashboard.evaluation.rows import Slicing
from dashboard.shelf import Shelf
from dashboard.text import sentence_of
from engine.errors import RunNotFoundError, TagscopeError
from engine.runs.manifest import checked_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.evaluation.history import RunHistory
    from dashboard.run_entry import RunEntry
    from engine.dataset.snapshot import Dataset
    from engine.evaluation.answers import Answers
    from engine.runs.bundle import Bundle
    from engine.runs.store import RunStore

RUNS_KEPT = 12
PAIRS_KEPT = RUNS_KEPT * (RUNS_KEPT - 1)
HISTORIES_KEPT = 4
_DATASETS_KEPT = 4


class Runs(Protocol):
    """What is needed of the catalogue."""

    store: RunStore

    @property
    def datasets_dir(self) -> Path:
        """Where the data sets are."""
        ...

    def dataset(self, digest: str) -> Dataset:
        """Return a data set."""
        ...

    def relatives(self, run_id: str) -> list[RunEntry]:
        """List the runs on the same data."""
        ...

    def training_advice(self) -> str:
        """Say how to get a first run."""
        ...


class Evaluations:
    """Evaluations of runs, pairs of runs and their histories; safe to share between threads.

    Whatever is not kept takes long: call it in a thread. What fails is not kept and is tried again.

    Parameters
    ----------
    runs
        The catalogue.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._evaluations = Shelf(RUNS_KEPT)
        self._pairs = Shelf(PAIRS_KEPT)
        self._histories = Shelf(HISTORIES_KEPT)
        self._references = Shelf(PAIRS_KEPT)
        self._ids = Shelf(_DATASETS_KEPT)
        self._slicings = Shelf(RUNS_KEPT)
        # Reading needs several times what is kept: one run after the other.
        self._reading = threading.Lock()

    def get(self, run_id: str) -> Evaluation:
        """Return the evaluation of a run.

        Raises
        ------
        engine.errors.TagscopeError
            There is no such run, it is damaged, of another version, or has no predictions; one sentence.
        """
        if not run_id:
            raise RunNotFoundError(self._runs.training_advice())
        bundle = self._runs.store.open(checked_run_id(run_id))
        return self._evaluations.keep(self._key(bundle), lambda: self._make(bundle))

    def kept(self, run_id: str) -> Evaluation | None:
        """Return what `get` would, if that takes no time because somebody has asked for it; else None.

        Raises
        ------
        engine.errors.TagscopeError
            The run is missing or damaged.
        """
        if not run_id:
            return None
        found: Evaluation | None = self._evaluations.peek(self._key(self._runs.store.open(checked_run_id(run_id))))
        return found

    def pair(self, before: str, after: str) -> RunPair:
        """Compare two runs; where that is not allowed, the pair says why.

        Raises
        ------
        engine.errors.TagscopeError
            One of the runs cannot be read.
        """
        from dashboard.evaluation.comparison import pair_of

        one, other = self.get(before), self.get(after)
        return self._pairs.keep((_named([one, other]), _definitions()), lambda: pair_of(one, other, self._saved()))

    def history(self, runs: Sequence[str], order: str | None = "time", reference: str = "") -> RunHistory:
        """Follow the examples of a run through several runs; those that cannot be read or compared are named.

        Parameters
        ----------
        runs : sequence of str
            Their ids.
        order : str or None
            One of `dashboard.evaluation.selection.ORDERS`; None for the order in which they are given.
        reference : str
            The run whose examples these are, as `reference` names it; empty for the one with the newest labels.

        Raises
        ------
        engine.errors.TagscopeError
            There is no run that can be read, or there are more than 60.
        """
        from dashboard.evaluation.history import history_of

        found, left_out = self._readable(runs)
        if not found and left_out:
            raise RunNotFoundError(next(iter(left_out.values())))
        judge = self.get(reference) if reference else None
        which = found if order is None else sorted(found, key=lambda run: run.run_id)
        key = (order, _named(which), _named([judge] if judge else []), *left_out.items())
        return self._histories.keep(key, lambda: history_of(found, order, self._saved(), left_out, judge))

    def reference(self, runs: Sequence[str], shown: str, base: str = "") -> str:
        """Name the run whose examples are followed by somebody who looks at `shown`, compared with `base`.

        Raises
        ------
        engine.errors.TagscopeError
            The run that is looked at cannot be read.
        """
        from dashboard.evaluation.history import reference_for

        found, one = self._readable(runs)[0], self.get(shown)
        other = next(iter(self._readable([base] if base else [])[0]), None)
        key = (_named(sorted(found, key=lambda run: run.run_id)), _named([one] if other is None else [one, other]))
        return self._references.keep(key, lambda: reference_for(found, one, other, self._saved()))

    def _readable(self, runs: Sequence[str]) -> tuple[list[Evaluation], dict[str, str]]:
        """Return the runs that can be read, and a sentence for each of the others."""
        found: list[Evaluation] = []
        left_out: dict[str, str] = {}
        for run_id in dict.fromkeys(runs):
            try:
                found.append(self.get(run_id))
            except TagscopeError as error:
                left_out[run_id] = sentence_of(error)
        return found, left_out

    def relatives(self, run_id: str) -> tuple[str, ...]:
        """Name the runs on the same data as a run.

        Raises
        ------
        engine.errors.TagscopeError
            The run is missing or damaged.
        """
        return tuple(entry.run_id for entry in self._runs.relatives(run_id))

    def _key(self, bundle: Bundle) -> tuple[str, bool]:
        # A data set may be copied here after somebody has looked at the run.
        digest = bundle.manifest.dataset.digest
        return bundle.run_id, (self._runs.datasets_dir / digest / "dataset.json").is_file()

    def _make(self, bundle: Bundle) -> Evaluation:
        from dashboard.evaluation.evaluation import Evaluation
        from engine.pipeline.answers import read_answers
        from engine.runs.predictions import read_probabilities

        digest = bundle.manifest.dataset.digest
        dataset, places, remarks = None, None, []
        try:
            dataset = self._runs.dataset(digest)
        except TagscopeError as error:
            remarks.append(f"There are figures, but no texts and no slices. {sentence_of(error)}")
        with self._reading:
            answers = read_answers(bundle, dataset)
        if dataset is not None:
            answers, places = self._shared_ids(dataset, answers)

        def read() -> np.ndarray | None:
            with self._reading:
                return read_probabilities(bundle, answers.ids)

        slicing = None
        if places is not None:
            # Texts are split into words once for all runs, which takes longer than all else.
            slicing = self._slicings.keep((digest, *_rows_digest(answers, places)), Slicing)
        return Evaluation(bundle, dataset, answers, self, read, places, remarks, slicing)

    def _shared_ids(self, dataset: Dataset, answers: Answers) -> tuple[Answers, np.ndarray]:
        """Let the runs on a data set have their ids in common, and return the places of the answers in it."""
        every = self._ids.keep(dataset.digest, lambda: dataset.frame["id"].to_numpy(object))
        index = pd.Index(every)
        places = index.get_indexer(pd.Index(answers.ids)).astype(np.int64)
        trained = answers.trained
        if trained is not None:
            among = index.get_indexer(pd.Index(trained))
            trained = every[among] if (among >= 0).all() else trained
        return dataclasses.replace(answers, ids=every[places], trained=trained), places

    def _saved(self) -> dict[str, str]:
        from engine.dataset.snapshot import list_datasets

        return {info.digest: info.saved for info in list_datasets(self._runs.datasets_dir)}


def _named(runs: Sequence[Evaluation]) -> tuple[tuple[str, bool], ...]:
    """Return what to keep something by that was made of runs: a data set may come later."""
    return tuple((run.run_id, run.dataset is not None) for run in runs)


def _rows_digest(answers: Answers, places: np.ndarray) -> tuple[bytes, bytes]:
    """Return what tells the rows from others, and their true tags, whatever order the tags of the model have."""
    codes = np.unique(answers.true)
    names = np.asarray(answers.tags, object)[codes]
    ranks = np.empty(len(answers.tags), np.int64)
    ranks[codes] = np.argsort(np.argsort(names))
    tags = hashlib.blake2b("\0".join(sorted(names)).encode() + ranks[answers.true].tobytes()).digest()
    return hashlib.blake2b(places.tobytes()).digest(), tags


def _definitions() -> object:
    """Return what slices are made from; None where that cannot be read."""
    from engine.evaluation.slices_file import all_slices

    with contextlib.suppress(TagscopeError):
        return tuple(all_slices().items())
    return None
