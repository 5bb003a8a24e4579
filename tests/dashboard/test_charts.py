"""The charts of the Data section as they follow the state: what a click changes, and what a link opens."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.job import Job
from dashboard.sections.explore.charts import LengthsChart, TagsChart, TermsChart, TimelineChart
from dashboard.sections.explore.drawing import name_of
from dashboard.sections.explore.exploration import Exploration
from dashboard.state import DashboardState
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dashboard.samples import Samples


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


def explored(catalogue: Catalogue, **chosen: str) -> Exploration:
    state = DashboardState()
    state.samples.param.update(**chosen)
    exploration = Exploration(state, catalogue)
    exploration.open(catalogue.samples(catalogue.runs()[0].run_id))
    return exploration


def test_a_part_of_a_bar_chooses_tag_and_split_and_once_more_takes_the_tag_back(catalogue: Catalogue) -> None:
    exploration = explored(catalogue)
    chosen, chart = exploration.chosen, TagsChart(exploration)
    chart.picked(name_of("mlops", "test"))
    assert (chosen.tag, chosen.split) == ("mlops", "test")
    chart.picked(name_of("mlops", "test"))
    assert (chosen.tag, chosen.split) == ("", "test")
    exploration.clear()
    chart.picked(name_of("mlops"))
    chart.picked(name_of("mlops", "train"))
    assert (chosen.tag, chosen.split) == ("mlops", "train")
    # The label stands for the bar as it is drawn now: under this split.
    chart.picked(name_of("mlops"))
    assert (chosen.tag, chosen.split) == ("", "train")
    chart.picked(name_of("no such tag"))
    assert chosen.tag == ""


def test_a_click_keeps_a_condition_that_is_newer_than_the_chart(catalogue: Catalogue) -> None:
    exploration = explored(catalogue)
    chart = TagsChart(exploration)
    before = chart.shown
    exploration.chosen.words = "5..9"
    chart.shown = before
    chart.picked(name_of("mlops"))
    assert (exploration.chosen.tag, exploration.chosen.words) == ("mlops", "5..9")


def test_a_click_on_what_other_samples_showed_is_none(catalogue: Catalogue) -> None:
    exploration = explored(catalogue)
    chart = TagsChart(exploration)
    exploration.samples = catalogue.samples(catalogue.runs()[1].run_id)
    chart.picked(name_of("mlops"))
    assert exploration.chosen.tag == ""


def test_the_caption_lists_what_is_drawn_and_leads_there(catalogue: Catalogue) -> None:
    exploration = explored(catalogue)
    chart = TimelineChart(exploration)
    view = chart.caption.__panel__()
    assert "<li>" not in view.html
    view.picked = {"key": "as a list", "count": 1}
    assert view.html.count("<li>") == len(chart.shown.filters) - 1  # the rows without date are no cell
    key = next(key for key in chart.shown.filters if "mlops" in key)
    count = exploration.explorer.select(chart.shown.filters[key]).count
    view.picked = {"key": key, "count": 2}
    assert exploration.selection.count == count
    assert exploration.chosen.tag == "mlops"


def test_rows_that_are_cut_are_a_link(catalogue: Catalogue) -> None:
    exploration = explored(catalogue, length="tokens")
    explorer = exploration.samples.explorer
    lengths = [number % 50 for number in range(len(explorer.table))]

    def count(_report: object) -> int:
        exploration.samples._extend(tokens=lengths, token_limit=45)
        return 45

    exploration.samples.tokens = Job(count, "tokens")
    chart = LengthsChart(exploration)
    cut = sum(length > 45 for length in lengths)
    assert f"{cut} rows are cut</button>" in chart.caption.__panel__().html
    chart.picked(name_of("cut"))
    assert exploration.selection.count == cut
    assert exploration.chosen.tokens == "46.."


def test_another_run_in_tokens_counts_them_and_draws_once(catalogue: Catalogue) -> None:
    go_on = threading.Event()

    async def wait(met: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not met():
                await asyncio.sleep(0.01)

    def slowly(samples: Samples) -> Job[int]:
        def count(report: Callable[[str, float], None]) -> int:
            report("Counting tokens", 0.25)
            assert go_on.wait(60)
            samples._extend(tokens=[3] * samples.facts.num_rows, token_limit=9)
            return 9

        return Job(count, "tokens")

    async def visit() -> None:
        exploration = explored(catalogue, length="tokens")
        exploration.samples.tokens = Job(lambda _report: 9, "tokens")
        chart = LengthsChart(exploration)
        other = catalogue.samples(catalogue.runs()[1].run_id)
        other.tokens = slowly(other)
        exploration.open(other)
        await wait(lambda: "25%" in chart.caption.__panel__().html)
        drawn = chart.chart.chart
        exploration.chosen.length = "words"
        assert "counted" not in chart.caption.__panel__().html
        exploration.chosen.length = "tokens"
        again = chart.chart.chart
        assert (drawn.title, again.title) == ("words", "words")
        await asyncio.sleep(0.9)  # two looks at the work: no drawing belongs to them
        assert chart.chart.chart is again
        go_on.set()
        await wait(lambda: chart.chart.chart.title == "tokens")
        assert "The longest has 3 tokens." in chart.caption.__panel__().html

    asyncio.run(visit())


def test_the_words_are_those_of_the_tag_that_a_link_names(catalogue: Catalogue) -> None:
    exploration = explored(catalogue, tag="mlops")
    chosen, chart = exploration.chosen, TermsChart(exploration)

    def tags() -> set[str]:
        return {tag for filter in chart.shown.filters.values() for tag in filter.tags}

    first, second, third = list(exploration.samples.facts.tags)[:3]
    assert tags() == {"mlops"}
    chosen.tag = second
    assert tags() == {second}
    chosen.tag = ""
    assert tags() == {first}
    chosen.terms = third
    assert tags() == {third}
    # With itself nothing is compared.
    against = chart.shown
    chosen.against = third
    assert chart.shown.chart == against.chart
    chosen.against = first
    assert chart.shown.chart != against.chart
    word = next(iter(chart.shown.filters))
    count = exploration.explorer.select(chart.shown.filters[word]).count
    chart.picked(word)
    assert (chosen.tag, exploration.selection.count) == (third, count)
