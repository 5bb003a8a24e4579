"""A real `tagscope api` over the demo runs, and a small client that opens a connection for each request."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent.parent
NGRAM, CNN, CORRECTED = (
    "403bba2d00e742fc89c2fd9a064f2a24",
    "960b1d81af354b80a8d0f648b2cf4bbc",
    "a46c7c200daf40adae64cd9c01da23d5",
)
KEY = "a-key-of-the-tests"
TEXT = "Transfer learning with transformers for text classification"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Api:
    """A running service."""

    def __init__(self, process: subprocess.Popen[str], home: Path) -> None:
        self.process = process
        self.home = home
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving http://"), line + process.communicate()[0]
        self.url = line.split()[1]
        self.host, _, port = self.url.removeprefix("http://").rpartition(":")
        self.port = int(port)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Send one request over a connection of its own; a body that is not bytes goes as JSON."""
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {} if sent is None else {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, sent, given | (headers or {}))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def predict(self, *texts: str, **options: Any) -> Reply:
        return self.ask("POST", "/predict", {"texts": list(texts), **options})

    def keyed(self, method: str, path: str) -> Reply:
        return self.ask(method, path, headers={"Authorization": f"Bearer {KEY}"})

    def metric(self, line: str) -> float:
        """Value of the metric with this name and these labels, as any process says it."""
        for found in self.ask("GET", "/metrics").body.decode().splitlines():
            if found.startswith(line + " "):
                return float(found.rpartition(" ")[2])
        return 0.0

    def predicted(self) -> float:
        return self.metric('tagscope_requests_total{route="/predict",status="200"}')

    @property
    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def wait_for(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "the service did not come to what was waited for"
            assert self.process.poll() is None, self.process.communicate()[0]

    def ready(self) -> bool:
        return self.ask("GET", "/readyz").status == 200

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def make_home(folder: Path, promoted: str | None = NGRAM) -> Path:
    """A home with the demo runs, of which one is promoted."""
    shutil.copytree(ROOT / "data" / "runs", folder / "data" / "runs")
    (folder / "config").mkdir()
    if promoted:
        (folder / "config" / "run_id.txt").write_text(promoted + "\n")
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "engine.cli", *arguments]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Environment of a command: no setting of the machine that runs the tests, but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TAGSCOPE_")}
    given = {f"TAGSCOPE_{name.upper()}": value for name, value in settings.items()}
    return clean | {"TAGSCOPE_HOME": str(home)} | given
