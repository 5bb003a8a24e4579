"""The dashboard, open in a browser of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from browsing.watching import SCRIPT, Watcher

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

PATIENCE_MS = 600_000


def new_context(browser: Browser) -> BrowserContext:
    """Return a visitor's browser with an empty cache, in which pages can be timed."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(SCRIPT)
    return context


class OpenPage:
    """One page that is open.

    Parameters
    ----------
    browser
        In which a new context is made; it stays until `leave`.
    url
        Of the dashboard.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._context = new_context(browser)
        self.page = self._context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.watcher = Watcher(self.page)
        self.open(url)

    def open(self, url: str) -> None:
        """Come to the dashboard, from where the page was before; to the server that is a visitor who was not here."""
        self.page.goto(url)
        self.page.get_by_role("button", name="Next page").wait_for()

    def leave(self) -> None:
        """Close the browser."""
        self._context.close()
