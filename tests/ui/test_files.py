"""The dashboard on files instead of runs: somebody's CSV, the lesson's performance file, and broken ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import APP, ROOT
from .test_walk import cards, figures, part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Visit

pytestmark = pytest.mark.ui


@pytest.fixture(scope="module")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "tickets.csv"
    lines = ["number,subject,team"] + [
        f"T-{i:03},Printer {i} is on fire,{'it' if i % 3 else 'facilities'}" for i in range(40)
    ]
    path.write_text("\n".join([*lines, "T-999,,it", ""]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def own_columns(own_data: Path) -> dict[str, str]:
    return {
        "TAGSCOPE_DATA__FILE": str(own_data),
        "TAGSCOPE_DATA__TEXT": '["subject"]',
        "TAGSCOPE_DATA__LABEL": "team",
        "TAGSCOPE_DATA__ID": "number",
    }


@pytest.fixture(scope="module")
def own_server(serve: Callable[..., str], own_columns: dict[str, str]) -> str:
    # The home has runs, but none for this data.
    return serve(APP, home=ROOT, **own_columns)


def test_data_without_a_run_is_shown_and_the_rest_says_how_to_train(
    own_server: str, visit: Visit, own_data: Path
) -> None:
    visit.open(own_server)
    data = visit.section("data")
    expect(data.locator(".count")).to_have_text("40")
    expect(data.locator(".ts-hero")).to_contain_text("1 row was left out")
    expect(data.locator("tbody tr").first).to_contain_text("Printer 0 is on fire")
    titles = [title.rstrip(" ↕") for title in data.locator(".ts-rows th").all_inner_texts()]
    assert titles == ["ID", "Subject", "Tag"]
    for name in ("performance", "inference"):
        expect(visit.section(name).get_by_role("status").first).to_contain_text(f"tagscope train --data {own_data}")


def test_a_broken_data_file_is_named(
    serve: Callable[..., str], visit: Visit, own_columns: dict[str, str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("number,subject,team\n1,a,it\n1,b,hr\n", encoding="utf-8")
    visit.open(serve(APP, home=tmp_path, **{**own_columns, "TAGSCOPE_DATA__FILE": str(broken)}))
    expect(visit.section("data").get_by_role("alert")).to_contain_text("broken.csv")
    expect(visit.section("inference").get_by_role("status").first).to_contain_text("tagscope train")


def test_the_lessons_performance_is_shown_without_any_run(
    serve: Callable[..., str], visit: Visit, lesson_data: Path, tmp_path: Path
) -> None:
    file = lesson_data / "performance.json"
    lesson = json.loads(file.read_text())
    visit.open(serve(APP, home=tmp_path, TAGSCOPE_PERFORMANCE_FILE=str(file)))
    section = visit.section("performance")
    expect(section.locator("dd.value").first).to_have_text("0.816")
    assert figures(section)[3] == "144"
    expect(section.get_by_role("status").first).to_contain_text("performance.json")
    for title, key in (("By tag", "class"), ("By slice", "slices")):
        sheet = part(section, title)
        for name, scores in lesson[key].items():
            visit.choose(sheet.get_by_role("combobox"), name)
            expect(sheet.locator("dd.value").first).to_have_text(f"{scores['f1']:.3f}")
            assert figures(sheet) == cards({**scores, "num_samples": int(scores["num_samples"])})


def test_a_broken_performance_file_spoils_nothing_else(serve: Callable[..., str], visit: Visit, tmp_path: Path) -> None:
    broken = tmp_path / "performance.json"
    broken.write_text('{"overall": {"precision": 0.9,}', encoding="utf-8")
    visit.open(serve(APP, home=ROOT, TAGSCOPE_PERFORMANCE_FILE=str(broken)))
    expect(visit.section("performance").get_by_role("alert")).to_contain_text("line 1, column")
    expect(visit.section("data").locator("tbody tr").first).to_be_visible()
    expect(visit.section("inference").locator(".tag")).to_have_text("natural-language-processing")


def test_a_slice_without_samples_says_so(serve: Callable[..., str], visit: Visit, tmp_path: Path) -> None:
    score = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "num_samples": 4}
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "num_samples": 0}
    file = tmp_path / "performance.json"
    file.write_text(json.dumps({"overall": score, "class": {"a": score, "b": score}, "slices": {"empty": nothing}}))
    visit.open(serve(APP, home=tmp_path, TAGSCOPE_PERFORMANCE_FILE=str(file)))
    sheet = part(visit.section("performance"), "By slice")
    expect(sheet.get_by_role("status")).to_contain_text("no samples")
    assert figures(sheet) == ["–", "–", "–", "0"]
