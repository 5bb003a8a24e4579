"""The bench: asks for one measurement at a time, keeps it in the journal, and stops when the time is up."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.backends.machine import usable_cores
from engine.errors import BackendError, BundleError, ExportError
from engine.evaluation.paired import f1_change
from engine.pipeline.proof.answers import answers_alone, answers_mixed, answers_sorted
from engine.pipeline.proof.baseline import open_baseline
from engine.pipeline.proof.gate import MINIMUM_TEXTS, Evidence, most_flips
from engine.pipeline.proof.grid import Grid
from engine.pipeline.proof.journal import Answered, Measured, Shaped
from engine.pipeline.proof.load import feed, measure
from engine.pipeline.proof.workload import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.backends.protocol import Session
    from engine.export.precisions.precision import Way
    from engine.pipeline.proof.journal import Entry, Journal
    from engine.pipeline.proof.texts import Texts
    from engine.runs.bundle import Bundle

BASELINE = "baseline"
_CHUNK = 250
_SESSION_BYTES = 4 * 2**30
# A session holds the weights about so often: as they came, packed for the processor, and what is computed.
_TIMES_MODEL = 3
_CALLS = 3
_OFF = 1e9


class TimeIsUp(Exception):
    """What was asked for would not be done in time."""


class Bench:
    """Measures one run; what the journal has is not measured again.

    Parameters
    ----------
    bundle
        A run with a model.
    texts
        What answers are compared on.
    journal
        Where every measurement goes.
    seconds
        How long one reading lasts.

    Attributes
    ----------
    readings
        By way, load and round.
    refused
        Why a way does not run here, by its name; asked anew in every tuning, for the reason may be mended.
    """

    def __init__(self, bundle: Bundle, texts: Texts, journal: Journal, *, seconds: float) -> None:
        self.bundle = bundle
        self.texts = texts
        self.journal = journal
        self.refused: dict[str, str] = {}
        self.readings: dict[tuple[str, Load, int], Measured] = {}
        self._seconds = seconds
        self._deadline = float("inf")
        self._pad_id = bundle.manifest.tokenizer.pad_id
        self._sessions: OrderedDict[tuple[str, int], Session] = OrderedDict()
        self._most_sessions = max(4, _SESSION_BYTES // (_TIMES_MODEL * len(bundle.model_bytes())))
        self._answered: dict[str, dict[int, Answered]] = {}
        self._shaped: dict[str, float] = {}
        self._grid: Grid | None = None
        self._token_seconds: dict[str, float] = {}
        for entry in journal.entries:
            self._note(entry)

    def until(self, deadline: float) -> None:
        """Set the moment (`time.monotonic`) after which nothing is begun."""
        self._deadline = deadline

    def read(self, way: Way, load: Load, number: int) -> None:
        """Measure one way under one load, in one round.

        Raises
        ------
        TimeIsUp
            It would not be done before the deadline.
        """
        name = str(way)
        if name in self.refused or (name, load, number) in self.readings:
            return
        self._check_time(_CALLS * load.tokens * self._token_seconds.get(name, 0.0))
        try:
            reading = measure(self._session(way, load.threads), feed(self.texts.ids, load), load, self._seconds)
        except (BackendError, BundleError, ExportError) as error:
            self.refused[name] = str(error)
            return
        self._add(
            Measured(
                name,
                load.batch,
                load.sequence,
                load.callers,
                load.threads,
                number,
                reading.latency,
                reading.throughput,
            )
        )

    def evidence(self, way: Way, progress: Callable[[float], None]) -> Evidence | None:
        """Count a way's flips against the baseline; None where it does not run here.

        It stops as soon as there are more flips than may be: the evidence is then of fewer texts.

        Raises
        ------
        TimeIsUp
            The deadline came first; what was answered until then is kept.
        """
        name = str(way)
        for start in range(0, len(self.texts.ids), _CHUNK):
            progress(start / len(self.texts.ids))
            self._answer(BASELINE, start, None)
            try:
                self._answer(name, start, way)
            except (BackendError, BundleError, ExportError) as error:
                self.refused[name] = str(error)
                return None
            counted = self._count(name)
            if counted.flips > most_flips(max(len(self.texts.ids), MINIMUM_TEXTS)):
                return counted
        try:
            self._compare_shapes(name, way)
        except (BackendError, BundleError, ExportError) as error:
            self.refused[name] = str(error)
            return None
        return msgspec.structs.replace(self._count(name), shapes=self._shaped[name])

    def _compare_shapes(self, name: str, way: Way) -> None:
        if name in self._shaped:
            return
        self._check_time(0.0)
        if self._grid is None:
            self._grid = Grid(self.bundle, self._baseline())
        difference = self._grid.difference(self._session(way, 1)) / (self._grid.scale or 1.0)
        # JSON has no infinity.
        self._add(Shaped(name, min(difference, _OFF)))

    def _answer(self, name: str, start: int, way: Way | None) -> None:
        if start in self._answered.get(name, {}):
            return
        self._check_time(0.0)
        ids = self.texts.ids[start : start + _CHUNK]
        if way is None:
            baseline = self._baseline()
            self._add(Answered(name, start, _tags(answers_sorted(baseline, ids, self._pad_id))))
            return
        session = self._session(way, 1)
        cores = usable_cores()
        alone = answers_alone(session, ids, self._pad_id, cores)
        mixed = answers_mixed(session, ids, self._pad_id, cores)
        self._add(Answered(name, start, _tags(alone), _tags(mixed)))

    def _count(self, name: str) -> Evidence:
        parts = self._answered[name]
        right = np.concatenate([self._answered[BASELINE][start].alone for start in sorted(parts)])
        alone = np.concatenate([parts[start].alone for start in sorted(parts)])
        mixed = np.concatenate([parts[start].mixed for start in sorted(parts)])
        change = None
        held_out = self.texts.held_out
        if len(held_out) and held_out.max() < len(alone):
            labels = np.asarray(self.bundle.labels, dtype=object)
            change = f1_change(self.texts.tags, labels[right[held_out]], labels[alone[held_out]], self.bundle.labels)
        return Evidence(
            texts=len(alone),
            flips=int((alone != right).sum()),
            batched=len(mixed),
            mate_changes=int((mixed != alone).sum()),
            f1=change,
        )

    def _baseline(self) -> Session:
        key = (BASELINE, 0)
        if key not in self._sessions:
            self._sessions[key] = open_baseline(self.bundle, usable_cores()).session
        return self._sessions[key]

    def _session(self, way: Way, threads: int) -> Session:
        from engine.export.precisions.precision import make_precision, open_way

        key = (str(way), threads)
        if key not in self._sessions:
            while len(self._sessions) >= self._most_sessions:
                self._sessions.popitem(last=False)
            make_precision(self.bundle, way.precision, self.texts.calibration)
            self._sessions[key] = open_way(self.bundle, way, threads=threads)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def _check_time(self, needed: float) -> None:
        if time.monotonic() + needed > self._deadline:
            raise TimeIsUp

    def _add(self, entry: Entry) -> None:
        self.journal.add(entry)
        self._note(entry)

    def _note(self, entry: Entry) -> None:
        if isinstance(entry, Answered):
            self._answered.setdefault(entry.way, {})[entry.start] = entry
        elif isinstance(entry, Shaped):
            self._shaped[entry.way] = entry.difference
        else:
            load = Load(entry.batch, entry.sequence, entry.callers, entry.threads)
            self.readings[entry.way, load, entry.round] = entry
            spent = entry.latency / load.tokens
            self._token_seconds[entry.way] = max(spent, self._token_seconds.get(entry.way, 0.0))


def _tags(logits: Sequence[Sequence[float]] | np.ndarray) -> tuple[int, ...]:
    return tuple(int(tag) for tag in np.asarray(logits).argmax(axis=1))
