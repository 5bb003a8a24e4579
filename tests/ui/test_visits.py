"""Visitors come and go, and the server forgets them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import ROOT
from .test_data import scroll_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from .conftest import Visit

pytestmark = [pytest.mark.ui, pytest.mark.long]
APPS = Path(__file__).with_name("apps")
VISITS = 24


@pytest.fixture(scope="module")
def counting_server(serve: Callable[..., str]) -> str:
    # Without `--warm`: its visit has no end.
    return serve(APPS / "visits.py", APPS / "alive.py", home=ROOT, warm=False)


def alive(visit: Visit, server: str) -> tuple[int, int]:
    visit.page.goto(f"{server}/alive")
    expect(visit.page.locator("#alive")).to_have_text(re.compile(r"\d+ \d+"))
    live, busy = visit.page.locator("#alive").text_content().split()
    return int(live), int(busy)


def look_at_data(page: Page) -> None:
    data = page.locator(".section-data")
    for title in ("Findings", "Over time", "Map of the texts", "Characteristic words"):
        scroll_to(data, title)
        data.get_by_role("heading", name=title, exact=True).scroll_into_view_if_needed()
    expect(data.locator(".ts-legend")).to_be_visible()
    expect(data.locator(".bk-Canvas")).to_have_count(6)
    data.get_by_label("Contains").fill("model")
    expect(data.get_by_role("status").filter(has_text=" of ")).to_be_visible()
    data.locator("tbody").first.get_by_role("row").first.click()
    expect(data.get_by_role("dialog")).to_be_visible()


def test_after_many_visits_no_view_of_a_closed_session_is_alive(
    counting_server: str, browser: Browser, visit: Visit
) -> None:
    _, busy_before = alive(visit, counting_server)
    for number in range(VISITS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{counting_server}/visits")
        expect(page.locator("#ts-splash")).to_have_count(0)
        if number % 12 == 0:
            # Some visitors look at everything, plots included, filter, and open a row.
            look_at_data(page)
            for name, content in (
                ("performance", ".bk-Canvas"),
                ("errors", ".ts-shown"),
                ("compare", ".ts-change"),
                ("inference", ".bk-Canvas"),
            ):
                page.locator(f".section-{name}").last.scroll_into_view_if_needed()
                expect(page.locator(f".section-{name} {content}").first).to_be_visible()
        if number == VISITS - 1:
            assert alive(visit, counting_server)[0] > 20
        context.close()
    # A session ends some seconds after its visitor has left.
    deadline = time.monotonic() + 90
    while (left := alive(visit, counting_server))[0] and time.monotonic() < deadline:
        visit.page.wait_for_timeout(1_000)
    assert left == (0, busy_before)
