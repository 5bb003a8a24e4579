"""`/docs` in a real browser: it answers, explains, and loads nothing from elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from tests.api.running import NGRAM, TEXT, Api

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(processes=1, api__max_texts="3")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_prediction_on_the_page(api: Api, browser: Browser, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{api.url}/docs")
    expect(page.get_by_role("status")).to_have_text("Ready: 1 of 1 processes")
    page.get_by_label("Texts, one per line").fill(f"{TEXT}\n<img src=x onerror=alert(1)> in video frames")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".answer .tag").first).to_contain_text("natural-language-processing")
    expect(page.locator(".answer .text").nth(1)).to_have_text("<img src=x onerror=alert(1)> in video frames")
    expect(page.locator("#answers")).to_contain_text(f"Run ngram {NGRAM[:8]}")
    page.get_by_label("Texts, one per line").fill("a b\n" * 4)
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".answer.error")).to_contain_text("A request may have 3 texts and this one has 4")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 300) == (scheme == "dark")
    page.get_by_role("button", name="Dark theme" if scheme == "light" else "Light theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    assert all(url.startswith((api.url, "data:")) for url in asked), asked
    assert [line for line in said if "413" not in line] == []
    page.close()


def test_a_problem_leads_to_its_explanation(api: Api, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    kind = api.ask("GET", "/nowhere").json["type"]
    page.goto(api.url + kind)
    expect(page.locator("tr:target")).to_contain_text("No page has this address.")
    expect(page.locator("tr:target")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(f"{api.url}/docs#promoteRun")
    expect(page.locator("#promoteRun .inside")).to_be_visible()
    page.close()


def test_the_command_that_is_shown_works(api: Api, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{api.url}/docs")
    page.get_by_label("Texts, one per line").fill("It's a text about 'quotes' and vision")
    command = page.locator("#command").inner_text()
    assert command.startswith(f"curl {api.url}/predict -H 'Content-Type: application/json' -d '")
    body = command.rpartition(" -d '")[2].removesuffix("'").replace("'\\''", "'")
    assert api.ask("POST", "/predict", body.encode()).json["predictions"][0]["input_text"].startswith("It's")
    page.close()
