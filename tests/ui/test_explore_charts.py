"""The charts and the map in a browser: a click leaves exactly the rows that pandas finds in the file."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from dashboard.components.rows import PAGE_SIZE
from engine.dataset.cleaning import clean
from engine.findings.tokens import count_tokens
from engine.runs.store import DirectoryStore
from engine.runs.tokenizer import words_of

from .conftest import APP, ROOT
from .test_data import home as home
from .test_data import scroll_to, sheet
from .test_data import server as server
from .test_walk import PROMOTED, rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from .conftest import Visit

pytestmark = [pytest.mark.ui, pytest.mark.long]

# Where a visible rectangle is whose tip begins so, in pixels of the canvas; or the place beside it.
_FIND = """
(element, [words, beside]) => {
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
  const {left, right, bottom, top, tip, colour} = plot.model.renderers[0].data_source.data
  const found = tip.findIndex((text, one) => text.startsWith(words) && (colour[one] === "#00000000") === beside)
  return found < 0 ? null : {
    x: plot.frame.x_scale.compute((left[found] + right[found]) / 2),
    y: plot.frame.y_scale.compute((bottom[found] + top[found]) / 2),
    tip: tip[found],
  }
}
"""


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """The rows of the file, with what the charts count, found without the explorer."""
    frame = pd.DataFrame(rows())
    store = DirectoryStore(ROOT / "data" / "runs", ROOT / "config")
    bundle = store.open(PROMOTED)
    texts = [f"{row.title} {row.description}".strip() for row in frame.itertuples()]
    frame["said"] = [words_of(text) for text in texts]
    frame["words"] = frame["said"].map(len)
    cleaned = [clean(text, bundle.manifest.cleaning) for text in texts]
    frame["tokens"] = np.asarray(count_tokens(bundle.tokenizer(), cleaned, lambda _share: None).total)
    frame["month"] = frame["created_on"].str[:7]
    answers = pd.read_parquet(ROOT / "data" / "runs" / PROMOTED / "predictions.parquet")
    frame["split"] = frame["id"].map(answers.assign(id=answers["id"].astype(str)).set_index("id")["split"])
    return frame


def reach(data: Locator, title: str) -> Locator:
    """Scroll until a sheet is built, as each is when it comes near."""
    scroll_to(data, title)
    found = sheet(data, title)
    found.scroll_into_view_if_needed()
    return found


def settle(data: Locator) -> None:
    """Wait for the findings: what stands below them stays where it is from then on."""
    reach(data, "Findings")
    expect(data.locator(".ts-findings")).to_be_visible(timeout=150_000)


def see(data: Locator, expected: pd.DataFrame, total: int) -> None:
    """Expect these rows in the table, its first page, and their number above it."""
    assert 0 < len(expected) < total
    expect(data.locator(".ts-shown")).to_have_text(f"{len(expected):,} of {total:,} projects")
    expect(data.locator("tbody td.id")).to_have_text(list(expected["id"][:PAGE_SIZE]))


def press(data: Locator, title: str, words: str, *, beside: bool = False) -> str:
    """Click what says so when the mouse is over it; return all that it says."""
    canvas = reach(data, title).locator(".bk-Canvas").first
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    handle = data.page.wait_for_function
    element = canvas.element_handle()
    found = handle(f"([element, words, beside]) => ({_FIND})(element, [words, beside])", arg=[element, words, beside])
    place = found.json_value()
    canvas.click(position={"x": place["x"], "y": place["y"]})
    return str(place["tip"])


def click(data: Locator, title: str, words: str, *, beside: bool = False) -> int:
    """Click what says so when the mouse is over it; return how many rows it says it counts."""
    return int(re.findall(r"([\d,]+) rows", press(data, title, words, beside=beside))[0].replace(",", ""))


def clear(data: Locator, total: int) -> None:
    data.get_by_role("button", name="Clear all").click()
    expect(data.locator(".ts-shown")).to_have_text(f"{total:,} projects")


def test_each_chart_leads_to_exactly_the_rows_that_it_counts(server: str, visit: Visit, truth: pd.DataFrame) -> None:
    visit.open(server)
    data, total = visit.section("data"), len(truth)
    settle(data)
    nlp = truth["tag"] == "natural-language-processing"
    steps = [
        ("Projects per tag", "mlops: ", True, truth["tag"] == "mlops"),
        ("Projects per tag", "mlops, test: ", False, (truth["tag"] == "mlops") & (truth["split"] == "test")),
        ("Over time", "mlops, 2024-03-01", False, (truth["tag"] == "mlops") & (truth["month"] == "2024-03")),
        ("Length", "20 to 21 words", False, truth["words"].between(20, 21)),
        ("Characteristic words", "bert: ", False, nlp & truth["said"].map(lambda said: "bert" in said)),
    ]
    for title, words, beside, mask in steps:
        assert click(data, title, words, beside=beside) == mask.sum(), title
        see(data, truth[mask], total)
        clear(data, total)

    # The same by keyboard, from the list below a chart.
    empty = truth["description"].str.strip() == ""
    reach(data, "Missing values").get_by_role("button", name="Missing values as a list").press("Enter")
    item = sheet(data, "Missing values").get_by_role("button", name="rows without Description")
    expect(item).to_have_text(f"{empty.sum()} rows without Description")
    item.press("Enter")
    see(data, truth[empty], total)
    clear(data, total)
    assert click(data, "Missing values", f"{empty.sum()} rows without Description") == empty.sum()
    see(data, truth[empty], total)
    clear(data, total)

    # A click under a filter counts and leads to what meets both.
    data.locator(".ts-facets").get_by_role("button", name=re.compile("^validation")).click()
    held = truth["split"] == "validation"
    see(data, truth[held], total)
    early = held & truth["created_on"].str.startswith("2024-05")
    assert click(data, "Over time", "all tags, 2024-05-01 to 2024-05-31") == early.sum()
    see(data, truth[early], total)
    clear(data, total)


def test_lengths_in_tokens_and_the_legend_of_the_map_open_again_from_a_link(
    server: str, visit: Visit, dark_visit: Visit, truth: pd.DataFrame
) -> None:
    visit.open(server)
    data, total = visit.section("data"), len(truth)
    settle(data)
    reach(data, "Length").get_by_role("button", name="Tokens").click()
    expect(sheet(data, "Length")).to_contain_text(f"The longest has {truth['tokens'].max():,} tokens.")
    least = int(truth["tokens"].median()) // 10 * 10
    canvas = sheet(data, "Length").locator(".bk-Canvas").first
    tip = canvas.evaluate(_FIND, [f"{least} to ", False])["tip"]
    first, last = map(int, re.match(r"(\d+) to (\d+) tokens", tip).groups())
    mask = truth["tokens"].between(first, last)
    assert click(data, "Length", tip) == mask.sum()
    see(data, truth[mask], total)

    legend = reach(data, "Map of the texts").locator(".ts-legend")
    vision = truth["tag"] == "computer-vision"
    legend.get_by_role("button", name=re.compile("^computer-vision")).click()
    see(data, truth[mask & vision], total)
    # Nothing else is on show, so nothing else has a colour, and the tag can be taken out again here.
    expect(legend.get_by_role("button")).to_have_count(1)
    expect(legend.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    visit.choose(data.get_by_role("combobox", name="Coloured by"), "Outcome")
    expect(legend).to_contain_text("correct")
    reach(data, "Characteristic words")
    visit.choose(data.get_by_role("combobox", name="Words of"), "mlops")
    visit.choose(data.get_by_role("combobox", name="against"), "time-series")
    visit.page.wait_for_url("**/*against=time-series*")
    drawn = sheet(data, "Characteristic words").locator(".bk-Canvas").first
    before = drawn.evaluate(_FIND, ["", False])["tip"]

    dark_visit.open(visit.page.url)
    again = dark_visit.section("data")
    see(again, truth[mask & vision], total)
    expect(reach(again, "Length").get_by_role("button", name="Tokens")).to_have_attribute("aria-pressed", "true")
    expect(sheet(again, "Length")).to_contain_text("tokens.")
    expect(reach(again, "Map of the texts").locator(".ts-legend")).to_contain_text("correct")
    shown = reach(again, "Characteristic words")
    expect(shown).to_contain_text("mlops")
    expect(shown).to_contain_text("time-series")
    assert shown.locator(".bk-Canvas").first.evaluate(_FIND, ["", False])["tip"] == before


def test_fifty_tags_stay_readable_and_each_can_be_reached(
    serve: Callable[..., str], visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "created_on", "title", "description", "tag"])
        for number, row in enumerate(rows() * 2):
            writer.writerow([number, row["created_on"], row["title"], row["description"], f"topic-{number % 50:02}"])
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    total = len(frame)
    visit.open(serve(APP, home=tmp_path, TAGSCOPE_DATA__FILE=str(path)))
    data = visit.section("data")
    for title, lines in (("Projects per tag", 50), ("Over time", 51)):
        chart = reach(data, title).locator(".bk-Canvas").first
        expect(chart).to_be_visible()
        assert chart.bounding_box()["height"] / lines > 16
    own = frame["tag"] == "topic-49"
    month = frame.loc[own, "created_on"].iloc[0][:7]
    cell = own & frame["created_on"].str.startswith(month)
    assert click(data, "Over time", f"topic-49, {month}-01") == cell.sum()
    see(data, frame[cell], total)
    clear(data, total)
    legend = reach(data, "Map of the texts").locator(".ts-legend")
    others = legend.get_by_role("button", name="42 other tags")
    expect(others).to_be_visible(timeout=150_000)  # findings and map are computed beside each other
    others.click()
    sheet(data, "Map of the texts").locator(".others").get_by_role("button", name=re.compile("^topic-49")).click()
    see(data, frame[frame["tag"] == "topic-49"], total)
    expect(legend.get_by_role("button")).to_have_count(1)
    expect(legend.get_by_role("button")).to_contain_text("topic-49")
