"""The Errors section in a browser: keys step through the examples, a link reopens one, the file has all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE_MS
from .test_links import query
from .test_walk import PROMOTED, ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Visit

pytestmark = pytest.mark.ui


def judged() -> pd.DataFrame:
    frame = pd.read_parquet(ROOT / "data" / "runs" / PROMOTED / "predictions.parquet")
    return frame[frame["split"] == "test"]


def test_keys_step_through_the_examples_and_a_link_reopens_one(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    errors = visit.section("errors")
    cards = errors.locator("[data-card]")
    expect(cards).to_have_count(10)
    # A key that is typed somewhere is a letter.
    errors.get_by_role("combobox", name="Order of the examples").focus()
    visit.page.keyboard.press("j")
    expect(cards.locator(":focus")).to_have_count(0)
    errors.locator("h2").click()
    items = cards.locator("[data-item]")
    for place in (0, 1, 2):
        visit.page.keyboard.press("j")
        expect(items.nth(place)).to_be_focused()
    visit.page.keyboard.press("k")
    expect(items.nth(1)).to_be_focused()
    visit.page.keyboard.press("o")
    expect(items.nth(1)).to_have_attribute("aria-expanded", "true")
    expect(errors.locator(".ts-why mark").first).to_be_visible()
    visit.page.keyboard.press("j")
    expect(items.nth(2)).to_have_attribute("aria-expanded", "true")
    expect(items.nth(2)).to_be_focused()
    expect(items.nth(1)).to_have_attribute("aria-expanded", "false")
    name = cards.nth(2).get_attribute("aria-label")
    visit.page.wait_for_url(lambda _url: name == f"Example {query(visit).get('example')}")
    link = visit.page.url
    # From the last example of the page to the first of the next.
    visit.page.keyboard.press("Escape")
    expect(errors.locator('[aria-expanded="true"]')).to_have_count(0)
    items.nth(9).focus()
    last = cards.nth(9).get_attribute("aria-label")
    visit.page.keyboard.press("j")
    expect(errors.locator(".pager")).to_contain_text("Page 2 of")
    expect(items.first).to_be_focused()
    visit.page.keyboard.press("k")
    expect(errors.get_by_role("article", name=last, exact=True).locator("[data-item]")).to_be_focused()
    visit.open(link)
    again = visit.section("errors").locator(".card.open")
    expect(again).to_have_attribute("aria-label", name)
    expect(again.locator(".ts-why")).to_be_visible()


def test_all_rows_and_those_that_are_checked_are_saved(demo_server: str, visit: Visit, tmp_path: Path) -> None:
    visit.open(f"{demo_server}/app?examples=all")
    errors = visit.section("errors")
    frame = judged()

    def save(name: str) -> list[str]:
        with visit.page.expect_download(timeout=PATIENCE_MS) as download:
            errors.get_by_role("button", name=name).click()
        path = tmp_path / "examples.csv"
        download.value.save_as(path)
        # The mark without which Excel takes UTF-8 for another encoding, once, in the bytes on the disk.
        assert path.read_bytes().startswith(b"\xef\xbb\xbfid,text,")
        rows = pd.read_csv(path, dtype=str)
        assert rows["note"].notna().any() == (len(rows) > 1)
        return rows["id"].tolist()

    # The demo data is small: the file waits for its findings, which nobody has asked for.
    assert save(f"Download all {len(frame):,}") == frame["id"].tolist()
    expect(errors.get_by_text("With the proposed tags and notes of the findings.")).to_be_visible()
    errors.get_by_role("checkbox").nth(2).click()
    expect(errors.get_by_role("checkbox").nth(2)).to_have_attribute("aria-checked", "true")
    assert save("Download the 1 checked") == [frame["id"].iloc[2]]
    tags = errors.get_by_role("combobox", name="Tag of the examples")
    tags.select_option("mlops")
    errors.get_by_role("button", name="False positives").click()
    found = frame[(frame["tag"] != "mlops") & (frame["predicted_tag"] == "mlops")]
    expect(errors.locator(".ts-shown")).to_have_text(f"{len(found)} of {len(frame)} examples: false positives of mlops")
    expect(tags.locator("option:checked")).to_have_text("mlops")
    visit.page.wait_for_url(lambda _url: query(visit).get("examples") == "outcome:fp;tag:mlops")
    errors.get_by_role("button", name="Clear", exact=True).click()
    wrong = frame[frame["tag"] != frame["predicted_tag"]]
    assert save(f"Download all {len(wrong):,}") == wrong["id"].tolist()
