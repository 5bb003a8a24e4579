"""Two sessions, the same inputs: how far apart are the answers? What to ask is in `cases`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import BackendError, ExportError
from engine.export.parity.cases import make_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session

__all__ = ["CaseResult", "Comparison", "compare", "describe", "distance", "magnitude", "make_cases"]

# Kinds of dtypes whose values mean something only as they are; "V" is not among them, bfloat16 calls itself so.
_EXACT = frozenset("biuOSUT")


@dataclass(frozen=True)
class CaseResult:
    """One case that was compared.

    Attributes
    ----------
    shapes
        Shape of each input.
    difference
        Largest difference of an answer, as a share of the largest expected answer over all cases.
    """

    shapes: dict[str, tuple[int, ...]]
    difference: float


@dataclass(frozen=True)
class Comparison:
    """How far the answers of two sessions are apart.

    Attributes
    ----------
    difference
        max |found - expected| / max |expected|. Each output has its own scale, over all cases; the largest of
        the outputs counts. Infinite where an answer is not a number, or where integers differ at all.
    scale
        Largest absolute expected answer.
    cases
        What was compared, in order.
    """

    difference: float
    scale: float
    cases: tuple[CaseResult, ...]

    @property
    def worst(self) -> CaseResult:
        """The case with the largest difference."""
        return max(self.cases, key=lambda case: case.difference)

    def require(self, tolerance: float) -> None:
        """Refuse a model that is too far from what was expected.

        Raises
        ------
        engine.errors.ExportError
            `difference` exceeds the tolerance.
        """
        # `not (x <= limit)` also catches what is not a number.
        if not self.difference <= tolerance:
            raise ExportError(
                f"The ONNX model differs from torch by {self.difference:.1e} of the largest answer at "
                f"{describe(self.worst.shapes)}, more than {tolerance:.0e}; it is not used: ask "
                "engine.export.parity.divergence for the first operator that differs."
            )


def compare(expected: Session, found: Session, cases: Sequence[Mapping[str, NDArray[Any]]]) -> Comparison:
    """Ask two sessions the same and measure how far apart they are.

    Parameters
    ----------
    expected
        Whose answers are right, such as the torch module's.
    found
        Whose answers are judged; may have more outputs, not fewer.
    cases
        Inputs by name; at least one.

    Raises
    ------
    engine.errors.ExportError
        A session fails at a case, or an output is missing or of another shape; the message names the shapes.
    """
    if not cases:
        raise ExportError("There is no case to compare at; give at least one.")
    scales: dict[str, float] = {}
    rows: list[tuple[dict[str, tuple[int, ...]], dict[str, float]]] = []
    for case in cases:
        shapes = {name: tuple(value.shape) for name, value in case.items()}
        try:
            wanted = expected.run(case)
        except BackendError as error:
            raise ExportError(
                f"The module itself fails at {describe(shapes)} ({_inner(error)}); narrow the ranges of its axes, or "
                "give cases of your own."
            ) from None
        try:
            answered = found.run(case)
        except BackendError as error:
            raise ExportError(
                f"The ONNX model fails at {describe(shapes)}, where the module answers ({_inner(error)}); export it "
                "again with the sizes that it needs as dynamic axes."
            ) from None
        differences: dict[str, float] = {}
        for name, value in wanted.items():
            if name not in answered:
                raise ExportError(
                    f"The ONNX model has no output {name} but {', '.join(answered) or 'none'}; export it so."
                )
            other = answered[name]
            if other.shape != value.shape:
                raise ExportError(
                    f"At {describe(shapes)} the ONNX model answers {name} with shape {other.shape}, the module with "
                    f"{value.shape}; export the model again."
                )
            differences[name] = distance(value, other)
            scales[name] = max(scales.get(name, 0.0), magnitude(value))
        rows.append((shapes, differences))
    results = tuple(
        CaseResult(shapes, max((value / (scales[name] or 1.0) for name, value in found_here.items()), default=0.0))
        for shapes, found_here in rows
    )
    return Comparison(max(case.difference for case in results), max(scales.values(), default=0.0), results)


def distance(expected: NDArray[Any], found: NDArray[Any]) -> float:
    """Largest absolute difference of two arrays of one shape.

    Infinite where one is not a number, or where what is not floating (ids, masks, texts) differs at all. Equal
    infinities do not differ: they are what a mask puts there.
    """
    if not expected.size:
        return 0.0
    if expected.dtype.kind in _EXACT or found.dtype.kind in _EXACT:
        return 0.0 if bool((expected == found).all()) else math.inf
    first, second = _wide(expected), _wide(found)
    with np.errstate(invalid="ignore", over="ignore"):
        differences = np.where(first == second, 0.0, np.abs(first - second))
    largest = float(differences.max())
    return math.inf if math.isnan(largest) else largest


def magnitude(values: NDArray[Any]) -> float:
    """Largest absolute finite value; 0 where there is none, or where values are compared exactly."""
    if values.dtype.kind in _EXACT:
        return 0.0
    absolute = np.abs(_wide(values))
    return float(np.max(absolute, initial=0.0, where=np.isfinite(absolute)))


def describe(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Shapes as a sentence holds them, such as `input_ids [3, 7], mask [3, 7]`."""
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


def _inner(error: BackendError) -> str:
    """Cut an error's advice off, which is about another matter here."""
    said, _, advice = str(error).rpartition("; ")
    return said or advice.rstrip(".")
