"""Compare in a browser: what is clicked leads to exactly its examples, and the link says of which runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from dashboard.sections.errors.listing import PAGE_SIZE

from .judged_rows import judged
from .test_links import query
from .test_walk import PROMOTED, RUNS

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from .conftest import Visit

pytestmark = pytest.mark.ui
BASE = min(RUNS, key=lambda run_id: RUNS[run_id]["created"])


def test_a_cell_leads_to_its_rows_and_both_runs_are_in_the_link(demo_server: str, visit: Visit) -> None:
    before, after = judged(BASE), judged(PROMOTED)
    has = after["tag"] == "mlops"
    knew = [(frame["predicted_tag"].reindex(after.index) == "mlops") == has for frame in (before, after)]
    fixed = after.index[~knew[0] & knew[1]]
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}&both=drift%20of%20deployed%20models")
    compare = visit.section("compare")
    right = [frame["predicted_tag"].reindex(after.index) == after["tag"] for frame in (before, after)]
    expect(compare.locator(".why")).to_contain_text(
        f"it fixed {(~right[0] & right[1]).sum()} and broke {(right[0] & ~right[1]).sum()}"
    )
    # Both runs answer below, and the field has the text of the link.
    expect(compare.get_by_label("Text for both runs")).to_have_value("drift of deployed models")
    expect(compare.locator(".tag")).to_have_count(2)
    cell = compare.get_by_role("button", name=re.compile(rf"^mlops: .* {len(fixed)} fixed")).first
    cell.scroll_into_view_if_needed()
    cell.hover()
    expect(compare.locator(".ts-matrix .tip:visible")).to_contain_text("95 %")
    cell.click()
    visit.page.wait_for_url("**/*examples=*")
    assert query(visit)["run"] == PROMOTED
    assert query(visit)["compare"] == BASE
    assert query(visit)["examples"] == f"flip:fixed;tag:mlops;against:{BASE}" or set(
        query(visit)["examples"].split(";")
    ) == {"flip:fixed", "tag:mlops", f"against:{BASE}"}
    expect(visit.section("errors")).to_contain_text(re.compile(rf"\b{len(fixed)} (of|example)"))
    # One step back is where the cell was.
    visit.page.go_back()
    visit.page.wait_for_url(lambda url: "examples=" not in url)


def flipped(before: str, after: str, tag: str) -> dict[str, set[str]]:
    """Ids of the examples of which a run knows whether they have a tag, and the other one does not."""
    frames = judged(before), judged(after)
    has = frames[1]["tag"] == tag
    knew = [(frame["predicted_tag"].reindex(has.index) == tag) == has for frame in frames]
    return {"fixed": set(has.index[~knew[0] & knew[1]]), "broken": set(has.index[knew[0] & ~knew[1]])}


def test_a_cell_of_a_run_that_is_not_on_show_leads_to_both_kinds_by_mouse_and_keyboard(
    demo_server: str, visit: Visit
) -> None:
    other = next(run_id for run_id in RUNS if run_id not in (PROMOTED, BASE))
    tag = "computer-vision"
    ids = flipped(BASE, other, tag)
    assert all(ids.values())
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}")

    def cell() -> Locator:
        found = visit.section("compare").locator(f'.ts-matrix td > [data-pick$="{other}"][aria-label^="{tag}: "]')
        found.scroll_into_view_if_needed()
        return found

    def leads_to(flip: str) -> None:
        visit.page.wait_for_url(f"**/*flip%3A{flip}*")
        assert query(visit)["run"] == other
        expect(visit.section("errors").locator(".ts-shown").last).to_contain_text(re.compile(rf"\b{len(ids[flip])}\b"))
        cards = visit.section("errors").locator("[data-card]")
        expect(cards).to_have_count(min(len(ids[flip]), PAGE_SIZE))
        names = [str(card.get_attribute("aria-label")) for card in cards.all()]
        assert {name.removeprefix("Example ") for name in names} <= {str(one) for one in ids[flip]}
        visit.page.go_back()
        visit.page.wait_for_url(lambda url: "examples=" not in url)

    # The mouse goes to the tip, which stays while it does.
    cell().hover()
    button = visit.section("compare").locator(".ts-matrix .tip:visible").get_by_role("button", name=" broken")
    expect(button).to_have_text(f"{len(ids['broken'])} broken")
    place = button.bounding_box()
    assert place is not None
    # After it has rested, as everybody who reads does.
    visit.page.wait_for_timeout(400)
    visit.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2, steps=20)
    visit.page.mouse.down()
    visit.page.mouse.up()
    leads_to("broken")
    cell().focus()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    leads_to("fixed")


def test_what_is_chosen_is_in_the_link_and_a_fresh_visit_shows_the_same(demo_server: str, visit: Visit) -> None:
    other = next(run_id for run_id in RUNS if run_id not in (PROMOTED, BASE))
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}")
    compare = visit.section("compare")
    visit.choose(compare.get_by_role("combobox", name="Compared with"), re.compile(f"{other[:8]}$"))
    visit.page.wait_for_url(f"**/*compare={other}*")
    visit.choose(compare.get_by_role("combobox", name="Ordered by"), "Version of the data")
    visit.choose(compare.get_by_role("combobox", name="Figure"), "Macro F1")
    visit.page.wait_for_url("**/*metric=macro*")
    # Out goes the run that is neither on show nor its base.
    compare.locator(f'.runs [data-pick="{BASE}"]').click()
    visit.page.wait_for_url("**/*over=*")
    chosen = {"run": PROMOTED, "compare": other, "order": "version", "metric": "macro F1"}
    assert {name: query(visit)[name] for name in chosen} == chosen
    assert set(query(visit)["over"].split(",")) == {PROMOTED, other}

    def seen() -> list[list[str]]:
        compare = visit.section("compare")
        expect(compare.get_by_role("combobox", name="Compared with")).to_have_text(re.compile(f"{other[:8]}$"))
        expect(compare.get_by_role("combobox", name="Ordered by")).to_have_text("Version of the data")
        expect(compare.get_by_role("combobox", name="Figure")).to_have_text("Macro F1")
        expect(compare.locator(f'.runs [data-pick="{BASE}"]')).to_have_attribute("aria-pressed", "false")
        expect(compare.locator(".ts-matrix thead th button").first).to_contain_text(PROMOTED[:8])
        expect(compare.locator(".ts-matrix").first.locator("thead th")).to_have_count(1)
        parts = (".verdict", ".why", ".counts button", ".ts-matrix", ".runs button")
        return [[text.strip() for text in compare.locator(part).all_inner_texts()] for part in parts]

    before, link = seen(), visit.page.url
    assert all(before)
    visit.page.goto("about:blank")
    visit.open(link)
    assert seen() == before


def test_a_point_shows_its_run_and_the_base_stays(demo_server: str, visit: Visit) -> None:
    other = next(run_id for run_id in RUNS if run_id not in (PROMOTED, BASE))
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}")
    compare = visit.section("compare")
    compare.get_by_role("button", name="Runs as a list").click()
    compare.get_by_role("button", name=re.compile(f"run {other[:8]}$")).click()
    visit.page.wait_for_url(f"**/*run={other}*")
    assert query(visit)["compare"] == BASE
    expect(compare.locator(".ts-matrix th.shown").first).to_contain_text(other[:8])
