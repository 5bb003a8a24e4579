"""Data: how many labelled projects there are, how their tags are spread, and the projects themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.charts import Bar, BarChart
from dashboard.components.fields import select, set_text, text_input
from dashboard.components.heading import HERO_CSS, hero_html, section_heading, sub_heading
from dashboard.components.layout import columns, section, stack, surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.components.table import SampleTable
from dashboard.sections.base import Section
from dashboard.text import plain_text
from engine.errors import TagscopeError

if TYPE_CHECKING:
    import panel as pn

    from dashboard.samples import Samples

EXPLANATION = "What the model learns from and is judged on."
MOST_BARS = 24
_COUNT_CSS = "p { text-align: right; font-variant-numeric: tabular-nums; }"


class DataSection(Section):
    """The data set of a run, or the data file that the settings name.

    Parameters
    ----------
    run_id
        Which run's data; by default the promoted run's.
    deferred
        Whether the chart waits until it is about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Examples
    --------
    >>> DataSection()  # doctest: +SKIP
    """

    def __init__(self, run_id: str = "", *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        if run_id:
            self.state.selection.run_id = run_id
        chosen = self.state.samples
        self._samples: Samples | None = None
        self._filling = False
        self._message = Message()
        self._hero = markup("", HERO_CSS)
        self._chart = BarChart(self.state.appearance, axis="projects", deferred=deferred)
        self._tag = select("Tag", {"All tags": ""}, "")
        self._text = text_input("Contains", chosen.text, "a word or a part of one")
        self._count = markup("", _COUNT_CSS)
        self._table = SampleTable()
        controls = columns(
            self._tag, self._text, self._count, template="250px 290px 1fr", narrow=640, gap=14, align="center"
        )
        top = columns(
            surface(self._hero, fill=True),
            surface(sub_heading("Projects per tag"), self._chart, fill=True),
            template="minmax(280px, 2fr) 3fr",
        )
        self._body = stack(top, surface(controls, self._table), gap=20)
        self._view = section("data", section_heading("Data", EXPLANATION), self._message, self._body)
        self._fill(*self._read(self._run_id()))
        self.state.selection.param.watch(self._run_changed, "run_id")
        chosen.param.watch(self._filter, ["tag", "text"])
        self._tag.param.watch(self._tag_chosen, "value")
        self._text.param.watch(lambda event: chosen.param.update(text=event.new), "value_input")
        self._chart.param.watch(self._bar_picked, "picked", onlychanged=False)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _read(self, run_id: str) -> tuple[Samples | None, str]:
        try:
            return self.catalogue.samples(run_id), ""
        except TagscopeError as error:
            return None, str(error)

    def _run_changed(self, _event: object) -> None:
        run_id = self._run_id()
        self._worker.run(lambda: self._read(run_id), lambda read: self._fill(*read))

    def _fill(self, samples: Samples | None, problem: str) -> None:
        """Show a data set, or say why there is none."""
        self._message.text = problem
        self._body.visible = samples is not None
        self._samples = samples
        if samples is None:
            return
        facts = samples.facts
        self._hero.object = hero_html(facts)
        self._chart.bars = [
            Bar(tag, count, f"{count:,}", f"{count:,}, {count / facts.num_rows:.0%} of all projects")
            for tag, count in list(facts.tags.items())[:MOST_BARS]
        ]
        self._filling = True
        self._tag.options = {"All tags": "", **{plain_text(tag, 60): tag for tag in facts.tags}}
        self._filling = False
        self._table.titles = samples.titles
        self._filter()

    def _filter(self, *_events: object) -> None:
        """Show the rows that the filter leaves."""
        if self._samples is None:
            return
        tag, text = self.state.samples.tag, self.state.samples.text
        if tag not in self._samples.facts.tags:
            tag = ""
        rows = self._samples.rows(tag, text)
        self._filling = True
        self._tag.value = tag
        self._filling = False
        set_text(self._text, text)
        self._chart.selected = tag
        self._table.frame = rows
        total = self._samples.facts.num_rows
        shown = f"{len(rows):,} of {total:,} projects" if len(rows) < total else f"{total:,} projects"
        self._count.object = f'<p class="ts-muted ts-shown">{shown}</p>'

    def _tag_chosen(self, event: Any) -> None:
        # The selector also moves when the state or the data set does, which is nobody's choice.
        if not self._filling:
            self.state.samples.tag = event.new

    def _bar_picked(self, event: Any) -> None:
        chosen = self.state.samples
        chosen.tag = "" if chosen.tag == event.new else event.new
