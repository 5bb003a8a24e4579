"""The rows that a filter leaves while data sets, filters and what is known of rows change under way."""

from __future__ import annotations

import datetime
import threading
from typing import TYPE_CHECKING, Any

import pytest

import dashboard.sections.explore.exploration as module
from config.settings import load_settings
from dashboard.catalogue import Catalogue
from dashboard.sections.explore.controls import Facets, FilterFields, tag_options
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.samples_table import SamplesTable
from dashboard.state import DashboardState
from dashboard.url import UrlState, filter_fields
from engine.exploration.filter import Dates, Filter
from engine.runs.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dashboard.samples import Samples


@pytest.fixture
def catalogue(demo_home: Path) -> Catalogue:
    return Catalogue(load_settings(), open_store())


@pytest.fixture
def both(catalogue: Catalogue) -> tuple[Samples, Samples]:
    """Samples of two data sets, the default run's first."""
    first = catalogue.samples(catalogue.default_run())
    other = next(run.run_id for run in catalogue.runs() if run.manifest.dataset.digest != first.digest)
    return first, catalogue.samples(other)


@pytest.fixture
def exploration(catalogue: Catalogue) -> Exploration:
    return Exploration(DashboardState(), catalogue)


class Server:
    """Stands for a server: what runs in threads there is computed when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pending: list[Callable[[], None]] = []
        monkeypatch.setattr(module, "run", self._run)
        monkeypatch.setattr(module, "has_loop", lambda: True)
        monkeypatch.setattr(Exploration, "follow", self._follow)

    def _run(self, _worker: object, compute: Callable[[], Any], show: Callable[[Any], None], **_signs: Any) -> None:
        found = compute()
        self.pending.append(lambda: show(found))

    def _follow(self, job: Any, _worker: object, show: Callable[[], None]) -> None:
        show()
        if not job.status.is_over:
            self.pending.append(lambda: (job.wait(60), show()))

    def answer(self) -> None:
        """Show what is under way, and what that begins."""
        while self.pending:
            self.pending.pop(0)()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_rows_of_the_data_set_before_are_never_shown_for_the_one_after(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    before, after = both
    exploration.open(before)
    exploration.chosen.text = "graph"
    exploration.chosen.param.update(text="")
    exploration.chosen.text = "model"  # under way when the data set changes
    exploration.chosen.param.update(text="", tag="mlops")
    server.pending = server.pending[:-1]
    exploration.open(after)
    shown = exploration.selection
    server.answer()
    assert exploration.selection is shown is after.explorer.select(Filter(tags=("mlops",)))


def test_what_is_under_way_when_nothing_is_shown_any_more_changes_nothing(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    exploration.open(both[0])
    exploration.chosen.text = "graph"
    exploration.open(None)
    server.answer()
    assert exploration.selection is None
    assert exploration.problems == {}


def test_a_link_to_lengths_in_tokens_begins_to_count_them(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    exploration.chosen.tokens = "20.."
    exploration.open(both[0])
    server.pending.pop(0)()
    assert exploration.problems["tokens"].startswith("The lengths in tokens are being computed")
    assert exploration.selection.count == 905
    server.answer()
    assert exploration.problems == {}
    assert exploration.selection.count == int((both[0].explorer.table.tokens >= 20).sum())


def test_what_arrives_while_rows_are_found_is_not_said_to_be_lacking(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    exploration.chosen.tokens = "20.."
    exploration.open(both[0])
    both[0].tokens.start().wait(60)
    server.answer()
    assert exploration.problems == {}
    assert 0 < exploration.selection.count < 905


def test_a_finding_that_no_data_has_begins_no_work(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    exploration.chosen.param.update(finding="nonsense", tag="mlops")
    exploration.open(both[0])
    server.answer()
    assert 'no finding "nonsense"' in exploration.problems["finding"]
    assert both[0].findings.status.state == "waiting"
    assert exploration.selection.filter == Filter(tags=("mlops",))


def test_more_that_is_known_changes_rows_only_where_a_condition_waited(
    exploration: Exploration, both: tuple[Samples, Samples]
) -> None:
    exploration.open(both[0])
    turn, known = exploration.turn, exploration.known
    exploration.more_known()
    assert (exploration.turn, exploration.known) == (turn, known + 1)
    exploration.chosen.tokens = "20.."
    assert "tokens" in exploration.problems
    both[0].tokens.start().wait(60)
    exploration.more_known()
    assert exploration.problems == {}


def test_a_click_changes_only_what_it_is_about(exploration: Exploration, both: tuple[Samples, Samples]) -> None:
    exploration.open(both[0])
    exploration.chosen.param.update(tag="mlops", text="/(/", polygon="0,0;1,0;0,1", split="train")
    assert set(exploration.problems) == {"text", "polygon"}
    since = exploration.selection.filter
    exploration.go(since.change(created=Dates(datetime.date(2023, 1, 1))))
    chosen = exploration.chosen
    assert (chosen.text, chosen.polygon, chosen.created) == ("/(/", "0,0;1,0;0,1", "2023-01-01..")
    chosen.tag = "computer-vision"
    exploration.go(since.change(splits=("test",)), since)  # of a chart that is not drawn anew yet
    assert (chosen.tag, chosen.split, chosen.created) == ("computer-vision", "test", "2023-01-01..")


def test_the_page_stays_while_the_rows_do_and_is_that_of_the_link(
    exploration: Exploration, both: tuple[Samples, Samples]
) -> None:
    table = SamplesTable(exploration)
    exploration.chosen.page = "3"
    exploration.open(both[0])
    third = table.rows.frame.index.tolist()
    assert table.rows.number == 2
    exploration.refresh()
    assert table.rows.frame.index.tolist() == third
    table.rows._picked("page:next")
    assert (exploration.chosen.page, table.rows.number) == ("4", 3)
    exploration.chosen.tag = "mlops"
    assert (exploration.chosen.page, table.rows.number) == ("", 0)
    exploration.chosen.page = "999999999"
    assert table.rows.number == table.rows.pages - 1
    exploration.chosen.page = "nonsense"
    assert table.rows.number == 0


def test_a_click_in_the_table_of_other_data_opens_nothing(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    table = SamplesTable(exploration)
    exploration.open(both[0])
    server.answer()
    table.rows._picked("row:3")
    opened = exploration.chosen.row
    assert opened == str(table.rows.frame["id"].iloc[3])
    exploration.chosen.text = "graph"  # found in a thread, so the table still shows the rows before
    exploration.open(both[1])
    table.rows._picked("row:5")
    assert exploration.chosen.row == opened


def test_old_samples_are_let_go_of(exploration: Exploration, both: tuple[Samples, Samples], server: Server) -> None:
    exploration.chosen.tokens = "20.."
    exploration.open(both[0])
    server.pending.pop(0)()
    assert exploration._awaited
    exploration.open(None)
    assert not exploration._awaited
    both[0].tokens.wait(60)
    server.answer()
    assert exploration.selection is None


def test_each_tag_can_be_chosen_whatever_it_is_called() -> None:
    long = "x" * 90
    tags = {"All tags": 3, long + "1": 2, long + "2": 2, "All tags (3)": 1}
    options = tag_options(tags)
    assert list(options.values()) == ["", *tags]
    assert list(options)[:2] == ["All tags", "All tags (3)"]


def test_the_choice_of_tags_counts_them_under_the_other_conditions(
    exploration: Exploration, both: tuple[Samples, Samples]
) -> None:
    fields = FilterFields(exploration)
    exploration.open(both[0])
    assert list(fields.tag.options)[:2] == ["All tags", "natural-language-processing (293)"]
    exploration.chosen.param.update(tag="mlops", split="test")
    counts = both[0].explorer.select(Filter(splits=("test",), tags=("mlops",))).count
    assert fields.tag.options[f"mlops ({counts:,})"] == "mlops" == fields.tag.value
    assert len(fields.tag.options) == 1 + len(both[0].facts.tags)


def test_the_fields_of_lengths_in_tokens_are_there_when_tokens_are_known(
    exploration: Exploration, both: tuple[Samples, Samples]
) -> None:
    fields = FilterFields(exploration)
    exploration.open(both[0])
    assert not fields._tokens.visible
    both[0].tokens.start().wait(60)
    exploration.more_known()
    assert fields._tokens.visible
    fields._tokens.entered = {"values": {"first": "5", "last": "20"}, "count": 1}
    assert exploration.chosen.tokens == "5..20"
    assert fields._tokens.values == {"first": "5", "last": "20"}
    assert fields._tokens.heard == 1


def test_facets_of_other_data_lead_nowhere(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    facets = Facets(exploration)
    exploration.open(both[0])
    server.answer()
    exploration.chosen.text = "graph"
    exploration.open(both[1])
    facets._picked("split:test")
    assert exploration.chosen.split == ""


def test_a_search_that_is_called_off_shows_nothing(
    exploration: Exploration, both: tuple[Samples, Samples], server: Server
) -> None:
    exploration.open(both[0])
    shown = exploration.selection
    stopped = threading.Event()
    stopped.set()
    assert module._select(both[0].explorer, Filter(text="/a/"), {}, stopped.is_set) is None
    assert module._select(both[0].explorer, Filter(text="/a/", finding="x"), {}, stopped.is_set) is None
    assert exploration.selection is shown


def test_a_click_on_what_has_two_conditions_is_one_step_of_the_history(
    exploration: Exploration, both: tuple[Samples, Samples]
) -> None:
    steps: list[tuple[str, bool]] = []
    url = UrlState(filter_fields(exploration.chosen, lambda: None), lambda *step: steps.append(step), steps.append)
    url.read("?page=3")
    url.follow()
    exploration.open(both[0])
    days = Dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 31))
    exploration.go(Filter(tags=("mlops",), created=days))
    assert steps == [("?show=mlops&created=2024-01-01..2024-01-31", True)]
