"""The drawer: what is still being computed arrives in it, and nothing is read more often than there is news."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.detail import read_detail
from dashboard.job import Job
from dashboard.samples import Found, Samples
from dashboard.sections import base as shared
from dashboard.sections.explore import drawer as module
from dashboard.sections.explore.drawer import Drawer
from dashboard.sections.explore.exploration import Exploration
from dashboard.state import DashboardState
from engine.errors import DataError
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUTTON = 'data-pick="start:remarks"'


class Visitor:
    """Somebody with an open drawer, on samples whose findings and map are computed when the test says so."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.samples = samples = catalogue.samples(catalogue.default_run())
        self.go_on, self.tries, self.reads, self.looks = threading.Event(), 0, 0, 0
        samples.findings = Job(self._find, "findings")
        samples.map = Job(self._fail, "map")
        self.exploration = Exploration(DashboardState(), catalogue)
        self.exploration.open(samples)
        self.drawer = Drawer(self.exploration)

    @property
    def html(self) -> str:
        return self.drawer.__panel__().html

    def open(self, place: int = 0) -> None:
        self.exploration.chosen.row = str(self.samples.dataset.frame["id"].iloc[place])

    def pick(self, key: str) -> None:
        view = self.drawer.__panel__()
        view.picked = {"key": key, "count": view.picked.get("count", 0) + 1}

    def _find(self, _report: object) -> Found:
        self.tries += 1
        assert self.go_on.wait(60)
        self.go_on.clear()
        if self.tries == 1:
            raise DataError("The disk is full; make room.")
        return Found((), None)

    def _fail(self, _report: object) -> None:
        raise DataError("There are no words; add rows.")


@pytest.fixture
def visitor(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    monkeypatch.setattr(shared, "POLL_SECONDS", 0.01)
    visitor = Visitor(Catalogue(load_settings(), open_store()))
    follow = Exploration.follow

    def counted(self: Exploration, job: object, worker: object, show: Callable[[], None]) -> None:
        def look() -> None:
            visitor.looks += 1
            show()

        follow(self, job, worker, look)

    def read(*arguments: object) -> object:
        visitor.reads += 1
        return read_detail(*arguments)

    monkeypatch.setattr(Exploration, "follow", counted)
    monkeypatch.setattr(module, "read_detail", read)
    return visitor


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not seen():
            await asyncio.sleep(0.01)


def test_what_is_computed_arrives_and_is_tried_again_where_it_failed(visitor: Visitor) -> None:
    async def visit() -> None:
        visitor.open()
        assert "in a moment" in visitor.html
        # However long it takes, the row is read once; only how far the work is, is looked at.
        await until(lambda: visitor.looks > 20)
        assert visitor.reads == 1
        visitor.go_on.set()
        await until(lambda: "The disk is full; make room." in visitor.html)
        assert BUTTON in visitor.html
        visitor.pick("start:remarks")
        assert BUTTON not in visitor.html
        visitor.go_on.set()
        await until(lambda: "Nothing was found wrong" in visitor.html)
        assert visitor.reads == 2
        assert "There are no words; add rows." in visitor.html

    asyncio.run(visit())


def test_what_takes_long_is_offered_and_begins_when_it_is_wanted(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.samples.AUTOMATIC_ROWS", 0)

    async def visit() -> None:
        visitor.open()
        assert BUTTON in visitor.html
        assert "Look for findings in 905 rows" in visitor.html
        assert visitor.samples.findings.status.state == "waiting"
        visitor.tries = 1
        visitor.pick("start:remarks")
        visitor.go_on.set()
        await until(lambda: "Nothing was found wrong" in visitor.html)

    asyncio.run(visit())


def test_what_was_kept_is_opened_without_asking(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.samples.AUTOMATIC_ROWS", 0)
    monkeypatch.setattr(Samples, "kept_findings", lambda _self: True)
    visitor.tries = 1
    visitor.go_on.set()

    async def visit() -> None:
        visitor.open()
        await until(lambda: "Nothing was found wrong" in visitor.html)

    asyncio.run(visit())


def test_a_script_waits_for_nothing_that_it_did_not_ask_for(visitor: Visitor) -> None:
    visitor.open()
    assert visitor.samples.findings.status.state == "waiting"
    assert "Known as soon as it is computed" in visitor.html
    visitor.pick("close")
    assert visitor.html == ""
