"""One row of the parity table: a backend and precision against the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.backends.machine import usable_cores
from engine.backends.protocol import FP32
from engine.backends.registry import open_backend
from engine.errors import BackendError, BundleError, ExportError
from engine.evaluation.intervals import wilson
from engine.evaluation.paired import Change, f1_change
from engine.export.axes import Axis
from engine.export.parity.text_cases import INPUT, padded
from engine.pipeline.proof.answers import answers_alone, answers_mixed, answers_sorted
from engine.pipeline.proof.gate import Evidence, judge_gate
from engine.pipeline.proof.grid import Grid, difference_of
from engine.pipeline.proof.table import EQUAL, FAILS, MISSING, WITHIN, WayParity
from engine.runs.bundle import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.backends.protocol import Session
    from engine.export.precisions.precision import Way
    from engine.pipeline.proof.baseline import Baseline
    from engine.pipeline.proof.texts import Texts
    from engine.runs.bundle import Bundle

TOLERANCE = 1e-4
JUDGE = "reference"
# Each of these is asked once alone and three times among others.
_INVARIANCE_TEXTS = 500
_JUDGED_TOKENS = 128


class Comparing:
    """Compares ways of a run with its baseline; what is the same for every row is computed once.

    Parameters
    ----------
    bundle, texts, baseline
        The run, what is asked, and whose answers are right.
    report
        Called with the share of the baseline's answers that are there.
    """

    def __init__(self, bundle: Bundle, texts: Texts, baseline: Baseline, report: Callable[[float], None]) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.texts = texts
        self.baseline = baseline
        self.pad_id = manifest.tokenizer.pad_id
        self.held_out = texts.ids[: texts.real]
        self.grid = Grid(bundle, baseline.session)
        self.expected = answers_sorted(baseline.session, texts.ids, self.pad_id, report)
        self.scale = max(self.grid.scale, float(np.abs(self.expected).max())) or 1.0
        self.labels = np.asarray(bundle.labels, dtype=object)

    def row(self, way: Way) -> WayParity:
        """Compare one way; where it is not available here, the row says why."""
        from engine.export.precisions.precision import make_precision, open_way

        try:
            made = make_precision(self.bundle, way.precision, self.texts.calibration)
            model = made.read(MODEL_NAME) if made else self.bundle.model_bytes()
            session = open_way(self.bundle, way)
            row, alone = self._compare(way, session)
            # `not (x <= limit)` also catches what is not a number.
            if all(value is not None and value <= TOLERANCE for value in (row.shapes, row.texts, row.mates)):
                return row
            row = self._judged(session, row, alone)
            return msgspec.structs.replace(row, divergence=self._divergence(way, model, rewritten=made is not None))
        except (BackendError, BundleError, ExportError) as error:
            return WayParity(way.backend, way.precision, MISSING, str(error))

    def judge(self) -> WayParity:
        """Ask ONNX's reference evaluator, at small shapes: it is slow, and nobody is served by it."""
        from engine.export.parity.reference_backend import ReferenceBackend

        name = f"Run {self.bundle.run_id}"
        try:
            session = ReferenceBackend().open(self.bundle.model_bytes(), name=name)
            grid = self.grid.difference(session, _JUDGED_TOKENS) / self.scale
        except (BackendError, BundleError, ExportError) as error:
            return WayParity(JUDGE, FP32, MISSING, str(error))
        told = f"compared at shapes of at most {_JUDGED_TOKENS} tokens only"
        return WayParity(JUDGE, FP32, EQUAL if grid <= TOLERANCE else FAILS, told, shapes=grid)

    def _compare(self, way: Way, session: Session) -> tuple[WayParity, NDArray[np.float32]]:
        from engine.export.parity.invariance import batch_invariance

        alone = answers_alone(session, self.held_out, self.pad_id, usable_cores())
        expected = self.expected[: len(alone)]
        few = self.held_out[:_INVARIANCE_TEXTS]
        mates = batch_invariance(session, few, pad_id=self.pad_id, alone=alone[: len(few)])
        flips = int((alone.argmax(1) != expected.argmax(1)).sum())
        row = WayParity(
            way.backend,
            way.precision,
            EQUAL,
            shapes=self.grid.difference(session) / self.scale,
            texts=difference_of(expected, alone, alone.shape) / self.scale,
            flips=flips,
            flip_interval=wilson(flips, len(alone)),
            f1=self._f1(expected, alone),
            mates=mates.difference * mates.scale / self.scale,
            mate_flips=mates.flips,
        )
        return row, alone

    def _judged(self, session: Session, row: WayParity, alone: NDArray[np.float32]) -> WayParity:
        rest = self.texts.ids[len(alone) :]
        tags = np.concatenate([alone, answers_alone(session, rest, self.pad_id, usable_cores())]).argmax(1)
        mixed = answers_mixed(session, self.texts.ids, self.pad_id, usable_cores()).argmax(1)
        changed = max(int((tags != mixed).sum()), row.mate_flips or 0)
        flips = int((tags != self.expected.argmax(1)).sum())
        verdict = judge_gate(Evidence(len(tags), flips, len(mixed), changed, row.f1, row.shapes))
        return msgspec.structs.replace(
            row,
            verdict=WITHIN if verdict.passed else FAILS,
            reason=verdict.reason,
        )

    def _divergence(self, way: Way, model: bytes, *, rewritten: bool) -> str:
        """Name the first operator whose answer differs, on two short texts; empty where it cannot be told."""
        from engine.export.parity.divergence import first_divergence, first_torch_divergence

        feeds = {INPUT: padded(sorted(self.held_out, key=len)[:2], self.pad_id)}
        try:
            if way.precision == FP32 and self.baseline.module is not None:
                sizes = {0: Axis("batch"), 1: Axis("sequence", maximum=self.bundle.manifest.tokenizer.max_tokens)}
                found = first_torch_divergence(
                    self.baseline.module,
                    model,
                    feeds,
                    dynamic={INPUT: sizes},
                    found_backend=open_backend(way.backend),
                )
            else:
                found = first_divergence(
                    self.bundle.model_bytes(),
                    model,
                    feeds,
                    found_backend=open_backend(way.backend),
                    found_compute=FP32 if rewritten else way.precision,
                )
        except ExportError as error:
            return f"The first operator that differs cannot be told ({str(error).rstrip('.')})."
        return "" if found is None else str(found)

    def _f1(self, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Change:
        before, after = (self.labels[logits.argmax(1)][self.texts.held_out] for logits in (expected, found))
        return f1_change(self.texts.tags, before, after, self.bundle.labels)
