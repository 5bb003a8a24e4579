"""The tour opened in a real JupyterLab: it runs, and entering a text changes the prediction."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.ui, pytest.mark.long]
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "tour"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab on a copy of the tour, with settings and state of its own."""
    (tmp_path / "work" / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "tour.ipynb", tmp_path / "work" / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": tmp_path / "work",
        "IdentityProvider.token": TOKEN,
        "LabApp.news_url": "",
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    process = subprocess.Popen(
        command + [f"--{name}={value}" for name, value in options.items()],
        env={**os.environ, **folders, "TAGSCOPE_HOME": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(f"http://127.0.0.1:{port}/api?token={TOKEN}"):
            assert process.poll() is None
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks/tour.ipynb?token={TOKEN}"
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def test_entering_a_text_changes_the_prediction(lab: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(120_000)
    page.goto(lab)
    page.get_by_text("| Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    answer = page.locator("div.tag")
    expect(answer).to_have_text("natural-language-processing", timeout=120_000)
    page.get_by_label("Text", exact=True).fill("Object detection in drone images with YOLO")
    expect(answer).to_have_text("computer-vision", timeout=60_000)
    page.close()
