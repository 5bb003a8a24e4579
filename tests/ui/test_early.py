"""What is worked out while a browser is drawing the page arrives."""

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


def test_nothing_is_lost_that_changes_while_the_page_is_drawn(serve: Callable[..., str], visit: Visit) -> None:
    url = serve(EARLY, home=ROOT, warm=False)
    for _ in range(3):
        visit.page.goto(url)
        expect(visit.page.locator("#early")).to_have_text("after")
