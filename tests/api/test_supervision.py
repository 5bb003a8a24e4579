"""Processes that die, hang or are told to stop: nothing hangs, nothing accepted is lost, no count falls."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from config.settings import get_settings
from engine.api import supervisor
from tests.api.running import NGRAM, ROOT, TEXT, Api, command, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def retried(ask: Callable[[], Any]) -> Any:
    """Ask again where the process was killed that had taken the connection."""
    for _ in range(3):
        with contextlib.suppress(ConnectionError, http.client.RemoteDisconnected):
            return ask()
    return ask()


def test_killed_processes_are_replaced_again_and_again(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=2)
    answered = not_ready = 0
    counted = 0.0
    for kill in range(5):
        victim = api.processes[kill % 2]
        victim.kill()
        # The second and third die within a second of each other, the other process or the one that has just started.
        if kill != 1:
            api.wait_for(lambda victim=victim: not victim.is_running())
        while True:
            status = retried(lambda: api.ask("GET", "/readyz")).status
            not_ready += status == 503
            reply = retried(lambda answered=answered: api.predict(f"{TEXT} {answered}"))
            assert reply.status == 200, reply
            answered += 1
            now = retried(api.predicted)
            assert now >= counted
            counted = now
            if kill == 1 or (status == 200 and len(api.processes) == 2):
                break
    api.wait_for(api.ready)
    assert not_ready
    # A process may be killed between its answer and the client.
    assert answered <= api.predicted() <= answered + 5
    assert api.metric("tagscope_process_restarts_total") == 5
    assert api.stop() == 0


def test_one_process_alone_comes_back_too(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1)
    for number in range(3):
        api.processes[0].kill()
        assert retried(lambda number=number: api.predict(f"{TEXT} {number}")).status == 200
    assert api.predicted() >= 3


def test_fewer_processes_may_be_enough(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=2, api__ready_processes="1")
    stopped, other = api.processes
    stopped.suspend()
    try:
        # Whichever process the kernel gives a connection to, one of a few goes to the one that runs.
        api.wait_for(lambda: _ready_within(api, 0.5))
    finally:
        stopped.resume()
    assert other.is_running()
    assert api.stop() == 0


def _ready_within(api: Api, seconds: float) -> bool:
    with socket.create_connection((api.host, api.port), timeout=seconds) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            return connection.recv(12) == b"HTTP/1.1 200"
    return False


def test_sigterm_under_load_loses_no_accepted_request(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=2)
    stopping = threading.Event()
    lost: list[str] = []
    answered = [0] * 8

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(api.host, api.port, timeout=30)
        while not stopping.is_set():
            try:
                connection.connect()
            except OSError:
                # Nobody listens any more: this request was never accepted.
                return
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_connection = True
            while open_connection:
                body = json.dumps({"texts": [f"{TEXT} {number} {answered[number]}"]})
                try:
                    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                    reply = connection.getresponse()
                    found = json.loads(reply.read())
                except (OSError, http.client.HTTPException) as error:
                    lost.append(repr(error))
                    return
                if reply.status != 200 or found["predictions"][0]["input_text"] not in body:
                    lost.append(repr(found))
                answered[number] += 1
                open_connection = reply.getheader("connection") != "close"
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    api.wait_for(lambda: min(answered) > 20)
    started = time.monotonic()
    assert api.stop() == 0
    taken = time.monotonic() - started
    stopping.set()
    for thread in threads:
        thread.join()
    assert not lost
    assert taken < 30
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((api.host, api.port), timeout=5)


def test_an_unfinished_request_is_finished_while_draining(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1)
    body = json.dumps({"texts": [TEXT]}).encode()
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        api.wait_for(lambda: api.metric("tagscope_open_requests") == 2)
        api.process.send_signal(signal.SIGTERM)
        api.wait_for(lambda: not _listens(api))
        connection.sendall(body[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert api.process.wait(30) == 0


def _listens(api: Api) -> bool:
    try:
        socket.create_connection((api.host, api.port), timeout=5).close()
    except ConnectionError:
        return False
    return True


def test_a_drain_has_an_end(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1, api__drain_seconds="0.5")
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        api.wait_for(lambda: api.metric("tagscope_open_requests") == 2)
        started = time.monotonic()
        assert api.stop() == 0
        assert time.monotonic() - started < 10


def test_processes_do_not_outlive_their_supervisor(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=2)
    processes = api.processes
    os.kill(api.process.pid, signal.SIGKILL)
    api.process.wait()
    gone, alive = psutil.wait_procs(processes, timeout=30)
    assert (len(gone), alive) == (2, [])


def test_ctrl_c_is_an_ordinary_end(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1)
    api.process.send_signal(signal.SIGINT)
    assert api.process.wait(30) == 0
    assert "Traceback" not in api.process.communicate()[0]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "bad host"])
def test_a_host_that_is_not_here(start_api: Callable[..., Api], host: str) -> None:
    ended = subprocess.run(
        command("api", "--host", host, "--port", "0"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert host in ended.stderr


def test_a_port_that_is_taken(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1)
    ended = subprocess.run(
        command("api", "--port", str(api.port)),
        cwd=ROOT,
        env=environment(api.home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Port {api.port} on 127.0.0.1 is taken;")
    assert ended.stderr.count("\n") == 1
    assert api.predict(TEXT).json["run_id"] == NGRAM


def test_a_process_that_hangs_before_it_says_a_word_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mute = tmp_path / "python"
    mute.write_text("#!/bin/sh\nexec sleep 600\n")
    mute.chmod(0o755)
    monkeypatch.setattr(supervisor.sys, "executable", str(mute))
    monkeypatch.setattr(supervisor, "_HUNG_SECONDS", 0.1)
    monkeypatch.setattr(supervisor, "_LOOK_SECONDS", 0.02)

    async def run() -> None:
        found = supervisor.Supervisor(get_settings(), port=0, processes=1)
        running = asyncio.create_task(found.run())
        async with asyncio.timeout(30):
            while found._board.slots[0].restarts < 2:
                await asyncio.sleep(0.01)
        found._stopping.set()
        await running

    asyncio.run(run())


def test_as_many_connections_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        supervisor.allow_descriptors()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert hard == before[1]
    assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
