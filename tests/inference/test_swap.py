"""Promotions and rollbacks under load: no answer fails, none is another run's or another text's."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from engine.errors import TagscopeError
from engine.inference.model import ServedModel
from engine.inference.predictor import Prediction, Predictor
from engine.runs.store import DirectoryStore, open_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = [f"graph networks and image number {number}" + " words" * (number % 7) for number in range(60)]
WAIT = 60


@pytest.fixture
def store(demo_home: Path) -> DirectoryStore:
    return open_store()


def make_predictor(store: DirectoryStore) -> Predictor:
    # Smaller than needed, the models and the cache: both lose what others still use.
    return Predictor(store, cache_bytes=20_000, loaded_runs=2, max_text_characters=1000, threads=2, queue_texts=64)


def expected_of(store: DirectoryStore) -> dict[str, tuple[ServedModel, np.ndarray]]:
    """All answers by run, computed alone in one thread."""
    found = {}
    for manifest in store.runs():
        served = ServedModel(store.open(manifest.run_id))
        rows = [served.run([served.encode(served.clean(text))])[0] for text in TEXTS]
        found[manifest.run_id] = (served, np.array(rows))
    return found


def check(
    expected: dict[str, tuple[ServedModel, np.ndarray]], start: int, run_id: str | None, answers: Sequence[Any]
) -> None:
    for position, answer in enumerate(answers, start=start):
        assert isinstance(answer, Prediction), answer
        served, rows = expected[answer.run_id]
        assert answer.input_text == TEXTS[position]
        assert run_id in (None, answer.run_id)
        assert answer.model_digest == served.model_digest
        found = [answer.probabilities[label] for label in served.labels]
        np.testing.assert_allclose(found, rows[position], atol=1e-5)


def test_runs_swap_under_load_without_a_wrong_answer(store: DirectoryStore) -> None:
    expected = expected_of(store)
    runs = sorted(expected)
    predictor = make_predictor(store)
    predictor.follow()
    swapped = threading.Event()
    failures: list[BaseException] = []
    answered_by: set[str] = set()

    def requests(caller: int) -> Any:
        rng = np.random.default_rng(caller)
        while not swapped.is_set():
            start = int(rng.integers(len(TEXTS) - 6))
            yield start, TEXTS[start : start + 1 + int(rng.integers(6))], runs[0] if rng.random() < 0.2 else None

    def ask(caller: int) -> None:
        for start, texts, run_id in requests(caller):
            answers = predictor.predict(texts, run_id, errors="return")
            check(expected, start, run_id, answers)
            answered_by.update(answer.run_id for answer in answers)

    async def ask_async(caller: int) -> None:
        for start, texts, run_id in requests(caller):
            check(expected, start, run_id, await predictor.predict_async(texts, run_id, errors="return"))

    async def ask_in_tasks(caller: int) -> None:
        await asyncio.gather(*(ask_async(10 * caller + number) for number in range(8)))

    def guarded(function: Any, caller: int) -> None:
        try:
            function(caller)
        except BaseException as error:
            failures.append(error)
            raise

    def ask_on_a_loop(caller: int) -> None:
        asyncio.run(ask_in_tasks(caller))

    targets = [ask, ask, ask_on_a_loop, ask_on_a_loop]
    threads = [threading.Thread(target=guarded, args=(target, caller)) for caller, target in enumerate(targets)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            store.promote(runs[turn % len(runs)])
            assert predictor.follow().run_id == runs[turn % len(runs)]
            if turn % 3 == 0:
                predictor.invalidate(runs[0])
    finally:
        swapped.set()
        for thread in threads:
            thread.join(WAIT)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert answered_by >= {runs[0]}
    assert predictor.close(WAIT)


def test_a_run_that_cannot_be_loaded_leaves_the_former_one_in_service(store: DirectoryStore) -> None:
    predictor = make_predictor(store)
    served = predictor.follow()
    other = next(manifest.run_id for manifest in store.runs() if manifest.run_id != served.run_id)
    store.promote(other)
    (store.runs_dir / other / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(TagscopeError):
        predictor.follow()
    assert predictor.predict(["graph networks"])[0].run_id == served.run_id
    store.promote(served.run_id)
    assert predictor.follow() is served


def test_what_was_asked_before_a_swap_is_answered_by_the_former_run(store: DirectoryStore) -> None:
    predictor = make_predictor(store)
    former = predictor.follow()
    other = next(manifest.run_id for manifest in store.runs() if manifest.run_id != former.run_id)

    async def ask_then_swap() -> tuple[str, str]:
        before = asyncio.create_task(predictor.predict_async(["graph networks"]))
        await asyncio.sleep(0)
        store.promote(other)
        predictor.follow()
        after = await predictor.predict_async(["graph networks"])
        return (await before)[0].run_id, after[0].run_id

    assert asyncio.run(ask_then_swap()) == (former.run_id, other)
