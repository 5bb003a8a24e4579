from __future__ import annotations

import importlib
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from engine.errors import ExportError
from engine.export.exporter import export_onnx
from engine.runs.session import open_session
from engine.training.cnn import TextCnn
from engine.training.ngram import NgramClassifier

VOCABULARY = 40
ROOT = Path(__file__).parents[2]


def ngram_module() -> NgramClassifier:
    generator = torch.Generator().manual_seed(0)
    module = NgramClassifier(3, VOCABULARY, 101, (17, 60)).eval()
    with torch.no_grad():
        module.words[2:] = torch.rand(VOCABULARY - 2, 4, generator=generator) + 0.1
        for a in range(2, VOCABULARY):
            for b in range(2, VOCABULARY, 3):
                slot = (a * 17 + b * 60) % 101
                module.pair_keys[slot] = a * VOCABULARY + b
                module.pairs[slot] = torch.rand(4, generator=generator) + 0.1
    return module


def cnn_module() -> TextCnn:
    torch.manual_seed(0)
    return TextCnn(3, VOCABULARY, 8, (2, 3, 5), 6, 0.5).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> dict[str, tuple[nn.Module, Path]]:
    folder = tmp_path_factory.mktemp("export")
    found = {}
    for name, module in (("ngram", ngram_module()), ("cnn", cnn_module())):
        report = export_onnx(module, folder / f"{name}.onnx", max_tokens=64, vocabulary_size=VOCABULARY)
        assert report.size == (folder / f"{name}.onnx").stat().st_size
        found[name] = (module, folder / f"{name}.onnx")
    assert sorted(path.name for path in folder.iterdir()) == ["cnn.onnx", "ngram.onnx"]
    return found


@pytest.mark.parametrize("name", ["ngram", "cnn"])
def test_inputs_outputs_and_axes_have_their_names(exported, name):
    session = open_session(exported[name][1].read_bytes(), name)
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("input_ids", "tensor(int64)", ["batch", "sequence"])
    assert (answer.name, answer.type, answer.shape) == ("logits", "tensor(float)", ["batch", 3])


@pytest.mark.parametrize("name", ["ngram", "cnn"])
def test_every_shape_gives_the_answer_of_torch(exported, name):
    module, path = exported[name]
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    chance = np.random.default_rng(0)
    for shape in [(1, 1), (1, 2), (2, 1), (1, 64), (5, 5), (7, 11), (13, 64), (1, 200)]:
        ids = chance.integers(0, VOCABULARY, shape)
        ids[:, 0] = 1 + ids[:, 0] % (VOCABULARY - 1)
        with torch.no_grad():
            expected = module(torch.from_numpy(ids)).numpy()
        np.testing.assert_allclose(session.run(None, {"input_ids": ids})[0], expected, rtol=1e-4, atol=1e-5)


def test_the_hash_in_onnx_is_that_in_torch(exported):
    """Every pair of ids: a text of two words tells by its logits which slot was read."""
    module, path = exported["ngram"]
    ids = np.array([(a, b) for a in range(1, VOCABULARY) for b in range(VOCABULARY)])
    slots = module.pair_slots(torch.from_numpy(ids))[:, 0].numpy()
    assert 50 < len(set(slots.tolist())) <= 102
    session = open_session(path.read_bytes(), "ngram")
    with torch.no_grad():
        expected = module(torch.from_numpy(ids)).numpy()
    np.testing.assert_allclose(session.run(None, {"input_ids": ids})[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["ngram", "cnn"])
def test_the_file_tells_nothing_of_the_machine(exported, name):
    content = exported[name][1].read_bytes()
    assert not re.search(rb"(/[a-z0-9_.-]+){2,}|\\Users\\|\.py\b", content)
    model = onnx.load_from_string(content)
    assert not model.metadata_props
    assert not model.graph.value_info
    for part in [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input]:
        assert part.doc_string == ""
        assert isinstance(part, onnx.ModelProto) or not part.metadata_props
    assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]


def test_ngram_is_look_ups_and_sums(exported):
    operators = {node.op_type for node in onnx.load(exported["ngram"][1]).graph.node}
    assert {"Gather", "ReduceSum", "Mod", "Equal", "Where"} <= operators
    assert not operators & {"MatMul", "Gemm", "Conv", "Loop", "Scan", "If", "GatherND"}


def test_a_second_export_is_equal_to_the_byte(exported, tmp_path):
    export_onnx(ngram_module(), tmp_path / "again.onnx", max_tokens=64, vocabulary_size=VOCABULARY)
    assert (tmp_path / "again.onnx").read_bytes() == exported["ngram"][1].read_bytes()


def test_a_module_that_cannot_be_built_again_is_refused_and_nothing_is_left(tmp_path):
    class Local(nn.Module):
        config: dict[str, int] = {}  # noqa: RUF012

    for module, words in ((nn.Linear(2, 2), "`config`"), (Local(), "importable")):
        with pytest.raises(ExportError, match=words) as caught:
            export_onnx(module, tmp_path / "model.onnx", max_tokens=8, vocabulary_size=9)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_shape_are_one_sentence(tmp_path):
    module = ngram_module()
    module.labels = 5
    (tmp_path / "model.onnx").write_bytes(b"before")
    with pytest.raises(ExportError, match="NgramClassifier cannot be exported to ONNX") as caught:
        export_onnx(module, tmp_path / "model.onnx", max_tokens=8, vocabulary_size=VOCABULARY)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "model.onnx").read_bytes() == b"before"
    assert len(list(tmp_path.iterdir())) == 1


# A module that, where the worker builds it, does what its config says.
STRANGE = """
import os, sys, threading
from pathlib import Path
from torch import nn

class Strange(nn.Module):
    def __init__(self, deed="", at=""):
        super().__init__()
        self.config = {"deed": deed, "at": at}
        self.linear = nn.Linear(1, 2)
        if "engine.export.worker" not in sys.orig_argv:
            return
        if deed == "part of an answer":
            Path(sys.argv[1], "answer.json").write_text('{"opset": 2')
            os._exit(0)
        if deed == "full disk":
            Path(sys.argv[1], at).symlink_to("/dev/full")
        if deed == "wait":
            with open(at, "w") as pipe:
                print(os.getpid(), file=pipe, flush=True)
                threading.Event().wait()

    def forward(self, ids):
        return self.linear(ids.float().mean(1, keepdim=True))
"""


@pytest.fixture
def strange(tmp_path, monkeypatch):
    """The class above, in a module that the worker finds too."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "strange_module.py").write_text(STRANGE)
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module("strange_module").Strange
    del sys.modules["strange_module"]


def test_a_file_in_the_current_folder_is_not_imported(exported, tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise SystemExit('the wrong onnx')")
    monkeypatch.chdir(tmp_path)
    # As in an interactive session, where the first entry means the current folder.
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    export_onnx(ngram_module(), tmp_path / "model.onnx", max_tokens=64, vocabulary_size=VOCABULARY)
    assert (tmp_path / "model.onnx").read_bytes() == exported["ngram"][1].read_bytes()


def test_other_users_may_read_the_file_as_any_other(exported, tmp_path):
    (tmp_path / "any").touch()
    assert exported["ngram"][1].stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_part_of_an_answer_is_one_sentence(strange, tmp_path):
    with pytest.raises(ExportError, match=r"no whole answer .* check free space and memory") as caught:
        export_onnx(strange("part of an answer"), tmp_path / "model.onnx", max_tokens=8, vocabulary_size=9)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
@pytest.mark.parametrize("name", ["model.onnx", "answer.json"])
def test_a_full_disk_is_named(strange, tmp_path, name):
    with pytest.raises(ExportError, match="no space left on the disk") as caught:
        export_onnx(strange("full disk", name), tmp_path / "model.onnx", max_tokens=8, vocabulary_size=9)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["modules"]


PARENT = """
import signal, sys
from pathlib import Path
from engine.export.exporter import export_onnx
from strange_module import Strange
# As for a process that a terminal started, whatever this one was started with.
signal.signal(signal.SIGINT, signal.default_int_handler)
export_onnx(Strange("wait", sys.argv[1]), Path(sys.argv[2]), max_tokens=8, vocabulary_size=9)
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
