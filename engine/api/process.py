"""One process of the service, started by the supervisor: `python -m engine.api.process SLOT BOARD SOCKET PARENT`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

import uvloop

from config.settings import get_settings
from engine.api.app import App
from engine.api.board import Board
from engine.api.connection import SWEEP_SECONDS
from engine.api.listener import Listener
from engine.api.service import Service
from engine.errors import RunNotFoundError, TagscopeError
from engine.inference.predictor import get_predictor

_LOG = logging.getLogger("tagscope.api")
_TICK = 0.05
_SWEEP_TICKS = round(SWEEP_SECONDS / _TICK)
# A model that takes longer to load than this does not keep the process from answering that it is alive.
_PATIENCE = 2.0
# A run that cannot be served is tried again after so many looks at the pointer, each time after twice as many up to the
# most, and at once where the pointer moves: opening it reads and hashes all its files.
_LOOKS_AFTER_FAILURE, _MOST_LOOKS = 20, 200
# A thread that computes gives way to the event loop after so long at the latest, and the loop to the threads: with
# Python's own 5 ms a loop that refuses most of what comes would keep them from computing what was accepted.
_SWITCH_SECONDS = 0.0005
# Clients that keep connections open have the next request on its way: it is answered and closes the connection. This is
# over when no request has come for so long, in seconds, and at the latest after so many.
_QUIET = 0.5
_LAST_REQUESTS = 5.0


class Follower(threading.Thread):
    """Loads the promoted run, now and whenever another one is promoted.

    Parameters
    ----------
    service
        Of this process.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(name="tagscope-follower", daemon=True)
        self._service = service
        self._stopping = threading.Event()
        self.tried = threading.Event()
        """Set once the first attempt was made."""

    def run(self) -> None:
        """Look at the pointer until `stop`."""
        said = ""
        wait = left = 0
        failed: str | None = None
        while not self._stopping.wait(_TICK if self.tried.is_set() else 0):
            pointer = self._pointer()
            if left and pointer == failed:
                left -= 1
                continue
            try:
                self._service.follow()
                said, wait = "", 0
            except TagscopeError as error:
                if str(error) != said:
                    said = str(error)
                    _LOG.warning("%s", said)
                wait = min(max(_LOOKS_AFTER_FAILURE, 2 * wait if pointer == failed else 0), _MOST_LOOKS)
                failed = pointer
            left = wait
            self.tried.set()

    def _pointer(self) -> str | None:
        try:
            return self._service.predictor.store.promoted()
        except RunNotFoundError:
            # It is damaged; mended, it names a run.
            return ""

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()


class Process:
    """Serves until it is told to stop, or until its supervisor is gone.

    Parameters
    ----------
    number
        Of its slot on the board.
    board, descriptor
        File descriptors of the board and of the listening socket.
    supervisor
        Process id of who started this one.
    """

    def __init__(self, number: int, board: int, descriptor: int, supervisor: int) -> None:
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self.service = Service(get_settings().api, get_predictor(), Board(board), number)
        self.app = App(self.service)
        self.follower = Follower(self.service)
        self.listener = Listener(self.app.take, descriptor, self.service.settings)
        self.service.tally.unread = self.listener.unread
        self._ticks = 0
        self._lost = False

    async def run(self) -> int:
        """Serve; return the exit code."""
        self._loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        self.follower.start()
        self._tick()
        # A process that replaces another should not answer "not ready" to those who wait for it.
        await asyncio.to_thread(self.follower.tried.wait, _PATIENCE)
        serving = self._loop.create_task(self.listener.run())
        stopping = self._loop.create_task(self._stopping.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
            return 1
        await self._drain(serving)
        return int(self._lost)

    async def _drain(self, serving: asyncio.Task[None]) -> None:
        service, limit = self.service, self.service.settings.drain_seconds
        until = self._loop.time() + limit
        service.draining = True
        service.show_state()
        self.follower.stop()
        await self.listener.refuse_new()
        latest = self._loop.time() + min(_LAST_REQUESTS, limit / 3)
        while (now := self._loop.time()) < min(latest, service.tally.began + _QUIET):
            await asyncio.sleep(min(latest, service.tally.began + _QUIET) - now)
        self.listener.end()
        await asyncio.wait((serving,), timeout=max(0.0, until - self._loop.time()))
        service.tally.publish(service.predictor)

    def _tick(self) -> None:
        """Keep the board up to date, and end what takes too long."""
        self._ticks += 1
        service = self.service
        service.slot.beat()
        service.obey()
        service.show_state()
        service.tally.publish(service.predictor)
        if self._ticks % _SWEEP_TICKS == 0:
            self.listener.sweep()
        if not self.follower.is_alive() and not self._stopping.is_set():
            _LOG.error("The thread that loads runs has ended; the process is replaced.")
            self._lost = True
            self._stopping.set()
        if os.getppid() != self._supervisor:
            self._stopping.set()
        self._loop.call_later(_TICK, self._tick)


async def _serve(arguments: list[int]) -> int:
    return await Process(*arguments).run()


def main(arguments: list[str]) -> NoReturn:
    """Run one process."""
    # Ctrl+C reaches the supervisor, which ends its processes in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(asctime)s %(process)d %(levelname)s %(message)s", level=logging.WARNING)
    sys.setswitchinterval(_SWITCH_SECONDS)
    code = 1
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_serve(list(map(int, arguments))))
    except TagscopeError as error:
        _LOG.error("%s", error)
    finally:
        sys.stderr.flush()
    # A library's thread that is still busy must not hold the process.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
