"""A visitor of the Errors section, on the demo runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.map_job import MapJob
from dashboard.sections.errors.section import ErrorsSection
from dashboard.state import DashboardState
from engine.exploration.text_map import MapInfo, TextMap
from engine.findings.contract import Finding, rows_frame
from engine.findings.store import in_memory
from engine.runs.bundle import read_manifest, seal
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.findings.store import Findings


class Visitor:
    """What somebody does in the section and sees of it."""

    def __init__(self, home: Path, run_id: str = "") -> None:
        self.catalogue = Catalogue(load_settings(), open_store())
        self.run_id = run_id or self.catalogue.default_run()
        self.state = DashboardState()
        self.state.selection.run_id = self.run_id
        self.section = ErrorsSection(state=self.state, catalogue=self.catalogue)
        self.frame = pd.read_parquet(home / "data" / "runs" / self.run_id / "predictions.parquet")
        self.frame = self.frame[self.frame["split"] == "test"].reset_index(drop=True)

    @property
    def html(self) -> str:
        return self.section._list.html

    @property
    def head(self) -> str:
        return self.section._chooser.__panel__().html

    @property
    def problem(self) -> str:
        return self.section._problem.text

    @property
    def shown(self) -> list[str]:
        """Ids on the page."""
        return re.findall(r'data-card[^>]* aria-label="Example ([^"]*)"', self.html)

    @property
    def ids(self) -> list[str]:
        """All ids that are meant."""
        return self.section.evaluation.ids[self.section._listing.rows].tolist()

    def pick(self, key: str) -> None:
        place = self.section._chooser.__panel__() if key.split(":")[0] in HEAD else self.section._list
        place.picked = {"key": key, "count": place.picked.get("count", 0) + 1}

    def enter(self, name: str, value: str) -> None:
        place = self.section._chooser.__panel__()
        place.entered = {"values": {name: value}, "count": place.entered.get("count", 0) + 1}

    def row(self, name: str) -> int:
        return self.section.evaluation.row_of(name)


HEAD = ("kind", "without", "clear", "view")


class Known:
    """What long work gives, made up: findings of some rows, and a map in which rows lie anywhere."""

    kept = False

    def find(self, dataset: Any, *, progress: Callable[[str, float], None], **_options: Any) -> Findings:
        progress("Open" if self.kept else "Compute", 0.0)
        rows = len(dataset.frame)
        frames = {
            "labels": rows_frame(
                np.arange(0, rows, 2),
                np.linspace(1, 0, -(-rows // 2)),
                proposed_tag=["=other" if place % 3 else None for place in range(-(-rows // 2))],
                note=["Looks like another tag."] * -(-rows // 2),
            ),
            "short": rows_frame(np.arange(0, rows, 3), np.ones(-(-rows // 3)), proposed_tag=["mlops"] * -(-rows // 3)),
        }
        items = [
            Finding(kind, "data", title, "", "", len(frames[kind]), rows, severity, True)
            for kind, title, severity in (("labels", "Probable label errors", 0.9), ("short", "Short <texts>", 0.1))
        ]
        return in_memory(rows, items, frames)

    def draw(self, job: MapJob, _report: object) -> TextMap:
        rows = len(job._explorer.table)
        vectors = np.random.default_rng(0).normal(size=(rows, 8)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return TextMap(vectors[:, :2], vectors, MapInfo("0" * 32, "chance; drawn", rows, rows, rows, 0.0))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    """Findings and map without the time that they take."""
    made = Known()
    monkeypatch.setattr("engine.findings.finder.find", made.find)
    monkeypatch.setattr(MapJob, "_draw", lambda job, report: made.draw(job, report))
    return made


@pytest.fixture
def visitor(demo_home: Path) -> Visitor:
    return Visitor(demo_home)


@pytest.fixture
def visit(demo_home: Path) -> Callable[..., Visitor]:
    """Open the section on a run, by default the promoted one."""
    return lambda run_id="": Visitor(demo_home, run_id)


def rewrite(home: Path, run_id: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a run's predictions and seal it anew."""
    folder = home / "data" / "runs" / run_id
    path = folder / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    seal(folder, read_manifest(folder))


@pytest.fixture
def visit_changed(demo_home: Path) -> Callable[..., Visitor]:
    """Open the section on the default run with other predictions."""

    def visit(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Visitor:
        run_id = Catalogue(load_settings(), open_store()).default_run()
        rewrite(demo_home, run_id, change)
        return Visitor(demo_home, run_id)

    return visit
