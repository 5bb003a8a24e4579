"""Performance in a browser: a click leads to exactly the rows that are counted, and what was chosen is in the URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.evaluation.selection import parse_selection
from engine.runs.store import DirectoryStore

from .conftest import ROOT
from .judged_rows import judged
from .test_data import sheet
from .test_explore_charts import click
from .test_walk import PROMOTED

if TYPE_CHECKING:
    import pandas as pd

    from dashboard.evaluation.evaluation import Evaluation

    from .conftest import Visit

pytestmark = [pytest.mark.ui]


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return Catalogue(load_settings(), DirectoryStore(ROOT / "data" / "runs", ROOT / "config")).evaluations.get(PROMOTED)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return judged(PROMOTED)


def examples_of(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("examples", [""])[0]


def test_every_kind_of_figure_leads_to_its_rows(
    demo_server: str, visit: Visit, evaluation: Evaluation, truth: pd.DataFrame
) -> None:
    visit.open(f"{demo_server}/app?tag=mlops&slice=short_text&threshold=0.6&confusion=rates&bars=recall")
    performance = visit.section("performance")
    answered = truth["confidence"] >= 0.6
    expect(sheet(performance, "Confidence threshold").locator("dd.value").first).to_have_text(f"{answered.mean():.1%}")
    expect(sheet(performance, "By tag").get_by_role("combobox")).to_have_text("mlops")
    expect(sheet(performance, "By slice").get_by_role("combobox")).to_have_text("short_text")
    for name in ("Rates", "Recall"):
        expect(performance.get_by_role("button", name=name, exact=True).first).to_have_attribute("aria-pressed", "true")
    is_tag = truth["tag"] == "mlops"
    steps = [
        ("By tag", "mlops: ", is_tag),
        ("Confusion", "mlops, answered right", is_tag & truth["right"]),
        ("Calibration", "Confidence 0.9 to 1", truth["confidence"] > 0.9),
        ("Confidence threshold", "From 0.50 on, wrong", ~truth["right"] & (truth["confidence"] >= 0.5)),
    ]
    for title, words, mask in steps:
        visit.section("performance")
        assert click(performance, title, words) == mask.sum(), title
        shown = visit.page.locator(".section-errors .ts-shown").last
        expect(shown).to_contain_text(re.compile(rf"\b{mask.sum()}\b"))
        # The link follows the page, which may still show the step before.
        ids = set(truth["id"][mask])
        visit.page.wait_for_url(
            lambda url, ids=ids: set(evaluation.ids[evaluation.mask(parse_selection(examples_of(url)))]) == ids
        )


def test_the_cards_of_the_threshold_lead_to_their_rows_by_mouse_and_by_keyboard(
    demo_server: str, visit: Visit, evaluation: Evaluation, truth: pd.DataFrame
) -> None:
    visit.open(f"{demo_server}/app?threshold=0.6")
    is_kept = truth["confidence"].astype(float) >= 0.6
    cards = sheet(visit.section("performance"), "Confidence threshold")
    expect(cards.get_by_role("group", name="Below it the answer is")).to_have_count(0)
    for name, mask in (("Wrong answers", is_kept & ~truth["right"]), ("Rejected", ~is_kept)):
        visit.section("performance")
        card = cards.get_by_role("button", name=re.compile(f"^{name}: {mask.sum()} of"))
        if name == "Rejected":
            # Anywhere on the card, as on its name: the button lies over all of it.
            title = card.locator("xpath=ancestor::div[1]").locator("dt")
            title.evaluate("element => element.scrollIntoView({block: 'center'})")
            title.click(force=True)
        else:
            card.focus()
            visit.page.keyboard.press("Enter")
        ids = set(truth["id"][mask])
        visit.page.wait_for_url(
            lambda url, ids=ids: set(evaluation.ids[evaluation.mask(parse_selection(examples_of(url)))]) == ids
        )
        shown = visit.page.locator(".section-errors .ts-shown").last
        expect(shown).to_contain_text(re.compile(rf"\b{mask.sum()}\b"))


def test_threshold_sort_and_cells_are_kept_in_the_url(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    performance = visit.section("performance")
    threshold = sheet(performance, "Confidence threshold")
    expect(threshold.locator("dd.value").first).to_have_text("100.0%")
    slider = threshold.get_by_role("slider")
    slider.focus()
    slider.press("ArrowRight")
    expect(visit.page).to_have_url(re.compile(r"threshold=0\.01"))
    cost = threshold.get_by_role("spinbutton")
    cost.fill("5")
    cost.press("Enter")
    expect(visit.page).to_have_url(re.compile("cost=5"))
    threshold.get_by_role("button", name="answer from").click()
    expect(visit.page).to_have_url(re.compile(r"threshold=0\.6"))
    performance.get_by_role("button", name="Rates", exact=True).click()
    sheet(performance, "By tag").get_by_role("button", name="Support").click()
    expect(visit.page).to_have_url(re.compile("confusion=rates.*bars=support|bars=support.*confusion=rates"))


def test_on_a_telephone_the_figures_beside_bars_are_whole(demo_server: str, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 400, "height": 800})
    visit.open(demo_server)
    by_tag = sheet(visit.section("performance"), "By tag")
    by_tag.locator(".bk-Canvas").scroll_into_view_if_needed()
    # By how many pixels each text ends before the end of the plot, and whether the axis is longer than it would be.
    script = """() => {
      const pen = new OffscreenCanvas(1, 1).getContext("2d")
      const bars = [...Bokeh.documents[0].all_models].find(
        (model) => model.type === "Figure" && model.below?.[0]?.axis_label === "F1" && model.inner_width)
      const figures = bars?.renderers.map((one) => one.data_source).find((one) => one.data.text?.length)
      if (!figures) { return null }
      pen.font = "13px " + bars.below[0].major_label_text_font
      const room = figures.data.text.map((text, at) =>
        bars.inner_width * (1 - figures.data.x[at] / bars.x_range.end) - 6 - pen.measureText(text).width)
      return {least: Math.min(...room), longer: bars.x_range.end > figures.tags[0]}
    }"""
    visit.page.wait_for_function(
        f"() => {{ const {{least, longer}} = ({script})() ?? {{}}; return least > 0 && longer }}"
    )
    visit.page.set_viewport_size({"width": 1440, "height": 800})
    visit.page.wait_for_function(f"() => {{ const {{least, longer}} = ({script})(); return least > 0 && !longer }}")
