"""Inputs of many shapes, made of one example and the ranges of its axes, to compare two sessions at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from engine.export.axes import Axis

_SEED = 20_240_229
# Sizes at which an engine that works in blocks of 4, 8 or 16 has a rest left over.
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
# However small the budget, a case may have so many times the elements of the example.
_TIMES_EXAMPLE = 8
_TRIES = 64


def make_cases(
    inputs: Mapping[str, NDArray[Any]],
    dynamic: Mapping[str, Mapping[int, Axis]],
    *,
    count: int = 14,
    seed: int = _SEED,
    longest: int = 512,
    elements: int = 8_192,
) -> list[dict[str, NDArray[Any]]]:
    """Make inputs of many shapes within the ranges of the axes.

    First the example itself; then every axis at its minimum, each one alone at its maximum, each alone at its
    minimum, all at their maximum, then primes and sizes between. Shapes do not repeat.

    What an input holds at one position of its dynamic axes is drawn whole from what the example holds at some
    position, so ids and masks stay legal. The first position along the last dynamic axis is drawn from those that
    are not all zero: no text becomes padding alone. Inputs without a dynamic axis stay as they are. Where values
    and sizes hang together (offsets, lengths), cases cannot be made up; write them.

    Parameters
    ----------
    inputs
        An example that the module accepts.
    dynamic
        Axis by dimension, by input; axes of one name are one axis.
    count
        Number of cases; fewer where the ranges have fewer shapes.
    seed
        Of sizes and values.
    longest
        Largest size of an axis whose maximum is beyond it.
    elements
        Elements of all inputs of a case; larger cases are made smaller, though not below 8 times the example.
    """
    axes = {axis.name: axis for dimensions in dynamic.values() for axis in dimensions.values()}
    ranges = {name: (axis.minimum, max(axis.minimum, min(axis.maximum, longest))) for name, axis in axes.items()}
    shapes = _Shapes({name: value.shape for name, value in inputs.items()}, dynamic)
    example = shapes.sizes()
    budget = max(elements, _TIMES_EXAMPLE * shapes.elements(example))
    chance = np.random.default_rng(seed)

    cases: list[dict[str, NDArray[Any]]] = [{name: np.array(value) for name, value in inputs.items()}]
    seen = {tuple(example.values())}
    for wanted in _sizes(ranges, chance):
        if len(cases) >= count:
            break
        sizes = dict(wanted)
        while shapes.elements(sizes) > budget:
            largest = max(sizes, key=lambda name: sizes[name] / max(ranges[name][0], 1))
            if sizes[largest] == ranges[largest][0]:
                break
            sizes[largest] = max(ranges[largest][0], sizes[largest] // 2)
        if tuple(sizes.values()) in seen:
            continue
        seen.add(tuple(sizes.values()))
        cases.append({name: _resample(value, dynamic.get(name, {}), sizes, chance) for name, value in inputs.items()})
    return cases


@dataclass(frozen=True)
class _Shapes:
    """The example's shapes, and where its dynamic axes are."""

    shapes: Mapping[str, tuple[int, ...]]
    dynamic: Mapping[str, Mapping[int, Axis]]

    def sizes(self) -> dict[str, int]:
        """Size of each axis in the example."""
        found: dict[str, int] = {}
        for name, dimensions in self.dynamic.items():
            for dimension, axis in dimensions.items():
                found[axis.name] = self.shapes[name][dimension]
        return found

    def elements(self, sizes: Mapping[str, int]) -> int:
        """Elements of all inputs at some sizes."""
        total = 0
        for name, shape in self.shapes.items():
            actual = list(shape)
            for dimension, axis in self.dynamic.get(name, {}).items():
                actual[dimension] = sizes[axis.name]
            total += math.prod(actual)
        return total


def _sizes(ranges: Mapping[str, tuple[int, int]], chance: np.random.Generator) -> Iterator[dict[str, int]]:
    if not ranges:
        return
    minima = {name: low for name, (low, _) in ranges.items()}
    maxima = {name: high for name, (_, high) in ranges.items()}
    primes = {name: [prime for prime in _PRIMES if low <= prime <= high] for name, (low, high) in ranges.items()}

    def at_primes(start: int, step: int) -> dict[str, int]:
        # Neighbouring axes get different primes: equal sizes would hide two axes that were tied into one.
        return {
            name: primes[name][(start + step * place) % len(primes[name])] if primes[name] else low
            for place, (name, low) in enumerate(minima.items())
        }

    yield minima
    for name in ranges:
        yield {**minima, name: maxima[name]}
    for name in ranges:
        yield {**at_primes(3, 2), name: minima[name]}
    yield maxima
    for start, name in enumerate([*ranges][:2]):
        yield {**at_primes(start, 2), name: maxima[name]}
    for start in (5, 2, 8, 1):
        yield at_primes(start, 2)
        # The other way round too: no axis is always the larger one.
        yield at_primes(start + 1, -1)
    for _ in range(_TRIES):
        yield {
            name: min(high, round(math.exp(chance.uniform(math.log(max(low, 1)), math.log(max(high, 1))))))
            for name, (low, high) in ranges.items()
        }
    # Small ranges are gone through to the end.
    for name, (low, high) in ranges.items():
        yield from ({**minima, name: size} for size in range(low, high + 1))


def _resample(
    value: NDArray[Any], dimensions: Mapping[int, Axis], sizes: Mapping[str, int], chance: np.random.Generator
) -> NDArray[Any]:
    if not dimensions:
        return np.array(value)
    places = sorted(dimensions)
    wanted = [sizes[dimensions[place].name] for place in places]
    if not value.size:
        shape = list(value.shape)
        for place, size in zip(places, wanted, strict=True):
            shape[place] = size
        return np.zeros(shape, value.dtype)
    front = list(range(len(places)))
    moved = np.moveaxis(value, places, front)
    pool = moved.reshape(-1, *moved.shape[len(places) :])
    drawn = chance.integers(0, len(pool), size=wanted)
    real = np.flatnonzero(pool.astype(bool).reshape(len(pool), -1).any(axis=1))
    if len(real) and drawn.size:
        drawn[..., 0] = chance.choice(real, size=wanted[:-1])
    return np.ascontiguousarray(np.moveaxis(pool[drawn], front, places))
