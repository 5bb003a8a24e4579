"""A filter saved as a slice in a browser: from its name to the very rows behind its bar."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import expect

from engine.runs.tokenizer import words_of

from .conftest import APP, ROOT
from .test_data import home as home
from .test_data import server as server
from .test_data import sheet, shown
from .test_explore_charts import click, see
from .test_hostile import IMAGE, assert_unharmed
from .test_walk import PROMOTED, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """The rows of the file with their length and split, found without the explorer."""
    frame = pd.DataFrame(rows())
    frame["words"] = [len(words_of(f"{row.title} {row.description}")) for row in frame.itertuples()]
    answers = pd.read_parquet(ROOT / "data" / "runs" / PROMOTED / "predictions.parquet").astype({"id": str})
    return frame.assign(split=frame["id"].map(answers.set_index("id")["split"]))


def saved(home: Path) -> dict[str, object]:
    return tomllib.loads((home / "config" / "slices.toml").read_text())["slice"]


def card(data: Locator) -> Locator:
    return data.get_by_role("dialog", name="Save this filter as a slice")


def height_of(data: Locator) -> float:
    """How far below the top of the page the table begins."""
    return data.locator("tbody").evaluate("element => element.getBoundingClientRect().top + window.scrollY")


def name_it(data: Locator, name: str) -> None:
    """Open the card, which takes the focus, type and press Enter."""
    data.get_by_role("button", name="Save as slice").click()
    field = card(data).get_by_label("Name")
    expect(field).to_be_focused()
    data.page.keyboard.type(name)
    data.page.keyboard.press("Enter")


def test_a_saved_filter_leads_to_its_rows(server: str, home: Path, visit: Visit, truth: pd.DataFrame) -> None:
    visit.open(server)
    data = visit.section("data")
    expect(data.get_by_role("button", name="Save as slice")).to_have_count(0)
    data.get_by_label("Words to").fill("30")
    data.get_by_label("Words to").press("Enter")
    visit.choose(data.get_by_role("combobox", name="Tag"), re.compile("^mlops "))
    meant = truth[(truth["tag"] == "mlops") & (truth["words"] <= 30)]
    see(data, meant, len(truth))
    before = height_of(data)
    name_it(data, "short mlops")
    judged = meant[meant["split"] == "test"]
    assert 0 < len(judged) < len(meant)
    count = (truth["split"] == "test").sum()
    expect(card(data)).to_contain_text(f"{len(judged)} of the {count} rows that this run is judged on are in it.")
    assert height_of(data) == before
    assert saved(home) == {"short mlops": {"tag": ["mlops"], "words": {"to": 30}}}
    # The way from there is in the hand that typed the name.
    expect(card(data).get_by_role("button", name="Show in Performance")).to_be_focused()
    visit.page.keyboard.press("Enter")
    part = sheet(visit.page.locator(".section-performance").last, "By slice")
    expect(part).to_be_in_viewport(ratio=0.5)
    expect(part.get_by_role("combobox")).to_have_text("short mlops")
    expect(part.locator("dd.value:visible").last).to_have_text(f"{len(judged):,}")
    assert click(visit.page.locator(".section-performance").last, "By slice", "short mlops: ") == len(judged)
    errors = visit.page.locator(".section-errors").last
    expect(errors.locator(".ts-shown")).to_contain_text(f"{len(judged)} of {count} examples: slice short mlops")
    with visit.page.expect_download() as download:
        errors.get_by_role("button", name="Download all").click()
    assert set(pd.read_csv(download.value.path(), dtype=str)["id"]) == set(judged["id"])


def test_it_is_refused_taken_and_replaced_in_place(server: str, home: Path, visit: Visit) -> None:
    visit.open(f"{server}/app?split=test&outcome=wrong")
    data = visit.section("data")
    expect(data.get_by_role("button", name="Outcome: wrong")).to_be_visible()
    data.get_by_role("button", name="Save as slice").click()
    expect(card(data).get_by_role("alert")).to_contain_text("the outcome belongs to one run")
    expect(card(data).get_by_role("alert")).to_contain_text("split can stay")
    expect(card(data).get_by_label("Name")).to_have_count(0)
    visit.page.keyboard.press("Escape")
    expect(card(data)).to_have_count(0)
    expect(data.get_by_role("button", name="Save as slice")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(card(data).get_by_role("button", name="Take out")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(card(data).get_by_label("Name")).to_be_focused()
    expect(data.get_by_role("button", name="Outcome: wrong")).to_have_count(0)
    visit.page.keyboard.press("Escape")
    # What people may type: markup, quotes, and what TOML gives a meaning to.
    hostile = f'{IMAGE} "] \\ #'[:60]
    name_it(data, hostile)
    expect(card(data)).to_contain_text(f"Saved as “{hostile}”.")
    assert saved(home)[hostile] == {"split": ["test"]}
    card(data).get_by_role("button", name="Close").click()
    data.get_by_label("Contains").press_sequentially("model*")
    expect(data.get_by_role("button", name="Text: model*")).to_be_visible()
    count = shown(data)
    name_it(data, hostile)
    expect(card(data).get_by_role("alert")).to_contain_text("already")
    expect(card(data).get_by_label("Name")).to_have_value(hostile)
    assert saved(home)[hostile] == {"split": ["test"]}
    card(data).get_by_role("button", name="Replace it").click()
    expect(card(data)).to_contain_text(f"{count} of the 136 rows")
    assert saved(home)[hostile] == {"split": ["test"], "text": ["model*"]}
    card(data).get_by_role("button", name="Show in Performance").click()
    part = sheet(visit.page.locator(".section-performance").last, "By slice")
    expect(part.locator("dd.value:visible").last).to_have_text(f"{count:,}")
    expect(part.get_by_role("combobox")).to_have_text(hostile)
    assert_unharmed(visit)


def test_another_visitor_has_it_when_the_page_is_loaded_also_by_hand(
    server: str, home: Path, visit: Visit, truth: pd.DataFrame
) -> None:
    visit.open(server)
    visit.section("performance")
    file = home / "config" / "slices.toml"
    text = file.read_text() if file.exists() else ""
    file.write_text(f'{text}\n[slice."by hand"]\ntag = "mlops"\n')
    try:
        visit.open(f"{server}/app?slice=by%20hand")
        part = sheet(visit.section("performance"), "By slice")
        expect(part.get_by_role("combobox")).to_have_text("by hand")
        expect(part.locator("dd.value:visible").last).to_have_text(
            str(((truth["tag"] == "mlops") & (truth["split"] == "test")).sum())
        )
    finally:
        file.write_text(text)


def test_who_may_not_save_has_no_button(serve: Callable[..., str], home: Path, visit: Visit) -> None:
    visit.open(serve(APP, home=home, TAGSCOPE_DASHBOARD__SAVE_SLICES="false") + "/app?split=test")
    data = visit.section("data")
    expect(data.get_by_role("button", name="Split: test")).to_be_visible()
    expect(data.get_by_role("button", name="Clear all")).to_be_visible()
    expect(data.get_by_role("button", name="Save as slice")).to_have_count(0)
