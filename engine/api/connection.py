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
from typing import TYPE_CHECKING, Any

import httptools

from engine.api.problems import (
    BROKEN,
    CODED,
    CUT,
    HEAD_TOO_LARGE,
    NOT_HTTP,
    SLOW_BODY,
    SLOW_HEAD,
    TOO_LARGE,
    ProblemError,
)
from engine.api.request import Request

if TYPE_CHECKING:
    from engine.api.listener import Listener

_LOG = logging.getLogger("tagscope.api")
_HEAD_BYTES = 65_536
# What is still sent after a refusal is read and thrown away, so many bytes of it and for so many seconds: to a client
# that is writing, a closed connection would hide the answer.
_THROWN_AWAY = 64 * 2**20
_LINGER_SECONDS = 30.0
# Less long where nothing comes any more.
_SILENT_SECONDS = 2.0
_HEAD_SECONDS = 30.0
# A client reads so many bytes of its answers in so many seconds, or all of them.
_UNREAD_SECONDS = 30.0
_LEAST_READ = 65_536
# Longer than proxies and clients keep a connection for later.
_IDLE_SECONDS = 90.0
# The clock that connections read is set once in so many seconds; nothing ends before its time.
SWEEP_SECONDS = 1.0
# Requests that are handed over in one turn of the event loop, of those that a client sent without waiting for answers.
_AT_ONCE = 32
# A longer number has nothing but zeros and spaces more than one that can be meant.
_LENGTH_DIGITS = 30
_KEPT_HEADERS = frozenset(
    (b"authorization", b"content-length", b"content-type", b"expect", b"host", b"transfer-encoding", b"upgrade")
)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(IntEnum):
    """What a connection waits for: a request, the rest of its head, or the rest of its body.

    `UPGRADE` is a moment only: the head asked for another protocol, and is read again as if it had not.
    """

    IDLE = 0
    HEAD = 1
    BODY = 2
    UPGRADE = 3


# An enumeration looks its members up anew each time, which takes longer than what is done with them here.
_IDLE, _HEAD, _BODY, _UPGRADE = Phase


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
        # Whole requests that wait until those before them are answered.
        self._queued: deque[Request] = deque()
        self._taking = False
        # The client has sent its last byte; nothing it sends is read any more; it does not read; we do not read.
        self._eof = self._lingering = self._blocked = self._paused = False
        self._unread = 0
        self._thrown_away = 0
        self._heard = 0.0
        self._phase = _IDLE
        # When the phase began, when the last answer was sent, or when writing was blocked, whichever was last.
        self._since = listener.now
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        # Bytes in whole packets since the head began, or since the last byte of the body; -1 up to the first packet.
        self._fruitless = -1
        self._asks = False
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
        return self._request is None and not self._queued and self._phase is _IDLE and not self._lingering

    @property
    def waiting(self) -> int:
        """How many requests the application does not have yet; the last may have arrived in part."""
        return len(self._queued) + (self._phase is not _IDLE)

    # Transport

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self._transport = transport
        if not self._listener.admit(self):
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """End; whoever computes for it is told."""
        self._transport = None
        self._listener.forget(self)
        self._queued.clear()
        # It holds this connection as well: without the circle both are gone at once.
        del self._parser
        request, self._request = self._request, None
        if request is not None and request.gone is not None:
            request.gone()

    def data_received(self, data: bytes) -> None:
        """Read; what is whole is handed over after the parser has returned, so that nothing calls it from within."""
        if self._lingering:
            self._throw_away(len(data))
            return
        rest = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = memoryview(data)[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))
        if rest is not None:
            self._stay(rest)
        if self._queued:
            self._take(waited=False)
        if self._phase is not _IDLE:
            self._in_part(len(data))

    def eof_received(self) -> bool:
        """See that the client sends no more; return whether the connection stays open."""
        self._eof = True
        if self._phase is not _IDLE:
            self._end_with(ProblemError(CUT, "The request ended before it was whole; send it again."))
            return True
        last = self._queued[-1] if self._queued else self._request
        if last is None or last.gone is not None:
            # One that is computed for long is given up: most who close have left.
            return False
        last.keep = False
        return True

    def pause_writing(self) -> None:
        """Take no more requests from a client that does not read its answers."""
        self._blocked = True
        self._since = self._listener.now
        if self._transport is not None:
            self._unread = self._transport.get_write_buffer_size()
        self._steer()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._since = self._listener.now
        self._listener.loop.call_soon(self._take)

    # Parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._phase = _HEAD
        self._since = self._listener.now
        self._url = self._body = b""
        self._headers = {}
        self._head_bytes = 0
        self._fruitless = -1

    def on_url(self, url: bytes) -> None:
        """Keep the address, which may come in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header where it is looked at."""
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        # What stands behind a body in chunks was not there when it was decided what the request is.
        if name in _KEPT_HEADERS and self._phase is _HEAD:
            if name == b"host" and name in self._headers:
                # RFC 9112, section 3.2.
                raise ProblemError(NOT_HTTP, "The request has more than one header Host; send one.")
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """Refuse what is too long, and let those write who ask first."""
        if self._head_bytes + len(self._url) > _HEAD_BYTES:
            raise _head_too_large()
        self._phase = _BODY
        self._since = self._listener.now
        self._fruitless = -1
        headers = self._headers
        if b"upgrade" in headers and self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT":
            self._phase = _UPGRADE
            return
        length = headers.get(b"content-length")
        if length is not None:
            if len(length) > _LENGTH_DIGITS:
                raise ProblemError(NOT_HTTP, "The header Content-Length is too long for a number; shorten it.")
            if int(length) > self._listener.most_bytes:
                raise self._too_large(f"{int(length):,}")
        coding = headers.get(b"transfer-encoding", b"chunked")
        if coding.strip().lower() != b"chunked":
            # RFC 9112, section 6.1: what is not understood must not pass as the body.
            told = coding[:100].decode("latin-1")
            raise ProblemError(CODED, f"The body may be sent in chunks, not as {told!r}; send it as it is.")
        if b"expect" in headers:
            self._asks = (
                headers[b"expect"].strip().lower() == b"100-continue" and self._parser.get_http_version() == "1.1"
            )

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._fruitless = -1
        if not self._body:
            self._body = part
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += part
        if len(self._body) > self._listener.most_bytes:
            raise self._too_large("more than that")

    def on_message_complete(self) -> None:
        """Keep a request until the parser returns."""
        if self._phase is _UPGRADE:
            return
        self._phase = _IDLE
        self._asks = False
        request = self._made()
        request.body = self._body
        self._body = b""
        self._queued.append(request)

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
        # While the service is stopped, what a client has sent before it knew is still answered.
        if request.keep and not (self._listener.draining and not self.waiting):
            transport.write(b"%b%b\r\n%b" % (head, b"connection: keep-alive\r\n" if request.old else b"", body))
            if (self._queued or self._phase is not _IDLE) and not self._taking:
                # Not from here: each answer would stand on the one before it.
                self._listener.loop.call_soon(self._take)
            return
        transport.write(b"%bconnection: close\r\n\r\n%b" % (head, body))
        self._queued.clear()
        if self._lingering and not self._eof:
            self._heard = self._listener.now
            transport.write_eof()
            self._steer()
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
        transport = self._transport
        if transport is None or waited < 0:
            return
        if self._blocked or transport.is_closing():
            if waited > _UNREAD_SECONDS:
                self._look_whether_read(now)
        elif self._request is not None:
            return
        elif self._lingering:
            if waited > _LINGER_SECONDS or now - self._heard - SWEEP_SECONDS > _SILENT_SECONDS:
                transport.abort()
        elif self._phase is _HEAD:
            if waited > _HEAD_SECONDS:
                self._end_with(
                    ProblemError(SLOW_HEAD, "The head of the request did not arrive in time; send it again.")
                )
        elif self._phase is _BODY:
            seconds = self._listener.body_seconds
            if waited >= seconds:
                self._end_with(
                    ProblemError(
                        SLOW_BODY, f"The body did not arrive within {seconds:g} seconds; send it again, faster."
                    )
                )
        elif waited > _IDLE_SECONDS:
            transport.close()

    def _made(self) -> Request:
        path = self._url.partition(b"?")[0]
        if not path.startswith(b"/") and b"://" in path:
            # As it is said to a proxy.
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        parser = self._parser
        request = Request(self, parser.get_method(), path, self._headers)
        keep, version = parser.should_keep_alive(), parser.get_http_version()
        if version == "1.1":
            request.keep = keep
            if b"host" not in self._headers:
                # RFC 9112, section 3.2.
                request.problem = ProblemError(NOT_HTTP, "The request has no header Host; send one.")
            return request
        # Chunks came with 1.1: whoever handed such a request on may see its end somewhere else.
        request.keep = request.old = keep and version == "1.0" and b"transfer-encoding" not in self._headers
        if version != "1.0":
            request.problem = _not_http()
        return request

    def _take(self, *, waited: bool = True) -> None:
        """Hand requests over, in their order, up to one whose answer does not come at once.

        Parameters
        ----------
        waited
            Whether the first did not become whole just now.
        """
        queued, left = self._queued, _AT_ONCE
        self._taking = True
        while queued and left and self._request is None and not self._blocked:
            request = self._request = queued.popleft()
            if waited:
                request.started = time.monotonic()
            waited = True
            left -= 1
            self._listener.take(request)
        self._taking = False
        if not left and queued:
            self._listener.loop.call_soon(self._take)
        if queued or self._paused or self._asks:
            self._steer()

    def _steer(self) -> None:
        """Read only from a client that waits for its answers and reads them, and tell it to write where it asks."""
        transport = self._transport
        if transport is None:
            return
        if self._queued or self._blocked:
            self._paused = True
            transport.pause_reading()
            return
        if self._paused and not self._eof:
            self._paused = False
            transport.resume_reading()
        if self._asks and self._request is None:
            self._asks = False
            if not self._body:
                transport.write(_CONTINUE)

    def _in_part(self, count: int) -> None:
        """See to a request of which more is to come; a packet with so many bytes was the last."""
        if self._fruitless < 0:
            # Some of them belong to what was before.
            self._fruitless = 0
        else:
            self._fruitless += count
            if self._fruitless > _HEAD_BYTES:
                # Also what stands between the chunks of a body and behind them.
                self._end_with(_head_too_large())
        if self._asks:
            self._steer()

    def _stay(self, rest: memoryview) -> None:
        """Go on with HTTP/1.1 after a request that asked for another protocol, whose body is still to come.

        The parser takes everything behind such a head for the other protocol. The server may answer as if it had not
        been asked (RFC 9110, section 7.8), so another parser gets the head again, without the question.
        """
        while self._phase is _UPGRADE:
            parser, headers = self._parser, self._headers
            head = [b"%b %b HTTP/%b" % (parser.get_method(), self._url, parser.get_http_version().encode())]
            head.append(b"connection: " + (b"keep-alive" if parser.should_keep_alive() else b"close"))
            head += [b"%b: %b" % (name, value) for name, value in headers.items() if name != b"upgrade"]
            self._parser = httptools.HttpRequestParser(self)
            try:
                self._parser.feed_data(b"\r\n".join(head) + b"\r\n\r\n")
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._refuse(_reason(error))
                return
            else:
                return
        # CONNECT: it is answered, and what follows is not HTTP.
        self._lingering = True
        self._queued[-1].keep = False

    def _refuse(self, problem: ProblemError) -> None:
        """Let a problem be the answer to what is no request, after those before it, and read no further."""
        # Without its whole head nobody knows what was wanted.
        request = self._made() if self._phase is _BODY else Request(self, b"", b"", {})
        request.problem = problem
        request.keep = False
        self._phase = _IDLE
        self._asks = False
        self._body = b""
        self._lingering = True
        self._queued.append(request)

    def _end_with(self, problem: ProblemError) -> None:
        self._refuse(problem)
        self._take(waited=False)

    def _look_whether_read(self, now: float) -> None:
        transport = self._transport
        assert transport is not None
        left = transport.get_write_buffer_size()
        if left + _LEAST_READ > self._unread:
            transport.abort()
        self._unread = left
        self._since = now

    def _throw_away(self, count: int) -> None:
        self._heard = self._listener.now
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
    return _not_http()


def _not_http() -> ProblemError:
    return ProblemError(NOT_HTTP, "This is not a request of HTTP/1.1; send one.")
