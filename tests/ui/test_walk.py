"""A visitor walks through the sections of the dashboard that ships."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Route, WebSocketRoute

    from .conftest import Visit

pytestmark = pytest.mark.ui
PROMOTED = (ROOT / "config" / "run_id.txt").read_text().strip()
RUNS = {path.name: json.loads((path / "run.json").read_text()) for path in (ROOT / "data" / "runs").iterdir()}
OTHER_RUN = next(run_id for run_id in sorted(RUNS) if run_id != PROMOTED)
PERFORMANCE = json.loads((ROOT / "data" / "runs" / PROMOTED / "performance.json").read_text())


def rows() -> list[dict[str, str]]:
    with (ROOT / "data" / "labeled_projects.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def figures(place) -> list[str]:
    return place.locator(".ts-cards dd.value").all_inner_texts()


def cards(scores: dict) -> list[str]:
    return [
        f"{scores['f1']:.3f}",
        f"{scores['precision']:.3f}",
        f"{scores['recall']:.3f}",
        f"{scores['num_samples']:,}",
    ]


def part(section, title: str):
    """The sheet with this heading."""
    return section.locator(".bk-panel-models-layout-Column", has=section.page.locator(f"h3:text-is('{title}')")).last


def test_it_shows_the_number_of_projects_and_their_table(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    data = visit.section("data")
    expect(data.locator(".count")).to_have_text(f"{len(rows()):,}")
    expect(data.locator("tbody tr").first).to_contain_text(rows()[0]["title"])
    titles = [title.rstrip(" ↕") for title in data.locator(".ts-rows th").all_inner_texts()]
    assert titles == ["ID", "Created", "Title", "Description", "Tag", "Split"]


def test_the_first_content_waits_for_no_script_and_no_sheet(demo_server: str, visit: Visit) -> None:
    held: list[Route] = []
    free = False
    visit.page.route("**/static/**", lambda route: route.continue_() if free else held.append(route))
    visit.page.goto(demo_server, wait_until="commit")
    expect(visit.page.locator("#ts-splash .count")).to_have_text(f"{len(rows()):,}")
    expect(visit.page.locator("#ts-splash .count")).to_be_visible()
    assert len(held) > 5
    free = True
    for route in held:
        route.continue_()
    expect(visit.page.locator("#ts-splash")).to_have_count(0)
    expect(visit.section("data").locator(".count")).to_be_visible()


def test_the_table_turns_pages_and_sorts_on_the_server(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    data = visit.section("data")
    data.get_by_role("button", name="Next page").click()
    expect(data.locator("tbody tr").first).to_contain_text(rows()[12]["title"])
    expect(data.locator("tbody tr")).to_have_count(12)
    highest = max(rows(), key=lambda row: int(row["id"]))
    header = data.locator("th", has_text="ID")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    expect(data.locator("tbody tr").first).to_contain_text(rows()[0]["title"])
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(data.locator("tbody tr").first).to_contain_text(highest["title"])


def test_the_table_is_filtered_by_tag_and_by_text(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    data = visit.section("data")
    mlops = [row for row in rows() if row["tag"] == "mlops"]
    visit.choose(data.get_by_role("combobox", name="Tag"), re.compile(r"^mlops \("))
    expect(data.locator(".ts-shown")).to_have_text(f"{len(mlops):,} of {len(rows()):,} projects")
    data.get_by_label("Contains").press_sequentially("drift")
    found = [row for row in mlops if "drift" in re.findall(r"\w+", f"{row['title']} {row['description']}".lower())]
    assert 0 < len(found) < len(mlops)
    expect(data.locator(".ts-shown")).to_have_text(f"{len(found):,} of {len(rows()):,} projects")
    data.get_by_label("Contains").press_sequentially(" no such words")
    expect(data.locator(".ts-rows")).to_contain_text("No project matches")


def test_a_bar_leads_to_its_projects(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    data = visit.section("data")
    chart = data.locator(".bk-Canvas").first
    expect(chart).to_be_visible()
    # Its label means the whole tag; a part of the bar would mean one split of it.
    chart.click(position={"x": 60, "y": 27})
    most = max({row["tag"] for row in rows()}, key=lambda tag: sum(row["tag"] == tag for row in rows()))
    count = sum(row["tag"] == most for row in rows())
    expect(data.locator(".ts-shown")).to_have_text(f"{count:,} of {len(rows()):,} projects")
    assert f"show={most}" in visit.page.url


def test_tag_slice_and_run_change_the_figures(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    section = visit.section("performance")
    expect(section.locator(".ts-summary li")).to_have_count(3)
    for sentence in section.locator(".ts-summary li").all_inner_texts():
        assert re.search(r"n = \d", sentence)
    assert figures(section)[:4] == cards(PERFORMANCE["overall"])
    for title, key in (("By tag", "class"), ("By slice", "slices")):
        sheet = part(section, title)
        for name in list(PERFORMANCE[key])[:2]:
            visit.choose(sheet.get_by_role("combobox"), name)
            expect(sheet.locator("dd.value").first).to_have_text(cards(PERFORMANCE[key][name])[0])
            assert figures(sheet) == cards(PERFORMANCE[key][name])
    other = json.loads((ROOT / "data" / "runs" / OTHER_RUN / "performance.json").read_text())
    run = section.get_by_role("combobox", name="Run")
    run.click()
    visit.page.get_by_role("menuitem", name=re.compile(OTHER_RUN[:8])).click()
    expect(section.locator("dd.value").first).to_have_text(cards(other["overall"])[0])
    assert OTHER_RUN in visit.page.url


def test_a_figure_follows_its_selector_without_the_server(demo_server: str, visit: Visit) -> None:
    cut = False

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(lambda message: None if cut else server.send(message))

    visit.page.route_web_socket("**/ws*", between)
    visit.open(demo_server)
    sheet = part(visit.section("performance"), "By tag")
    expect(sheet.locator("dd.value").first).to_be_visible()
    tag = next(name for name, one in PERFORMANCE["class"].items() if figures(sheet) != cards(one))
    cut = True
    visit.choose(sheet.get_by_role("combobox"), tag)
    expect(sheet.locator("dd.value").first).to_have_text(cards(PERFORMANCE["class"][tag])[0])
    assert figures(sheet) == cards(PERFORMANCE["class"][tag])


def test_a_text_gives_a_prediction_and_follows_the_typing(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    section = visit.section("inference")
    text = section.get_by_label("Text")
    expect(text).to_have_value("Transfer learning with transformers for text classification.")
    expect(section.locator(".tag")).to_have_text("natural-language-processing")
    expect(section.locator(".facts")).to_contain_text("ms")
    expect(section.locator(".bk-Canvas").first).to_be_visible()
    text.fill("Q-learning agent that plays a game by policy gradient and reward shaping")
    expect(section.locator(".tag")).to_have_text("reinforcement-learning")
    text.fill("   ")
    expect(section.get_by_role("status")).to_contain_text("Enter a text")
    expect(section.locator(".tag")).to_be_hidden()
    text.fill("object detection in images")
    expect(section.locator(".tag")).to_have_text("computer-vision")


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "0" * 32, "12e3"])
def test_an_unknown_run_id_is_answered_by_a_sentence(demo_server: str, visit: Visit, run_id: str) -> None:
    visit.open(demo_server)
    section = visit.section("inference")
    visit.choose(section.get_by_role("combobox", name="Run"), "Another run ID …")
    field = section.get_by_label("Run ID")
    field.fill(run_id)
    field.press("Enter")
    expect(section.get_by_role("alert")).to_contain_text(run_id)
    expect(section.get_by_role("alert")).to_contain_text("tagscope runs")
    field.fill(PROMOTED)
    field.press("Enter")
    expect(section.locator(".tag")).to_have_text("natural-language-processing")


def test_links_of_the_header_lead_to_the_sections(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    for name in ("Inference", "Compare", "Errors", "Performance", "Data"):
        visit.page.get_by_role("navigation", name="Sections").get_by_role("link", name=name).click()
        expect(visit.page.locator(f".section-{name.lower()} h2").first).to_be_in_viewport()
        assert visit.page.url.endswith(f"#{name.lower()}")


def test_the_header_stays_in_one_row_on_a_telephone(demo_server: str, visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.open(demo_server)
    links = visit.page.get_by_role("navigation", name="Sections").get_by_role("link")
    expect(links).to_have_count(5)
    boxes = [link.bounding_box() for link in links.all()]
    assert len({round(box["y"]) for box in boxes}) == 1
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert visit.page.locator("header").bounding_box()["height"] < 70
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_link_leads_to_its_examples_and_compare_begins_with_the_run_before(demo_server: str, visit: Visit) -> None:
    visit.open(f"{demo_server}/app?examples=true:mlops;predicted:time-series")
    errors = visit.section("errors")
    expect(errors.locator(".ts-shown")).to_have_text(
        re.compile(r"^\d+ of 136 examples: true tag mlops, predicted time-series$")
    )
    expect(visit.section("compare").locator(".ts-change")).to_contain_text("it fixed")
    visit.open(f"{demo_server}/app?examples=nonsense")
    expect(visit.page.get_by_role("alert").first).to_contain_text("describes no examples")
    expect(visit.section("errors").locator(".ts-shown")).to_contain_text("of 136 examples: wrong")
