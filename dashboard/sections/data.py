"""Data: how many labelled projects there are, which rows a filter leaves, what they are like, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.heading import HERO_CSS, hero_html, section_heading
from dashboard.components.layout import columns, section, stack, surface
from dashboard.components.lazy import Lazy
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.sections.base import Section, run
from dashboard.sections.explore.charts import LengthsChart, MissingChart, TagsChart, TermsChart, TimelineChart
from dashboard.sections.explore.controls import Facets, FilterFields, Strip
from dashboard.sections.explore.drawer import Drawer
from dashboard.sections.explore.exploration import Exploration
from dashboard.sections.explore.findings import FindingsList
from dashboard.sections.explore.samples_table import SamplesTable
from dashboard.sections.explore.text_map import TextMapView
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.samples import Samples

EXPLANATION = "What the model learns from and is judged on."


class DataSection(Section):
    """The data set of a run, or the data file that the settings name.

    Parameters
    ----------
    run_id
        Which run's data; by default the promoted run's.
    deferred
        Whether charts and findings wait until they are about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Examples
    --------
    >>> DataSection()  # doctest: +SKIP
    """

    place = "data"

    def __init__(self, run_id: str = "", *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        if run_id:
            self.state.selection.run_id = run_id
        self._deferred = deferred
        self.exploration = Exploration(self.state, self.catalogue)
        self._message = Message()
        self._hero = markup("", HERO_CSS)
        self._fields = FilterFields(self.exploration)
        self._table = SamplesTable(self.exploration)
        self._drawer = Drawer(self.exploration)
        self._body: pn.Column | None = None
        strip, facets = Strip(self.exploration), Facets(self.exploration)
        # What somebody has read before is shown at once: the first rows are found before the charts are made, so that
        # each draws them once.
        if not self._kept():
            self._read_later()
        self._body = stack(
            columns(
                surface(self._hero, fill=True),
                # Whole and as high as it will be: what stands below is clicked before the chart is there.
                self._later(TagsChart, TagsChart.height(self.exploration.samples), whole=True),
                template="minmax(280px, 2fr) 3fr",
            ),
            strip,
            surface(self._fields, facets, self._table),
            # One place for all that stands below the fold: what a page is made of keeps its first content waiting.
            self._later(self._rest, 420 + 400 + 640 + 460 + 3 * 20),
            self._drawer,
            gap=20,
            visible=self.exploration.samples is not None,
        )
        self._view = section(self.place, section_heading("Data", EXPLANATION), self._message, self._body)
        self.state.selection.param.watch(lambda _event: self._in_turn(self._read_later), "run_id")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _rest(self, exploration: Exploration) -> pn.Column:
        return stack(
            self._later(FindingsList, 420),
            self._later(lambda one: columns(TimelineChart(one), LengthsChart(one)), 400),
            self._later(TextMapView, 640),
            self._later(lambda one: columns(TermsChart(one), MissingChart(one)), 460),
            gap=20,
        )

    def _later(self, build: Callable[[Exploration], Any], height: int, **how: Any) -> Any:
        """Make a part now or, on the page, when it comes into sight."""
        if not self._deferred:
            return build(self.exploration)
        return Lazy(lambda: build(self.exploration), height=height, **how)

    def _kept(self) -> bool:
        """Show what has been read before; return whether there is such a thing."""
        try:
            samples = self.catalogue.kept_samples(self._run_id()) if self.catalogue.is_ready else None
        except TagscopeError:
            return False
        if samples is not None:
            self._fill(samples, "")
        return samples is not None

    def _read_later(self) -> None:
        """Read in a thread, as a million rows take a while; at once where no server is, as in a notebook."""
        run(self._worker, lambda: self._read(self._run_id()), lambda read: self._fill(*read), working=self._work)

    def _read(self, run_id: str) -> tuple[Samples | None, str]:
        try:
            return self.catalogue.samples(run_id), ""
        except TagscopeError as error:
            return None, sentence_of(error)

    def _work(self, busy: bool) -> None:
        if self._body is not None and self.exploration.samples is not None:
            self._body.loading = busy
        elif busy:
            self._message.param.update(text="The data is being read …", kind="hint")

    def _fill(self, samples: Samples | None, problem: str) -> None:
        """Show a data set, or say why there is none."""
        self._message.param.update(text=problem, kind="problem")
        if samples is not None:
            self._hero.object = hero_html(samples.facts)
        if self._body is not None:
            self._body.visible = samples is not None
        self.exploration.open(samples)
        self._drawer.open()
