"""The listening socket of a process and its connections: taken, swept, and let go without losing a request."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import struct
import sys
import time
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING

from engine.api.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import ApiSettings
    from engine.api.request import Request

BACKLOG = 2048
"""Connections that the kernel keeps until a process takes them."""
_TAKING_SECONDS = 0.5
# Open files that are not for connections: without any left, no run could be read.
_OTHER_FILES = 256
_FEW_CONNECTIONS = 500

_LOG = logging.getLogger("tagscope.api")


class Listener:
    """Serves an application on a listening socket. To be made on the event loop that serves.

    Parameters
    ----------
    take
        The application: gets each request, and answers it by `Request.answer`, at once or later.
    descriptor
        File descriptor of the socket; the listener's own from now on.
    settings
        Section `api`.

    Attributes
    ----------
    now
        `time.monotonic` at the last sweep: what timeouts go by.
    date, ok
        Parts of answers that change once a second.
    draining
        Whether every connection ends with its next answer.
    """

    def __init__(self, take: Callable[[Request], None], descriptor: int, settings: ApiSettings) -> None:
        self.take = take
        self.most_bytes = settings.max_body_bytes
        self.body_seconds = settings.body_seconds
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.draining = False
        self.now = 0.0
        self.date = self.ok = b""
        self._socket = socket.socket(fileno=descriptor)
        self._server: asyncio.Server | None = None
        self._ending = False
        self._ended = asyncio.Event()
        self._most_connections = _most_connections()
        self._refused = self._unread = 0
        self.sweep()

    async def run(self) -> None:
        """Serve until `end` is called and every request under way is answered."""
        self._server = await self.loop.create_server(partial(Connection, self), sock=self._socket, backlog=BACKLOG)
        await self._ended.wait()
        self._server.close()

    def sweep(self) -> None:
        """Set the clock and end what takes too long; to be called once in `engine.api.connection.SWEEP_SECONDS`."""
        self.now = time.monotonic()
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        self.ok = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: " % self.date
        for connection in list(self.connections):
            connection.sweep(self.now)
        self._unread = self._count_unread()
        if self._refused:
            _LOG.warning(
                "%d connections were refused, because %d are open; allow more open files (ulimit -n).",
                self._refused,
                len(self.connections),
            )
            self._refused = 0
        if self._server is not None and not self.draining and self._socket.fileno() < 0:
            _LOG.error("The system has taken the listening socket away; the process is replaced.")
            self._ended.set()

    def unread(self) -> int:
        """Count the requests that have arrived, if only in part, and that the application does not have yet."""
        # This is asked twenty times a second; of many connections the last count will do.
        return self._count_unread() if len(self.connections) <= _FEW_CONNECTIONS else self._unread

    def admit(self, connection: Connection) -> bool:
        """Note a connection; return whether it may stay."""
        self.connections.add(connection)
        admitted = len(self.connections) <= self._most_connections
        self._refused += not admitted
        return admitted

    def forget(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        self.connections.discard(connection)
        self._look()

    async def refuse_new(self) -> None:
        """Listen no more: who connects now is refused by the kernel; connections that are open stay."""
        self.draining = True
        if self._socket.fileno() < 0:
            return
        # Those who are connected and not yet taken would be cut off: no more are let in, and these are taken.
        self._socket.listen(0)
        until = time.monotonic() + _TAKING_SECONDS
        while _not_taken(self._socket) and time.monotonic() < until:
            await asyncio.sleep(0)
        if self._server is not None:
            # With the last copy of the socket (the supervisor has closed its own) the kernel refuses.
            self._server.close()

    def end(self) -> None:
        """Close connections as soon as no request is under way on them, and let `run` end after the last."""
        self._ending = self.draining = True
        for connection in list(self.connections):
            connection.close_idle()
        self._look()

    def _count_unread(self) -> int:
        return sum(connection.waiting for connection in self.connections)

    def _look(self) -> None:
        if self._ending and not self.connections:
            self._ended.set()


def _most_connections() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else max(most - _OTHER_FILES, most // 2)


def _not_taken(listening: socket.socket) -> int:
    """Count the connections that wait to be accepted, where the system tells."""
    if sys.platform != "linux":
        return 0
    # Field tcpi_unacked, which is the length of that queue for a socket that listens.
    (count,) = struct.unpack_from("I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32), 24)
    return int(count)
