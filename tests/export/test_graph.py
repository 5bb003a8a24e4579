from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engine.errors import ExportError
from engine.export.graph import axes, census, check_model_bytes, engine_notes, rename_axes, strip


def model(*nodes, inputs=("x",), shape=("s0", 4), functions=(), weights=(), domains=()) -> onnx.ModelProto:
    """A model of some nodes from `x` to `y`."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes) or [helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [value(name, TensorProto.FLOAT, shape) for name in inputs],
        [value("y", TensorProto.FLOAT, ["s0 + 1", None])],
        list(weights),
    )
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def branching() -> onnx.ModelProto:
    """`If` with a graph in each branch, and a function that is called in one of them."""
    value = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["s0", 4])
    one = helper.make_graph([helper.make_node("Twice", ["x"], ["b"], domain="tagscope")], "one", [], [value])
    other = helper.make_graph([helper.make_node("Neg", ["x"], ["b"])], "other", [], [value])
    twice = helper.make_function(
        "tagscope", "Twice", ["a"], ["c"], [helper.make_node("Add", ["a", "a"], ["c"])], [helper.make_opsetid("", 20)]
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["some"], to=TensorProto.BOOL),
        helper.make_node("If", ["some"], ["y"], then_branch=one, else_branch=other),
    ]
    return model(*nodes, functions=[twice], domains=["tagscope"])


def test_operators_are_counted_in_subgraphs_and_functions():
    assert census(branching()) == {"Add": 1, "Cast": 1, "If": 1, "Neg": 1, "ReduceSum": 1, "tagscope::Twice": 1}
    assert engine_notes(census(branching())) == ()


def test_operators_of_one_engine_are_noted():
    (note,) = engine_notes({"Gather": 1, "ai.onnx.contrib::Tone": 2})
    assert note.startswith("runs on ONNX Runtime only")
    assert "ai.onnx.contrib::Tone" in note
    assert engine_notes({"com.microsoft::FusedMatMul": 1}) == (
        "runs on ONNX Runtime only (operator com.microsoft::FusedMatMul)",
    )


def test_axes_are_those_of_the_file_and_get_new_names_everywhere():
    found = branching()
    assert axes(found) == {"x": ("s0", 4), "y": ("s0 + 1", "?")}
    rename_axes(found, {"s0": "batch", "s": "wrong"})
    assert axes(found) == {"x": ("batch", 4), "y": ("batch + 1", "?")}
    inner = [
        attribute.g.output[0] for node in found.graph.node for attribute in node.attribute if attribute.HasField("g")
    ]
    assert [value.type.tensor_type.shape.dim[0].dim_param for value in inner] == ["batch", "batch"]
    assert list(axes(model(inputs=("x", "w"), weights=[weight("w")]))) == ["x", "y"]
    # An answer that never changes is a weight and an output.
    assert list(axes(model(weights=[weight("y")]))) == ["x", "y"]


def weight(name: str) -> TensorProto:
    return numpy_helper.from_array(np.ones((3, 4), np.float32), name)


def test_what_tells_of_the_machine_is_taken_out_of_subgraphs_too():
    found = branching()
    found.metadata_props.add(key="host", value="here")
    branch = found.graph.node[2].attribute[0].g
    for part in (found, found.graph, found.graph.node[0], branch, branch.node[0], found.functions[0].node[0]):
        part.doc_string = "/home/somebody"
    branch.node[0].metadata_props.add(key="stack", value="/home/somebody")
    strip(found)
    assert b"somebody" not in found.SerializeToString()
    assert b"here" not in found.SerializeToString()


def test_a_whole_model_is_read():
    assert check_model_bytes(branching().SerializeToString(), "m.onnx").graph.input[0].name == "x"


def external() -> onnx.ModelProto:
    found = model(helper.make_node("Add", ["x", "w"], ["y"]), weights=[weight("w")])
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return found


WHOLE = branching().SerializeToString()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a whole ONNX model"),
        (b"no model at all", "not a whole ONNX model"),
        (np.random.default_rng(0).bytes(4000), "not a whole ONNX model"),
        (WHOLE[: len(WHOLE) // 2], "not a whole ONNX model"),
        (WHOLE[:-3], "not a whole ONNX model"),
        (external().SerializeToString(), "external data"),
        (
            model(helper.make_node("Own", ["x"], ["y"], domain="my.plugin"), domains=["my.plugin"]).SerializeToString(),
            "my.plugin::Own",
        ),
        (model(helper.make_node("Own", ["x"], ["y"])).SerializeToString(), "not a whole ONNX model .*Own"),
        (
            model(helper.make_node("Relu", ["w"], ["y"]), inputs=(), weights=[weight("w")]).SerializeToString(),
            "has no input",
        ),
    ],
)
def test_what_is_no_whole_model_is_one_sentence(content, words):
    with pytest.raises(ExportError, match=words) as caught:
        check_model_bytes(content, "m.onnx")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("m.onnx: ")
    assert "passwd" not in str(caught.value)
