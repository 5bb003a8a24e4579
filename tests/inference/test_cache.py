"""Laws of the result cache, and that equal texts in flight are computed once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InferenceError
from engine.inference.cache import ResultCache
from engine.inference.plan import BatchPlan
from engine.inference.predictor import Call, Predictor
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.inference.model import ServedModel

ROOT = Path(__file__).resolve().parents[2]
DEMO = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
OWNERS = (b"a" * 32, b"b" * 32, b"a" * 31 + b"b")
ROW = np.array([0.25, 0.75], dtype=np.float32)
WAIT = 30


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def entry_bytes() -> int:
    cache = ResultCache(2**20)
    cache.put(cache.key(OWNERS[0], "one"), ROW)
    return cache.used_bytes


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60), st.integers(0, 6))
def test_the_results_used_last_stay_and_the_bound_holds(steps: list[tuple[bool, int]], room: int) -> None:
    cache = ResultCache(room * entry_bytes())
    known: OrderedDict[int, None] = OrderedDict()
    for write, number in steps:
        key = cache.key(OWNERS[0], str(number))
        if write:
            cache.put(key, ROW)
            known[number] = None
            known.move_to_end(number)
            if len(known) > room:
                known.popitem(last=False)
        else:
            assert (cache.get(key) is not None) is (number in known)
            if number in known:
                known.move_to_end(number)
        assert len(cache) == len(known)
        assert cache.used_bytes <= room * entry_bytes()
    assert cache.hits + cache.misses == sum(not write for write, _ in steps)


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=30))
def test_a_result_is_used_no_longer_than_its_time(steps: list[tuple[float, bool]]) -> None:
    clock, written = Clock(), -100.0
    cache = ResultCache(2**16, seconds=5, clock=clock)
    key = cache.key(OWNERS[0], "text")
    for pause, write in steps:
        clock.now += pause
        if write:
            cache.put(key, ROW)
            written = clock.now
        else:
            assert (cache.get(key) is not None) is (clock.now - written <= 5)
    clock.now += 6
    assert cache.get(key) is None
    assert cache.used_bytes == 0


@given(st.sets(st.text(max_size=3)), st.sets(st.text(max_size=3)))
def test_forgetting_one_run_leaves_the_others(one: set[str], other: set[str]) -> None:
    cache = ResultCache(2**20)
    for owner, texts in zip(OWNERS[:2], (one, other), strict=True):
        for text in texts:
            cache.put(cache.key(owner, text), ROW)
    assert cache.invalidate(OWNERS[0]) == len(one)
    assert all(cache.get(cache.key(OWNERS[0], text)) is None for text in one)
    assert all(cache.get(cache.key(OWNERS[1], text)) is ROW for text in other)


@given(st.text(), st.text())
def test_different_texts_and_runs_have_different_keys(one: str, other: str) -> None:
    keys = {ResultCache.key(owner, text) for owner in OWNERS for text in (one, other)}
    assert len(keys) == len(OWNERS) * len({one, other})


class Gate:
    """Holds the computations of a model until the test lets them go."""

    def __init__(self, served: ServedModel) -> None:
        self.begun = threading.Semaphore(0)
        self.opened = threading.Event()
        self.texts = 0
        self.error: InferenceError | None = None
        self._run = served.run

    def run(self, ids: list[list[int]]) -> np.ndarray:
        self.texts += len(ids)
        self.begun.release()
        assert self.opened.wait(WAIT)
        if self.error is not None:
            raise self.error
        return self._run(ids)


@pytest.fixture
def predictor() -> Iterator[Predictor]:
    predictor = Predictor(DEMO, cache_bytes=2**20, loaded_runs=3, max_text_characters=1000, threads=2)
    yield predictor
    assert predictor.close(WAIT)


@pytest.fixture
def served(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> ServedModel:
    """The demo's model, as one that is computed by threads."""
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", BatchPlan((512,), (4,), 1.0))
    return served


@pytest.fixture
def gate(served: ServedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(served)
    monkeypatch.setattr(served, "run", gate.run)
    yield gate
    gate.opened.set()


def ask(predictor: Predictor, served: ServedModel, text: str = "graph networks") -> Call:
    return predictor.ask([text], served)


def hold_both(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    """Let both threads compute something until the gate opens."""
    for number in range(2):
        # One after the other: two that wait together would be one batch.
        ask(predictor, served, f"text {number}")
        assert gate.begun.acquire(timeout=WAIT)


def test_equal_texts_in_flight_are_computed_once(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    calls = [ask(predictor, served)]
    assert gate.begun.acquire(timeout=WAIT)
    calls += [ask(predictor, served) for _ in range(9)]
    assert not any(call.done for call in calls)
    gate.opened.set()
    for call in calls:
        call.wait()
    assert gate.texts == 1
    assert {tuple(call.rows[0]) for call in calls} == {tuple(calls[0].rows[0])}
    assert not any(call.cached[0] for call in calls)
    assert ask(predictor, served).cached == [True]
    counters = predictor.counters
    assert (counters.cache_misses, counters.cache_shared, counters.cache_hits) == (1, 9, 1)


def test_equal_texts_of_one_call_are_computed_once(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    gate.opened.set()
    answers = predictor.predict(["one text", "another text", "one text"])
    assert gate.texts == 2
    assert answers[0].probabilities == answers[2].probabilities != answers[1].probabilities


def test_who_leaves_takes_nothing_from_the_others(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    hold_both(predictor, served, gate)
    first, second, third = (ask(predictor, served) for _ in range(3))
    first.cancel()
    second.cancel()
    assert predictor.depth == 1
    gate.opened.set()
    third.wait()
    assert third.errors == [None]
    assert third.rows[0] is not None
    assert first.rows == second.rows == [None]


def test_what_nobody_waits_for_is_not_computed(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    hold_both(predictor, served, gate)
    calls = [ask(predictor, served) for _ in range(3)]
    for call in calls:
        call.cancel()
    assert predictor.depth == 0
    gate.opened.set()
    again = ask(predictor, served)
    again.wait()
    assert (gate.texts, predictor.counters.cancelled) == (3, 1)


def test_an_error_reaches_all_who_wait_and_is_not_kept(predictor: Predictor, served: ServedModel, gate: Gate) -> None:
    gate.error = InferenceError("This text cannot be computed.")
    calls = [ask(predictor, served)]
    assert gate.begun.acquire(timeout=WAIT)
    calls += [ask(predictor, served) for _ in range(4)]
    gate.opened.set()
    for call in calls:
        call.wait()
    assert all(call.errors == [gate.error] and call.rows == [None] for call in calls)
    gate.error = None
    again = ask(predictor, served)
    again.wait()
    assert (again.errors, again.cached, gate.texts) == ([None], [False], 2)
