"""Granian, embedded: hands it a socket that is open already, and lets it go without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, TaskImpl
from granian.http import HTTP1Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.embed import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BACKLOG = 2048
"""Connections that the kernel keeps until a process takes them."""
_CONNECTIONS = 16_384
# A client has so long, in milliseconds, to send a request's head, and may be silent so long between two requests.
_HEAD_MILLISECONDS = 30_000
# A longer head is refused by Granian itself (431). It is the buffer for bodies as well, which only go through it.
_HEAD_BYTES = 65_536
_TAKING_SECONDS = 0.5


class Listener(Server):
    """Serves an RSGI application on a listening socket.

    Parameters
    ----------
    application
        Takes a scope and a protocol, as RSGI has them.
    descriptor
        File descriptor of the socket; the listener's own from now on.
    """

    def __init__(self, application: Callable[[Any, Any], Awaitable[None]], descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        super().__init__(
            application,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            task_impl=TaskImpl.asyncio,
            log_enabled=False,
            backlog=BACKLOG,
            backpressure=_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=_HEAD_MILLISECONDS, max_buffer_size=_HEAD_BYTES),
        )

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._shd: Any = SocketHolder(self._socket.fileno(), False, BACKLOG)  # type: ignore[call-arg]

    async def refuse_new(self) -> None:
        """Listen no more: who connects now is refused by the kernel; connections that are open stay.

        Granian would close at the same moment the connections on which no request is under way, and lose a request
        that is just arriving on one of them.
        """
        # What Granian holds is a number: another socket takes each of them, one that nobody knows, and with the last
        # one (the supervisor has closed its own) the kernel closes the real one. Granian cannot tell.
        listening = _listening_on(self._socket.getsockname())
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            nobody.listen(1)
            nobody.setblocking(False)
            # Those who are connected and not yet taken by Granian would be cut off: no more are let in, and it is
            # given the time to take them.
            self._socket.listen(0)
            until = time.monotonic() + _TAKING_SECONDS
            while _not_taken(self._socket) and time.monotonic() < until:
                await asyncio.sleep(0)
            for descriptor in listening:
                os.dup2(nobody.fileno(), descriptor, inheritable=False)

    def end(self) -> None:
        """Close connections as soon as no request is under way on them, and let `run` end after the last."""
        self.stop()  # type: ignore[no-untyped-call]

    async def run(self) -> None:
        """Serve until `end` is called and every request under way is answered."""
        await self.serve()


def _not_taken(listening: socket.socket) -> int:
    """Count the connections that wait to be accepted, where the system tells."""
    if sys.platform != "linux":
        return 0
    # Field tcpi_unacked, which is the length of that queue for a socket that listens.
    (count,) = struct.unpack_from("I", listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32), 24)
    return int(count)


def _listening_on(address: object) -> list[int]:
    """Return the descriptors of this process that are a listening socket with this address."""
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            # Of nothing but sockets may a copy be closed: that of the board would take this process's locks with it.
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            candidate = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            # The folder that is just being read.
            continue
        with candidate, contextlib.suppress(OSError):
            if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and candidate.getsockname() == address:
                found.append(int(name))
    return found
