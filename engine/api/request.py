"""One request as the application gets it, and the way back for its answer."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.api.connection import Connection
    from engine.api.problems import ProblemError

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}


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
        self.answer_lines(status, header_lines(headers), body)

    def answer_lines(self, status: int, lines: bytes, body: bytes) -> None:
        """Send the answer as `answer` does, with headers from `header_lines`."""
        head = b"%b%b%bcontent-length: %d\r\n" % (_STATUS_LINES[status], self._connection.date, lines, len(body))
        self._connection.send(self, head, b"" if self.method == b"HEAD" else body)

    def answer_json(self, body: bytes) -> None:
        """Send what nearly every request gets: 200 and JSON."""
        self._connection.send(self, b"%b%d\r\n" % (self._connection.ok, len(body)), body)


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return headers as they are sent, each with the end of its line."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")
