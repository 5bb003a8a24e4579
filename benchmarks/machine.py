"""Which machine a figure was measured on, and where results are kept."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The script's own folder is searched first, and there `engine` would be engine.py and not the package.
sys.path.insert(0, str(ROOT))

from engine.pipeline.provenance import environment  # noqa: E402 - found only now

RESULTS = Path(__file__).with_name("results")
# Homes that take long to make, with runs or with a model that was imported: made once, they stay there.
CACHE = Path.home() / ".cache" / "tagscope-benchmarks"
LESSON_DATA = Path(os.environ.get("TAGSCOPE_LESSON_DATA", ROOT.parent / "shared" / "data" / "madewithml"))


def describe() -> dict[str, Any]:
    """Return processor, usable cores, Python and library versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {**environment(), "cores": cores}


def write_results(name: str, results: dict[str, Any]) -> Path:
    """Write `results/<name>.json` with the machine and the date beside the figures."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"measured": datetime.now(UTC).date().isoformat(), "machine": describe(), **results}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path.relative_to(ROOT)}")
    return path
