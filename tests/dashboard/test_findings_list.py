"""The list of findings and what stands in its place until it is there."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import panel as pn
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.components.clickable import Clickable
from dashboard.job import Job
from dashboard.samples import Found, Samples
from dashboard.sections.explore import findings as module
from dashboard.sections.explore import job_view
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.findings import FindingsList, findings_html
from dashboard.state import DashboardState
from engine.errors import DataError
from engine.findings.contract import Finding
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def finding(kind: str, affected: int = 0, **changes: Any) -> Finding:
    told = {"title": f"Title of {kind}", "sentence": f"Sentence of {kind}.", "advice": "Mend it.", "severity": 0.0}
    return Finding(kind, "data", affected=affected, total=905, **{**told, "computed": True, **changes})


def shown(view: Any) -> str:
    """The HTML that is visible."""
    root = view.__panel__()
    panes = [pane.object for pane in root.select(pn.pane.HTML) if pane.visible]
    hidden = {id(one) for column in root.select(pn.Column) if not column.visible for one in column.select(Clickable)}
    return "\n".join([*panes, *(one.html for one in root.select(Clickable) if id(one) not in hidden)])


def pick(view: Any, key: str) -> None:
    """Click on what has this key."""
    (one,) = (one for one in view.__panel__().select(Clickable) if f'data-pick="{key}"' in one.html)
    one.picked = {"key": key, "count": one.picked.get("count", 0) + 1}


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def explored(catalogue: Catalogue, work: Callable[..., Found], run: int = 0) -> tuple[Exploration, Samples]:
    samples = catalogue.samples(catalogue.runs()[run].run_id)
    samples.findings = Job(work, "findings")
    exploration = Exploration(DashboardState(), catalogue)
    exploration.open(samples)
    return exploration, samples


def test_what_was_found_without_a_row_is_not_nothing() -> None:
    table = [
        {"step": "urls", "rows": 3, "characters": 1200, "most_id": 'a"b'},
        {"step": "html", "rows": 0, "characters": 0, "most_id": ""},
    ]
    items = (
        finding("duplicates", 12, severity=0.5, noteworthy=True),
        finding("cleaning", table=table, noteworthy=True),
        finding("drift"),
        finding("leakage", computed=False, sentence="The rows are not split; name a run."),
    )
    html = findings_html(items, {"duplicates": 12}, "", {"cleaning"})
    assert "Nothing found: Title of drift.<" in html
    assert "Not looked for: Title of leakage. The rows are not split" in html
    assert "Sentence of cleaning." in html
    assert "of all 905 rows" in html
    # Its figures are there, without the lines that count nothing, and lead to the row where most was found.
    assert "<th>characters</th>" in html
    assert "1,200" in html
    assert "html" not in html.split("<table>")[1]
    assert 'data-pick="row:a%22b"' in html
    filtered = findings_html(items, {"duplicates": 2}, "", set())
    assert "2<small>of 12 in all 905 rows" in filtered


def test_figures_unfold_stay_so_and_open_rows(catalogue: Catalogue) -> None:
    item = finding("cleaning", table=[{"step": "urls", "rows": 3, "most_id": "7"}], noteworthy=True)
    exploration, samples = explored(catalogue, lambda _report: Found((item,), None))
    samples.findings.start().wait(10)
    view = FindingsList(exploration)
    assert "<details>" in shown(view)
    pick(view, "figures:cleaning")
    exploration.chosen.tag = "mlops"
    assert "<details open>" in shown(view)
    pick(view, "row:7")
    assert exploration.chosen.row == "7"


def test_work_that_failed_says_why_and_is_tried_again(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def work(_report: object) -> Found:
        tries.append(1)
        if len(tries) == 1:
            raise DataError("The disk is full; make room.")
        return Found((finding("drift"),), None)

    async def visit() -> None:
        exploration, samples = explored(catalogue, work)
        view = FindingsList(exploration)
        async with asyncio.timeout(60):
            while "The disk is full; make room." not in shown(view):
                await asyncio.sleep(0.01)
            # Another visitor sees why, and does not begin it once more by looking.
            assert "The disk is full" in shown(FindingsList(exploration))
            assert len(tries) == 1
            before = exploration.known
            pick(view, job_view.START)
            while "Nothing found: Title of drift." not in shown(view):
                await asyncio.sleep(0.01)
        assert "disk" not in shown(view)
        assert job_view.START not in shown(view).split("data-pick=")
        assert (samples.findings.status.state, exploration.known) == ("done", before + 1)

    asyncio.run(visit())


def test_what_takes_long_is_offered_and_shows_how_far_it_is(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.samples.AUTOMATIC_ROWS", 0)
    go_on = threading.Event()

    def work(report: Callable[[str, float], None]) -> Found:
        report("Neighbours", 0.25)
        assert go_on.wait(60)
        return Found((), None)

    async def visit() -> None:
        exploration, _ = explored(catalogue, work)
        view = FindingsList(exploration)
        assert "Look for findings in 905 rows" in shown(view)
        pick(view, job_view.START)
        async with asyncio.timeout(60):
            while 'value="0.250"' not in shown(view):
                await asyncio.sleep(0.01)
            assert "Looking for findings: neighbours" in shown(view)
            go_on.set()
            while "ts-findings" not in shown(view):
                await asyncio.sleep(0.01)
        # Other samples begin anew.
        exploration.open(explored(catalogue, work, run=1)[1])
        assert "Look for findings in" in shown(view)
        assert "ts-findings" not in shown(view)

    asyncio.run(visit())


def test_an_answer_about_other_samples_is_not_shown(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.samples.AUTOMATIC_ROWS", 0)
    answers: list[Callable[[Any], None]] = []
    for view in (module, job_view):
        monkeypatch.setattr(view, "run", lambda _worker, _compute, show, **_options: answers.append(show))
    exploration, first = explored(catalogue, lambda _report: Found((finding("drift"),), None))
    _, other = explored(catalogue, lambda _report: Found((finding("other"),), None), run=1)
    list_of_findings = FindingsList(exploration)
    (offer,) = answers
    exploration.open(other)
    offer(True)
    assert first.findings.status.state == other.findings.status.state == "waiting"
    answers.clear()
    for samples in (first, other):
        samples.findings.start().wait(10)
    exploration.open(first)
    count = answers[-1]
    exploration.open(other)
    count({})
    assert "drift" not in shown(list_of_findings)
