"""The URL holds what is selected: back and forward work, and a copied link opens the same view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from .test_walk import OTHER_RUN, PROMOTED, part

if TYPE_CHECKING:
    from .conftest import Visit

pytestmark = pytest.mark.ui


def query(visit: Visit) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(visit.page.url).query).items()}


def test_every_link_carries_the_runs(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    visit.page.wait_for_url("**/*run=*")
    assert query(visit) == {"run": PROMOTED, "ask": PROMOTED}


def test_back_and_forward_go_through_the_selections(demo_server: str, visit: Visit) -> None:
    visit.open(demo_server)
    data = visit.section("data")
    shown = data.locator(".ts-shown")
    everything = shown.inner_text()
    visit.choose(data.get_by_role("combobox", name="Tag"), re.compile(r"^mlops \("))
    expect(shown).to_contain_text(" of ")
    by_tag = shown.inner_text()
    data.get_by_label("Contains").press_sequentially("drift")
    visit.page.wait_for_url("**/*find=drift*")
    # Named, since the page may still count the rows of what was typed before the last letter.
    by_text = "10 of 905 projects"
    expect(shown).to_have_text(by_text)
    visit.page.go_back()
    expect(shown).to_have_text(by_tag)
    expect(data.get_by_label("Contains")).to_have_value("")
    visit.page.go_back()
    expect(shown).to_have_text(everything)
    visit.page.go_forward()
    expect(shown).to_have_text(by_tag)
    visit.page.go_forward()
    expect(shown).to_have_text(by_text)
    expect(data.get_by_label("Contains")).to_have_value("drift")


def test_a_copied_link_opens_the_same_view(demo_server: str, visit: Visit) -> None:
    visit.open(
        f"{demo_server}/app?run={OTHER_RUN}&tag=time-series&slice=short_text&show=mlops&find=a"
        f"&text=graph%20neural%20network%20on%20a%20citation%20graph&ask={OTHER_RUN}&theme=dark"
    )
    data = visit.section("data")
    expect(data.get_by_role("combobox", name="Tag")).to_have_text(re.compile(r"^mlops \("))
    expect(data.get_by_label("Contains")).to_have_value("a")
    performance = visit.section("performance")
    expect(performance.get_by_role("combobox", name="Run")).to_contain_text(OTHER_RUN[:8])
    expect(part(performance, "By tag").get_by_role("combobox")).to_have_text("time-series")
    expect(part(performance, "By slice").get_by_role("combobox")).to_have_text("short_text")
    inference = visit.section("inference")
    expect(inference.get_by_label("Text")).to_have_value("graph neural network on a citation graph")
    expect(inference.locator(".facts")).to_contain_text(OTHER_RUN[:8])
    assert query(visit)["theme"] == "dark"


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("run=" + "1" * 32, "1" * 32),
        ("run=12e3", "12e3"),
        ("run=../../etc/passwd", "../../etc/passwd"),
        ("run=[1]", "[1]"),
        ("tag=true", "true"),
        ("slice=null", "null"),
        ("show=<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_a_bad_value_is_named_and_the_others_hold(demo_server: str, visit: Visit, bad: str, sentence: str) -> None:
    visit.open(f"{demo_server}/app?{bad}&find=drift")
    expect(visit.page.get_by_role("alert").get_by_role("button").first).to_contain_text(sentence)
    expect(visit.section("data").get_by_label("Contains")).to_have_value("drift")
    assert query(visit)["run"] == PROMOTED
    assert query(visit)["find"] == "drift"
