"""Real servers and a watched browser page: every test here also proves that nothing leaves the machine."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, TimeoutError, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from re import Pattern

    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "dashboard" / "app.py"
# Generous: the machine that runs this may be busy with other tests.
PATIENCE_MS = 30_000
# To be waited for between two scrolls: what a busy browser passes between two frames was never in sight.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def pytest_configure() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def serve(start_server: Callable[..., int]) -> Callable[..., str]:
    """Start `panel serve` on scripts with an environment of its own; gives the URL of the server."""

    def start(*scripts: Path, home: Path, warm: bool = True, **environment: str) -> str:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(("TAGSCOPE_", "PANEL_", "BOKEH_"))
        }
        command = [sys.executable, "-m", "panel", "serve", *map(str, scripts), "--liveness"]
        command += ["--warm"] if warm else []
        port = start_server(
            lambda port: [*command, "--port", str(port)],
            lambda _port: {**clean, "TAGSCOPE_HOME": str(home), **environment},
        )
        return f"http://localhost:{port}"

    return start


@pytest.fixture(scope="module")
def demo_server(serve: Callable[..., str]) -> str:
    """A server of the runs that ship in the repository."""
    return serve(APP, home=ROOT)


@dataclass
class Visit:
    """A browser page with the dashboard, and what went wrong on it."""

    page: Page
    context: BrowserContext
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, url: str) -> Visit:
        """Go to a URL and wait until the page is there."""
        self.page.goto(url)
        expect(self.page.locator("#ts-splash")).to_have_count(0)
        return self

    def section(self, name: str) -> Locator:
        """Bring a section into sight and return it, built."""
        found = self.page.locator(f".section-{name}").last
        found.scroll_into_view_if_needed()
        expect(found.locator("h2").first).to_be_visible()
        found.scroll_into_view_if_needed()
        return found

    def choose(self, field: Locator, option: str | Pattern[str]) -> None:
        """Choose in a Material select."""
        item = self.page.get_by_role("menuitem", name=option, exact=True)
        field.click()
        try:
            item.wait_for(timeout=PATIENCE_MS / 6)
        except TimeoutError:
            # What is still being built may move the field between press and release, which is no click.
            field.click()
        item.click()

    def saved(self, count: int, folder: Path) -> list[str]:
        """Save all examples of Errors, so many of them, and return the ids in the file, sorted."""
        button = self.section("errors").get_by_role("button", name=re.compile(rf"^Download all {count:,} "))
        with self.page.expect_download(timeout=PATIENCE_MS) as download:
            button.click()
        download.value.save_as(folder / "rows.csv")
        return sorted(pd.read_csv(folder / "rows.csv", dtype=str)["id"])


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A fresh visitor; at the end there must be no error in the console and no request to another host."""
    with _visit(browser) as found:
        yield found


@pytest.fixture
def dark_visit(browser: Browser) -> Iterator[Visit]:
    """A fresh visitor whose system prefers the dark theme."""
    with _visit(browser, color_scheme="dark") as found:
        yield found


@contextlib.contextmanager
def _visit(browser: Browser, **options: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    visit = Visit(page, context)

    def requested(url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).hostname != "localhost":
            visit.foreign.append(url)

    context.on("request", lambda request: requested(request.url))
    page.on("websocket", lambda socket: requested(socket.url))
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    yield visit
    context.close()
    assert visit.foreign == []
    assert visit.errors == []
