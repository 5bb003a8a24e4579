"""Small ONNX models, made by hand: real files for real engines."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

AXES = ["batch", "sequence"]


def model_of(nodes, initializers, **more) -> bytes:
    """A model `input_ids` int64 [batch, sequence] -> `logits` float32 [batch, 3]."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, AXES)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        initializers,
    )
    opsets = [helper.make_opsetid("", 20), *more.pop("opsets", [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, **more).SerializeToString()


def nodes():
    return [
        helper.make_node("Gather", ["words", "input_ids"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axis"], ["logits"], keepdims=0),
    ]


def initializers():
    words = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    return [numpy_helper.from_array(words, "words"), numpy_helper.from_array(np.array([1]), "axis")]


@pytest.fixture(scope="session")
def small() -> bytes:
    return model_of(nodes(), initializers())


@pytest.fixture(scope="session")
def make_model():
    """Make the small model with other nodes, initializers or parts."""
    return lambda given=None, weights=None, **more: model_of(given or nodes(), weights or initializers(), **more)


@pytest.fixture(scope="session")
def words() -> np.ndarray:
    return numpy_helper.to_array(initializers()[0])
