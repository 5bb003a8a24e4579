"""HTTP/1.1 on one connection: bytes come in, whole requests go out to the application, answers come back in order.

llhttp parses, by httptools. What stands here is when a request is whole, what of it is too much or too slow, and how a
connection ends. It is a protocol of the event loop: a request costs no task, no future and no second thread, which is
why a trivial request costs a fifth of what it does on servers that call a coroutine for each (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools

from engine.api.problems import BROKEN, CUT, HEAD_TOO_LARGE, NOT_HTTP, SLOW_BODY, SLOW_HEAD, TOO_LARGE, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.api.listener import Listener

_LOG = logging.getLogger("tagscope.api")
_HEAD_BYTES = 65_536
# What is still sent after a refusal is read and thrown away, so many bytes of it and for so many seconds: to a client
# that is writing, a closed connection would hide the answer.
_THROWN_AWAY = 64 * 2**20
_LINGER_SECONDS = 2.0
_HEAD_SECONDS = 30.0
_UNREAD_SECONDS = 30.0
# Longer than proxies and clients keep a connection for later.
_IDLE_SECONDS = 90.0
# The clock that connections read is set once in so many seconds; nothing ends before its time.
SWEEP_SECONDS = 1.0
_KEPT_HEADERS = frozenset((b"authorization", b"content-type", b"content-length", b"expect"))
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(IntEnum):
    """What a connection waits for: a request, the rest of its head, or the rest of its body."""

    IDLE = 0
    HEAD = 1
    BODY = 2


class Request:
    """One request, whole.

    Attributes
    ----------
    method, path
        As they came; the path without its query.
    headers
        Those the service looks at, by name in lower case.
    body
        Whole.
    problem
        Why it is to be refused, where that was found out while it was read.
    started
        When it was whole, by `time.monotonic`.
    route
        For the application: what is counted.
    gone
        For the application: called where the client leaves before the answer.
    """

    __slots__ = (
        "_connection",
        "body",
        "gone",
        "headers",
        "keep",
        "method",
        "old",
        "path",
        "problem",
        "route",
        "started",
    )

    def __init__(self, connection: Connection, method: bytes, path: bytes, headers: dict[bytes, bytes]) -> None:
        self._connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body: bytes | bytearray = b""
        self.problem: ProblemError | None = None
        self.started = time.monotonic()
        self.route = 0
        self.gone: Callable[[], None] | None = None
        self.keep = True
        self.old = False

    def answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Send the answer; nothing happens where the client has left.

        Parameters
        ----------
        status
            HTTP status.
        headers
            Beside date, length and connection.
        body
            Whole; not sent to HEAD.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
        head = b"%b%b%bcontent-length: %d\r\n" % (_STATUS_LINES[status], self._connection.date, lines, len(body))
        self._connection.send(self, head, b"" if self.method == b"HEAD" else body)

    def answer_json(self, body: bytes) -> None:
        """Send what nearly every request gets: 200 and JSON."""
        self._connection.send(self, b"%b%d\r\n" % (self._connection.ok, len(body)), body)


class Connection(asyncio.Protocol):
    """One connection; made by the event loop for `Listener`.

    Parameters
    ----------
    listener
        Whose it is.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._queued: deque[Request] = deque()
        self._lingering = False
        self._blocked = False
        self._thrown_away = 0
        self._phase = Phase.IDLE
        # When the phase began, when the last answer was sent, or when writing was blocked, whichever was last.
        self._since = listener.now
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._body: bytes | bytearray = b""

    # What answers need

    @property
    def date(self) -> bytes:
        """The header of that name, as a line."""
        return self._listener.date

    @property
    def ok(self) -> bytes:
        """Everything up to the length of a JSON answer with status 200."""
        return self._listener.ok

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return self._request is None and not self._queued and not self.reading

    @property
    def reading(self) -> bool:
        """Whether a request has arrived in part."""
        return self._phase is not Phase.IDLE

    # Transport

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        self._listener.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """End; whoever computes for it is told."""
        self._transport = None
        self._listener.forget(self)
        self._queued.clear()
        request, self._request = self._request, None
        if request is not None and request.gone is not None:
            request.gone()

    def data_received(self, data: bytes) -> None:
        """Read."""
        if self._lingering:
            self._throw_away(len(data))
            return
        if self._phase is Phase.HEAD:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._phase is Phase.HEAD and self._head_bytes > _HEAD_BYTES:
                self._refuse(_head_too_large())
        except httptools.HttpParserUpgrade:
            # The request itself was answered as if it had asked for nothing else; what follows is not HTTP.
            self._end_after(self._queued[-1] if self._queued else self._request)
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))

    def eof_received(self) -> bool:
        """See that the client sends no more; return whether the connection stays open."""
        if self._lingering:
            return False
        if self._phase is not Phase.IDLE:
            self._refuse(ProblemError(CUT, "The request ended before it was whole; send it again."))
            return True
        last = self._queued[-1] if self._queued else self._request
        if last is None or last.gone is not None:
            # One that is computed for long is given up: most who close have left.
            return False
        self._end_after(last)
        return True

    def pause_writing(self) -> None:
        """Take no more requests from a client that does not read its answers."""
        self._blocked = True
        self._since = self._listener.now
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._since = self._listener.now
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._take_next()

    # Parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._phase = Phase.HEAD
        self._since = self._listener.now
        self._url = self._body = b""
        self._headers = {}
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Keep the address, which may come in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header where it is looked at."""
        self._head_bytes += len(name) + len(value)
        name = name.lower()
        if name in _KEPT_HEADERS:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Refuse what is too long, and let those write who ask first."""
        self._phase = Phase.BODY
        if self._head_bytes + len(self._url) > _HEAD_BYTES:
            raise _head_too_large()
        headers = self._headers
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._listener.most_bytes:
            raise self._too_large(f"{int(length):,}")
        if b"expect" in headers and self._transport is not None and self._request is None:
            self._transport.write(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        if not self._body:
            self._body = part
            return
        if isinstance(self._body, bytes):
            self._body = bytearray(self._body)
        self._body += part
        if len(self._body) > self._listener.most_bytes:
            raise self._too_large("more than that")

    def on_message_complete(self) -> None:
        """Hand a request over."""
        self._phase = Phase.IDLE
        request = self._made()
        request.body = self._body
        self._body = b""
        self._queue(request)

    # Requests and answers

    def send(self, request: Request, head: bytes, body: bytes) -> None:
        """Write an answer and go on with the next request, or end.

        Parameters
        ----------
        request
            The one that was handed over last.
        head
            Without the line that ends it.
        body
            Follows it.
        """
        transport = self._transport
        if transport is None or request is not self._request:
            return
        self._request = None
        self._since = self._listener.now
        if request.keep and (not self._listener.draining or self._queued):
            transport.write(b"%b%b\r\n%b" % (head, b"connection: keep-alive\r\n" if request.old else b"", body))
            if self._queued:
                # Not from here: each answer would stand on the one before it.
                self._listener.loop.call_soon(self._take_next)
            return
        transport.write(b"%bconnection: close\r\n\r\n%b" % (head, body))
        if self._lingering:
            transport.write_eof()
        else:
            transport.close()

    def close_idle(self) -> None:
        """End the connection where no request is under way."""
        if self.idle and self._transport is not None:
            self._transport.close()

    def sweep(self, now: float) -> None:
        """End what takes too long.

        Parameters
        ----------
        now
            By `time.monotonic`.
        """
        waited = now - self._since - SWEEP_SECONDS
        if self._transport is None or waited < 0:
            return
        if self._blocked:
            if waited > _UNREAD_SECONDS:
                self._transport.abort()
        elif self._request is not None:
            return
        elif self._lingering:
            if waited > _LINGER_SECONDS:
                self._transport.abort()
        elif self._phase is Phase.HEAD:
            if waited > _HEAD_SECONDS:
                self._refuse(ProblemError(SLOW_HEAD, "The head of the request did not arrive in time; send it again."))
        elif self._phase is Phase.BODY:
            seconds = self._listener.body_seconds
            if waited >= seconds:
                self._refuse(
                    ProblemError(
                        SLOW_BODY, f"The body did not arrive within {seconds:g} seconds; send it again, faster."
                    )
                )
        elif waited > _IDLE_SECONDS:
            self._transport.close()

    def _made(self) -> Request:
        path = self._url.partition(b"?")[0]
        if not path.startswith(b"/") and b"://" in path:
            # As it is said to a proxy.
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        parser = self._parser
        request = Request(self, parser.get_method() if path else b"", path, self._headers)
        if not parser.should_keep_alive():
            request.keep = False
        elif parser.get_http_version() != "1.1":
            request.old = True
        return request

    def _queue(self, request: Request) -> None:
        if self._request is None and not self._queued:
            self._request = request
            self._listener.take(request)
        else:
            # The client did not wait for its answer: it waits now until the others are answered.
            self._queued.append(request)

    def _take_next(self) -> None:
        if self._request is None and self._queued and not self._blocked and self._transport is not None:
            self._request = self._queued.popleft()
            self._request.started = time.monotonic()
            self._listener.take(self._request)

    def _refuse(self, problem: ProblemError) -> None:
        """Answer what cannot be a request, after those before it, and read no further."""
        if self._lingering:
            return
        request = self._made()
        request.problem = problem
        request.keep = False
        self._phase = Phase.IDLE
        self._body = b""
        self._lingering = True
        self._queue(request)

    def _end_after(self, last: Request | None) -> None:
        if last is not None:
            last.keep = False
        elif self._transport is not None:
            self._transport.close()

    def _throw_away(self, count: int) -> None:
        self._thrown_away += count
        if self._thrown_away > _THROWN_AWAY and self._transport is not None:
            self._transport.abort()

    def _too_large(self, said: str) -> ProblemError:
        return ProblemError(
            TOO_LARGE,
            f"The body may have {self._listener.most_bytes:,} bytes and has {said}; send fewer texts in one request.",
        )


def _head_too_large() -> ProblemError:
    return ProblemError(HEAD_TOO_LARGE, f"The head of a request may have {_HEAD_BYTES:,} bytes; send fewer headers.")


def _reason(error: httptools.HttpParserError) -> ProblemError:
    """Return what a parser's error tells the client."""
    if isinstance(error, httptools.HttpParserCallbackError):
        if isinstance(error.__context__, ProblemError):
            return error.__context__
        _LOG.error("A request could not be read", exc_info=error)
        return ProblemError(BROKEN, "The service failed at this request; its log says why.")
    return ProblemError(NOT_HTTP, "This is not a request of HTTP/1.1; send one.")
