"""The application: which address does what, who may, and what is answered where something is wrong."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from engine.api import operations, runs
from engine.api.metrics import GONE, ROUTES
from engine.api.openapi import document
from engine.api.page import POLICY, page
from engine.api.predict import Predict
from engine.api.problems import (
    BROKEN,
    KEYLESS,
    METHOD,
    NO_KEY,
    NO_RUN,
    NOT_FOUND,
    ProblemError,
    overloaded,
    problem_of,
)
from engine.api.records import RUN_ID, Alive
from engine.errors import OverloadedError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.api.request import Request
    from engine.api.service import Service

    _Headers = list[tuple[str, str]]
    _Reply = tuple[_Headers, bytes]
    _Handler = Callable[[str], Awaitable[_Reply]]

_LOG = logging.getLogger("tagscope.api")
_JSON: _Headers = [("content-type", "application/json")]
_RUN_ID = re.compile(RUN_ID)
_PREDICT = ROUTES.index("/predict")
_OTHER = ROUTES.index("other")
_READING = (b"GET", b"HEAD")


class Route:
    """What an address does.

    Parameters
    ----------
    path
        One of `engine.api.metrics.ROUTES`.
    methods
        Which it takes.
    handler
        Takes the run id of the address, or an empty text.
    guard
        Raises where the request's key does not allow it; takes the headers.
    """

    __slots__ = ("guard", "handler", "methods", "number")

    def __init__(
        self,
        path: str,
        methods: tuple[bytes, ...],
        handler: _Handler,
        guard: Callable[[dict[bytes, bytes]], None] | None = None,
    ) -> None:
        self.number = ROUTES.index(path)
        self.methods = methods
        self.handler = handler
        self.guard = guard


class App:
    """Answers requests: `take` is what the listener calls.

    Parameters
    ----------
    service
        Of this process. To be made on the event loop that serves.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tally = service.tally
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._predict = Predict(service, self).begin
        self._key = service.settings.key.encode()
        self._open = service.settings.open_predict
        self._openapi = msgspec.json.encode(document(service.settings))
        self._page = page(document(service.settings)).encode()
        user = None if self._open else self._guard
        self._routes = {
            "/runs": Route("/runs", _READING, self._list, user),
            "/cache": Route("/cache", (b"DELETE",), self._clear, self._guard),
            "/healthz": Route("/healthz", _READING, self._health),
            "/readyz": Route("/readyz", _READING, self._ready),
            "/metrics": Route("/metrics", _READING, self._metrics),
            "/openapi.json": Route("/openapi.json", _READING, self._document),
            "/docs": Route("/docs", _READING, self._docs),
        }
        self._run = Route("/runs/{run_id}", _READING, self._describe, user)
        self._promote = Route("/runs/{run_id}/promote", (b"POST",), self._promoted, self._guard)
        self._clear_run = Route("/cache/{run_id}", (b"DELETE",), self._clear, self._guard)

    def take(self, request: Request) -> None:
        """Answer a request, now or later; raises nothing."""
        tally = self._tally
        tally.began = request.started
        tally.open_requests += 1
        try:
            if request.path == b"/predict":
                request.route = _PREDICT
                if request.method != b"POST":
                    raise _wrong_method(request.method, (b"POST",))
                if not self._open:
                    self._guard(request.headers)
                if request.problem is not None:
                    raise request.problem
                self._predict(request)
                return
            request.route = _OTHER
            if request.problem is not None and not request.path:
                raise request.problem
            route, run_id = self._route(unquote(request.path.decode("latin-1")))
            request.route = route.number
            if request.method not in route.methods:
                raise _wrong_method(request.method, route.methods)
            if route.guard is not None:
                route.guard(request.headers)
            if request.problem is not None:
                raise request.problem
            self.later(request, self._replied(request, route.handler(run_id)))
        except Exception as error:  # noqa: BLE001 - `fail` tells ours from a fault
            self.fail(request, error)

    def later(self, request: Request, work: Any) -> None:
        """Let a coroutine answer a request."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if task.cancelled() or (error := task.exception()) is None:
                return
            self.fail(request, error)

        # The loop itself keeps only a weak reference.
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(ended)

    def finish(self, request: Request, body: bytes) -> None:
        """Answer with JSON."""
        self._count(request, 200)
        request.answer_json(body)

    def fail(self, request: Request, error: BaseException) -> None:
        """Answer with the problem that an error is."""
        match error:
            case ProblemError():
                status, headers, body = error.status, error.headers, error.body()
            case OverloadedError():
                self._refuse(request, str(error), error.retry_after)
                return
            case TagscopeError():
                told = problem_of(error)
                status, headers, body = told.status, told.headers, told.body()
            case _:
                # A fault of ours; what it was stands in the log, not in the answer.
                _LOG.error("A request to %s failed", ROUTES[request.route], exc_info=error)
                broken = ProblemError(BROKEN, "The service failed at this request; its log says why.")
                status, headers, body = broken.status, broken.headers, broken.body()
        self._count(request, status)
        request.answer(status, headers, body)

    def refuse(self, request: Request, retry_after: float) -> None:
        """Answer one text with the problem that the queue is full."""
        self._refuse(request, "The queue is full; try again soon.", retry_after)

    def leave(self, request: Request) -> None:
        """Count a request whose client left before its answer."""
        self._count(request, GONE)

    def _refuse(self, request: Request, detail: str, retry_after: float) -> None:
        lines, body = overloaded(detail, round(retry_after + 0.499))
        self._count(request, 429)
        request.answer_lines(429, lines, body)

    def _count(self, request: Request, status: int) -> None:
        # Before it is sent: what a client has seen is counted, even if the process is killed the moment after.
        self._tally.open_requests -= 1
        self._tally.request(request.route, status, time.monotonic() - request.started)

    async def _replied(self, request: Request, reply: Awaitable[_Reply]) -> None:
        headers, body = await reply
        self._count(request, 200)
        request.answer(200, headers, body)

    def _route(self, path: str) -> tuple[Route, str]:
        route = self._routes.get(path)
        if route is not None:
            return route, ""
        match path.split("/")[1:]:
            case ["runs", run_id]:
                return self._run, _checked(run_id)
            case ["runs", run_id, "promote"]:
                return self._promote, _checked(run_id)
            case ["cache", run_id]:
                return self._clear_run, _checked(run_id)
        raise ProblemError(NOT_FOUND, f"There is no page {path[:100]!r}; GET /docs lists those there are.")

    def _guard(self, headers: dict[bytes, bytes]) -> None:
        if not self._key:
            raise ProblemError(
                KEYLESS, "The service was started without a key, so nobody may do this; set TAGSCOPE_API__KEY."
            )
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        # As long for a nearly right key as for a wrong one.
        if not (hmac.compare_digest(key.strip(), self._key) and scheme.lower() == b"bearer"):
            raise ProblemError(
                NO_KEY,
                "This needs the service's key; send the header `Authorization: Bearer KEY`.",
                headers=[("www-authenticate", 'Bearer realm="tagscope"')],
            )

    # What the addresses do

    async def _list(self, _: str) -> _Reply:
        return _json(await self._service.on_disk(runs.list_runs, self._service))

    async def _describe(self, run_id: str) -> _Reply:
        return _json(await self._service.on_disk(runs.describe_run, self._service, run_id))

    async def _promoted(self, run_id: str) -> _Reply:
        return _json(await self._service.in_turn(runs.promote, self._service, run_id))

    async def _clear(self, run_id: str) -> _Reply:
        return _json(await operations.clear(self._service, run_id or None))

    async def _health(self, _: str) -> _Reply:
        return _json(Alive("alive"))

    async def _ready(self, _: str) -> _Reply:
        return _json(operations.ready(self._service))

    async def _metrics(self, _: str) -> _Reply:
        return [("content-type", CONTENT_TYPE_LATEST)], await operations.metrics(self._service)

    async def _document(self, _: str) -> _Reply:
        return _JSON, self._openapi

    async def _docs(self, _: str) -> _Reply:
        headers = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ]
        return headers, self._page


def _json(record: msgspec.Struct) -> _Reply:
    return _JSON, msgspec.json.encode(record)


def _checked(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise ProblemError(
            NO_RUN, f"{run_id[:60]!r} is not a run id, which has 32 characters of 0-9 and a-f; GET /runs lists them."
        )
    return run_id


def _wrong_method(method: bytes, allowed: tuple[bytes, ...]) -> ProblemError:
    takes = [name.decode() for name in allowed]
    return ProblemError(
        METHOD,
        f"This address takes {' and '.join(takes)}, not {method.decode('latin-1')}.",
        headers=[("allow", ", ".join(takes))],
    )
