"""What cannot be exported, or not to its end: one sentence, at once where that can be, and nothing is left."""

from __future__ import annotations

import importlib
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.errors import ExportError
from engine.export import exporter
from engine.export.axes import Axis
from engine.export.exporter import export_classifier, export_model
from engine.export.worker import process

ROOT = Path(__file__).parents[2]


# A module that, where the worker reads it, does what it was told.
STRANGE = """
import os, signal, sys, threading
from pathlib import Path
from torch import nn

class Strange(nn.Module):
    def __init__(self, deed, at=""):
        super().__init__()
        self.deed, self.at = deed, at
        self.linear = nn.Linear(1, 2)

    def __setstate__(self, state):
        super().__setstate__(state)
        folder = Path(sys.orig_argv[-1])
        if self.deed == "part of an answer":
            (folder / "answer.json").write_text('{"opset": 2')
            os._exit(0)
        if self.deed == "want of memory":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "full disk":
            (folder / self.at).symlink_to("/dev/full")
        if self.deed == "wait":
            with open(self.at, "w") as pipe:
                print(os.getpid(), file=pipe, flush=True)
                threading.Event().wait()

    def forward(self, ids):
        return self.linear(ids.float().mean(1, keepdim=True))
"""


class Plain(nn.Module):
    def forward(self, x, y=None):
        return x * 2 if y is None else (x, y)


class Needs(nn.Module):
    def forward(self, x, mask):
        return x * mask


class Seven(nn.Module):
    def forward(self, x):
        return x @ torch.ones(7, 2)


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1)
        self.inner.lock = threading.Lock()

    def forward(self, x):
        return x


class Large(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(1).expand(600_000_000))

    def forward(self, x):
        return x


class Compiled(nn.Module):
    """As `torch.compile` gives it, which takes seconds to import and warns."""

    def __init__(self) -> None:
        super().__init__()
        self._orig_mod = Plain()


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        # What `torch.jit.script` gives; the function itself is deprecated.
        self.part = torch.jit.ScriptModule()

    def forward(self, x):
        return x


X = torch.ones(3, 4)
ROWS = {"x": {0: Axis("rows"), 1: Axis("columns")}}


@pytest.mark.parametrize(
    ("module", "given", "words"),
    [
        (Plain, {"inputs": {"z": X}}, "no parameter 'z'; its parameters are: x, y"),
        (Plain, {"inputs": {"x": [1.0]}}, "The example x is of type list; give a tensor"),
        (Plain, {"inputs": {"x": X.bfloat16()}}, "x is in bfloat16"),
        (Needs, {}, "also needs mask; give an example"),
        (Seven, {}, r"Seven.forward fails on the example x \[3, 4\] \(RuntimeError: .*; give an example"),
        (Plain, {"outputs": ("a", "b")}, r"returns 1 tensors, and 2 names are given \(a, b\)"),
        (Plain, {"outputs": ("x",)}, r"inputs \(x\) and outputs \(x\) share a name"),
        (Plain, {"inputs": {"x": X, "y": X[0]}}, "returns 2 tensors, and 1 names"),
        (Plain, {"dynamic": {"y": {0: Axis("rows")}}}, "no input 'y' to have dynamic axes; the inputs are: x"),
        (Plain, {"inputs": {"x": X[:1]}}, r"size 1 on axis 0 of x \(rows\), where an export can freeze"),
        (Plain, {"dynamic": {"x": {2: Axis("depth")}}}, r"x \[3, 4\] has no axis 2 to be called depth"),
        (Locked, {}, r"its attribute inner.lock \(lock\) cannot be copied to another process"),
        (Large, {}, "its weights take 2.2 GiB"),
        (Scripted, {}, "part is TorchScript"),
        (Plain, {"translations": {"a::b": lambda x: x}}, r"translation of a::b \(<lambda>\) is not an attribute"),
        (Plain, {"translations": {"a::b": None}}, "translation of a::b is of type NoneType; give the function"),
        (lambda: Plain, {}, "is the class Plain, not an nn.Module"),
        (lambda: len, {}, "is of type builtin_function_or_method, not an nn.Module"),
        (Compiled, {}, "compiled by torch.compile; give the module"),
        (lambda: nn.LazyLinear(2), {"inputs": {"input": X}, "dynamic": {}}, "LazyLinear .* weight has no values"),
        (lambda: nn.Linear(4, 2, device="meta"), {"inputs": {"input": X}, "dynamic": {}}, "weight has no values"),
        (Plain, {"inputs": (X,)}, "The example is of type tuple; give a tensor by the name"),
        (Plain, {"inputs": {"x": X.to_sparse()}}, "x cannot be an array .* give a dense tensor"),
        (Plain, {"inputs": {"x": X.to(torch.complex64)}}, "x is complex, which engines lack"),
        (Plain, {"dynamic": {"x": [0]}}, "axes of x are not given as an Axis by dimension"),
        (Plain, {"dynamic": {"x": {0: "rows"}}}, "axes of x are not given as an Axis by dimension"),
        (Plain, {"dynamic": {"x": {"0": Axis("rows")}}}, r"x \[3, 4\] has no axis '0' to be called rows"),
        (Plain, {"outputs": "logits"}, "names of the outputs cannot be 'logits'; give a sequence"),
        (Plain, {"outputs": ("",)}, r"names of the outputs cannot be \('',\); give a sequence"),
    ],
)
def test_what_cannot_be_exported_is_told_at_once_in_one_sentence(tmp_path, monkeypatch, module, given, words):
    def never(*_: object) -> None:
        pytest.fail("a process was started")

    monkeypatch.setattr(exporter, "run_worker", never)
    wanted = {"inputs": {"x": X}, "dynamic": ROWS, **given}
    (tmp_path / "model.onnx").write_bytes(b"before")
    with pytest.raises(ExportError, match=words) as caught:
        export_model(module(), wanted.pop("inputs"), tmp_path / "model.onnx", **wanted)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("place", "words"), [("", "is a folder; give the path"), ("file/m.onnx", "is a file")])
def test_a_path_where_no_file_can_be_is_told_at_once(tmp_path, place, words):
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match=words) as caught:
        export_model(Plain(), {"x": X}, str(tmp_path / place), dynamic=ROWS)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_export_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "SECONDS", 0.01)
    with pytest.raises(ExportError, match=r"took over 0\.01 seconds"):
        export_model(Plain(), {"x": X}, tmp_path / "new" / "model.onnx", dynamic=ROWS)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """The class above, in a module that the worker finds too."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "strange_module.py").write_text(STRANGE)
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("strange_module").Strange
    del sys.modules["strange_module"]


@pytest.mark.parametrize(
    ("deed", "words"),
    [("part of an answer", "no whole answer .* check free space and memory"), ("want of memory", "want of memory")],
)
def test_a_worker_without_an_answer_is_one_sentence(strange, tmp_path, deed, words):
    with pytest.raises(ExportError, match=words) as caught:
        export_classifier(strange(deed), tmp_path / "model.onnx", max_tokens=8, vocabulary_size=9)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["model.onnx", "answer.json"])
def test_a_full_disk_is_named(strange, tmp_path, name):
    with pytest.raises(ExportError, match="no space left on the disk") as caught:
        export_classifier(strange("full disk", name), tmp_path / "model.onnx", max_tokens=8, vocabulary_size=9)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


PARENT = """
import signal, sys
from pathlib import Path
from engine.export import exporter
from engine.export.worker import process
from engine.export.axes import Axis
from engine.export.exporter import export_classifier, export_model
from strange_module import Strange
# As for a process that a terminal started, whatever this one was started with.
signal.signal(signal.SIGINT, signal.default_int_handler)
export_classifier(Strange("wait", sys.argv[1]), Path(sys.argv[2]), max_tokens=8, vocabulary_size=9)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes and signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_worker_ends_with_the_process_that_started_it(strange, tmp_path, number):
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-c", PARENT, str(tmp_path / "pipe"), str(tmp_path / "model.onnx")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "modules"), str(ROOT)])}
    worker = 0
    try:
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as parent:
            try:
                assert select.select([pipe], [], [], 120)[0], "the worker never built its module"
                worker = int(os.read(pipe, 100))
                parent.send_signal(number)
                parent.wait(60)
            finally:
                parent.kill()
        # The worker holds the other end for as long as it lives.
        assert select.select([pipe], [], [], 60)[0], "the worker went on"
        assert os.read(pipe, 100) == b""
        worker = 0
    finally:
        os.close(pipe)
        if worker:
            os.kill(worker, signal.SIGKILL)
