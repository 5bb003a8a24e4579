"""The RSGI application: which address does what, who may, and what is answered where something is wrong."""

from __future__ import annotations

import hmac
import logging
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from engine.api import operations, runs
from engine.api.body import Bodies, GoneError
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
    NOT_JSON,
    ProblemError,
    overloaded,
    problem_of,
)
from engine.api.records import RUN_ID, Alive
from engine.errors import OverloadedError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.api.service import Service

    _Headers = list[tuple[str, str]]
    _Reply = tuple[_Headers, bytes]
    _Handler = Callable[[str], Awaitable[_Reply]]

_LOG = logging.getLogger("tagscope.api")
_JSON: _Headers = [("content-type", "application/json")]
_CLOSE = ("connection", "close")
_RUN_ID = re.compile(RUN_ID)
_PREDICT = ROUTES.index("/predict")
_OTHER = ROUTES.index("other")
_READING = ("GET", "HEAD")


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
        self, path: str, methods: tuple[str, ...], handler: _Handler, guard: Callable[[Any], None] | None = None
    ) -> None:
        self.number = ROUTES.index(path)
        self.methods = methods
        self.handler = handler
        self.guard = guard


class App:
    """Answers requests; Granian calls it with a scope and a protocol.

    Parameters
    ----------
    service
        Of this process. To be made on the event loop that serves.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tally = service.tally
        self.bodies = Bodies(service.settings)
        self._predict = Predict(service, self.bodies).answer
        self._key = service.settings.key.encode()
        self._open = service.settings.open_predict
        self._answer_headers = _JSON
        self._openapi = msgspec.json.encode(document(service.settings))
        self._page = page(document(service.settings)).encode()
        user = None if self._open else self._guard
        self._routes = {
            "/runs": Route("/runs", _READING, self._list, user),
            "/cache": Route("/cache", ("DELETE",), self._clear, self._guard),
            "/healthz": Route("/healthz", _READING, self._health),
            "/readyz": Route("/readyz", _READING, self._ready),
            "/metrics": Route("/metrics", _READING, self._metrics),
            "/openapi.json": Route("/openapi.json", _READING, self._document),
            "/docs": Route("/docs", _READING, self._docs),
        }
        self._run = Route("/runs/{run_id}", _READING, self._describe, user)
        self._promote = Route("/runs/{run_id}/promote", ("POST",), self._promoted, self._guard)
        self._clear_run = Route("/cache/{run_id}", ("DELETE",), self._clear, self._guard)

    def drain(self) -> None:
        """Close every connection after its next answer."""
        self._answer_headers = [*_JSON, _CLOSE]

    async def __call__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        tally = self._tally
        started = tally.began = time.monotonic()
        tally.open_requests += 1
        number, answered = _OTHER, False
        try:
            if scope.path == "/predict":
                number = _PREDICT
                headers = scope.headers
                if scope.method != "POST":
                    raise _wrong_method(scope.method, ("POST",))
                if not self._open:
                    self._guard(headers)
                status, reply, body = 200, self._answer_headers, await self._predict(headers, protocol, started)
            else:
                route, run_id = self._route(scope.path)
                number = route.number
                if scope.method not in route.methods:
                    raise _wrong_method(scope.method, route.methods)
                if route.guard is not None:
                    route.guard(scope.headers)
                status, (reply, body) = 200, await route.handler(run_id)
            answered = True
        except ProblemError as problem:
            status, reply, body, answered = problem.status, problem.headers, problem.body(), True
        except OverloadedError as error:
            reply, body = overloaded(str(error), round(error.retry_after + 0.499))
            status, answered = 429, True
        except TagscopeError as error:
            told = problem_of(error)
            status, reply, body, answered = told.status, told.headers, told.body(), True
        except GoneError:
            # Hardly anybody reads it: a client may only have stopped to send.
            cut = ProblemError(NOT_JSON, "The body ended before it was whole; send it again.", headers=[_CLOSE])
            status, reply, body, answered = GONE, cut.headers, cut.body(), True
        finally:
            if not answered:
                # A fault of ours; what it was stands in the log, not in the answer.
                _LOG.error("A request to %s failed", ROUTES[number], exc_info=True)
                broken = ProblemError(BROKEN, "The service failed at this request; its log says why.")
                status, reply, body = broken.status, broken.headers, broken.body()
            tally.open_requests -= 1
            # Before it is sent: what a client has seen is counted, even if the process is killed the moment after.
            tally.request(number, status, time.monotonic() - started)
            if self._service.draining and reply is not self._answer_headers:
                reply = [*reply, _CLOSE]
            protocol.response_bytes(400 if status == GONE else status, reply, body)

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

    def _guard(self, headers: Any) -> None:
        if not self._key:
            raise ProblemError(
                KEYLESS, "The service was started without a key, so nobody may do this; set TAGSCOPE_API__KEY."
            )
        scheme, _, key = (headers.get("authorization") or "").partition(" ")
        given = key.strip().encode("utf-8", errors="surrogateescape")
        # As long for a nearly right key as for a wrong one.
        if not (hmac.compare_digest(given, self._key) and scheme.lower() == "bearer"):
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


def _wrong_method(method: str, allowed: tuple[str, ...]) -> ProblemError:
    return ProblemError(
        METHOD,
        f"This address takes {' and '.join(allowed)}, not {method[:20]}.",
        headers=[("allow", ", ".join(allowed))],
    )
