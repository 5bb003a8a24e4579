"""A server that runs for a while: started with all its processes, ended with all of them, whatever happens."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING

import msgspec
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

HOST, ROUTE = "127.0.0.1", "/predict"
_START_SECONDS = 120.0
_TICK_SECONDS = 0.1
_IDLE_TICKS = 3
# Some servers poll all the time and are never at rest.
_REST_SECONDS = 5.0
# Of a tick; a server at rest still polls something.
_IDLE_SHARE = 0.15
_STOP_SECONDS = 10.0


class ServerFailed(Exception):
    """A server did not start, or died; the message has the end of what it printed."""


class Server:
    """A running server.

    Parameters
    ----------
    process
        The first process; it leads a group of its own.
    port
        Where it listens, on 127.0.0.1.
    log
        What it prints.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log
        self._restless = False

    def ask(self, text: str, timeout: float = 60.0) -> tuple[int, bytes]:
        """Send one text on a connection of its own; return status and body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            body = msgspec.json.encode({"texts": [text]})
            connection.request("POST", ROUTE, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        """Return the body of a GET; empty where there is no such page."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            return body if response.status == http.client.OK else b""
        finally:
            connection.close()

    def settle(self) -> None:
        """Wait until all its processes are at rest: started, or done with what a client left behind.

        First for an answer, which with most servers comes after all that was asked before; for one that polls all the
        time, that must do.
        """
        self.ask(self._text)
        if self._restless:
            return
        idle, before = 0, self.processor_seconds()
        for _ in range(int(_REST_SECONDS / _TICK_SECONDS)):
            self._tick()
            now = self.processor_seconds()
            idle = idle + 1 if now - before <= _IDLE_SHARE * _TICK_SECONDS else 0
            before = now
            if idle == _IDLE_TICKS:
                return
        self._restless = True

    def wait_until_answering(self, text: str) -> None:
        """Wait for the first answer, then until every process has started."""
        self._text = text
        for _ in range(int(_START_SECONDS / _TICK_SECONDS)):
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(text)[0] == http.client.OK:
                    return self.settle()
            self._tick()
        raise ServerFailed(f"no answer within {_START_SECONDS:.0f} s:\n{self.printed()}")

    def printed(self) -> str:
        """Return the end of what it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def resident_mib(self) -> float:
        """Proportional memory of all its processes, in MiB."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
        return total / 2**20

    def _tick(self) -> None:
        # The clock of all waiting: it rings early when the server dies.
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(_TICK_SECONDS)
            raise ServerFailed(f"it ended with {code}:\n{self.printed()}")

    def _tree(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def processor_seconds(self) -> float:
        """Return the time that all its processes have spent on cores since they began."""
        seconds = 0.0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
        return seconds


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: Sequence[str], variables: Mapping[str, str], port: int, scratch: Path) -> Iterator[Server]:
    """Start a server and end it with its whole tree of processes."""
    handle, name = tempfile.mkstemp(dir=scratch, suffix=".log")
    log = scratch / name
    process = subprocess.Popen(
        list(command),
        env=dict(variables),
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=handle,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(handle)
    try:
        yield Server(process, port, log)
    finally:
        _end(process)


def _end(first: subprocess.Popen[bytes]) -> None:
    try:
        tree = [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]
        first.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(tree, timeout=_STOP_SECONDS)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    except psutil.NoSuchProcess:
        pass
    finally:
        # Also where the waiting was cut short, and for who was born meanwhile: all are of one group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
