"""The dashboard on runs that came from elsewhere: one of predictions, without a model, and an ONNX model's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.imports import made

from .conftest import APP
from .test_walk import figures, part

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A home with an ONNX model that does not mask its padding, and newer predictions; and the ids of the two runs."""
    folder, home = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("home")
    rows = made.rows()
    rows["predicted_tag"] = rows["tag"].where(np.arange(len(rows)) % 7 > 0, "music")
    rows.to_csv(folder / "answers.csv", index=False)
    made.write_rows(folder)
    made.write_labels(folder)
    made.write_tokenizer(folder)
    made.write_model(folder, mask=False)
    parts = ("--tokenizer", "tokenizer.json", "--labels", "labels.json", "--data", "rows.csv")
    ids = []
    for arguments in (("onnx", "model.onnx", *parts), ("predictions", "answers.csv")):
        done = subprocess.run(
            [str(Path(sys.executable).with_name("tagscope")), "import", *arguments, "--text", "text"],
            cwd=folder,
            env={**os.environ, "TAGSCOPE_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        ids += [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Run ")]
    return home, ids[0], ids[1]


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], imported: tuple[Path, str, str]) -> str:
    return serve(APP, home=imported[0])


def test_predictions_are_shown_and_inference_says_why_it_cannot_answer(
    server: str, visit: Visit, imported: tuple[Path, str, str]
) -> None:
    _, model, predictions = imported
    visit.open(f"{server}/app?run={predictions}&ask={predictions}")
    data = visit.section("data")
    expect(data.locator(".count")).to_have_text("90")
    expect(data.locator("tbody tr").first).to_contain_text("test")
    performance = visit.section("performance")
    expect(performance.get_by_role("status").first).to_contain_text("trained elsewhere")
    expect(performance.locator("dd.value").first).to_have_text("0.902")
    sheet = part(performance, "By tag")
    visit.choose(sheet.get_by_role("combobox"), "animals")
    expect(sheet.locator("dd.value").nth(2)).to_have_text("0.833")
    assert figures(sheet)[3] == "30"
    inference = visit.section("inference")
    expect(inference.get_by_role("status")).to_contain_text("made from predictions and has no model")
    expect(inference.locator(".tag")).to_be_hidden()
    for section in (data, performance, inference):
        expect(section.get_by_role("alert")).to_have_count(0)

    inference.get_by_role("combobox", name="Run").click()
    visit.page.get_by_role("menuitem").filter(has_text=model[:8]).click()
    inference.get_by_label("Text").fill("a robot and an engine")
    expect(inference.locator(".tag")).to_have_text("machines")
    expect(inference.locator(".facts")).to_contain_text("onnx")


def test_a_run_with_a_model_answers_where_none_was_chosen(
    server: str, visit: Visit, imported: tuple[Path, str, str]
) -> None:
    _, model, predictions = imported
    visit.open(server)
    expect(visit.section("inference").locator(".facts")).to_contain_text(model[:8])
    assert f"run={predictions}" in visit.page.url
    assert f"ask={model}" in visit.page.url


def test_what_is_unusual_about_a_model_is_said(server: str, dark_visit: Visit, imported: tuple[Path, str, str]) -> None:
    dark_visit.open(f"{server}/app?run={imported[1]}")
    remark = dark_visit.section("performance").get_by_role("status").first
    expect(remark).to_contain_text("padding is not masked")
    expect(remark).to_contain_text("trained elsewhere")
