from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from engine.errors import ExportError
from engine.export.exporter import export_onnx
from engine.export.parity import check_parity
from engine.training.ngram import NgramClassifier

VOCABULARY = 40
SIZES = {"vocabulary_size": VOCABULARY, "max_tokens": 32}


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[nn.Module, bytes]:
    generator = torch.Generator().manual_seed(0)
    module = NgramClassifier(3, VOCABULARY, 101, (17, 60)).eval()
    with torch.no_grad():
        module.words[2:] = torch.rand(VOCABULARY - 2, 4, generator=generator) + 0.1
        module.bias.copy_(torch.tensor([0.5, -0.5, 0.0]))
    path = tmp_path_factory.mktemp("parity") / "model.onnx"
    export_onnx(module, path, **SIZES)
    return module, path.read_bytes()


def test_a_true_export_passes(exported):
    module, content = exported
    report = check_parity(module, content, **SIZES, texts_ids=[[3, 4, 5], [7], [1], list(range(1, 40)), []])
    assert report.difference <= 1e-5
    assert report.mates <= 1e-5
    assert report.flips == report.mate_flips == 0
    assert report.scale > 0
    assert {(1, 1), (1, 32), (32, 1), (7, 13), (31, 5), (2, 32)} <= set(report.shapes)
    assert report.texts == sum(batch for batch, _ in report.shapes)


@pytest.mark.parametrize("tokens", [1, 2, 7])
def test_short_models_are_checked_too(exported, tokens):
    module, content = exported
    report = check_parity(module, content, vocabulary_size=VOCABULARY, max_tokens=tokens)
    assert max(sequence for _, sequence in report.shapes) == tokens


def test_one_tampered_weight_is_found(exported):
    module, content = exported
    model = onnx.load_from_string(content)
    tensor = next(t for t in model.graph.initializer if list(t.dims) == [VOCABULARY, 4])
    values = numpy_helper.to_array(tensor).copy()
    values[20, 1] += 0.05
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ExportError, match="differs from torch"):
        check_parity(module, model.SerializeToString(), **SIZES)


def mean_model(frozen: int | None = None, nan: bool = False) -> bytes:
    """Mean of the ids over all columns, padding too: what masking forgets; optionally for one length only."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axis"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "factors"], ["logits"]),
    ]
    factors = np.array([[1.0, np.nan if nan else 2.0]], np.float32)
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", frozen or "sequence"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.array([1]), "axis"), numpy_helper.from_array(factors, "factors")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


class Mean(nn.Module):
    def forward(self, ids):
        return ids.float().mean(1, keepdim=True) * torch.tensor([[1.0, 2.0]])


def test_unmasked_padding_is_found():
    with pytest.raises(ExportError, match="padding is not masked"):
        check_parity(Mean(), mean_model(), **SIZES)


def test_a_frozen_axis_is_found():
    with pytest.raises(ExportError, match=r"fails at \(batch, sequence\)"):
        check_parity(Mean(), mean_model(frozen=7), **SIZES)


def test_not_a_number_is_found():
    with pytest.raises(ExportError, match="differs from torch"):
        check_parity(Mean(), mean_model(nan=True), **SIZES)


def test_another_number_of_tags_is_found(exported):
    with pytest.raises(ExportError, match="answers with shape"):
        check_parity(exported[0], mean_model(), **SIZES)


def test_what_is_not_a_model_is_one_sentence(exported):
    with pytest.raises(ExportError) as caught:
        check_parity(exported[0], b"no model", **SIZES)
    assert "\n" not in str(caught.value)
