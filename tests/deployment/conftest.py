"""A real server, as a platform starts it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def serve_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Run the Procfile's `web:` line as it stands and return the port once the server answers."""
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    with contextlib.ExitStack() as running:

        def start(**environment: str) -> int:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            log = tmp_path_factory.mktemp("web") / "log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    f"exec {lines['web']}",
                    shell=True,
                    cwd=ROOT,
                    env={**os.environ, "PATH": path, "PORT": str(port), **environment},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            running.callback(_stop, process)
            while not _alive(port):
                assert process.poll() is None, log.read_text()
            return port

        yield start


def _alive(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/liveness", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
