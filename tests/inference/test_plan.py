"""Plans for batches: which texts go together, and how far they are filled up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from engine.inference.plan import BatchPlan, measure_plan, tiled

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = BatchPlan((8, 16, 24, 32, 48, 96, 200), (64, 60, 42, 32, 16, 8, 2), 0.01)


class Model:
    """Takes a time for each shape, on a clock that nothing else moves."""

    def __init__(self, seconds: Callable[[int, int], float]) -> None:
        self._seconds = seconds
        self._now = 0.0

    def run(self, texts: int, tokens: int) -> None:
        self._now += self._seconds(texts, tokens)

    def clock(self) -> float:
        return self._now

    @property
    def given(self) -> dict[str, Any]:
        return {"run": self.run, "clock": self.clock}


def test_texts_are_filled_up_to_whole_tiles_where_that_is_faster() -> None:
    plan = tiled(PLAN, **Model(lambda _, tokens: 0.001 if tokens % 16 == 0 else 0.002).given)
    assert plan.step == 16
    # Classes that are filled up to the same length have become one, with the texts of the longest of them.
    assert dict(zip(plan.edges, plan.texts, strict=True)) == {16: 60, 32: 32, 48: 16, 96: 8, 200: 2}
    assert [plan.padded(length) for length in (1, 16, 17, 47, 193, 200)] == [16, 16, 32, 48, 200, 200]


def test_texts_are_not_filled_up_where_the_processor_does_not_care() -> None:
    assert tiled(PLAN, **Model(lambda _, tokens: tokens * 2e-5).given) == PLAN


def test_texts_are_not_filled_up_where_a_tile_is_not_always_faster() -> None:
    assert tiled(PLAN, **Model(lambda _, tokens: 0.001 if tokens == 48 else 0.002).given) == PLAN


def test_a_model_that_costs_less_than_a_call_is_not_measured_for_tiles() -> None:
    def never(texts: int, tokens: int) -> None:
        raise AssertionError

    cheap = BatchPlan((32, 128), (64, 64), 1e-5)
    assert tiled(cheap, never) == cheap


@given(length=st.integers(1, 200), step=st.sampled_from((1, 8, 16, 32)))
def test_no_text_is_cut_and_none_is_filled_up_beyond_the_longest(length: int, step: int) -> None:
    padded = BatchPlan(PLAN.edges, PLAN.texts, 0.01, step).padded(length)
    assert length <= padded <= 200
    assert padded % step == 0 or padded == 200


def test_a_measured_plan_has_small_batches_where_texts_gain_nothing_together() -> None:
    plan = measure_plan(max_tokens=256, **Model(lambda texts, tokens: texts * tokens * 2e-5).given)
    assert set(plan.texts) == {1}
    assert plan.seconds > 0


def test_a_measured_plan_has_large_batches_where_a_call_is_what_costs() -> None:
    plan = measure_plan(max_tokens=256, **Model(lambda texts, tokens: 0.002).given)
    assert min(plan.texts) == 64
