"""The dark theme covers everything: Material parts, our own HTML, the table and the plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from dashboard.theme import DARK, LIGHT

if TYPE_CHECKING:
    from .conftest import Visit

pytestmark = pytest.mark.ui


def rgb(colour: str) -> str:
    return f"rgb({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:7], 16)})"


def assert_theme(visit: Visit, colours) -> None:
    data = visit.section("data")
    expect(data.locator(".count")).to_have_css("color", rgb(colours.text))
    expect(data.locator(".ts-rows")).to_have_css("background-color", rgb(colours.surface))
    expect(data.locator("tbody td").first).to_have_css("color", rgb(colours.text))
    expect(data.locator("th").first).to_have_css("background-color", rgb(colours.raised))
    expect(visit.page.locator(".MuiAppBar-root").first).to_have_css("background-color", rgb(colours.surface))
    expect(data.locator(".bk-Canvas").first).to_be_visible()
    visit.page.wait_for_function(
        """([fill, bar]) => {
          for (const model of Bokeh.documents[0].all_models) {
            if (model.type === "Figure" && model.border_fill_color !== fill) { return false }
          }
          const glyphs = [...Bokeh.documents[0].all_models].filter((model) => model.type === "ColumnDataSource")
          return glyphs.some((source) => ([...(source.data.colour ?? [])]).includes(bar))
        }""",
        arg=[colours.surface, colours.accent],
    )


def test_the_toggle_restyles_everything_and_is_remembered(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    assert_theme(visit, LIGHT)
    visit.page.get_by_label("Toggle theme").click()
    assert_theme(visit, DARK)
    visit.open(demo_server)
    assert_theme(visit, DARK)
    visit.page.get_by_label("Toggle theme").click()
    assert_theme(visit, LIGHT)


def test_it_follows_the_system_at_the_first_visit(demo_server: str, dark_visit: Visit) -> None:
    dark_visit.open(demo_server)
    assert_theme(dark_visit, DARK)


def test_it_fits_a_narrow_window(demo_server: str, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 420, "height": 800})
    visit.open(demo_server)
    for name in ("data", "performance", "inference"):
        visit.section(name)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
