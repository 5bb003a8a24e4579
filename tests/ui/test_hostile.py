"""Text from files and visitors stays text, in every section, whatever it contains."""

from __future__ import annotations

import csv
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import APP
from .test_data import reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit

pytestmark = pytest.mark.ui

SCRIPT = "<script>window.pwned = 1</script>"
IMAGE = '<img src=x onerror="window.pwned = 2">'
TAGS = [SCRIPT, IMAGE, "=cmd()|' /C calc'!A0", "**bold** [link](javascript:window.pwned=3) $$\\frac{a}{b}$$", "a" * 200]
TITLE_COLUMN = '<b onmouseover="window.pwned = 4">title</b>'


@pytest.fixture(scope="module")
def hostile_server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("hostile")
    data = home / "<i>hostile.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "created_on", TITLE_COLUMN, "body.with.dots", "tag"])
        for number in range(100):
            tag = TAGS[number % len(TAGS)]
            text = SCRIPT + "x" * 99_000 if number == 0 else f"{IMAGE} word{number % len(TAGS)} =cmd() # head *stars*"
            writer.writerow([f"{IMAGE}{number}", "2024-05-17", f"{SCRIPT} {number}", text, tag])
    code = (
        "import sys\nfrom pathlib import Path\nfrom config.settings import get_settings\n"
        "from engine.pipeline.train import TrainRequest, train\nfrom engine.runs.store import open_store\n"
        "texts = (sys.argv[2], 'body.with.dots')\n"
        "request = TrainRequest.from_settings(get_settings(), Path(sys.argv[1]), text=texts)\n"
        "open_store().promote(train(request).manifest.run_id)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(data), TITLE_COLUMN],
        check=True,
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "TAGSCOPE_HOME": str(home)},
    )
    return serve(APP, home=home)


def assert_unharmed(visit: Visit) -> None:
    assert visit.page.evaluate("window.pwned") is None
    harm = """() => {
      const count = (root) => [...root.querySelectorAll("*")].reduce((sum, element) => sum
        + (element.matches("img[src=x], b[onmouseover], a[href^=javascript], mjx-container") ? 1 : 0)
        + (element.tagName === "SCRIPT" && element.textContent.includes("window.pwned = 1") && !element.type ? 1 : 0)
        + (element.shadowRoot ? count(element.shadowRoot) : 0), 0)
      return count(document.body)
    }"""
    assert visit.page.evaluate(harm) == 0


def test_hostile_data_is_shown_as_it_is(hostile_server: str, visit: Visit) -> None:
    visit.open(hostile_server)
    data = visit.section("data")
    expect(data.locator(".count")).to_have_text("100")
    expect(data.locator(".ts-hero")).to_contain_text("<i>hostile")
    expect(data.locator("tbody tr").nth(1)).to_contain_text(f"{SCRIPT} 1")
    expect(data.locator("thead")).to_contain_text(TITLE_COLUMN[:38])
    expect(data.locator(".bk-Canvas").first).to_be_visible()
    assert max(len(text) for text in data.locator("tbody td").all_inner_texts()) < 1_000
    data.locator(".bk-Canvas").first.hover(position={"x": 400, "y": 27})
    data.locator("tbody tr").first.click()
    drawer = data.locator(".ts-drawer")
    expect(drawer).to_contain_text(SCRIPT)
    expect(drawer.locator("table")).to_contain_text("train")
    assert_unharmed(visit)
    drawer.get_by_role("button", name="Close").click()
    expect(drawer).to_have_count(0)
    visit.choose(data.get_by_role("combobox", name="Tag"), f"{IMAGE} (20)")
    expect(data.locator(".ts-shown")).to_have_text("20 of 100 projects")
    expect(data.get_by_role("button", name=f"Tag: {IMAGE}")).to_be_visible()
    for title in ("Findings", "Over time", "Missing values"):
        reach(data, title)
    expect(data.locator(".bk-Canvas").nth(4)).to_be_visible()
    assert_unharmed(visit)


def test_hostile_tags_are_measured_and_predicted(hostile_server: str, visit: Visit) -> None:
    visit.open(hostile_server)
    performance = visit.section("performance")
    expect(performance.locator(".bk-Canvas").first).to_be_visible()
    visit.choose(performance.get_by_role("combobox", name="Tag"), SCRIPT)
    inference = visit.section("inference")
    expect(inference.locator(".bk-Canvas").first).to_be_visible()
    inference.get_by_label("Text").fill(f"{IMAGE} word1 word1 # heading")
    expect(inference.locator(".tag")).to_contain_text("<")
    assert_unharmed(visit)


def test_hostile_links_and_run_ids_are_quoted(hostile_server: str, visit: Visit) -> None:
    visit.open(
        f"{hostile_server}/app?tag={IMAGE}x&run={SCRIPT}&ask={IMAGE}&text={SCRIPT}&find=%22onerror%22"
        f"&finding={IMAGE}&words={SCRIPT}&sort={SCRIPT}&row={IMAGE}"
    )
    expect(visit.page.get_by_role("alert").get_by_role("button").first).to_be_visible()
    expect(visit.section("data").locator(".ts-shown")).to_have_text("99 of 100 projects")
    expect(visit.section("inference").get_by_role("alert")).to_contain_text("<img src=x")
    assert_unharmed(visit)


def test_a_text_of_100_kb_is_answered(hostile_server: str, visit: Visit) -> None:
    # The browser alone takes its time to lay such a text out.
    slow = 120_000
    visit.page.set_default_timeout(slow)
    visit.open(hostile_server)
    section = visit.section("inference")
    expect(section.locator(".tag")).to_be_visible()
    section.get_by_label("Text").fill("word1 " * 16_000)
    expect(section.get_by_text("a copied link will not carry it")).to_be_visible(timeout=slow)
    expect(section.locator(".tag")).to_be_visible()
    section.get_by_label("Text").fill("word1 " * 20_000)
    expect(section.get_by_role("alert")).to_contain_text("120,000 characters", timeout=slow)
    assert_unharmed(visit)
