"""Every count over several runs, and every weak slice, leads to exactly its rows, as pandas finds them on the disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import expect

from .conftest import APP
from .planted_runs import KNITTING, TAGS, Planted, planted_home, read_planted, slices_of
from .test_data import sheet
from .test_explore_charts import press
from .test_links import query

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator

    from .conftest import Visit

pytestmark = pytest.mark.ui
COURSES = ("always right", "fixed", "broken", "flaky", "never right")
SIGNS = str.maketrans("●○·", "10-")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_home(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def server(serve: Callable[..., str], home: Path) -> str:
    return serve(APP, home=home)


@pytest.fixture(scope="module")
def planted(home: Path) -> Planted:
    return read_planted(home)


@pytest.fixture
def leads(visit: Visit, planted: Planted, tmp_path: Path) -> Callable[[Locator, pd.Series, str, str], None]:
    """Click a button: the run, the sentence and the file with all rows are those of a mask over that run's rows."""

    def click(button: Locator, mask: pd.Series, run_id: str, words: str) -> None:
        ids, total = mask.index[mask], len(planted.judged[run_id])
        button.click()
        errors = visit.page.locator(".section-errors").last
        expect(errors.locator(".ts-shown")).to_have_text(f"{len(ids):,} of {total:,} examples: {words}")
        visit.page.wait_for_url(lambda _url: query(visit).get("run") == run_id)
        assert visit.saved(len(ids), tmp_path) == sorted(ids)

    return click


def compare_with(visit: Visit, run_id: str) -> Locator:
    """Bring Compare into sight, as it is for this run."""
    compare = visit.section("compare")
    expect(sheet(compare, "Right answers by slice against the base run").locator("th.shown")).to_contain_text(
        run_id[:8]
    )
    return compare


def test_a_point_of_the_timeline_shows_the_run_whose_figure_stands_there(
    server: str, visit: Visit, planted: Planted
) -> None:
    first, second, third = planted.run_ids
    answers = planted.over_the_runs(third)
    visit.open(f"{server}/app?run={third}&compare={first}")
    compare = compare_with(visit, third)
    # The run that is neither, by its day and the beginning of its id; then the base.
    for run_id, words in ((second, planted.created[second][:10]), (first, "base run: ")):
        tip = press(compare, "Over the runs", words)
        said = answers[answers[run_id] != "-"]
        assert f"{run_id[:4]} {(said[run_id] == '1').mean():.3f} " in tip
        assert f", {len(said)} examples, run {run_id[:8]}" in tip
        visit.page.wait_for_url(lambda _url, run_id=run_id: query(visit)["run"] == run_id)
        if run_id == second:
            assert query(visit)["compare"] == first
            compare_with(visit, second)


def test_courses_and_patterns_lead_to_their_examples(
    server: str, visit: Visit, planted: Planted, leads: Callable[..., None]
) -> None:
    *_, shown, reference = planted.run_ids
    rows = planted.over_the_runs(reference)
    visit.open(f"{server}/app?run={shown}&compare={planted.run_ids[0]}")
    courses = sheet(compare_with(visit, shown), "What became of the examples")
    # All that stands there, before some of it is clicked.
    for course in COURSES:
        expect(courses.locator(f'.counts [data-pick="{course}"] b')).to_have_text(
            f"{(rows['course'] == course).sum():,}"
        )
    lines = courses.locator(".ts-courses tbody tr")
    expect(lines).to_have_count(len(TAGS))
    for line in lines.all():
        own = rows[rows["tag"] == line.locator("th").inner_text()]
        assert line.locator("td").all_inner_texts() == [str((own["course"] == course).sum()) for course in COURSES]
    lines = courses.locator(".ts-patterns tbody tr")
    patterns = [text.translate(SIGNS) for text in lines.locator("th").all_inner_texts()]
    counts, frequent = lines.locator("td").all_inner_texts(), rows["pattern"].value_counts()
    assert counts == [str(frequent[pattern]) for pattern in patterns]
    assert counts == [str(count) for count in frequent][:12]

    for course in COURSES:
        button = courses.locator(f'.counts [data-pick="{course}"]')
        leads(button, rows["course"] == course, reference, f"{course} over the runs")
        compare_with(visit, reference)
    for tag, course in (("operations", "broken"), ("vision", "flaky"), ("language", "never right")):
        button = courses.get_by_role("button", name=re.compile(rf"^\d+ {course}, {tag}$"))
        mask = (rows["tag"] == tag) & (rows["course"] == course)
        leads(button, mask, reference, f"true tag {tag}, {course} over the runs")
    unjudged = next(pattern for pattern in patterns if "-" in pattern)
    for pattern in dict.fromkeys((unjudged, patterns[1], patterns[-1])):
        button = lines.nth(patterns.index(pattern)).get_by_role("button")
        leads(button, rows["pattern"] == pattern, reference, f"answered {pattern} over the runs")


def flips(pair: pd.DataFrame) -> dict[str, pd.Series]:
    """Which rows one run fixed and broke since another one."""
    return {"fixed": ~pair["was"] & pair["now"], "broken": pair["was"] & ~pair["now"]}


def test_changes_since_a_run_lead_to_their_examples(
    server: str, visit: Visit, planted: Planted, leads: Callable[..., None]
) -> None:
    base, _second, shown = planted.run_ids
    pair = planted.pair(base, shown)
    changed = flips(pair)
    # Of a tag, what is right is to know whether a row has it.
    has, was, now = (pair[name] == "vision" for name in ("tag", "then", "predicted_tag"))
    tag = {"fixed": (was != has) & (now == has), "broken": (was == has) & (now != has)}
    visit.open(f"{server}/app?run={shown}&compare={base}")
    compare = compare_with(visit, shown)
    changes, since = sheet(compare, "Fixed and broken examples"), f"since run {base[:8]}"
    steps = [
        (compare.locator('.counts [data-pick="fixed"]').first, changed["fixed"], f"fixed {since}"),
        (changes.get_by_role("button", name="Show all "), changed["broken"], f"broken {since}"),
    ]
    for flip in changed:
        mask, part = tag[flip], changed[flip] & slices_of(pair)["june"]
        button = changes.get_by_role("button", name=f"{mask.sum()} {flip}, vision", exact=True)
        steps.append((button, mask, f"tag vision, {flip} {since}"))
        button = changes.get_by_role("button", name=f"{part.sum()} {flip}, june", exact=True)
        steps.append((button, part, f"slice june, {flip} {since}"))
    for button, mask, words in steps:
        leads(button, mask.reindex(planted.judged[shown].index, fill_value=False), shown, words)


def test_cells_of_slices_lead_to_what_was_fixed_and_broken_and_heads_to_their_run(
    server: str, visit: Visit, planted: Planted, leads: Callable[..., None]
) -> None:
    base, second, third = planted.run_ids
    visit.open(f"{server}/app?run={third}&compare={base}")
    matrix = sheet(compare_with(visit, third), "Right answers by slice against the base run").locator(".ts-matrix")

    def cell(run_id: str, name: str) -> Locator:
        line = matrix.locator("tr", has=visit.page.locator(f"th:text-is('{name}')"))
        return line.locator(f'td > [data-pick$="{run_id}"]')

    # A click on the cell itself leads to what made the change, to the better or to the worse; its tip offers both.
    for run_id, pressed, made, offered in (
        (second, "long vision", "fixed", "june"),
        (third, "knitting", "broken", "june"),
    ):
        pair = planted.pair(base, run_id)
        slices, changed = slices_of(pair), flips(pair)
        masks = {name: {flip: part & changed[flip] for flip in changed} for name, part in slices.items()}
        expect(matrix.locator("tbody th")).to_have_count(len(masks))
        for name, of_name in masks.items():
            counts = ", ".join(f"{mask.sum()} {flip}" for flip, mask in of_name.items())
            if any(mask.any() for mask in of_name.values()):
                expect(cell(run_id, name)).to_have_attribute("aria-label", re.compile(f" {counts}; a click "))
            else:
                expect(cell(run_id, name)).to_have_count(0)
        for name, flip in ((pressed, made), (offered, "fixed"), (offered, "broken")):
            mask = masks[name][flip]
            button = cell(run_id, name)
            if name == pressed:
                assert mask.sum() > sum(other.sum() for other in masks[name].values()) / 2
            else:
                # So that the tip below is in sight, too: where the page scrolls, the mouse is elsewhere.
                button.evaluate("element => element.scrollIntoView({block: 'center'})")
                button.hover()
                tip = button.locator("xpath=..").locator(".tip")
                # Once the mouse has rested, it can go there.
                expect(tip).to_have_css("pointer-events", "auto")
                button = tip.get_by_role("button", name=f"{mask.sum()} {flip}")
            mask = mask.reindex(planted.judged[run_id].index, fill_value=False)
            leads(button, mask, run_id, f"slice {name}, {flip} since run {base[:8]}")
            compare_with(visit, run_id)
    # Rows are no buttons; the head of a column shows its run against the same base.
    expect(matrix.locator("tbody th button")).to_have_count(0)
    matrix.get_by_role("columnheader", name=second[:8]).get_by_role("button").click()
    visit.page.wait_for_url(lambda _url: query(visit)["run"] == second)
    assert query(visit)["compare"] == base


def meets(phrase: str, rows: pd.DataFrame) -> tuple[str, pd.Series]:
    """Return the kind of a condition as the page words it, and the rows that meet it."""
    if found := re.fullmatch(r'with the word "(\w+)"', phrase):
        return "word", rows["said"].map(lambda said: found[1] in said)
    if found := re.fullmatch(r"of at most (\d+) words", phrase):
        return "length", rows["words"] <= int(found[1])
    if found := re.fullmatch(r"of at least (\d+) words", phrase):
        return "length", rows["words"] >= int(found[1])
    if found := re.fullmatch(r"of (\d+)(?: to (\d+))? words", phrase):
        return "length", rows["words"].between(int(found[1]), int(found[2] or found[1]))
    if found := re.fullmatch(r"from (\w+ \d{4})", phrase):
        return "month", rows["created"].dt.strftime("%B %Y") == found[1]
    if found := re.fullmatch(r'with the tag "(\w+)"', phrase):
        return "tag", rows["tag"] == found[1]
    assert re.fullmatch(r"about \w+, \w+, \w+", phrase), phrase
    return "neighbourhood", rows["said"].map(lambda said: not set(KNITTING.split()).isdisjoint(said))


def test_weak_slices_lead_to_their_rows_and_to_the_errors_among_them(
    server: str, visit: Visit, planted: Planted, leads: Callable[..., None]
) -> None:
    visit.open(f"{server}/app?run={planted.run_ids[0]}")
    kinds = set()
    for run_id in (planted.run_ids[0], planted.run_ids[-1]):
        performance, rows = visit.section("performance"), planted.judged[run_id]
        if run_id != planted.run_ids[0]:
            visit.choose(performance.get_by_role("combobox", name="Run"), re.compile(run_id[:8]))
        weak = sheet(performance, "Weak slices")
        expect(weak.locator(".found")).to_contain_text(f" among {len(rows)} rows; 3 have more errors than chance")
        for place, line in enumerate(weak.locator("tbody tr").all()):
            name = line.locator('[data-pick^="rows:"]').inner_text()
            conditions = [meets(phrase, rows) for phrase in name.split(" and ")]
            mask = pd.concat([mask for _kind, mask in conditions], axis=1).all(axis=1)
            kinds.add(" and ".join(kind for kind, _mask in conditions))
            errors = mask & ~rows["right"]
            wrong = line.locator('[data-pick^="wrong:"]')
            expect(wrong).to_have_text(f"{errors.sum()} of {mask.sum()}")
            leads(line.locator('[data-pick^="rows:"]'), mask, run_id, f"rows {name}")
            if not place:
                leads(wrong, errors, run_id, f"wrong, rows {name}")
    assert kinds == {"word", "month", "word and tag", "tag", "length", "neighbourhood"}
