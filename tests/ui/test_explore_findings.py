"""Drawer and findings in a browser: news comes into an open drawer and disturbs no reader, figures lead to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import APP, PATIENCE_MS, ROOT
from .test_data import reach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server of the runs that ship here, where nobody has computed anything yet."""
    home: Path = tmp_path_factory.mktemp("home")
    (home / "data").mkdir()
    for name in ("runs", "datasets"):
        (home / "data" / name).symlink_to(ROOT / "data" / name)
    (home / "config").mkdir()
    (home / "config" / "run_id.txt").write_text((ROOT / "config" / "run_id.txt").read_text())
    return serve(APP, home=home)


def test_the_drawer_takes_the_focus_once_fills_up_and_gives_it_back(server: str, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 1440, "height": 400})
    visit.open(server)
    data = visit.section("data")
    opener = data.locator("tbody button").nth(1)
    opener.press("Enter")
    drawer = data.locator(".ts-drawer")
    expect(drawer.get_by_role("button", name="Close")).to_be_focused()
    drawer.locator(".text").first.click()
    expect(drawer).to_be_focused()
    drawer.evaluate("element => { element.scrollTop = 40 }")
    # The map is drawn and the findings are looked for while the drawer is open.
    expect(drawer).to_contain_text("alike", timeout=4 * PATIENCE_MS)
    expect(drawer).not_to_contain_text("Known in a moment", timeout=4 * PATIENCE_MS)
    assert drawer.evaluate("element => element.scrollTop") == 40
    expect(drawer).to_be_focused()
    visit.page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(opener).to_be_focused()


def test_figures_unfold_and_open_the_row_where_most_was_found(server: str, visit: Visit) -> None:
    visit.open(server)
    data = visit.section("data")
    reach(data, "Findings")
    finding = data.locator(".ts-findings li", has_text="What cleaning removed")
    finding.locator("summary").click()
    expect(finding.locator("details")).to_have_attribute("open", "")
    where = finding.locator("td button").first
    row = where.inner_text()
    where.click()
    expect(data.locator(".ts-drawer h3")).to_have_text(f"Project {row}")
