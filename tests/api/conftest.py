"""Starts real services; `tests.api.running` talks to them."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.api.running import KEY, NGRAM, ROOT, Api, command, environment, make_home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def start_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Api]]:
    """Start a service on a free port and end it after the module's last test."""
    with contextlib.ExitStack() as running:

        def start(
            *, processes: int = 2, promoted: str | None = NGRAM, home: Path | None = None, **settings: str
        ) -> Api:
            home = home or make_home(tmp_path_factory.mktemp("home"), promoted)
            process = subprocess.Popen(
                command("api", "--port", "0", "--processes", str(processes)),
                cwd=ROOT,
                env=environment(home, **{"api__key": KEY} | settings),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            running.callback(_end, process)
            api = Api(process, home)
            if promoted:
                api.wait_for(api.ready)
            return api

        yield start


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
