"""`tagscope parity` and `tagscope tune` as they are typed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from rich.console import Console

from engine import console
from engine.backends.machine import cpu_fingerprint
from engine.runs.bundle import seal
from engine.runs.choice import read_choice
from engine.runs.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(demo_home: Path) -> str:
    return (demo_home / "config" / "run_id.txt").read_text().strip()


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("width", [80, 200])
def test_parity_prints_a_row_for_each_way(
    run: str, tagscope: Command, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(console, "out", Console(width=width, highlight=False))
    code, out, err = tagscope("parity", run, "--precision", "fp32")
    assert code == 0, err
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    (first,) = (number for number, line in enumerate(lines) if line.startswith("onnxruntime fp32 "))
    row = lines[first] if width == 200 else f"{lines[first]} {lines[first + 1]}"
    for words in ("equal", "0 of 136", "0.0% to 2.7%"):
        assert words in row
    assert any(line.startswith("openvino fp32 ") for line in lines)
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert "torch eager" in out
    assert "Compare" in err


def test_parity_prints_json(run: str, tagscope: Command) -> None:
    code, out, _ = tagscope("parity", run, "--backend", "onnxruntime", "--precision", "fp32", "--json")
    assert code == 0
    table = json.loads(out)
    (way,) = table["ways"]
    assert (way["backend"], way["precision"], way["verdict"]) == ("onnxruntime", "fp32", "equal")
    assert table["run_id"] == run


def test_parity_ends_with_1_where_fp32_differs(demo_home: Path, run: str, tagscope: Command) -> None:
    bundle = open_store().open(run)
    model = onnx.load(bundle.path / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.01), tensor.name))
    onnx.save(model, bundle.path / "model.onnx")
    seal(bundle.path, bundle.manifest)
    code, out, err = tagscope("parity", run, "--precision", "fp32", "--backend", "onnxruntime")
    assert code == 1
    assert "does not answer as the baseline does" in err
    assert "onnxruntime fp32" in out
    assert "Traceback" not in out + err


def test_tune_prints_the_choice_and_why(run: str, tagscope: Command) -> None:
    code, out, err = tagscope("tune", run, "--minutes", "0.3", "--backend", "onnxruntime")
    assert code == 0, err
    for pattern in ("single-short", "single-long", "stream", "bulk"):
        assert pattern in out
    assert "onnxruntime fp32: " in out
    assert "2,000 different texts" in out
    choice = read_choice(open_store().open(run), cpu_fingerprint())
    assert choice is not None
    changed = any(f"{best.backend} {best.precision}" != "onnxruntime fp32" for best in choice.patterns.values())
    assert changed != ("Nothing faster passes the gate: fp32 on ONNX Runtime stays." in out)
    told = json.loads(tagscope("tune", run, "--minutes", "0.3", "--backend", "onnxruntime", "--json")[1])
    assert set(told["choice"]["patterns"]) == set(choice.patterns)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("parity", "0" * 32), "No run has the id"),
        (("parity", "../../etc/passwd"), "not a run id"),
        (("parity", "RUN", "--backend", "nonsense"), "No backend 'nonsense' is installed here"),
        (("parity", "RUN", "--precision", "int3"), "No precision 'int3'"),
        (("tune", "0" * 32), "No run has the id"),
        (("tune", "RUN", "--backend", "nonsense"), "No backend 'nonsense' is installed here"),
    ],
)
def test_bad_input_is_one_sentence(demo_home: Path, run: str, tagscope: Command, arguments, words: str) -> None:
    before = files_under(demo_home)
    code, out, err = tagscope(*(run if argument == "RUN" else argument for argument in arguments))
    assert code == 1
    assert words in err
    assert "Traceback" not in out + err
    assert files_under(demo_home) == before


@pytest.mark.parametrize("command", ["parity", "tune"])
def test_without_torch_the_extra_is_named(
    demo_home: Path, run: str, tagscope: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("engine.export", "engine.training", "engine.pipeline"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    before = files_under(demo_home)
    code, _, err = tagscope(command, run)
    assert code == 1
    assert "tagscope[train]" in err
    assert files_under(demo_home) == before
