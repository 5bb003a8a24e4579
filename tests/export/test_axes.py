from __future__ import annotations

import pytest

from engine.errors import ExportError
from engine.export.axes import Axis, check_axes

BATCH, LENGTH = Axis("batch"), Axis("length", 1, 16)


def test_axes_that_fit_the_example_pass():
    check_axes(
        {"ids": (3, 7), "mask": (3, 7), "factor": (), "weights": (1, 5)},
        {"ids": {0: BATCH, 1: LENGTH}, "mask": {0: BATCH, 1: LENGTH}, "weights": {1: Axis("width", 0)}},
    )
    check_axes({"x": (1,)}, {})


@pytest.mark.parametrize(
    ("shapes", "dynamic", "words"),
    [
        ({"ids": (3, 7)}, {"mask": {0: BATCH}}, "no input 'mask' to have dynamic axes; the inputs are: ids"),
        ({"ids": (3, 7)}, {"ids": {2: BATCH}}, r"ids \[3, 7\] has no axis 2 to be called batch; .* from 0 to 1"),
        ({"ids": (3, 7)}, {"ids": {-1: BATCH}}, "has no axis -1"),
        ({"factor": ()}, {"factor": {0: BATCH}}, "factor is a single number"),
        ({"ids": (1, 7)}, {"ids": {0: BATCH}}, r"size 1 on axis 0 of ids \(batch\), where an export can freeze"),
        ({"ids": (0, 7)}, {"ids": {0: Axis("batch", 0)}}, "size 0 on axis 0"),
        ({"ids": (3, 17)}, {"ids": {1: LENGTH}}, r"size 17 on axis 1 of ids, outside .* length \(1 to 16\)"),
        ({"ids": (3, 7)}, {"ids": {1: Axis("length", 8)}}, r"size 7 .* of length \(from 8\)"),
        ({"a": (3,), "b": (4,)}, {"a": {0: BATCH}, "b": {0: BATCH}}, "batch has size 3 on axis 0 of a and 4 on axis 0"),
        ({"a": (3,), "b": (3,)}, {"a": {0: BATCH}, "b": {0: Axis("batch", 2)}}, "range from 1 on .* and from 2 on"),
        ({"a": (5, 5)}, {"a": {0: BATCH, 1: LENGTH}}, "batch and length both have size 5 in the example"),
    ],
)
def test_what_does_not_fit_is_one_sentence(shapes, dynamic, words):
    with pytest.raises(ExportError, match=words) as caught:
        check_axes(shapes, dynamic)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("two words",), "'two words' cannot name an axis"),
        (("",), "'' cannot name"),
        (("3d",), "cannot name"),
        (("batch", 5, 4), "cannot reach from 5 to 4"),
        (("batch", -1), "cannot reach from -1"),
        (("batch", 1, 1), "leave it out of `dynamic`"),
    ],
)
def test_an_axis_has_a_name_and_a_range(arguments, words):
    with pytest.raises(ExportError, match=words):
        Axis(*arguments)
