from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_the_benchmark_does_not_hide_pythons_own_module_of_its_name() -> None:
    # A script of that folder finds what stands beside it before Python's library.
    code = "import sys; sys.path.insert(0, sys.argv[1]); import statistics; print(statistics.NormalDist().inv_cdf(0.5))"
    run = subprocess.run(
        [sys.executable, "-c", code, str(BENCHMARKS)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.stdout.strip(), run.stderr) == ("0.0", "")
