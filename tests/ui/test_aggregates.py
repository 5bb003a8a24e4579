"""Every count leads to exactly its rows: clicked in a browser, saved as a file, compared with pandas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import expect

from .conftest import ROOT
from .judged_rows import judged
from .test_compare import BASE
from .test_data import sheet
from .test_explore_charts import click
from .test_walk import PROMOTED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture
def truth() -> pd.DataFrame:
    """What each row is, has, and was answered by both runs."""
    rows, before = judged(PROMOTED), judged(BASE)
    given = pd.read_csv(ROOT / "data" / "labeled_projects.csv", dtype=str, keep_default_na=False).set_index("id")
    texts = (given["title"] + " " + given["description"]).reindex(rows.index)
    return rows.assign(
        short=texts.str.count(r"\S+") < 8,
        # Both are judged by the newer run's labels.
        was_right=before["predicted_tag"].reindex(rows.index) == rows["tag"],
    )


def test_what_is_clicked_is_what_is_saved(demo_server: str, visit: Visit, truth: pd.DataFrame, tmp_path: Path) -> None:
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}&slice=short_text&tag=mlops")
    errors = visit.page.locator(".section-errors").last

    def leads(act: Callable[[], object], mask: pd.Series) -> None:
        act()
        expect(errors.locator(".ts-shown b")).to_have_text(f"{mask.sum():,}")
        assert visit.saved(mask.sum(), tmp_path) == sorted(truth["id"][mask])

    performance, right, was = visit.section("performance"), truth["right"], truth["was_right"]
    slices, tags = sheet(performance, "By slice"), sheet(performance, "By tag")
    changes = performance.locator(".changes")
    leads(lambda: click(performance, "By slice", "short_text: "), truth["short"])
    # Of each place: the words of a button, and the rows that it counts; where there are none it is no button.
    counts = [
        (slices, "right answer", truth["short"] & right),
        (slices, "wrong answer", truth["short"] & ~right),
        (changes, "^Fixed", right & ~was),
        (changes, "^Broken", was & ~right),
        (tags, "true positive", (truth["tag"] == "mlops") & right),
        (tags, "false positive", (truth["predicted_tag"] == "mlops") & ~right),
        (tags, "false negative", (truth["tag"] == "mlops") & ~right),
    ]
    for place, words, mask in counts:
        if mask.any():
            leads(place.get_by_role("button", name=re.compile(words)).click, mask)
    # The most frequent confusion, as the list beside the matrix has it.
    top = sheet(performance, "Confusion").locator("ol button").first
    true, answer = re.split(" → ", top.locator("span").inner_text())
    leads(top.click, (truth["tag"] == true) & (truth["predicted_tag"] == answer))
    rejected = truth["confidence"] < 0.5
    leads(lambda: click(performance, "Confidence threshold", "From 0.50 on, rejected"), rejected)
    verdict = visit.section("compare").locator(".counts")
    for words, mask in (("right in both", right & was), ("wrong in both", ~right & ~was)):
        if mask.any():
            leads(verdict.get_by_role("button", name=re.compile(words)).click, mask)
