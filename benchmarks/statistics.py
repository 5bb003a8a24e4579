"""Does what evaluation says keep what it promises? All of its simulations, and a verdict on each promise.

    python benchmarks/statistics.py [--only intervals comparison weak-slices] [--quick]

- `interval_coverage`: do the 95 % intervals of a run's figures hold the truth, and how long do a million rows take?
- `comparison_simulation`: do tests and intervals of the comparison of runs keep their level, is a regression found?
- `weak_slices`: are planted weak slices found, and is noise left alone?

Each can be run by itself, with options of its own. The last two want the lesson's data (TAGSCOPE_LESSON_DATA). All of
it takes about an hour, `--quick` some minutes; that writes results too, which are then no more than a hint.

The scripts in this folder are run from it, so that for them and for all that they import `import statistics` finds this
file first. It then hands over to Python's own module of that name.
"""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    """Run the simulations and print the verdicts."""
    import argparse

    import comparison_simulation
    import interval_coverage
    import weak_slices
    from verdicts import print_verdicts

    parts = {
        "intervals": (interval_coverage.main, ["--samples", "40", "--rows", "10", "30", "100"]),
        "comparison": (comparison_simulation.main, ["--rounds", "200", "--draws", "2"]),
        "weak-slices": (weak_slices.main, ["--runs", "10", "--draws", "1", "--rows", "50000"]),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="all by default")
    parser.add_argument("--quick", action="store_true", help="few samples")
    options = parser.parse_args()
    verdicts = []
    for name in options.only:
        run, few = parts[name]
        verdicts += run(few if options.quick else [])
    print_verdicts(verdicts)


if __name__ == "__main__":
    main()
else:
    _spec = importlib.util.spec_from_file_location(__name__, Path(sysconfig.get_path("stdlib")) / "statistics.py")
    if _spec is None or _spec.loader is None:
        raise ImportError("Python's own module `statistics` is not in its library")
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[__name__] = _module
    _spec.loader.exec_module(_module)
