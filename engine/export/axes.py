"""Dynamic axes: what they are called, how large they may be, and whether an example can show them to the exporter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import ExportError

LARGEST = 2**31 - 1
# An exporter may take a size of 0 or 1 for a special one, and freeze it.
_SMALLEST_EXAMPLE = 2


@dataclass(frozen=True)
class Axis:
    """A dimension whose size is known only when the model runs.

    Parameters
    ----------
    name
        An identifier, such as `batch`. Axes of one name have one size.
    minimum, maximum
        Sizes that the model is to work with.

    Raises
    ------
    engine.errors.ExportError
        The name or the range cannot be one.
    """

    name: str
    minimum: int = 1
    maximum: int = LARGEST

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w*", self.name, flags=re.ASCII):
            raise ExportError(f"{self.name!r} cannot name an axis; use letters, digits and _ such as in `batch`.")
        if not 0 <= self.minimum <= self.maximum or self.maximum < _SMALLEST_EXAMPLE:
            raise ExportError(
                f"The axis {self.name} cannot reach from {self.minimum} to {self.maximum}; a dynamic axis has at least "
                f"{_SMALLEST_EXAMPLE} sizes from 0 up: leave it out of `dynamic` where it has one."
            )

    @property
    def range(self) -> str:
        """Its sizes as a sentence holds them."""
        return f"from {self.minimum}" if self.maximum == LARGEST else f"{self.minimum} to {self.maximum}"


def check_axes(shapes: Mapping[str, tuple[int, ...]], dynamic: Mapping[str, Mapping[int, Axis]]) -> None:
    """Refuse axes that do not fit the example, and an example that would freeze or tie them.

    Parameters
    ----------
    shapes
        Shape of each example input.
    dynamic
        Axis by dimension, by input.

    Raises
    ------
    engine.errors.ExportError
        One sentence says which axis and what to do.
    """
    by_name: dict[str, tuple[Axis, int, str]] = {}
    for name, dimensions in dynamic.items():
        if name not in shapes:
            raise ExportError(f"There is no input {name!r} to have dynamic axes; the inputs are: {', '.join(shapes)}.")
        shape = shapes[name]
        if not isinstance(dimensions, Mapping) or not all(isinstance(axis, Axis) for axis in dimensions.values()):
            raise ExportError(
                f"The dynamic axes of {name} are not given as an Axis by dimension; give such as "
                f"{{{name!r}: {{0: Axis('batch')}}}}."
            )
        for dimension, axis in dimensions.items():
            place = f"axis {dimension} of {name}"
            if not isinstance(dimension, int) or not 0 <= dimension < len(shape):
                raise ExportError(
                    f"The example {name} {list(shape)} has no axis {dimension!r} to be called {axis.name}; its axes "
                    f"are numbered from 0 to {len(shape) - 1}."
                    if shape
                    else f"The example {name} is a single number without any axis to be called {axis.name}; leave it "
                    "out of `dynamic`."
                )
            size = shape[dimension]
            if size < _SMALLEST_EXAMPLE:
                raise ExportError(
                    f"The example has size {size} on {place} ({axis.name}), where an export can freeze; give an "
                    f"example of at least {_SMALLEST_EXAMPLE} there."
                )
            if not axis.minimum <= size <= axis.maximum:
                raise ExportError(
                    f"The example has size {size} on {place}, outside of the range of {axis.name} ({axis.range}); "
                    "change one of them."
                )
            known, other, first = by_name.setdefault(axis.name, (axis, size, place))
            if other != size:
                raise ExportError(
                    f"The axis {axis.name} has size {other} on {first} and {size} on {place}; give axes that differ "
                    "different names, or examples that agree."
                )
            if known != axis:
                raise ExportError(
                    f"The axis {axis.name} has the range {known.range} on {first} and {axis.range} on {place}; give "
                    "one range, or two names."
                )
    by_size: dict[int, str] = {}
    for name, (_, size, place) in by_name.items():
        if size in by_size:
            raise ExportError(
                f"The axes {by_size[size]} and {name} both have size {size} in the example ({place}), which can tie "
                "them into one; give an example where they differ, or one name where the module needs them equal."
            )
        by_size[size] = name
