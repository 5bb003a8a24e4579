"""Operators of three levels, in parts: translations, functions in a model, Python functions; and their page."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnxscript import FLOAT, opset20, script
from onnxscript.values import Opset

from engine.backends.registry import open_backend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.examples import operators
from engine.export.operators.local_functions import add_functions, as_node, inline_functions
from engine.export.operators.python_operators import open_python_session, python_operator
from engine.export.parity.reference_backend import ReferenceBackend

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"

op: Any = opset20
mine = Opset("mine", 2)


@script(mine)
def Scaled(x: FLOAT[...], by: float = 3.0) -> FLOAT[...]:
    return op.Mul(x, by)


@script(mine, default_opset=opset20)
def ScaledTwice(x: FLOAT[...]) -> FLOAT[...]:
    return Scaled(Scaled(x, by=2.0))


@script()
def plain(x: FLOAT[...]) -> FLOAT[...]:
    return op.Neg(x)


def model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 20{text}')


def test_functions_come_into_the_model_with_those_that_they_call_and_no_others() -> None:
    made = model("] > g (float[N] x) => (float[N] y) { h = mine.ScaledTwice(x) y = Neg(h) }")
    add_functions(made, [plain, operators.Sparsemax, ScaledTwice])
    assert [one.name for one in made.functions] == ["Scaled", "ScaledTwice"]
    assert [(one.domain, one.version) for one in made.opset_import] == [("", 20), ("mine", 2)]
    onnx.checker.check_model(made, full_check=True)
    content = made.SerializeToString()
    x = np.array([1.0, -2.0], dtype=np.float32)
    sessions = [
        open_backend("onnxruntime").open(content, name="functions"),
        ReferenceBackend().open(content, name="functions"),
        open_backend("openvino").open(inline_functions(content), name="functions"),
    ]
    for session in sessions:
        assert session.run({"x": x})["y"].tolist() == [-6.0, 12.0]


def test_functions_called_inside_of_a_branch_come_too() -> None:
    made = model(
        """] > g (bool c, float[N] x) => (float[N] y) {
        y = If (c) <
            then_branch = one () => (float[N] a) { a = mine.Scaled(x) },
            else_branch = two () => (float[N] b) { b = Neg(x) }
        > }"""
    )
    add_functions(made, [Scaled])
    session = open_backend("onnxruntime").open(made.SerializeToString(), name="branches")
    x = np.ones(2, dtype=np.float32)
    assert session.run({"c": np.array(True), "x": x})["y"].tolist() == [3.0, 3.0]


def test_a_model_without_functions_is_left_as_it_is() -> None:
    made = model("] > g (float[N] x) => (float[N] y) { y = Neg(x) }")
    before = made.SerializeToString()
    add_functions(made, [plain, Scaled])
    assert made.SerializeToString() == before
    assert inline_functions(before) == before


def test_only_functions_of_a_domain_of_their_own_are_kept() -> None:
    assert as_node(plain) is plain
    assert as_node(operators.translate_distinct) is operators.translate_distinct
    assert as_node(operators.Sparsemax) is not operators.Sparsemax


def test_sparsemax_gives_the_nearest_probabilities() -> None:
    chance = np.random.default_rng(0)
    scores = torch.from_numpy(chance.normal(scale=2, size=(50, 7)).astype(np.float32))
    found = operators.sparsemax(scores)
    torch.testing.assert_close(found.sum(1), torch.ones(50))
    assert float((found == 0).float().mean()) > 0.3
    for row, point in zip(scores, found, strict=True):
        others = torch.from_numpy(chance.dirichlet(np.full(7, 0.5), size=200).astype(np.float32))
        assert float((row - point).norm()) <= float((row - others).norm(dim=1).min()) + 1e-5


@pytest.mark.parametrize(
    ("text", "pattern", "edits"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [1, 3], 1),
        ([1, 2, 3], [4, 1, 2, 3], 1),
        ([1, 2, 3], [1, 5, 3], 1),
        ([11, 9, 20, 20, 5, 14], [19, 9, 20, 20, 9, 14, 7], 3),  # kitten, sitting
        ([1], [2, 3, 4], 3),
        ([1, 2, 3, 0, 0], [0], 3),
    ],
)
def test_edits_are_counted(text: list[int], pattern: list[int], edits: int) -> None:
    answer = operators.count_edits(np.array([text]), np.array([pattern]))
    assert answer.dtype == np.float32
    assert answer.tolist() == [[edits]]
    assert operators.count_edits(np.array([pattern]), np.array([text])).tolist() == [[edits]]


@pytest.mark.parametrize(("mode", "expected"), [("sum", 0), ("mean", 1)])
def test_embedding_bag_is_translated_for_empty_bags_too(mode: str, expected: int) -> None:
    # Called by onnxscript's eager evaluation: no export is needed to see what it computes.
    weight = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    indices, offsets = np.array([3, 1, 1, 8, 0]), np.array([0, 0, 3, 5, 5])
    found = operators.translate_embedding_bag(weight, indices, offsets, mode=expected)[0]
    wanted = torch.nn.functional.embedding_bag(
        torch.from_numpy(indices), torch.from_numpy(weight), torch.from_numpy(offsets), mode=mode
    )
    np.testing.assert_allclose(np.asarray(found.value if hasattr(found, "value") else found), wanted, atol=1e-6)


def test_embedding_bag_with_a_maximum_is_not_mistaken_for_a_sum() -> None:
    with pytest.raises(NotImplementedError, match="sum or mean"):
        operators.translate_embedding_bag(None, None, None, mode=2)


def doubled() -> bytes:
    made = model(', "ai.onnx.contrib" : 1] > g (float[N] x) => (float[N] y) { y = ai.onnx.contrib.TestDoubled(x) }')
    return bytes(made.SerializeToString())


def test_a_python_operator_is_called_by_onnx_runtime_and_can_be_defined_again() -> None:
    x = np.array([1.0, 2.5], dtype=np.float32)

    @python_operator("TestDoubled", inputs=("float32",))
    def wrong(values: NDArray[Any]) -> NDArray[Any]:
        return values * 3

    session = open_python_session(doubled())
    assert session.run({"x": x})["y"].tolist() == [3.0, 7.5]

    # float64 comes back: what goes to ONNX Runtime has the type that was declared.
    @python_operator("TestDoubled", inputs=("float32",))
    def right(values: NDArray[Any]) -> NDArray[Any]:
        return values.astype(np.float64) * 2

    assert session.run({"x": x})["y"].tolist() == [2.0, 5.0]
    assert right(x).tolist() == [2.0, 5.0]

    with pytest.raises(ExportError, match="TestDoubled was defined with other types before"):
        python_operator("TestDoubled", inputs=("int64",))
    assert open_python_session(doubled()).run({"x": x})["y"].tolist() == [2.0, 5.0]


def test_a_python_operator_that_fails_says_so() -> None:
    @python_operator("TestFailing", inputs=("float32",))
    def fail(values: NDArray[Any]) -> NDArray[Any]:
        raise ValueError("no such thing")

    made = model(', "ai.onnx.contrib" : 1] > g (float[N] x) => (float[N] y) { y = ai.onnx.contrib.TestFailing(x) }')
    session = open_python_session(made.SerializeToString(), "the failing model")
    with pytest.raises(BackendError, match=r"the failing model: .*TestFailing fails \(ValueError: no such thing\)"):
        session.run({"x": np.ones(1, dtype=np.float32)})


def test_an_operator_that_nothing_defines_is_refused() -> None:
    made = model(', "ai.onnx.contrib" : 1] > g (float[N] x) => (float[N] y) { y = ai.onnx.contrib.TestNobody(x) }')
    with pytest.raises(ExportError, match=r"TestNobody.*python_operator"):
        open_python_session(made.SerializeToString())


def test_a_model_with_a_python_operator_is_not_served() -> None:
    with pytest.raises(BundleError, match=r"ai\.onnx\.contrib::TestDoubled"):
        open_backend("onnxruntime").open(doubled(), name="run")


def test_only_types_that_can_be_handed_over_are_taken() -> None:
    with pytest.raises(ExportError, match=r"complex64.*float32"):
        python_operator("TestComplex", inputs=("complex64",))


def test_without_the_extra_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_extensions", None)
    with pytest.raises(BackendError, match=re.escape("tagscope[operators]")):
        open_python_session(doubled())


@pytest.mark.long
def test_the_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 5
    (tmp_path / "my_operators.py").write_text(blocks[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks[1:]:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "ONNX Runtime only" in capsys.readouterr().out
    smooth = onnx.load("smooth.onnx")
    assert [(one.domain, one.name) for one in smooth.functions] == [("mine", "Squareplus")]
    assert [node.domain for node in smooth.graph.node if node.op_type == "Squareplus"] == ["mine"]
