from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from engine.backends.onnx_runtime import open_session
from engine.errors import ExportError
from engine.export.axes import Axis
from engine.export.exporter import export_classifier, export_model
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
        report = export_classifier(module, folder / f"{name}.onnx", max_tokens=64, vocabulary_size=VOCABULARY)
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


class Tagger(nn.Module):
    """Both directions of an LSTM, and a factor that is an input; padding is not looked at here."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.out = nn.Linear(10, 2)

    def forward(self, ids, weights, factor):
        states, _ = self.lstm(self.words(ids))
        return self.out(states.mean(1)) * weights.sum(1, keepdim=True), self.out(states)[:, 0] * factor


EXAMPLE = {
    # Not in the order of `forward`.
    "weights": torch.linspace(-1, 1, 15).reshape(3, 5),
    "factor": torch.tensor(2.5),
    "ids": torch.arange(1, 22).reshape(3, 7),
}
BATCH, LEFT, RIGHT = Axis("batch", maximum=40), Axis("left", maximum=33), Axis("right", maximum=70)
DYNAMIC = {"ids": {0: BATCH, 1: LEFT}, "weights": {0: BATCH, 1: RIGHT}}


@pytest.fixture(scope="module")
def tagger(exported, tmp_path_factory):
    """The second module exported in this process, and again: modules of recurrent layers once came out frozen."""
    torch.manual_seed(0)
    module = Tagger().train()
    module.lstm.eval()
    folder = tmp_path_factory.mktemp("tagger")
    path = folder / "new" / "model.onnx"
    report = export_model(module, EXAMPLE, path, dynamic=DYNAMIC, outputs=("mean", "first"))
    return module, path, report


def test_inputs_of_different_lengths_and_a_factor_are_as_declared(tagger):
    module, path, report = tagger
    assert report.axes == {
        "ids": ("batch", "left"),
        "weights": ("batch", "right"),
        "factor": (),
        "mean": ("batch", 2),
        "first": ("batch", 2),
    }
    session = open_session(path.read_bytes(), "tagger")
    assert {given.name: tuple(given.shape) for given in session.get_inputs()} == {
        name: report.axes[name] for name in EXAMPLE
    }
    feeds = {"ids": np.full((1, 1), 3), "weights": np.ones((1, 70), np.float32), "factor": np.array(-7, np.float32)}
    with torch.no_grad():
        expected = module(*(torch.tensor(feeds[name]) for name in ("ids", "weights", "factor")))
    for one, other in zip(session.run(["mean", "first"], feeds), expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-6)


def test_the_report_says_what_was_made_and_compared(tagger):
    _, path, report = tagger
    assert report.size == path.stat().st_size
    assert report.opset == 20
    assert report.nodes == len(onnx.load(path).graph.node)
    assert report.operators["LSTM"] == 1
    assert sum(report.operators.values()) == report.nodes
    assert report.engines == report.warnings == ()
    assert report.parity.difference <= 1e-4
    shapes = {case.shapes["ids"] for case in report.parity.cases}
    assert len(report.parity.cases) >= 12
    assert {(1, 1), (1, 33), (40, 1)} <= shapes
    assert {case.shapes["factor"] for case in report.parity.cases} == {()}


def test_the_module_is_left_in_the_modes_it_has(tagger):
    module = tagger[0]
    assert module.training
    assert module.out.training
    assert not module.lstm.training


def test_a_second_export_is_equal_to_the_byte(tagger, tmp_path):
    module, path, _ = tagger
    report = export_model(
        module, EXAMPLE, tmp_path / "again.onnx", dynamic=DYNAMIC, outputs=("mean", "first"), cases=()
    )
    assert report.parity is None
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


LESSON = """
from torch import nn

class Lesson(nn.Module):
    def forward(self, x):
        return running(x).cumsum(1)

def running(x):
    return x.exp()
"""


def test_a_class_of_the_current_folder_is_sent_with_its_code_and_a_wrong_answer_leaves_nothing(tmp_path, monkeypatch):
    """As beside a notebook: no other process can import the class. The backend answers a little off."""

    class Off:
        def open(self, model, *, name):
            session = open_session(model, name)

            class Session:
                def run(self, feeds):
                    return {"logits": session.run(None, feeds)[0] * np.float32(1.001)}

            return Session()

    (tmp_path / "lesson_module.py").write_text(LESSON)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    lesson = importlib.import_module("lesson_module")
    # So that it is gone from there afterwards.
    monkeypatch.delitem(sys.modules, "lesson_module")
    sys.modules["lesson_module"] = lesson
    module = lesson.Lesson()
    inputs = {"x": torch.linspace(-1, 1, 12).reshape(3, 4)}
    with pytest.raises(ExportError, match=r"differs from torch by (9\.\d|1\.0)e-0[34]") as caught:
        export_model(
            module, inputs, tmp_path / "out" / "model.onnx", dynamic={"x": {0: BATCH, 1: LEFT}}, sessions=Off()
        )
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["lesson_module.py"]


def test_a_file_in_the_current_folder_is_not_imported(exported, tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise SystemExit('the wrong onnx')")
    monkeypatch.chdir(tmp_path)
    # As in an interactive session, where the first entry means the current folder.
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    export_classifier(ngram_module(), tmp_path / "model.onnx", max_tokens=64, vocabulary_size=VOCABULARY)
    assert (tmp_path / "model.onnx").read_bytes() == exported["ngram"][1].read_bytes()


def test_other_users_may_read_the_file_as_any_other(exported, tmp_path):
    (tmp_path / "any").touch()
    assert exported["ngram"][1].stat().st_mode == (tmp_path / "any").stat().st_mode
