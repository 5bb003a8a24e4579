"""The supervisor of the service: opens the sockets, starts a process for each, and replaces those that end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from config.settings import environment_name
from engine.api.board import Board
from engine.api.listener import BACKLOG
from engine.backends.machine import usable_cores
from engine.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.settings import Settings

# A process that lived longer did not fail at its start, and is replaced at once.
_SOUND_SECONDS = 10.0
_DELAYS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# Who connects to a process that was killed waits for the next one; for one that comes later than this, in seconds, or
# not at all, nobody should: its socket is closed until then, and the others get its connections.
_TOO_LONG = 1.0
# A process whose event loop has not turned for so long hangs, and is killed.
_HUNG_SECONDS = 60.0
_LOOK_SECONDS = 5.0
# What a process needs to end itself after its time to drain is over.
_MARGIN = 3.0
# A connection is a descriptor, and the usual 1,024 are few.
_DESCRIPTORS = 65_536


class Doors:
    """Listening sockets on one address, one for each process; the kernel shares out the connections.

    Parameters
    ----------
    host, port
        Where to listen; port 0 lets the system choose.
    count
        How many sockets.

    Raises
    ------
    engine.errors.SettingsError
        The port is taken, or there is no such host here.
    """

    def __init__(self, host: str, port: int, count: int) -> None:
        self._family, self._address = _resolved(host, port)
        try:
            first = socket.socket(self._family)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Bound without sharing, so that a port that anybody else has is found out; shared only then.
            first.bind(self._address)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            first.listen(BACKLOG)
        except OSError as error:
            raise SettingsError(_refusal(host, port, error)) from None
        self._address = first.getsockname()
        self.port: int = self._address[1]
        self._sockets: list[socket.socket | None] = [first, *(self._opened() for _ in range(count - 1))]

    def descriptor(self, number: int) -> int:
        """Return a socket's file descriptor, opening it where it was closed."""
        found = self._sockets[number]
        if found is None:
            found = self._sockets[number] = self._opened()
        return found.fileno()

    def close(self, number: int) -> None:
        """Let no connection come to a socket behind which there is no process, while there are others."""
        found = self._sockets[number]
        # The last one keeps the port.
        if found is not None and sum(door is not None for door in self._sockets) > 1:
            self._sockets[number] = None
            found.close()

    def close_all(self) -> None:
        """Listen no more, as far as the supervisor is concerned."""
        for door in self._sockets:
            if door is not None:
                door.close()

    def _opened(self) -> socket.socket:
        door = socket.socket(self._family)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        door.bind(self._address)
        door.listen(BACKLOG)
        return door


class Supervisor:
    """Keeps one process per slot running until it is told to stop.

    Parameters
    ----------
    settings
        Of the service.
    host, port, processes
        Instead of those of the settings.

    Raises
    ------
    engine.errors.SettingsError
        The address cannot be listened on.
    """

    def __init__(
        self, settings: Settings, *, host: str | None = None, port: int | None = None, processes: int | None = None
    ) -> None:
        api = settings.api
        count = (processes if processes is not None else api.processes) or usable_cores()
        self.host = api.host if host is None else host
        self._drain = api.drain_seconds
        self._doors = Doors(self.host, api.port if port is None else port, count)
        self._board = Board.create(count)
        self._stopping = asyncio.Event()
        self._running: dict[int, asyncio.subprocess.Process] = {}
        # Together the processes have one inference thread per core.
        threads = settings.inference.threads or max(1, usable_cores() // count)
        self._environment = os.environ | {
            "TAGSCOPE_HOME": str(settings.home),
            environment_name("inference.threads"): str(threads),
        }

    @property
    def url(self) -> str:
        """Where the service is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._doors.port}"

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, and then until every accepted request is answered."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for slot in range(len(self._board.slots)):
                group.create_task(self._keep(slot))
            group.create_task(self._watch())
            await self._stopping.wait()
            self._doors.close_all()

    async def _keep(self, number: int) -> None:
        """Start a slot's process, and another one whenever it ends."""
        slot = self._board.slots[number]
        failures = 0
        while not self._stopping.is_set():
            slot.expect()
            started = time.monotonic()
            try:
                process = self._running[number] = await self._start(number)
            except OSError as error:
                slot.vacate(replaced=False)
                failures += 1
                _say(f"A process cannot be started ({error.strerror}) and is tried again.")
                await self._pause(_DELAYS[min(failures, len(_DELAYS) - 1)])
                continue
            stopping = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(process.wait())
            await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if self._stopping.is_set():
                await self._end(process, ended)
                return
            slot.vacate(replaced=True)
            failures = 0 if time.monotonic() - started > _SOUND_SECONDS else failures + 1
            delay = _DELAYS[min(failures, len(_DELAYS)) - 1] if failures else 0.0
            _say(
                f"Process {process.pid} ended ({_how(process.returncode)}) and is replaced"
                + (f" in {delay:g} seconds." if delay else ".")
            )
            if delay >= _TOO_LONG:
                self._doors.close(number)
            if delay:
                await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        descriptors = (self._board.descriptor, self._doors.descriptor(number))
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "engine.api.process",
            str(number),
            *map(str, descriptors),
            str(os.getpid()),
            env=self._environment,
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            # Ctrl+C is for the supervisor alone.
            start_new_session=True,
        )

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait((ended,), timeout=self._drain + _MARGIN)
        if not ended.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await ended

    async def _watch(self) -> None:
        """Kill processes that hang."""
        while not self._stopping.is_set():
            for number, process in self._running.items():
                # One that hangs at its very start has not even written its number on the board.
                slot = self._board.slots[number]
                if slot.alive and time.monotonic() - slot.heartbeat > _HUNG_SECONDS:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
            await self._pause(_LOOK_SECONDS)


def serve(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    processes: int | None = None,
    announce: Callable[[str], None],
) -> None:
    """Run the service until SIGTERM or Ctrl+C.

    Parameters
    ----------
    settings
        Of the service.
    host, port, processes
        Instead of those of the settings.
    announce
        Called with the URL once the service listens.

    Raises
    ------
    engine.errors.SettingsError
        The address cannot be listened on.
    """

    async def run() -> None:
        supervisor = Supervisor(settings, host=host, port=port, processes=processes)
        allow_descriptors()
        announce(supervisor.url)
        await supervisor.run()

    asyncio.run(run())


def allow_descriptors() -> None:
    """Raise the limit of open files as far as it may be, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # A system may allow less than it says; what there was is kept then.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise SettingsError(
            f"Host {host!r} is not known on this machine; use 127.0.0.1 (this machine only) or 0.0.0.0 (all others "
            "too)."
        ) from None
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; stop what listens there, or choose another one with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"Host {host} is not an address of this machine; use 127.0.0.1 (this machine only) or 0.0.0.0 (all others "
            "too)."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} may not be used by this user; choose one above 1023 with --port."
    return f"{host}:{port} cannot be listened on ({error.strerror}); choose another host or port."


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - the log of a service is what it prints


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
