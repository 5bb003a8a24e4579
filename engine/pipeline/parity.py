"""Does a run answer alike on every backend and in every precision? The table behind `tagscope parity`.

Each backend and precision is compared with the baseline, fp32 torch where the run has torch weights: at a grid of
shapes and on the run's held-out texts, alone and among others. What is not equal to 1e-4 goes through the gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backends.machine import cpu_fingerprint, usable_cores
from engine.backends.protocol import FP32
from engine.disk import encode_json
from engine.errors import BackendError
from engine.pipeline.progress import silent
from engine.pipeline.proof.baseline import open_baseline
from engine.pipeline.proof.comparing import JUDGE, Comparing
from engine.pipeline.proof.table import TABLE_VERSION, RunParity
from engine.pipeline.proof.texts import MOST_HELD_OUT, gather_texts
from engine.pipeline.provenance import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.export.precisions.precision import Way
    from engine.pipeline.progress import Progress
    from engine.runs.bundle import Bundle


STAGES = ("Baseline", "Compare")
PARITY_NAME = "parity"
PARITY_FILE = "parity.json"


def check_run(
    bundle: Bundle,
    *,
    backends: Sequence[str] | None = None,
    precisions: Sequence[str] | None = None,
    most_texts: int = MOST_HELD_OUT,
    progress: Progress | None = None,
) -> RunParity:
    """Compare a run's answers over backends and precisions, and attach the table to the run.

    Parameters
    ----------
    bundle
        A run with a model.
    backends, precisions
        Only these; all that can be tried here where they are None.
    most_texts
        Of more held-out texts, so many are compared.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Raises
    ------
    engine.errors.BackendError
        There is no such backend or precision here.
    engine.errors.BundleError
        The run has no model, or the table cannot be written.
    engine.errors.DataError
        The run's data set is not here.
    """
    from engine.runs.attachments import writing_attachment

    report = progress or silent
    bundle.require_model()
    judged = (not backends or JUDGE in backends) and (not precisions or FP32 in precisions)
    others = [name for name in backends or () if name != JUDGE]
    chosen = [] if backends and not others else chosen_ways(bundle, others, precisions)
    report("Baseline", 0.0)
    texts = gather_texts(bundle, most_held_out=most_texts)
    comparing = Comparing(bundle, texts, open_baseline(bundle, usable_cores()), lambda share: report("Baseline", share))
    rows = [comparing.judge()] if judged else []
    for number, way in enumerate(chosen):
        report("Compare", number / len(chosen))
        rows.append(comparing.row(way))
    report("Compare", 1.0)
    table = RunParity(
        version=TABLE_VERSION,
        run_id=bundle.run_id,
        baseline=comparing.baseline.name,
        held_out=texts.real,
        held_out_rows=texts.held_out_rows,
        gate_texts=texts.kinds,
        shapes=comparing.grid.shapes,
        ways=tuple(rows),
        cpu=cpu_fingerprint(),
        environment=environment(),
    )
    asked = {"backends": backends, "precisions": precisions, "most_texts": most_texts}
    with writing_attachment(bundle, PARITY_NAME, PARITY_NAME, asked, table.environment, replace=True) as folder:
        (folder / PARITY_FILE).write_bytes(encode_json(table))
    return table


def chosen_ways(bundle: Bundle, backends: Sequence[str] | None, precisions: Sequence[str] | None) -> list[Way]:
    """Return the ways that can be tried here, those asked for where any are.

    Raises
    ------
    engine.errors.BackendError
        There is no such backend, or no such precision on these backends.
    """
    from engine.export.precisions.precision import ways

    found = ways(bundle, list(backends) if backends else None)
    if not precisions:
        return found
    known = dict.fromkeys(way.precision for way in found)
    for precision in precisions:
        if precision not in known:
            raise BackendError(
                f"No precision {precision!r} can be tried here on these backends; there are: {', '.join(known)}."
            )
    return [way for way in found if way.precision in precisions]
