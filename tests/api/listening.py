"""A listener on real sockets with a small application behind it, and a client that sends what it is told to."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import uvloop

from config.settings import ApiSettings
from engine.api.listener import Listener
from tests.api.running import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.request import Request

MOST = 200_000
WAIT = 20.0


def taken_off(data: bytes) -> tuple[Reply, bytes] | None:
    """Read the first answer and what stands behind it; None where more of it is to come."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    matched = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z -]+", first)
    assert matched, first
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    if matched[1] == "100":
        return Reply(100, headers, b""), rest
    assert len(headers) == len(lines)
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
    length = int(headers["content-length"])
    return (Reply(int(matched[1]), headers, rest[:length]), rest[length:]) if len(rest) >= length else None


def parsed(data: bytes) -> list[Reply]:
    """Read answers that follow each other; nothing may stand between or behind them."""
    found = []
    while data:
        first = taken_off(data)
        assert first is not None, data[:1000]
        found.append(first[0])
        data = first[1]
    return found


class Server:
    """A listener on a loop of its own thread, and an application whose answers a test can hold back.

    Paths: `/held` is answered when the test says so, `/leaves` as well and is told when its client leaves, `/big` gets
    many bytes; everything else gets at once what was asked.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str]] = []
        self.held: list[Request] = []
        self.left = 0
        self.big = b"x" * (8 * 2**20)
        self._loop = uvloop.new_event_loop()
        self.ended = threading.Event()
        door = socket.create_server(("127.0.0.1", 0))
        self.address = door.getsockname()
        started = threading.Event()

        async def run() -> None:
            self.listener = Listener(self.take, door.detach(), ApiSettings(max_body_bytes=MOST, body_seconds=5))
            self._loop.call_soon(self._when_it_listens, started.set)
            await self.listener.run()
            self.ended.set()

        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(run()), daemon=True)
        self._thread.start()
        assert started.wait(WAIT)

    def _when_it_listens(self, tell: Callable[[], None]) -> None:
        if self.listener._server is None:
            self._loop.call_soon(self._when_it_listens, tell)
        else:
            tell()

    def take(self, request: Request) -> None:
        self.taken.append((request.method.decode(), request.path.decode(), bytes(request.body).decode("latin-1")))
        if request.problem is not None:
            request.answer(request.problem.status, request.problem.headers, request.problem.kind.name.encode())
        elif request.path in (b"/held", b"/leaves"):
            if request.path == b"/leaves":
                request.gone = self._gone
            self.held.append(request)
        elif request.path == b"/big":
            request.answer(200, [], self.big)
        else:
            request.answer_json(b"%b %b %b" % (request.method, request.path, bytes(request.body)))

    def _gone(self) -> None:
        self.left += 1

    def do(self, work: Callable[[], Any]) -> Any:
        """Let the loop's thread do something; return what it returns."""
        done, found = threading.Event(), []

        def on_loop() -> None:
            try:
                found.append(work())
            finally:
                done.set()

        self._loop.call_soon_threadsafe(on_loop)
        assert done.wait(WAIT)
        return found[0]

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + WAIT
        while not self.do(condition):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def release(self) -> None:
        """Reply what is held."""

        def work() -> None:
            held, self.held = self.held, []
            for request in held:
                request.gone = None
                request.answer_json(b"late " + bytes(request.body))

        self.do(work)

    def later(self, seconds: float) -> None:
        """Sweep as if it were so much later than when everything happened: the listener's clock stands still."""

        def work() -> None:
            for connection in list(self.listener.connections):
                connection.sweep(self.listener.now + seconds)

        self.do(work)

    def none_left(self) -> None:
        self.until(lambda: not self.listener.connections)

    def connect(self, buffer: int = 0) -> Client:
        return Client(self.address, buffer)

    def answers(self, *parts: bytes) -> list[Reply]:
        """Send bytes, and then nothing more; return what comes back until the connection ends."""
        with self.connect() as client:
            for part in parts:
                client.send(part)
            client.finish()
            return client.rest()

    def close(self) -> None:
        """End it as a process does, and see that it ends."""
        if not self.ended.is_set():
            asyncio.run_coroutine_threadsafe(self.listener.refuse_new(), self._loop).result(WAIT)
            self._loop.call_soon_threadsafe(self.listener.end)
        assert self.ended.wait(WAIT)
        self._thread.join(WAIT)
        self._loop.close()


class Client:
    """A socket, and what has come over it and was not looked at yet."""

    def __init__(self, address: tuple[str, int], buffer: int) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(WAIT)
        if buffer:
            # Before the connection is made, or the system has more.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def answer(self) -> Reply:
        """Wait for one answer."""
        while (found := taken_off(self._came)) is None:
            part = self.socket.recv(65536)
            assert part, self._came
            self._came += part
        self._came = found[1]
        return found[0]

    def ask(self, data: bytes) -> Reply:
        self.send(data)
        return self.answer()

    def rest(self) -> list[Reply]:
        """All that comes until the connection ends in order."""
        while part := self.socket.recv(2**20):
            self._came += part
        return parsed(self._came)

    def quiet(self) -> bool:
        """Whether nothing has come."""
        assert not self._came
        self.socket.setblocking(False)
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(WAIT)


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "".join(
        [f"{method} {path} HTTP/{version}\r\nHost: x\r\n", *(f"{line}\r\n" for line in lines), "\r\n"]
    ).encode()


def post(path: str, body: bytes, *lines: str, version: str = "1.1") -> bytes:
    return get(path, f"Content-Length: {len(body)}", *lines, method="POST", version=version) + body


def in_chunks(path: str, *chunks: bytes, lines: tuple[str, ...] = (), trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return get(path, "Transfer-Encoding: chunked", *lines, method="POST") + body + b"0\r\n" + trailers + b"\r\n"
