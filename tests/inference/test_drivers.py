"""Threads that crash, models that misbehave, loops that stop: every text gets an answer or a sentence, and soon."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ClosedError, DeadlineError, InferenceError, OverloadedError
from engine.inference.plan import BatchPlan
from engine.inference.predictor import Call, Prediction, Predictor, Refusal
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.inference.model import ServedModel

ROOT = Path(__file__).resolve().parents[2]
DEMO = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
WAIT = 30
INLINE = BatchPlan((512,), (32,), 1e-5)
THREADED = BatchPlan((512,), (4,), 1.0)


def make_predictor(**options: Any) -> Predictor:
    return Predictor(DEMO, **{"cache_bytes": 0, "loaded_runs": 3, "max_text_characters": 1000, "threads": 2, **options})


@pytest.fixture
def predictor() -> Iterator[Predictor]:
    predictor = make_predictor()
    yield predictor
    assert predictor.close(WAIT)


@pytest.fixture(params=[INLINE, THREADED], ids=["inline", "threads"])
def served(request: pytest.FixtureRequest, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> ServedModel:
    """The demo's model, computed in the one way and in the other."""
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", request.param)
    return served


@pytest.fixture
def threaded(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> ServedModel:
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", THREADED)
    return served


def run_that(served: ServedModel, before: Callable[[list[list[int]]], None]) -> Callable[[list[list[int]]], np.ndarray]:
    """Return the model's `run` with something before it."""
    run = served.run

    def changed(ids: list[list[int]]) -> np.ndarray:
        before(ids)
        return run(ids)

    return changed


def test_a_crashed_thread_fails_what_it_held_and_is_replaced(
    predictor: Predictor, threaded: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(ids: list[list[int]]) -> None:
        raise SystemExit

    healthy: list[bool] = []
    ended = threading.Semaphore(0)
    # Python tells of a thread that ends so, and pytest takes that for an error of the test.
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.release())
    assert predictor.healthy
    with monkeypatch.context() as broken:
        broken.setattr(threaded, "run", run_that(threaded, crash))
        for number in range(5):
            call = predictor.ask([f"text {number}"], threaded, on_done=lambda call: healthy.append(predictor.healthy))
            call.wait()
            (error,) = call.errors
            assert isinstance(error, InferenceError)
            assert "crashed" in str(error)
    assert all(ended.acquire(timeout=WAIT) for _ in range(5))
    # Not ready while one is missing, and ready again after that.
    assert healthy == [False] * 5
    assert [answer.predicted_tag for answer in predictor.predict(["graph networks"] * 9)]
    assert predictor.counters.threads_replaced == 5
    assert predictor.healthy


def test_texts_behind_a_crash_are_answered_without_another_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = make_predictor(threads=1)
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", THREADED)
    ended, opened, run = threading.Semaphore(0), threading.Event(), served.run
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.release())

    def crash_once(ids: list[list[int]]) -> np.ndarray:
        assert opened.wait(WAIT)
        monkeypatch.setattr(served, "run", run)
        raise SystemExit

    monkeypatch.setattr(served, "run", crash_once)
    calls = [predictor.ask([f"text {number}" for number in range(4 * turn, 4 * turn + 4)], served) for turn in range(3)]
    opened.set()
    assert predictor.close(WAIT)
    assert ended.acquire(timeout=WAIT)
    failed = [error for call in calls for error in call.errors if error is not None]
    assert 1 <= len(failed) <= 4
    assert all(call.done for call in calls)


@pytest.mark.parametrize("error", [ValueError("bad\nshape"), RuntimeError(), MemoryError("no memory"), KeyError("a")])
def test_whatever_a_library_raises_becomes_a_sentence(
    predictor: Predictor, served: ServedModel, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(ids: list[list[int]]) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(served, "run", run_that(served, fail))
        with pytest.raises(InferenceError, match=r"^The text cannot be computed \([^\n]*\); try another one\.$"):
            predictor.predict(["graph networks"])
    assert predictor.predict(["graph networks"])[0].predicted_tag
    assert predictor.healthy
    assert predictor.counters.threads_replaced == 0


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(culprits=st.sets(st.integers(0, 19)))
def test_a_poisoned_text_fails_alone(predictor: Predictor, served: ServedModel, culprits: set[int]) -> None:
    texts = [f"{'graph ' * (number % 3)}network {'zebra' if number in culprits else 'image'}" for number in range(20)]
    texts = [text + " word" * number for number, text in enumerate(texts)]
    (zebra,) = served.encode("zebra")
    (image,) = served.encode("image")
    assert zebra != image

    def stumble(ids: list[list[int]]) -> None:
        if any(zebra in text for text in ids):
            raise ValueError("no zebras")

    expected = [served.run([served.encode(text)])[0] for text in texts]
    run = served.run
    served.run = run_that(served, stumble)
    try:
        answers = predictor.predict(texts, errors="return")
    finally:
        served.run = run
    for number, answer in enumerate(answers):
        assert isinstance(answer, Refusal if number in culprits else Prediction)
        if isinstance(answer, Prediction):
            found = [answer.probabilities[label] for label in served.labels]
            np.testing.assert_allclose(found, expected[number], atol=1e-5)


def test_a_model_that_gives_too_few_answers_leaves_nobody_waiting(
    predictor: Predictor, served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = served.run
    monkeypatch.setattr(served, "run", lambda ids: run(ids)[:0])
    answers = predictor.predict([f"text {number}" for number in range(9)], errors="return")
    assert {answer.error for answer in answers} == {
        "The model gave 0 answers to 1 texts; export or train the run again."
    }


def test_an_interrupted_caller_leaves_nobody_waiting(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", INLINE)

    def interrupt(ids: list[list[int]]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(served, "run", run_that(served, interrupt))
        with pytest.raises(KeyboardInterrupt):
            predictor.predict(["graph networks"])
    assert predictor.predict(["graph networks"])[0].predicted_tag


def test_a_text_that_a_stopped_loop_left_behind_is_answered(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", INLINE)

    async def ask_and_leave() -> None:
        predictor.ask(["graph networks"], served, loop=asyncio.get_running_loop())
        # The same text on the same loop, by somebody who blocks it.
        assert predictor.predict(["graph networks"])[0].predicted_tag
        predictor.ask(["graph neural networks"], served, loop=asyncio.get_running_loop())

    loop = asyncio.new_event_loop()
    task = loop.create_task(ask_and_leave())
    task.add_done_callback(lambda task: loop.stop())
    loop.run_forever()
    loop.close()
    assert task.exception() is None
    assert asyncio.run(predictor.predict_async(["graph neural networks"]))[0].predicted_tag


def test_several_loops_and_threads_share_one_predictor(predictor: Predictor, served: ServedModel) -> None:
    texts = [f"graph network number {number}" for number in range(60)]
    expected = [served.run([served.encode(text)])[0].max() for text in texts]
    found: dict[int, list[float]] = {}

    async def ask_all() -> list[float]:
        answers = await asyncio.gather(*(predictor.predict_async([text]) for text in texts))
        return [max(answer.probabilities.values()) for (answer,) in answers]

    def work(name: int) -> None:
        if name % 2:
            found[name] = asyncio.run(ask_all())
        else:
            found[name] = [max(answer.probabilities.values()) for answer in predictor.predict(texts)]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(found) == list(range(6))
    for values in found.values():
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_call_on_a_loop_is_ended_on_that_loop(predictor: Predictor, served: ServedModel) -> None:
    async def ask() -> tuple[Call, int]:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        call = predictor.ask(
            ["graph networks"], served, loop=loop, on_done=lambda call: ended.set_result(threading.get_ident())
        )
        assert not call.done
        return call, await asyncio.wait_for(ended, WAIT)

    call, thread = asyncio.run(ask())
    assert call.done
    assert thread == threading.get_ident()


@pytest.fixture
def gate(
    threaded: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[threading.Semaphore, threading.Event]]:
    """Holds both threads until the event is set; the semaphore tells that one has begun."""
    begun, opened = threading.Semaphore(0), threading.Event()

    def hold(ids: list[list[int]]) -> None:
        begun.release()
        assert opened.wait(WAIT)

    monkeypatch.setattr(threaded, "run", run_that(threaded, hold))
    yield begun, opened
    opened.set()


def hold_both(predictor: Predictor, threaded: ServedModel, begun: threading.Semaphore) -> list[Call]:
    busy = []
    for number in range(2):
        # One after the other: two that wait together would be one batch.
        busy.append(predictor.ask([f"busy {number}"], threaded))
        assert begun.acquire(timeout=WAIT)
    return busy


def test_a_full_queue_refuses_at_once_and_predict_waits_for_room(
    threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    begun, opened = gate
    predictor = make_predictor(queue_texts=4)
    hold_both(predictor, threaded, begun)
    waiting = predictor.ask([f"text {number}" for number in range(3)], threaded)
    with pytest.raises(OverloadedError, match="room for 1 of 4 texts, not for 2 more") as refused:
        predictor.ask(["one more", "and another"], threaded)
    assert refused.value.retry_after >= 1
    assert predictor.counters.rejected == 2
    answers: list[Any] = []
    patient = threading.Thread(
        target=lambda: answers.extend(predictor.predict([f"patient {number}" for number in range(30)]))
    )
    patient.start()
    opened.set()
    patient.join(WAIT)
    waiting.wait()
    assert [answer.input_text for answer in answers] == [f"patient {number}" for number in range(30)]
    assert predictor.close(WAIT)


def test_a_full_queue_refuses_no_text_that_costs_nothing(
    threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    begun, opened = gate
    predictor = make_predictor(queue_texts=2)
    assert predictor.refuses("there is room", threaded) is None
    busy = hold_both(predictor, threaded, begun)
    waiting = predictor.ask(["first", "second"], threaded)
    seconds = predictor.refuses("third", threaded)
    assert seconds is not None
    assert seconds >= 1
    assert predictor.counters.rejected == 1
    # What is being computed, and what waits, is computed once for all who ask.
    assert predictor.refuses("busy 0", threaded) is None
    assert predictor.refuses("second", threaded) is None
    opened.set()
    for call in (*busy, waiting):
        call.wait()
    assert predictor.close(WAIT)


def test_a_full_queue_refuses_no_text_whose_answer_is_kept(
    threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    begun, opened = gate
    predictor = make_predictor(queue_texts=1, cache_bytes=2**20)
    predictor.cache.put(predictor.cache.key(threaded.identity, "kept"), np.ones(6, np.float32))
    busy = hold_both(predictor, threaded, begun)
    waiting = predictor.ask(["first"], threaded)
    assert predictor.refuses("kept", threaded) is None
    assert predictor.ask(["kept"], threaded).cached == [True]
    assert predictor.refuses("not kept", threaded) is not None
    opened.set()
    for call in (*busy, waiting):
        call.wait()
    assert predictor.close(WAIT)


def test_who_waits_past_the_deadline_gets_a_sentence(
    predictor: Predictor, threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    begun, opened = gate
    busy = hold_both(predictor, threaded, begun)
    late = predictor.ask(["late"], threaded, deadline=0.0)
    early = predictor.ask(["early"], threaded, deadline=60.0)
    opened.set()
    for call in (*busy, late, early):
        call.wait()
    assert isinstance(late.errors[0], DeadlineError)
    assert early.errors == [None]
    assert predictor.counters.expired == 1


def test_closing_answers_what_was_accepted_and_takes_nothing_new(
    threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    begun, opened = gate
    predictor = make_predictor()
    accepted = hold_both(predictor, threaded, begun)
    accepted += [predictor.ask([f"text {number}"], threaded) for number in range(20)]
    assert not predictor.close(0.01)
    with pytest.raises(ClosedError):
        predictor.ask(["too late"], threaded)
    opened.set()
    assert predictor.close(WAIT)
    assert all(call.done and call.errors == [None] for call in accepted)


def test_a_cancelled_task_takes_its_text_out_of_the_queue(
    predictor: Predictor, threaded: ServedModel, gate: tuple[threading.Semaphore, threading.Event]
) -> None:
    hold_both(predictor, threaded, gate[0])

    async def leave() -> None:
        task = asyncio.create_task(predictor.predict_async(["nobody waits for this"]))
        await asyncio.sleep(0)
        assert predictor.depth == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert predictor.depth == 0

    asyncio.run(leave())
    assert predictor.counters.cancelled == 1


class TwoProcesses:
    """This process and another one, with a core each."""

    def __init__(self) -> None:
        self.other_is_busy = True
        self.here = 0
        self.said: list[int] = []
        self.at_rest = threading.Event()

    def busy(self, threads: int) -> None:
        self.here = threads
        self.said.append(threads)
        if threads:
            self.at_rest.clear()
        else:
            self.at_rest.set()

    def idle(self) -> bool:
        return self.here + self.other_is_busy < 2


def sharing(
    cores: TwoProcesses, guests: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[Predictor, ServedModel, threading.Event, threading.Semaphore]:
    """A predictor of one thread, its model, what lets batches through, and what counts those that have come in."""
    predictor = make_predictor(threads=1)
    predictor.share(cores, guests)
    served = predictor.load(None)
    monkeypatch.setattr(served, "_plan", THREADED)
    opened, inside = threading.Event(), threading.Semaphore(0)

    def gate(ids: list[list[int]]) -> None:
        inside.release()
        assert opened.wait(WAIT)

    monkeypatch.setattr(served, "run", run_that(served, gate))
    return predictor, served, opened, inside


def test_a_guest_computes_while_another_process_leaves_its_core_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = TwoProcesses()
    predictor, served, opened, inside = sharing(cores, 1, monkeypatch)

    def came_in(timeout: float) -> asyncio.Future[bool]:
        return asyncio.get_running_loop().run_in_executor(None, lambda: inside.acquire(timeout=timeout))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        answered = [loop.create_future() for _ in range(2)]
        calls = []
        for text, future in zip(("one text", "another text"), answered, strict=True):
            calls.append(predictor.ask([text], served, loop=loop, on_done=future.set_result))
            if len(calls) == 1:
                assert await came_in(WAIT)
        # The own thread computes, the other core is taken: the second text waits.
        assert not await came_in(0.1)
        assert (cores.here, predictor.depth) == (1, 1)
        cores.other_is_busy = False
        assert await came_in(WAIT)
        assert (cores.here, predictor.depth) == (2, 0)
        opened.set()
        await asyncio.gather(*answered)
        assert [call.errors for call in calls] == [[None], [None]]

    asyncio.run(serve())
    assert predictor.healthy
    assert predictor.close(WAIT)
    # A thread says that it has ended after it has handed out its answers.
    assert cores.at_rest.wait(WAIT)
    assert (cores.here, max(cores.said)) == (0, 2)


def test_a_thread_keeps_its_core_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = TwoProcesses()
    predictor, served, opened, inside = sharing(cores, 0, monkeypatch)
    first = predictor.ask(["one text"], served)
    assert inside.acquire(timeout=WAIT)
    second = predictor.ask(["another text"], served)
    opened.set()
    for call in (first, second):
        call.wait()
    assert predictor.close(WAIT)
    assert cores.at_rest.wait(WAIT)
    # A guest of another process would have come in between.
    assert cores.said == [1, 0]
