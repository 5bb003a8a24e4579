"""Write docs/benchmarks.md from the newest results: the page says only what was measured.

python benchmarks/report.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `python benchmarks/report.py` from `benchmarks/results/*.json`; each section names its command.
"""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


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


def tuning(results: dict[str, Any]) -> str:
    """Verdicts of `tagscope parity` and the choice of `tagscope tune`, for MiniLM with a head."""
    found, told = results["tuning"], results["parity"]
    choice = found["choice"]

    def speed(name: str, setting: dict[str, Any]) -> float:
        return 1 / setting["latency"] if name.startswith("single") else setting["throughput"]

    def shown(setting: dict[str, Any]) -> str:
        low, high = setting["throughput_range"]
        return f"{setting['latency'] * 1e3:,.3g} ms, {setting['throughput']:,.0f}/s ({low:,.0f} to {high:,.0f})"

    patterns = []
    for name, setting in choice["patterns"].items():
        usual = choice["reference"][name]
        patterns.append(
            (
                f"{name}: {found['meanings'][name]}",
                f"{setting['backend']} {setting['precision']}, batch {setting['batch']}",
                shown(setting),
                shown(usual),
                f"{speed(name, setting) / speed(name, usual):.2f}",
            )
        )
    answers = {f"{row['backend']} {row['precision']}": row for row in told["ways"]}
    ways = []
    for row in found["ways"]:
        answer = answers.get(row["way"], {})
        off = "" if answer.get("shapes") is None else f"{max(answer['shapes'], answer['texts']):.1e}"
        gain = "" if row["gain"] is None else f"{row['gain']:.2f}"
        passed = {True: "passes", False: "does not pass", None: "not chosen"}[row["passed"]]
        ways.append((row["way"], off, gain, f"{passed}: {row['reason'].rstrip('.')}"))
    counted = ", ".join(f"{count:,} {kind}" for kind, count in found["texts"].items())
    left = f" Done before the time was up: {'; '.join(found['unfinished'])}." if found["unfinished"] else ""
    return (
        "all-MiniLM-L6-v2 with a head, made by `tagscope import hf` of the lesson's `dataset.csv`; then `tagscope "
        "parity` and `tagscope tune`, all ways in turn in each round. Gain is over fp32 on ONNX Runtime at its best "
        f"batch and threads. Flips are counted on {counted}.{left}\n\n"
        + table(("load", "choice", "speed (rounds)", "fp32 on ONNX Runtime", "gain"), patterns)
        + "\n\n"
        + table(("way", "off from torch", "best gain", "gate"), ways)
    )


SECTIONS: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "quality": ("Quality of the models", quality),
    "training": ("Training time", training),
    "first_paint": ("First paint", first_paint),
    "export": ("Export", export),
    "tuning": ("Backends and precisions", tuning),
    "super_resolution": ("Super-resolution", super_resolution),
}


def page() -> str:
    """Return the page's text."""
    parts = [HEAD]
    for name, (title, section) in SECTIONS.items():
        results = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
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
