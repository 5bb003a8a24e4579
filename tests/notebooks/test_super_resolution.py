"""The notebook that exports SRCNN and shows its pictures, executed."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

# Where the pictures stand on the sheet.
COLUMNS, ROWS = (0, 288, 576, 864), (24, 336)
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "super_resolution.ipynb"


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()


def shown(notebook: nbformat.NotebookNode, part: str) -> str:
    """Everything that the one cell with this text in its source shows."""
    (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and part in cell.source]
    return "\n".join(
        str(output.get("text", "")) + "\n".join(map(str, output.get("data", {}).values())) for output in cell.outputs
    )


def test_no_cell_fails_or_complains(executed: nbformat.NotebookNode) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_the_report_names_axes_operators_and_difference(executed: nbformat.NotebookNode) -> None:
    report = shown(executed, "export_model(")
    assert "'picture': ('batch', 3, 'height', 'width')" in report
    assert "'factor': (1,)" in report
    assert "'Resize': 1" in report
    assert re.search(r"14 shapes, at most \de-0[5-9] from torch", report)


def test_one_file_gives_every_size(executed: nbformat.NotebookNode) -> None:
    sizes = shown(executed, "noise =")
    assert all(size in sizes for size in ("74 x 106", "92 x 132", "111 x 159", "148 x 212"))


def test_the_pictures_stand_side_by_side(executed: nbformat.NotebookNode) -> None:
    (cell,) = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.endswith("\nsheet")]
    (png,) = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("L"), dtype=np.float64)
    # Four in each of two rows, all of them pictures, the three made ones like the original to their right.
    tiles = [[pixels[row : row + 280, column : column + 280] for column in COLUMNS] for row in ROWS]
    for *made, original in tiles:
        assert original.std() > 20
        assert all(np.corrcoef(one.ravel(), original.ravel())[0, 1] > 0.9 for one in made)


def test_every_gain_is_above_zero(executed: nbformat.NotebookNode) -> None:
    gains = re.findall(r"^\d\s.*\s(-?\d+\.\d+)$", shown(executed, 'columns=["photograph"').split("<div>")[0], re.M)
    assert len(gains) == 8
    assert all(float(gain) > 0 for gain in gains)


def test_the_notebook_is_kept_without_outputs() -> None:
    assert not [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.get("outputs")]
