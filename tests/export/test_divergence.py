from __future__ import annotations

import importlib
import itertools
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import ExportError
from engine.export.axes import Axis
from engine.export.exporter import export_model
from engine.export.parity.divergence import first_divergence, first_torch_divergence
from engine.export.parity.reference_backend import ReferenceBackend

FEEDS = {"input_ids": np.array([[5, 6, 9, 11, 0], [7, 0, 0, 0, 0], [4, 4, 3, 2, 1]])}
DYNAMIC = {"input_ids": {0: Axis("batch"), 1: Axis("sequence", 1, 64)}}


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(40, 16)
        self.first = nn.Linear(16, 32)
        self.norm = nn.LayerNorm(32)
        self.second = nn.Linear(32, 16)
        self.output = nn.Linear(16, 3)

    def forward(self, input_ids):
        real = (input_ids != 0).unsqueeze(2).float()
        hidden = torch.relu(self.norm(self.first(self.embedding(input_ids))))
        hidden = torch.tanh(self.second(hidden)) * real
        return self.output(hidden.sum(1) / real.sum(1))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[nn.Module, bytes]:
    module, path = Encoder().eval(), tmp_path_factory.mktemp("divergence") / "model.onnx"
    export_model(module, {"input_ids": torch.arange(15).reshape(3, 5)}, path, dynamic=DYNAMIC, cases=())
    return module, path.read_bytes()


def changed(content: bytes, weight: str, change: float = 1.1) -> bytes:
    """The model with one number of a weight multiplied."""
    model = onnx.load_from_string(content)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[np.abs(values).argmax()] *= change
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model.SerializeToString()


def user_of(content: bytes, weight: str) -> onnx.NodeProto:
    return next(node for node in onnx.load_from_string(content).graph.node if weight in node.input)


def test_equal_models_do_not_diverge(exported):
    module, content = exported
    assert first_divergence(content, content, FEEDS, tolerance=0.0) is None
    assert first_divergence(content, content, FEEDS, found_backend=ReferenceBackend()) is None
    assert first_torch_divergence(module, content, FEEDS, dynamic=DYNAMIC) is None


@pytest.mark.parametrize("weight", ["second.bias", "norm.weight", "output.bias"])
def test_a_changed_weight_is_found_at_the_operator_that_uses_it(exported, weight):
    _, content = exported
    user = user_of(content, weight)
    found = first_divergence(content, changed(content, weight), FEEDS)
    assert (found.operator, found.name, found.value) == (user.op_type, user.name, user.output[0])
    assert found.answered_by == user.op_type
    assert 1e-4 < found.difference < 1
    assert user.op_type in str(found)
    assert user.output[0] in str(found)


def test_a_changed_weight_is_found_from_the_module_too(exported):
    module, content = exported
    tampered = changed(content, "norm.weight")
    found = first_torch_divergence(module, tampered, FEEDS, dynamic=DYNAMIC)
    assert (found.operator, found.answered_by) == ("aten.layer_norm.default", "LayerNormalization")
    assert found.value == user_of(content, "norm.weight").output[0]
    assert found.difference == pytest.approx(first_divergence(content, tampered, FEEDS).difference, rel=1e-2)
    assert found.line.startswith("test_divergence.py, line ")
    assert found.line.endswith(": `hidden = torch.relu(self.norm(self.first(self.embedding(input_ids))))`")


def test_a_value_that_had_the_name_of_an_output_is_compared_too(tmp_path):
    module, path = Encoder().eval(), tmp_path / "model.onnx"
    # The first layer's answer is called so in the traced program.
    example = {"input_ids": torch.arange(15).reshape(3, 5)}
    export_model(module, example, path, dynamic=DYNAMIC, outputs=("linear",), cases=())
    content = path.read_bytes()
    assert first_torch_divergence(module, content, FEEDS, dynamic=DYNAMIC) is None
    found = first_torch_divergence(module, changed(content, "first.bias"), FEEDS, dynamic=DYNAMIC)
    assert (found.operator, found.name, found.value) == ("aten.linear.default", "linear", "linear_inner")


def test_a_change_below_the_tolerance_is_not_told(exported):
    _, content = exported
    tampered = changed(content, "second.bias")
    found = first_divergence(content, tampered, FEEDS)
    later = first_divergence(content, tampered, FEEDS, tolerance=1.01 * found.difference)
    assert later.value != found.value
    assert first_divergence(content, tampered, FEEDS, tolerance=1.0) is None


def test_int8_diverges_at_its_first_product(exported, tmp_path):
    _, content = exported
    (tmp_path / "model.onnx").write_bytes(content)
    quantize_dynamic(
        tmp_path / "model.onnx", tmp_path / "int8.onnx", weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul"]
    )
    products = [node for node in onnx.load_from_string(content).graph.node if node.op_type == "MatMul"]
    found = first_divergence(content, (tmp_path / "int8.onnx").read_bytes(), FEEDS)
    assert (found.operator, found.name, found.value) == ("MatMul", products[0].name, products[0].output[0])
    assert found.answered_by != "MatMul"
    assert f"MatMul, computed by {found.answered_by}" in str(found)


class Offset:
    """A backend that is wrong from one value on, whatever its model."""

    name, computes = "offset", ("fp32", "bf16")

    def __init__(self, value: str) -> None:
        self.value = value
        self.asked: list[int] = []
        self.compute = ""

    def open(self, model, *, name, compute="fp32", threads=1):
        self.compute = compute
        self._session = OnnxRuntimeBackend().open(model, name=name)
        return self

    def run(self, feeds):
        answers = self._session.run(feeds)
        self.asked.append(len(answers))
        return {name: value + (name == self.value) for name, value in answers.items()}


def chain(length: int) -> bytes:
    names = ["x", *(f"value_{number}" for number in range(length - 1)), "y"]
    nodes = [
        helper.make_node("Identity", [before], [after], name=f"node_{after}")
        for before, after in itertools.pairwise(names)
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


@pytest.mark.parametrize("place", [0, 63, 64, 298])
def test_a_long_graph_is_gone_through_a_part_at_a_time_until_something_differs(place):
    backend = Offset(f"value_{place}")
    found = first_divergence(
        chain(300), chain(300), {"x": np.ones(3, np.float32)}, found_backend=backend, found_compute="bf16"
    )
    assert (found.operator, found.name, found.difference) == ("Identity", f"node_value_{place}", 1.0)
    assert max(backend.asked) <= 64
    assert len(backend.asked) == place // 64 + 1
    assert backend.compute == "bf16"


def test_another_shape_and_what_is_no_number_are_infinitely_far():
    content = chain(3)
    model = onnx.load_from_string(content)
    model.graph.node[1].op_type = "Shape"
    model.graph.node[2].CopyFrom(helper.make_node("Identity", ["x"], ["y"]))
    found = first_divergence(content, model.SerializeToString(), {"x": np.ones(3, np.float32)})
    assert (found.operator, found.answered_by, found.difference) == ("Identity", "Shape", np.inf)
    model.graph.node[1].op_type = "Log"
    feeds = {"x": np.full(3, -1, np.float32)}
    assert first_divergence(content, model.SerializeToString(), feeds).difference == np.inf


def test_noise_where_numbers_cancel_out_is_no_divergence():
    content = chain(3)
    model = onnx.load_from_string(content)
    model.graph.node[1].CopyFrom(helper.make_node("Add", ["value_0", "noise"], ["value_1"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1e-8], np.float32), "noise"))
    feeds = {"x": np.full(3, 1e-8, np.float32)}
    assert first_divergence(content, model.SerializeToString(), feeds) is None


def test_what_cannot_be_compared_is_one_sentence(exported):
    module, content = exported
    for attempt, words in (
        (lambda: first_divergence(content, chain(2), FEEDS), "no value of one name"),
        (lambda: first_divergence(content, b"random bytes", FEEDS), "model that is judged is not a whole ONNX model"),
        (lambda: first_divergence(b"random bytes", content, FEEDS), "expected model is not a whole ONNX model"),
        (
            lambda: first_divergence(content, content, {"input_ids": np.ones((2, 3), np.float32)}),
            "expected model.*2, 3",
        ),
        (lambda: first_torch_divergence(module, b"random", FEEDS, dynamic=DYNAMIC), "not a whole ONNX model"),
        (
            lambda: first_torch_divergence(module, content, {"input_ids": FEEDS["input_ids"][:1]}, dynamic=DYNAMIC),
            "size 1 on axis 0",
        ),
        (
            lambda: first_torch_divergence(module, content, {"input_ids": FEEDS["input_ids"] + 99}, dynamic=DYNAMIC),
            r"Encoder cannot be traced|traced module cannot run on input_ids \[3, 5\]",
        ),
    ):
        with pytest.raises(ExportError, match=words) as caught:
            attempt()
        assert "\n" not in str(caught.value)


# A torch operator with a wrong translation, in a module that the exporting process finds.
STEEP = """
import torch
from onnxscript import opset18 as op
from torch import nn

@torch.library.custom_op("divergence_test::steep", mutates_args=())
def steep(x: torch.Tensor) -> torch.Tensor:
    return x * x.abs()

@steep.register_fake
def _(x):
    return torch.empty_like(x)

def wrong(x):
    return op.Mul(x, x)

class Steep(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(40, 8)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, input_ids):
        hidden = self.first(self.embedding(input_ids))
        hidden = torch.ops.divergence_test.steep(hidden)
        return self.second(torch.tanh(hidden)).mean(1)
"""


@pytest.fixture
def steep(tmp_path, monkeypatch):
    """The module above."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "divergence_steep.py").write_text(STEEP)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    yield importlib.import_module("divergence_steep")
    del sys.modules["divergence_steep"]


def test_a_wrong_translation_is_found_at_its_operator(steep, tmp_path):
    module, example = steep.Steep().eval(), {"input_ids": torch.arange(15).reshape(3, 5)}
    translations, path = {"divergence_test::steep": steep.wrong}, tmp_path / "model.onnx"
    export_model(module, example, path, dynamic=DYNAMIC, translations=translations, cases=())
    wrong = first_torch_divergence(module, path.read_bytes(), FEEDS, dynamic=DYNAMIC, translations=translations)
    assert (wrong.operator, wrong.answered_by) == ("divergence_test.steep.default", "Mul")
    assert wrong.difference > 0.1
    line = 1 + next(number for number, code in enumerate(STEEP.splitlines()) if "test.steep(hidden)" in code)
    assert wrong.line == f"divergence_steep.py, line {line}: `hidden = torch.ops.divergence_test.steep(hidden)`"
    assert wrong.line in str(wrong)
