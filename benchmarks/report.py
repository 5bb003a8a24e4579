"""Write docs/benchmarks.md from the newest results: the page says only what was measured.

python benchmarks/report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_tables import table
from report_data import dashboard, exploration, findings
from report_evaluation import comparison, evaluation, failures, intervals, weak_slices
from report_serving import answers, engine, memory, overload, serving, tuning

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `python benchmarks/report.py` from `benchmarks/results/*.json`; each section names its command.
"""


def quality(results: dict[str, Any]) -> str:
    """Weighted F1 on the lesson's data."""
    rows = []
    best = max(row["mean"] for name, row in results["folds"].items() if "SVM" in name)
    for name, row in results["folds"].items():
        on = results["holdout"].get(name)
        holdout = f"{on['f1']:.3f} ({on['low']:.3f} to {on['high']:.3f})" if on else ""
        seconds = f"{on['train_seconds']:.1f}" if on else ""
        rows.append(
            (name, f"{row['mean']:.4f}", f"{row['spread']:.4f}", f"{row['mean'] - best:+.4f}", holdout, seconds)
        )
    head = (
        "model",
        "weighted F1",
        "spread between folds",
        "minus the better SVM",
        "`holdout.csv` (95 %)",
        "training, s",
    )
    return (
        "Made With ML lesson data, 955 rows, four tags, 5 stratified folds x 3, all models on the same folds; then "
        "trained once on `dataset.csv` by the whole pipeline and scored on `holdout.csv` through the ONNX model. The "
        "defaults of `ngram` and `cnn` were chosen on such folds, so their figures are a little too good.\n\n"
        + table(head, rows)
    )


def training(results: dict[str, Any]) -> str:
    """Training time by rows and tags."""
    rows = [
        (
            row["model"],
            row["tags"],
            f"{row['rows']:,}",
            f"{row['seconds']:.1f}",
            f"{row['rows_per_second']:,.0f}",
            f"{row['peak_mib']:,.0f}",
        )
        for row in results["results"]
    ]
    return (
        "Vocabulary, features and fit, each in a process of its own; rows recombined from the lesson's texts.\n\n"
        + table(("model", "tags", "rows", "seconds", "rows/s", "peak MiB"), rows)
    )


def first_paint(results: dict[str, Any]) -> str:
    """Time from navigation start to the number of projects."""
    rows = [
        (
            row["shell"],
            f"{row['median']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{row['worst']:.2f}",
            f"{row['document']:.2f}",
        )
        for row in results["results"]
    ]
    return (
        "From navigation start to the number of projects visible in Chromium, warm server, empty browser cache, "
        f"{results['visits']} visits each, shells in turn. Every shell but the dashboard holds only the count and a "
        "table.\n\n"
        + table(("shell", "median, s", "quartiles", "worst", "first byte, s"), rows)
        + "\n\nThe choice: `panel_material_ui.Page`. Between empty shells the differences are a few tenths of a second "
        "at most, and it alone has a dark theme without a reload, landmarks, and nothing from another host. What "
        "makes the "
        "dashboard faster than its own shell is that the count stands in the HTML that the server sends, before any "
        "script has run; plots and the other sections come when they are about to be seen."
    )


def export(results: dict[str, Any]) -> str:
    """Differences of every kind of module on every engine."""

    def cell(result: dict[str, Any]) -> str:
        return f"{result['difference']:.1e}" if "difference" in result else "refused"

    rows = [
        (
            row["module"],
            len(row["operators"]),
            row["nodes"],
            f"{row['size'] / 1024:,.0f}",
            ", ".join(row["dynamic"]),
            row["shapes"],
            f"{row['processor_seconds']:.1f}",
            *(cell(row["engines"][engine]) for engine in ("onnxruntime", "openvino", "reference")),
        )
        for row in results["results"]
    ]
    head = ("module", "operators", "nodes", "KiB", "dynamic axes", "shapes", "export, core s")
    refused = "\n".join(f"- {row['module']}: {row['message']}" for row in results["refused"])
    return (
        "Largest difference of an answer from torch's, as a share of torch's largest answer, over so many shapes; "
        "fp32, opset 20. The reference evaluator judges all-MiniLM-L6-v2 at its smaller shapes only.\n\n"
        + table((*head, "ONNX Runtime", "OpenVINO", "ONNX reference"), rows)
        + "\n\nThe operator of level 3 is a Python function: only ONNX Runtime can call it, no bundle may hold it. "
        "What cannot be exported is refused:\n\n" + refused
    )


def super_resolution(results: dict[str, Any]) -> str:
    """SRCNN against bicubic enlargement."""
    cells = results["kept_out"]
    rows = [
        (
            cell["photograph"],
            f"{cell['factor']:g}",
            f"{cell['bicubic']:.2f}",
            f"{cell['srcnn']:.2f}",
            f"{cell['gain']:+.2f}",
        )
        for cell in cells
    ]
    speed = [
        (name, f"{row['median']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}")
        for name, row in results["seconds_per_megapixel"].items()
    ]
    made, file = results["training"], results["export"]
    return (
        f"One SRCNN for all factors, trained {made['seconds']:.0f} s ({made['core_seconds']:.0f} s of one core) on "
        f"{len(made['photographs'])} photographs of scikit-image; {sum(cell['gain'] > 0 for cell in cells)} of "
        f"{len(cells)} cases are better than bicubic. The photographs below were not trained on, but about a dozen "
        "settings were judged on them, so the gains are a little too good. Judged through the ONNX file "
        f"({file['cases']} cases, at most {file['difference']:.0e} from torch). PSNR of the luminance in dB.\n\n"
        + table(("photograph", "factor", "bicubic", "SRCNN", "gain"), rows)
        + "\n\n"
        + table(("one thread", "s / megapixel", "lowest to highest"), speed)
    )


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "quality": ("Quality of the models", quality),
    "training": ("Training time", training),
    "first_paint": ("First paint", first_paint),
    "export": ("Export", export),
    "tuning": ("Backends and precisions", tuning),
    "engine": ("Predictor", engine),
    "memory": ("Memory under varying shapes", memory),
    "overload": ("Overload", overload),
    "answers": ("Answers under concurrency", answers),
    "answers_http": ("Answers over HTTP", answers),
    "super_resolution": ("Super-resolution", super_resolution),
    "serving": ("Serving", serving),
    "findings": ("Findings", findings),
    "exploration": ("Exploration of a data set", exploration),
    "dashboard": ("The data section in a browser", dashboard),
    "failures": ("Performance, errors and comparison in a browser", failures),
    "evaluation": ("Evaluation", evaluation),
    "statistics": ("Intervals", intervals),
    "comparison_simulation": ("Comparison of runs", comparison),
    "weak_slices": ("Weak slices", weak_slices),
}


def page() -> str:
    """Return the page's text."""
    parts = [HEAD]
    for name, (title, section) in SECTIONS.items():
        path = RESULTS / f"{name}.json"
        if not path.is_file():
            # Not measured on this version yet; the page holds no figures of another one.
            continue
        results = json.loads(path.read_text(encoding="utf-8"))
        machine = results["machine"]
        where = f"{results['measured']}, {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"
        parts.append(f"## {title}\n\n`{results['command']}`: {where}.\n\n{section(results)}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
