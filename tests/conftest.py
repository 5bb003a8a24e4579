"""Fixtures shared by all tests: the lesson's data where it is there, and a home with real runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example.test 127.0.0.1",
]


@pytest.fixture(scope="session")
def lesson_data() -> Path:
    """Folder of the Made With ML lesson's data, which may not be committed to the project."""
    folder = Path(os.environ.get("TAGSCOPE_LESSON_DATA", ROOT.parent / "shared" / "data" / "madewithml"))
    if not (folder / "dataset.csv").is_file():
        pytest.skip(f"the lesson's data is not at {folder}; set TAGSCOPE_LESSON_DATA")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty TAGSCOPE_HOME that the settings of this process point to."""
    from config.settings import get_settings
    from engine.inference.predictor import get_predictor

    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("TAGSCOPE_") and name not in ("TAGSCOPE_CHROMIUM", "TAGSCOPE_LESSON_DATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TAGSCOPE_HOME", str(folder))
    kept_per_process = (get_settings, get_predictor)
    for kept in kept_per_process:
        kept.cache_clear()
    yield folder
    for kept in kept_per_process:
        kept.cache_clear()


@pytest.fixture
def demo_home(home: Path) -> Path:
    """A TAGSCOPE_HOME with a copy of the three demo runs that ship in the repository; may be written to."""
    # What somebody has computed in this checkout is no part of the demo.
    shutil.copytree(
        ROOT / "data", home / "data", ignore=shutil.ignore_patterns("cache", "findings", "maps", "tuning", ".*")
    )
    (home / "config").mkdir()
    for name in ("run_id.txt", "performance.json"):
        shutil.copy(ROOT / "config" / name, home / "config" / name)
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium: TAGSCOPE_CHROMIUM, else the one on PATH, else Playwright's own; `*.example.test` is this machine.

    One per module and not per session: while Playwright runs, no other event loop can, and notebooks need one.
    """
    executable = os.environ.get("TAGSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that the test processes end together."""
    items.sort(key=lambda item: (item.get_closest_marker("long") is None, item.get_closest_marker("ui") is None))


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., int]]:
    """Start a server on a free port, wait until it answers, and end it after the module's last test.

    The function takes what makes the command of a port (a list, or one line for a shell) and the environment, and
    returns the port.
    """
    with contextlib.ExitStack() as running:

        def start(
            command_for: Callable[[int], Sequence[str] | str], environment: Callable[[int], dict[str, str]]
        ) -> int:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command, log = command_for(port), tmp_path_factory.mktemp("server") / "log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    command,
                    shell=isinstance(command, str),
                    cwd=ROOT,
                    env=environment(port),
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
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
