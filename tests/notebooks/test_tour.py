"""The notebook with every section, executed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
TOUR = ROOT / "notebooks" / "tour.ipynb"


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.read(TOUR, as_version=4)
    return NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(TOUR.parent)}}).execute()


@pytest.mark.parametrize("section", ["DataSection", "PerformanceSection", "InferencePane"])
def test_a_section_is_shown_as_the_last_line_of_a_cell(executed: nbformat.NotebookNode, section: str) -> None:
    (cell,) = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.endswith(f"{section}()")]
    shown = [output for output in cell.outputs if output.output_type in ("execute_result", "display_data")]
    views = [output for output in shown if "application/vnd.holoviews_exec.v0+json" in output.data]
    assert any("text/html" in output.data for output in views)
    assert not [output for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_the_prediction_as_data(executed: nbformat.NotebookNode) -> None:
    assert "natural-language-processing" in str(executed.cells[-1].outputs)


def test_the_notebook_is_kept_without_outputs() -> None:
    assert not [cell for cell in nbformat.read(TOUR, as_version=4).cells if cell.get("outputs")]
