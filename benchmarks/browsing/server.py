"""Servers in processes of their own, on a free port, and the memory that they hold."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from exploration import make_dataset
from machine import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

START_SECONDS = 300
APP = [sys.executable, "-m", "panel", "serve", str(ROOT / "dashboard" / "app.py")]
_QUIET_PERCENT, _QUIET_SECONDS = 10, 3
_LOG_END = 3_000


@dataclass(frozen=True)
class Server:
    """A server that answers: its address, its process, the seconds until it answered, and where it writes its log."""

    url: str
    process: psutil.Process
    start_s: float
    log: Path

    def settle(self) -> None:
        """Wait until it has nothing to do: words are counted, columns sorted, sessions forgotten."""
        quiet = 0
        while quiet < _QUIET_SECONDS:
            quiet = quiet + 1 if self.process.cpu_percent(1.0) < _QUIET_PERCENT else 0

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        return int(self.process.memory_info().rss)

    def errors(self) -> list[str]:
        """Return the last lines of the tracebacks in its log."""
        lines, found, inside = self.log.read_text(encoding="utf-8", errors="replace").splitlines(), [], False
        for line in lines:
            if line.startswith("Traceback"):
                inside = True
            elif inside and line and not line.startswith(" "):
                found.append(line)
                inside = False
        return found


@contextmanager
def serve(command: Sequence[str], variables: Mapping[str, str], path: str) -> Iterator[Server]:
    """Run a server as long as the block lasts.

    Parameters
    ----------
    command
        Without the port's number, which is appended.
    variables
        Of the environment, beside those there are.
    path
        What it answers with status 200 once it is ready.

    Yields
    ------
    Server
        Ready.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        started = time.perf_counter()
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, str(port)], cwd=ROOT, env={**os.environ, **variables}, stdout=file, stderr=file
            )
        try:
            while not _answers(url + path):
                if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    end = log.read_text(encoding="utf-8", errors="replace")[-_LOG_END:]
                    sys.exit(f"The server did not start: {' '.join(command)} {port}\n{end}")
            yield Server(url, psutil.Process(process.pid), time.perf_counter() - started, log)
        finally:
            process.terminate()
            process.wait(30)


def serve_dashboard(variables: Mapping[str, str], *options: str) -> AbstractContextManager[Server]:
    """Run the dashboard, warm, as long as the block lasts.

    Parameters
    ----------
    variables
        Of the environment, beside those there are; `TAGSCOPE_HOME` says what is shown.
    *options
        Of `panel serve`, beside those that are always given.

    Returns
    -------
    context manager
        As of `serve`.
    """
    # Whoever asks for the page to see whether it is ready is its first visitor; who asks for this is none.
    return serve([*APP, "--warm", "--liveness", *options, "--port"], variables, "/liveness")


@contextmanager
def serve_rows(rows: int, *options: str) -> Iterator[Server]:
    """Run the dashboard on so many rows, as a data file without a run, and with a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows_{rows}.parquet"
        frame = make_dataset(rows).frame[["id", "title", "description", "tag", "created"]]
        frame.rename(columns={"created": "created_on"}).to_parquet(path, index=False)
        del frame
        variables = {"TAGSCOPE_HOME": folder, "TAGSCOPE_DATA__FILE": str(path)}
        with serve_dashboard(variables, *options) as server:
            yield server


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False
