from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BackendError, ExportError
from engine.export.axes import Axis
from engine.export.parity.comparison import compare, make_cases


class Scripted:
    """A session that gives prepared answers one after the other."""

    def __init__(self, *answers) -> None:
        self._answers = list(answers)

    def run(self, feeds):
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, dict) else {"logits": np.asarray(answer)}


CASE = {"input_ids": np.ones((2, 3), np.int64)}
LONGER = {"input_ids": np.ones((1, 9), np.int64)}


def test_the_difference_is_a_share_of_the_largest_expected_answer_of_all_cases():
    expected = Scripted([[1.0, -4.0]], [[0.5, 0.5]])
    found = Scripted([[1.0, -4.1]], [[0.5, 0.7]])
    comparison = compare(expected, found, [CASE, LONGER])
    assert comparison.scale == 4.0
    assert comparison.difference == pytest.approx(0.05)
    assert [case.difference for case in comparison.cases] == pytest.approx([0.025, 0.05])
    assert comparison.worst.shapes == {"input_ids": (1, 9)}


def test_a_small_output_does_not_hide_behind_a_large_one():
    expected = Scripted({"large": np.array([1e6]), "small": np.array([1e-3])})
    found = Scripted({"large": np.array([1e6]), "small": np.array([2e-3]), "more": np.array([1])})
    assert compare(expected, found, [CASE]).difference == pytest.approx(1.0)


def test_answers_of_zero_alone_are_measured_as_they_are():
    assert compare(Scripted([0.0, 0.0]), Scripted([0.0, 0.25]), [CASE]).difference == 0.25
    assert compare(Scripted([0.0]), Scripted([0.0]), [CASE]).difference == 0.0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", ["expected", "found", "second case"])
def test_what_is_no_number_is_a_failure(wrong, at):
    good = [[1.0, 2.0]]
    bad = [[1.0, wrong]]
    expected = Scripted(good, bad if at == "expected" else good)
    found = Scripted(good if at != "found" else bad, bad if at == "second case" else good)
    comparison = compare(expected, found, [CASE, CASE])
    assert comparison.difference == math.inf
    with pytest.raises(ExportError, match="differs from torch by inf"):
        comparison.require(1e30)


def test_equal_infinities_are_a_mask_and_no_difference():
    comparison = compare(Scripted([-np.inf, 2.0]), Scripted([-np.inf, 1.0]), [CASE])
    assert (comparison.difference, comparison.scale) == (0.5, 2.0)


def test_nan_on_both_sides_is_a_failure_too():
    assert compare(Scripted([np.nan]), Scripted([np.nan]), [CASE]).difference == math.inf


@pytest.mark.parametrize(
    ("expected", "found", "difference"),
    [
        (np.array([10**9, 5]), np.array([10**9, 6]), math.inf),
        (np.array([10**9, 5]), np.array([10**9, 5]), 0.0),
        (np.array([5], np.int32), np.array([5], np.int64), 0.0),
        (np.array([True]), np.array([False]), math.inf),
        (np.array(["a"]), np.array(["b"]), math.inf),
        (np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), 0.0),
    ],
)
def test_whole_numbers_truths_and_texts_are_compared_exactly(expected, found, difference):
    assert compare(Scripted(expected), Scripted(found), [CASE]).difference == difference


def test_requiring_a_tolerance_names_the_worst_shapes():
    comparison = compare(Scripted([[1.0]], [[1.0]]), Scripted([[1.0]], [[1.01]]), [CASE, LONGER])
    comparison.require(0.011)
    with pytest.raises(ExportError, match=r"by 1\.0e-02 .* at input_ids \[1, 9\], more than 9e-03") as caught:
        comparison.require(9e-3)
    assert "\n" not in str(caught.value)


def test_errors_name_the_shapes_of_the_case():
    failing = BackendError("m: ONNX Runtime cannot run the model (it has 7 columns); give an input of its shape.")
    good = np.ones((2, 2))
    for expected, found, words in (
        (
            Scripted(good),
            Scripted(np.ones((2, 1))),
            r"At input_ids \[2, 3\] .* shape \(2, 1\), the module with \(2, 2\)",
        ),
        (Scripted(good), Scripted(failing), r"ONNX model fails at input_ids \[2, 3\].*\(it has 7 columns\)\)"),
        (Scripted(failing), Scripted(good), r"module itself fails at input_ids \[2, 3\].*\(it has 7 columns\)\)"),
        (Scripted(good), Scripted({"other": good}), "no output logits but other"),
    ):
        with pytest.raises(ExportError, match=words) as caught:
            compare(expected, found, [CASE])
        assert "\n" not in str(caught.value)
        assert "give an input of its shape" not in str(caught.value)


def test_no_case_is_no_comparison():
    with pytest.raises(ExportError, match="no case"):
        compare(Scripted(), Scripted(), [])


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20),
    st.integers(0, 19),
    st.floats(0, 1e3, width=32),
)
def test_one_changed_number_is_the_difference(values, place, change):
    expected = np.array(values)
    found = expected.copy()
    found[place % len(values)] += change
    comparison = compare(Scripted(expected), Scripted(found), [CASE])
    scale = np.abs(expected).max()
    assert comparison.scale == scale
    moved = abs(found[place % len(values)] - expected[place % len(values)])
    assert comparison.difference == pytest.approx(moved / (scale if scale else 1.0))


# --- cases


IDS = np.array([[5, 6, 0], [7, 0, 0]])
BATCH, SEQUENCE = Axis("batch"), Axis("sequence", maximum=512)


def shapes_of(cases, name="ids"):
    return [case[name].shape for case in cases]


def test_the_shapes_that_break_exports_are_there():
    cases = make_cases({"ids": IDS}, {"ids": {0: BATCH, 1: SEQUENCE}})
    shapes = shapes_of(cases)
    assert len(set(shapes)) == len(shapes) >= 12
    assert (cases[0]["ids"] == IDS).all()
    assert {(1, 1), (1, 512)} <= set(shapes)
    assert any(rows > 30 and columns == 1 for rows, columns in shapes)
    assert any(rows > 30 and columns > 100 for rows, columns in shapes)
    # Equal sizes would hide two axes that were tied into one.
    assert all(rows != columns for rows, columns in shapes if rows > 1)
    assert any(1 < rows < columns for rows, columns in shapes)
    assert any(1 < columns < rows for rows, columns in shapes)
    assert sum({rows, columns} <= {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37} for rows, columns in shapes) >= 4


def test_axes_of_one_name_are_one_axis_and_others_are_free():
    first, second = Axis("first"), Axis("second")
    example = {"a": np.ones((2, 5)), "b": np.ones((2, 7)), "mask": np.array([[1, 1, 1, 0, 0]] * 2)}
    cases = make_cases(example, {"a": {0: BATCH, 1: first}, "b": {0: BATCH, 1: second}, "mask": {0: BATCH, 1: first}})
    lengths = []
    for case in cases:
        assert case["a"].shape == case["mask"].shape
        assert case["a"].shape[0] == case["b"].shape[0]
        lengths.append((case["a"].shape[1], case["b"].shape[1]))
    assert any(a < b for a, b in lengths)
    assert any(a > b for a, b in lengths)


def test_an_axis_that_is_fixed_stays_and_its_vectors_stay_whole():
    pixels = np.arange(3 * 4 * 5 * 2, dtype=np.float32).reshape(3, 2, 4, 5)
    known = {tuple(pixels[b, :, h, w]) for b in range(3) for h in range(4) for w in range(5)}
    axes = {"image": {0: BATCH, 2: Axis("height", 4), 3: Axis("width", 4)}}
    cases = make_cases({"image": pixels, "factor": np.array(2.5)}, axes, elements=2_000)
    for case in cases:
        assert case["factor"] == 2.5
        image = case["image"]
        assert image.shape[1] == 2
        assert min(image.shape[2:]) >= 4
        assert {tuple(pixel) for pixel in np.moveaxis(image, 1, -1).reshape(-1, 2)} <= known


def test_a_few_sizes_are_gone_through_to_the_end():
    assert sorted(shapes_of(make_cases({"ids": IDS}, {"ids": {0: Axis("batch", 1, 4)}}))) == [
        (1, 3),
        (2, 3),
        (3, 3),
        (4, 3),
    ]
    assert shapes_of(make_cases({"ids": IDS}, {})) == [(2, 3)]


def test_a_large_example_still_gets_many_shapes():
    cases = make_cases({"image": np.ones((2, 3, 100, 100))}, {"image": {0: BATCH}})
    assert len(set(shapes_of(cases, "image"))) >= 12
    assert max(case["image"].size for case in cases) <= 8 * 2 * 3 * 100 * 100


def test_the_example_is_not_touched_and_the_cases_are_the_same_again():
    example, axes = {"ids": IDS.copy()}, {"ids": {0: BATCH, 1: SEQUENCE}}
    first = make_cases(example, axes)
    first[0]["ids"][:] = -1
    assert (example["ids"] == IDS).all()
    second, other = make_cases(example, axes), make_cases(example, axes, seed=5)
    assert all((a["ids"] == b["ids"]).all() for a, b in zip(first[1:], second[1:], strict=True))
    assert any(
        a["ids"].shape != b["ids"].shape or (a["ids"] != b["ids"]).any() for a, b in zip(second, other, strict=True)
    )


@st.composite
def examples(draw):
    sizes = [draw(st.integers(2, 6)), draw(st.integers(2, 9))]
    axes = []
    for name, size in zip(("batch", "sequence"), sizes, strict=True):
        low = draw(st.integers(1, size))
        axes.append(Axis(name, low, draw(st.one_of(st.integers(size, 700), st.just(2**31 - 1)))))
    ids = np.array(draw(st.lists(st.integers(0, 50), min_size=sizes[0] * sizes[1], max_size=sizes[0] * sizes[1])))
    return ids.reshape(sizes), axes


@settings(max_examples=60, deadline=None)
@given(examples(), st.integers(12, 20), st.integers(1, 40))
def test_every_case_is_legal(example, count, longest):
    ids, (batch, sequence) = example
    mask = (ids != 0).astype(np.int64)
    dynamic = {"ids": {0: batch, 1: sequence}, "mask": {0: batch, 1: sequence}}
    cases = make_cases({"ids": ids, "mask": mask}, dynamic, count=count, longest=longest, elements=2_000)
    shapes = shapes_of(cases)
    assert len(set(shapes)) == len(shapes) <= count
    ends = [max(axis.minimum, min(axis.maximum, longest)) for axis in (batch, sequence)]
    possible = math.prod(end - axis.minimum + 1 for end, axis in zip(ends, (batch, sequence), strict=True))
    assert len(shapes) >= min(12, possible)
    for case in cases[1:]:
        for axis, end, size in zip((batch, sequence), ends, case["ids"].shape, strict=True):
            assert axis.minimum <= size <= end
        assert case["mask"].shape == case["ids"].shape
        assert case["ids"].dtype == ids.dtype
        assert set(case["ids"].ravel()) <= set(ids.ravel())
        assert set(case["mask"].ravel()) <= set(mask.ravel())
        if ids.any():
            assert case["ids"][:, 0].all()
            assert case["mask"][:, 0].all()
