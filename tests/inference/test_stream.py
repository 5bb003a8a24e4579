"""`predict_stream`: in order, lazily, with progress, for lists and for generators without an end."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.inference.plan import BatchPlan
from engine.inference.predictor import Predictor, Refusal
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

ROOT = Path(__file__).resolve().parents[2]
DEMO = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
WAIT = 30
# Most texts that are read ahead of the one that is handed out.
MOST_AHEAD = 1024
WINDOW = 256


@pytest.fixture(params=[1e-5, 1.0], ids=["inline", "threads"])
def predictor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Predictor]:
    predictor = Predictor(DEMO, cache_bytes=0, loaded_runs=3, max_text_characters=1000, threads=2)
    plan = BatchPlan((512,), (32,), request.param)
    monkeypatch.setattr(predictor.load(None), "_plan", plan)
    yield predictor
    assert predictor.close(WAIT)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 700))
def test_answers_come_in_order_one_for_each_text(predictor: Predictor, count: int) -> None:
    done: list[int] = []
    texts = [f"text number {number}" for number in range(count)]
    answers = list(predictor.predict_stream(iter(texts), progress=done.append))
    assert [answer.input_text for answer in answers] == texts
    assert done == sorted(set(done))
    assert (done or [0])[-1] == count


def test_a_stream_without_an_end_is_read_only_as_far_as_needed(predictor: Predictor) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for number in itertools.count():
            read += 1
            yield f"text number {number}"

    stream = predictor.predict_stream(endless())
    assert read == 0
    for number, answer in enumerate(itertools.islice(stream, 2000)):
        assert answer.input_text == f"text number {number}"
        assert read <= number + MOST_AHEAD
    stream.close()
    assert predictor.close(WAIT)


def test_a_bad_text_is_refused_in_its_place(predictor: Predictor) -> None:
    texts = [f"text number {number}" for number in range(600)]
    texts[5], texts[500] = "", "x" * 1001
    answers = list(predictor.predict_stream(texts, errors="return"))
    assert [number for number, answer in enumerate(answers) if isinstance(answer, Refusal)] == [5, 500]
    assert answers[5].error.startswith("Text 6 has no words left")
    assert answers[500].error.startswith("Text 501 has 1,001 characters")
    assert len(answers[500].input_text) == 200


def test_a_bad_text_ends_the_stream_when_it_is_reached(predictor: Predictor) -> None:
    texts = [f"text number {number}" for number in range(600)]
    texts[500] = ""
    answered = 0
    with pytest.raises(DataError, match="Text 501 has no words left"):
        for _ in predictor.predict_stream(texts):
            answered += 1
    assert 200 < answered <= 500
    assert predictor.depth == 0


def test_a_stream_that_is_left_takes_its_texts_out_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(DEMO, cache_bytes=0, loaded_runs=3, max_text_characters=1000, threads=2)
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", BatchPlan((512,), (32,), 1.0))
    left, run, computed = threading.Event(), served.run, itertools.count()

    def stop_after_the_first_answers(ids: list[list[int]]) -> np.ndarray:
        if any(next(computed) >= WINDOW for _ in ids):
            assert left.wait(WAIT)
        return run(ids)

    monkeypatch.setattr(served, "run", stop_after_the_first_answers)
    stream = predictor.predict_stream(f"text number {number}" for number in itertools.count())
    next(stream)
    assert predictor.depth > 0
    stream.close()
    assert predictor.depth == 0
    assert predictor.counters.cancelled > 0
    left.set()
    assert predictor.close(WAIT)
