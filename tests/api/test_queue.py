"""What happens to requests that wait: room, deadline, clients that leave. In this process, so that nothing is timed."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

from config.settings import get_settings
from engine.api.app import App
from engine.api.board import Board
from engine.api.metrics import render
from engine.api.problems import ProblemError
from engine.api.request import Request
from engine.api.runs import promote
from engine.api.service import Service
from engine.errors import DeadlineError, InferenceError, TagscopeError
from engine.inference.predictor import Predictor, get_predictor
from tests.api.running import CNN, NGRAM, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Client:
    """Asks one question, and may leave; stands where the connection does."""

    date, ok = b"", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "

    def __init__(self, *texts: str) -> None:
        self.request = Request(cast("Any", self), b"POST", b"/predict", {})
        self.request.body = json.dumps({"texts": texts}).encode()
        self.answered = asyncio.Event()
        self.status, self.headers, self.answer = 0, dict[str, str](), b""

    def send(self, request: Request, head: bytes, body: bytes) -> None:
        assert request is self.request
        assert not self.status
        first, *lines = head.decode().splitlines()
        self.status, self.answer = int(first.split()[1]), body
        self.headers = dict(line.split(": ", 1) for line in lines)
        self.answered.set()

    def leave(self) -> None:
        assert self.request.gone is not None
        self.request.gone()

    async def ask(self, app: App) -> None:
        app.take(self.request)
        await self.answered.wait()


class Slow:
    """One thread computes, and only when the gate is open."""

    def __init__(self, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.predictor = predictor
        self.gate = threading.Event()
        self.batches: list[int] = []
        model = predictor.follow()
        run = model.run

        def gated(ids: Any) -> Any:
            self.batches.append(len(ids))
            assert self.gate.wait(30)
            return run(ids)

        monkeypatch.setattr(model, "run", gated)
        monkeypatch.setattr(model, "_plan", msgspec.structs.replace(model.plan, seconds=1.0))


@pytest.fixture
def slow(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    monkeypatch.setenv("TAGSCOPE_INFERENCE__QUEUE_TEXTS", "2")
    monkeypatch.setenv("TAGSCOPE_INFERENCE__THREADS", "1")
    monkeypatch.setenv("TAGSCOPE_API__MAX_TEXTS", "2")
    get_settings.cache_clear()
    get_predictor.cache_clear()
    slow = Slow(get_predictor(), monkeypatch)
    yield slow
    slow.gate.set()
    assert slow.predictor.close(30)


def served(slow: Slow) -> tuple[Service, App]:
    service = Service(get_settings().api, slow.predictor, Board.create(1), 0)
    service.follow()
    return service, App(service)


async def until(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_a_full_queue_is_refused_at_once_and_says_when(slow: Slow) -> None:
    async def run() -> None:
        service, app = served(slow)
        computed = Client("one text")
        waiting = Client("a second text", "a third text")
        refused = Client("a fourth text")
        tasks = [asyncio.create_task(computed.ask(app))]
        await until(lambda: slow.batches)
        tasks.append(asyncio.create_task(waiting.ask(app)))
        await until(lambda: slow.predictor.depth == 2)
        await refused.ask(app)
        assert (refused.status, int(refused.headers["retry-after"]) >= 1) == (429, True)
        assert json.loads(refused.answer)["type"] == "/docs#/overloaded"
        slow.gate.set()
        await asyncio.gather(*tasks)
        assert (computed.status, waiting.status) == (200, 200)
        service.tally.publish(slow.predictor)
        text = render(service.board).decode()
        assert 'tagscope_requests_total{route="/predict",status="429"} 1.0' in text
        assert "tagscope_rejected_total 1.0" in text

    asyncio.run(run())


def test_who_leaves_while_waiting_leaves_the_queue(slow: Slow) -> None:
    async def run() -> None:
        service, app = served(slow)
        computed, leaving = Client("one text"), Client("a second text")
        task = asyncio.create_task(computed.ask(app))
        await until(lambda: slow.batches)
        app.take(leaving.request)
        assert slow.predictor.depth == 1
        leaving.leave()
        assert slow.predictor.depth == 0
        slow.gate.set()
        await task
        assert (computed.status, slow.batches) == (200, [1])
        service.tally.publish(slow.predictor)
        text = render(service.board).decode()
        assert 'tagscope_requests_total{route="/predict",status="499"} 1.0' in text
        assert "tagscope_cancelled_total 1.0" in text
        assert "tagscope_open_requests 0.0" in text

    asyncio.run(run())


def test_what_waits_beyond_its_deadline_is_given_up(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGSCOPE_API__DEADLINE_SECONDS", "0.1")
    get_settings.cache_clear()

    async def run() -> None:
        _, app = served(slow)
        computed, late = Client("one text"), Client("a second text")
        tasks = [asyncio.create_task(computed.ask(app))]
        await until(lambda: slow.batches)
        # Nobody computes; the request ends all the same.
        await late.ask(app)
        assert (late.status, json.loads(late.answer)["type"]) == (503, "/docs#/deadline")
        assert "retry-after" in late.headers
        slow.gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())


def test_a_run_that_many_ask_for_is_loaded_once(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    slow.gate.set()
    loads: list[str] = []
    load, go_on = slow.predictor.load, threading.Event()

    def loading(run_id: str) -> Any:
        loads.append(run_id)
        assert go_on.wait(30)
        return load(run_id)

    monkeypatch.setattr(slow.predictor, "load", loading)

    async def run() -> None:
        service, _ = served(slow)
        asked = [asyncio.create_task(service.model_of(CNN)) for _ in range(64)]
        await until(lambda: loads)
        # The other thread is free meanwhile.
        assert await service.on_disk(lambda: 7) == 7
        go_on.set()
        assert {model.run_id for model in await asyncio.gather(*asked)} == {CNN}
        assert loads == [CNN]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "kind"), [(DeadlineError("Late."), "deadline"), (InferenceError("Broken."), "failed"), (None, "data")]
)
def test_a_refused_text_says_which_kind(
    slow: Slow, monkeypatch: pytest.MonkeyPatch, error: TagscopeError | None, kind: str
) -> None:
    slow.gate.set()

    async def run() -> None:
        _, app = served(slow)
        asked = Client(TEXT, "" if error is None else "graph networks")
        await Client(TEXT).ask(app)
        if error is not None:
            monkeypatch.setattr(slow.predictor._dispatcher._threads, "_compute", lambda batch: _fail(batch, error))
        await asked.ask(app)
        found = json.loads(asked.answer)["predictions"]
        assert (asked.status, found[1]["kind"], "kind" in found[0]) == (200, kind, False)

    def _fail(batch: Any, error: TagscopeError) -> None:
        slow.predictor._dispatcher._threads._failed(batch, error)

    asyncio.run(run())


def test_a_promotion_while_the_service_is_stopped_is_not_told_as_done(slow: Slow) -> None:
    slow.gate.set()

    async def run() -> None:
        service, _ = served(slow)
        service.draining = True
        service.show_state()
        with pytest.raises(ProblemError, match="is being stopped"):
            promote(service, NGRAM)

    asyncio.run(run())


def test_a_fault_of_ours_is_told_without_its_trace(
    slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        _, app = served(slow)
        broken = Client("one text")
        monkeypatch.setattr(app, "_predict", None)
        await broken.ask(app)
        assert (broken.status, json.loads(broken.answer)["type"]) == (500, "/docs#/internal-error")
        assert b"NoneType" not in broken.answer
        assert "NoneType" in caplog.text

    asyncio.run(run())
