"""Compare in a browser: what is clicked leads to exactly its examples, and the link says of which runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from playwright.sync_api import expect

from .conftest import ROOT
from .test_walk import PROMOTED, RUNS

if TYPE_CHECKING:
    from .conftest import Visit

pytestmark = pytest.mark.ui
BASE = min(RUNS, key=lambda run_id: RUNS[run_id]["created"])


def answers(run_id: str) -> pd.DataFrame:
    """The rows that a run was judged on."""
    frame = pd.read_parquet(ROOT / "data" / "runs" / run_id / "predictions.parquet")
    return frame[frame["split"] == "test"].set_index("id")


def query(visit: Visit) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(visit.page.url).query).items()}


def test_a_cell_leads_to_its_rows_and_both_runs_are_in_the_link(demo_server: str, visit: Visit) -> None:
    before, after = answers(BASE), answers(PROMOTED)
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


def test_a_point_shows_its_run_and_the_base_stays(demo_server: str, visit: Visit) -> None:
    other = next(run_id for run_id in RUNS if run_id not in (PROMOTED, BASE))
    visit.open(f"{demo_server}/app?run={PROMOTED}&compare={BASE}")
    compare = visit.section("compare")
    compare.get_by_role("button", name="Runs as a list").click()
    compare.get_by_role("button", name=re.compile(f"run {other[:8]}$")).click()
    visit.page.wait_for_url(f"**/*run={other}*")
    assert query(visit)["compare"] == BASE
    expect(compare.locator(".ts-matrix th.shown").first).to_contain_text(other[:8])
