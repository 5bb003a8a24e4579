"""The Data section in a browser: clicks lead to what they count, a filter changes every view, and links open it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import expect

from engine.exploration.map_store import MapStore

from .conftest import APP, FRAMES, ROOT
from .test_walk import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs that ship here, with a place of its own for what is computed."""
    home = tmp_path_factory.mktemp("home")
    for name in ("runs", "datasets"):
        (home / "data").mkdir(exist_ok=True)
        (home / "data" / name).symlink_to(ROOT / "data" / name)
    (home / "config").mkdir()
    (home / "config" / "run_id.txt").write_text((ROOT / "config" / "run_id.txt").read_text())
    return home


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], home: Path) -> str:
    return serve(APP, home=home)


def shown(data: Locator) -> int:
    """How many projects the filter leaves, as the page says."""
    return int(data.locator(".ts-shown").inner_text().split()[0].replace(",", ""))


def sheet(data: Locator, title: str) -> Locator:
    return data.locator(".bk-panel-models-layout-Column", has=data.page.locator(f"h3:text-is('{title}')")).last


def scroll_to(data: Locator, title: str) -> None:
    """Scroll until a sheet is built, as each is when it comes near."""
    page = data.page
    page.mouse.move(700, 500)
    heading = data.locator(f"h3:text-is('{title}')")
    for _ in range(60):
        if heading.count():
            break
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(100)
        page.evaluate(FRAMES)
    expect(heading).to_have_count(1)


def reach(data: Locator, title: str) -> Locator:
    """Scroll until a sheet is built; then all above it has its height."""
    scroll_to(data, title)
    if title not in ("Findings", "Projects per tag"):
        expect(data.locator(".ts-findings")).to_be_visible()
    found = sheet(data, title)
    found.scroll_into_view_if_needed()
    return found


def middle_of(data: Locator, title: str, key: int) -> tuple[dict[str, float], int]:
    """Where rectangle `key` of a chart is on its canvas, in pixels, and how many rows it says it counts."""
    canvas = reach(data, title).locator(".bk-Canvas").first
    expect(canvas).to_be_visible()
    found = canvas.evaluate(
        """(element, key) => {
          const find = (view) => {
            if (view.model?.type === "Figure" && view.canvas_view?.el === element) { return view }
            for (const child of view.child_views ?? []) {
              const inner = find(child)
              if (inner) { return inner }
            }
            return null
          }
          let plot = null
          for (const root of Bokeh.index.roots) { plot = plot ?? find(root) }
          const source = plot.model.renderers[0].data_source
          const at = (name) => source.data[name][key]
          return {
            x: plot.frame.x_scale.compute((at("left") + at("right")) / 2),
            y: plot.frame.y_scale.compute((at("bottom") + at("top")) / 2),
            tip: at("tip"),
          }
        }""",
        key,
    )
    count = int(re.findall(r"([\d,]+) rows", found["tip"])[0].replace(",", ""))
    return {"x": found["x"], "y": found["y"]}, count


def test_a_finding_leads_to_its_rows_worst_first_and_back(server: str, visit: Visit) -> None:
    visit.open(server)
    data = visit.section("data")
    reach(data, "Findings")
    finding = data.locator(".ts-findings button").first
    expect(finding).to_be_visible()
    count = int(finding.locator(".number").inner_text().split()[0])
    finding.click()
    expect(data.locator(".ts-shown")).to_have_text(f"{count:,} of {len(rows()):,} projects")
    expect(data.locator("th").first).to_contain_text("Score")
    expect(data.locator("th").last).to_have_text(re.compile("Note|Proposed tag"))
    scores = [float(cell) for cell in data.locator("td.score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    data.get_by_role("button", name="Clear all").click()
    expect(data.locator(".ts-shown")).to_have_text(f"{len(rows()):,} projects")


def test_a_filter_changes_every_view_and_its_link_opens_the_same(server: str, visit: Visit) -> None:
    visit.open(server)
    data = visit.section("data")
    data.locator(".ts-facets").get_by_role("button", name=re.compile("^test")).click()
    data.get_by_label("Words from").fill("20")
    data.get_by_label("Created from").fill("2024-06-01")
    data.get_by_label("Created from").press("Enter")
    visit.page.wait_for_url("**/*created=2024-06-01..*")
    data.get_by_label("Contains").press_sequentially("model* /[a-z]/")
    visit.page.wait_for_url("**/*find=model*%2F*")
    expect(data.get_by_role("button", name="Text: model")).to_be_visible()
    count = shown(data)
    assert 0 < count < 136
    tips = [middle_of(data, title, 0)[1] for title in ("Projects per tag", "Over time")]
    assert all(0 < tip <= count for tip in tips)
    visit.page.goto("about:blank")
    visit.page.go_back()
    data = visit.section("data")
    expect(data.locator(".ts-shown")).to_have_text(f"{count:,} of {len(rows()):,} projects")
    expect(data.get_by_label("Words from")).to_have_value("20")
    expect(data.get_by_label("Created from")).to_have_value("2024-06-01")
    expect(data.locator(".ts-facets [aria-pressed=true]")).to_contain_text("test")


def test_dates_and_lengths_are_typed_without_a_hand_in_between(server: str, visit: Visit) -> None:
    visit.open(server)
    data, keyboard = visit.section("data"), visit.page.keyboard
    least, most = data.get_by_label("Words from"), data.get_by_label("Words to")
    least.focus()
    keyboard.type("5")
    keyboard.press("Tab")
    keyboard.type("20", delay=150)  # while the answer to the first field arrives
    expect(data.get_by_role("button", name="Words: from 5")).to_be_visible()
    expect(most).to_have_value("20")
    expect(most).to_be_focused()
    keyboard.press("Tab")
    visit.page.wait_for_url("**/*words=5..20*")
    expect(least).to_have_value("5")
    steps = visit.page.evaluate("history.length")
    created = data.get_by_label("Created from")
    created.focus()
    keyboard.type("06012023", delay=150)  # a whole date with each digit of the year
    expect(created).to_have_value("2023-06-01")
    expect(created).to_be_focused()
    assert "created=" not in visit.page.url
    keyboard.press("Enter")
    visit.page.wait_for_url("**/*created=2023-06-01..*")
    assert visit.page.evaluate("history.length") == steps + 1
    visit.page.go_back()
    expect(created).to_be_focused()
    data.get_by_label("Contains").focus()
    expect(created).to_have_value("")
    expect(data.get_by_role("button", name="Words: 5 to 20")).to_be_visible()


# Where the facets stand in each frame in which they do, as a list of pixels.
PLACES = """
window.places = []
const found = (root) => {
  for (const element of root.querySelectorAll("*")) {
    const inner = element.matches(".ts-facets button") ? element : element.shadowRoot && found(element.shadowRoot)
    if (inner) { return inner }
  }
}
const look = () => {
  const top = found(document)?.getBoundingClientRect().top
  if (top) { window.places.push(Math.round(top + scrollY)) }
  requestAnimationFrame(look)
}
requestAnimationFrame(look)
"""


def test_what_can_be_clicked_stays_where_it_is_when_the_chart_above_comes(server: str, visit: Visit) -> None:
    visit.page.add_init_script(PLACES)
    visit.open(f"{server}/app")
    data = visit.section("data")
    expect(data.locator(".bk-Canvas").first).to_be_visible()
    visit.page.evaluate(FRAMES)
    expect(data.locator(".ts-facets button").first).to_be_visible()
    places = visit.page.evaluate("window.places")
    assert places
    assert set(places) == {places[-1]}


def test_the_table_is_walked_by_keyboard_and_its_page_is_in_the_link(server: str, visit: Visit) -> None:
    visit.open(server)
    data, keyboard = visit.section("data"), visit.page.keyboard
    further = data.get_by_role("button", name="Next page")
    further.focus()
    for number in (2, 3):
        keyboard.press("Enter")
        visit.page.wait_for_url(f"**/*page={number}*")
        expect(data.locator(".pager")).to_contain_text(f"Page {number} of")
        expect(further).to_be_focused()
    expect(data.locator("tbody tr").first).to_contain_text(rows()[24]["title"])
    visit.open(visit.page.url)
    expect(data.locator("tbody tr").first).to_contain_text(rows()[24]["title"])
    # Another filter has a first page of its own, and both are one step of the history.
    data.locator(".ts-facets").get_by_role("button", name=re.compile("^test")).click()
    visit.page.wait_for_url(lambda url: "split=test" in url and "page=" not in url)
    expect(data.locator(".pager")).to_contain_text("Page 1 of")
    visit.page.go_back()
    visit.page.wait_for_url(lambda url: "split=" not in url and "page=3" in url)
    expect(data.locator("tbody tr").first).to_contain_text(rows()[24]["title"])
    row = data.locator("tbody tr").nth(1).get_by_role("button")
    row.press("Enter")
    expect(data.locator(".ts-drawer")).to_be_visible()
    expect(row).to_have_attribute("aria-expanded", "true")


def test_a_bad_pattern_is_one_sentence_beside_the_field(server: str, visit: Visit) -> None:
    visit.open(f"{server}/app?find={quote('/(/')}")
    data = visit.section("data")
    expect(data.get_by_role("alert")).to_contain_text("cannot be used")
    data.get_by_label("Contains").fill("/graph|tree/i")
    expect(data.get_by_role("alert")).to_have_count(0)
    found = [row for row in rows() if re.search("graph|tree", f"{row['title']} {row['description']}", re.IGNORECASE)]
    expect(data.locator(".ts-shown")).to_have_text(f"{len(found):,} of {len(rows()):,} projects")


def test_the_drawer_tells_all_of_a_row_and_leads_to_its_neighbours(server: str, visit: Visit) -> None:
    visit.open(server)
    data = visit.section("data")
    data.locator("tbody tr").nth(2).click()
    drawer = data.locator(".ts-drawer")
    row = rows()[2]
    expect(drawer).to_contain_text(row["title"])
    expect(drawer.locator("table tr")).to_have_count(4)
    near = drawer.locator(".near button").first
    expect(near).to_contain_text("alike")
    visit.page.wait_for_url(f"**/*row={row['id']}*")
    near.click()
    expect(drawer.locator("h3")).not_to_contain_text(f"Project {row['id']}")
    visit.page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert "row=" not in visit.page.url


def test_a_shape_on_the_map_leaves_the_rows_inside_it(server: str, visit: Visit, home: Path) -> None:
    visit.open(server)
    data = visit.section("data")
    canvas = reach(data, "Map of the texts").locator(".bk-Canvas").first
    expect(canvas).to_be_visible()
    expect(data.locator(".ts-legend")).to_contain_text("natural-language-processing")
    box = canvas.bounding_box()
    assert box is not None
    mouse = visit.page.mouse
    corners = [(0.2, 0.2), (0.6, 0.15), (0.7, 0.6), (0.35, 0.75), (0.15, 0.5)]
    path = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    mouse.move(*path[0])
    mouse.down()
    for place in path[1:]:
        mouse.move(*place, steps=12)
    mouse.up()
    visit.page.wait_for_url("**/*polygon=*")
    shape = parse_qs(urlsplit(visit.page.url).query)["polygon"][0]
    corners = [tuple(map(float, corner.split(","))) for corner in shape.split(";")]
    kept = MapStore(home / "data" / "maps")
    (text_map,) = filter(None, (kept.open(path.name) for path in (home / "data" / "datasets").iterdir()))
    inside = len(text_map.points_in(corners))
    assert 0 < inside < len(rows())
    expect(data.locator(".ts-shown")).to_have_text(f"{inside:,} of {len(rows()):,} projects")
    # Its link opens the same.
    visit.page.reload()
    expect(data.locator(".ts-shown")).to_have_text(f"{inside:,} of {len(rows()):,} projects")
    data.get_by_role("button", name="Clear all").click()
    expect(data.locator(".ts-shown")).to_have_text(f"{len(rows()):,} projects")


def test_a_click_on_the_map_opens_the_row_there(server: str, visit: Visit, home: Path) -> None:
    visit.open(server)
    data = visit.section("data")
    canvas = reach(data, "Map of the texts").locator(".bk-Canvas").first
    expect(data.locator(".ts-legend")).to_contain_text("natural-language-processing")
    expect(canvas).to_be_visible()
    place = canvas.evaluate(
        """(element) => {
          const find = (view) => {
            if (view.model?.type === "Figure" && view.canvas_view?.el === element) { return view }
            for (const child of view.child_views ?? []) {
              const inner = find(child)
              if (inner) { return inner }
            }
            return null
          }
          let plot = null
          for (const root of Bokeh.index.roots) { plot = plot ?? find(root) }
          const {image, x, y, dw, dh} = Object.fromEntries(
            Object.entries(plot.model.renderers[0].data_source.data).map(([name, value]) => [name, value[0]]))
          const [height, width] = image.shape
          const first = image.findIndex((value) => value > 20)
          const middle = {column: first % width, row: Math.floor(first / width) + 2}
          return {
            x: plot.frame.x_scale.compute(x + (middle.column + 0.5) / width * dw),
            y: plot.frame.y_scale.compute(y + (middle.row + 0.5) / height * dh),
          }
        }"""
    )
    canvas.click(position=place)
    expect(data.locator(".ts-drawer h3")).to_contain_text("Project")
    expect(data.locator(".ts-drawer")).to_contain_text("alike")
