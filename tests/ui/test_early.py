"""What changes while a browser is drawing the page, or while its socket is busy, arrives, and in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit

pytestmark = pytest.mark.ui
EARLY = Path(__file__).with_name("apps") / "early.py"
BUSY = Path(__file__).with_name("apps") / "busy.py"


def test_nothing_is_lost_that_changes_while_the_page_is_drawn(serve: Callable[..., str], visit: Visit) -> None:
    url = serve(EARLY, home=ROOT, warm=False)
    for _ in range(3):
        visit.page.goto(url)
        expect(visit.page.locator("#early")).to_have_text("after")


def test_changes_arrive_in_the_order_in_which_they_were_made(serve: Callable[..., str], visit: Visit) -> None:
    visit.page.goto(serve(BUSY, home=ROOT, warm=False))
    expect(visit.page.locator(".bk-Figure")).to_be_visible()
    visit.page.wait_for_function(
        "Array.from(Bokeh.documents[0]._all_models.values()).some((model) => model.axis_label == 'changed')"
    )
