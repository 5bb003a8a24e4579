"""Fixtures shared by all tests: the lesson's data where it is there, and a home with real runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def lesson_data() -> Path:
    """Folder of the Made With ML lesson's data, which may not be committed to the project."""
    folder = Path(os.environ.get("TAGSCOPE_LESSON_DATA", ROOT.parent / "shared" / "data" / "madewithml"))
    if not (folder / "dataset.csv").is_file():
        pytest.skip(f"the lesson's data is not at {folder}; set TAGSCOPE_LESSON_DATA")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TAGSCOPE_HOME that the settings of this process point to."""
    from config.settings import get_settings

    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("TAGSCOPE_") and name not in ("TAGSCOPE_CHROMIUM", "TAGSCOPE_LESSON_DATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TAGSCOPE_HOME", str(folder))
    get_settings.cache_clear()
    yield folder
    get_settings.cache_clear()


@pytest.fixture
def demo_home(home: Path) -> Path:
    """A TAGSCOPE_HOME with a copy of the three demo runs that ship in the repository; may be written to."""
    shutil.copytree(ROOT / "data", home / "data")
    (home / "config").mkdir()
    for name in ("run_id.txt", "performance.json"):
        shutil.copy(ROOT / "config" / name, home / "config" / name)
    return home
