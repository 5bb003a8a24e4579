"""The charts of the rows that the filter leaves; a click on what is drawn leads to exactly the rows it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, surface
from dashboard.components.lazy import skeleton
from dashboard.components.markup import markup
from dashboard.components.rectangles import RectangleChart
from dashboard.components.work import Worker
from dashboard.sections.explore.controls import PILL_CSS
from dashboard.sections.explore.drawing import (
    MOST_ROWS,
    draw_lengths,
    draw_missing,
    draw_tags,
    draw_terms,
    draw_timeline,
)
from dashboard.sections.explore.exploration import run
from dashboard.text import plain_text, safe_text
from engine.errors import TagscopeError
from engine.exploration.bars import count_missing, count_tags
from engine.exploration.histogram import count_lengths
from engine.exploration.terms import characteristic_terms
from engine.exploration.timeline import count_over_time

if TYPE_CHECKING:
    import panel as pn

    from dashboard.sections.explore.drawing import Drawn
    from dashboard.sections.explore.exploration import Exploration
    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection

MOST_TAGS_OVER_TIME = 24
_REST = "all other tags"
_SWITCH_CSS = PILL_CSS + ".switch { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; font-size: 14px; }"


class FilteredChart(Viewer):
    """A chart that follows the exploration; what it shows is worked out in a thread.

    A kind of chart says what is drawn (`compute`, in a thread) and how the answer is said in words (`remark`).
    """

    title = ""
    labels: ClassVar[dict[str, bool]] = {"rows_have_labels": True}

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self.exploration = exploration
        self.chart = RectangleChart(exploration.state.appearance, **self.labels)
        self.filters: list[Filter] = []
        self._remark = markup("", visible=False)
        self._worker = Worker()
        self._view = surface(*self._parts(), skeleton(220), fill=True)
        self._has_chart = False
        self.chart.param.watch(lambda event: self.picked(event.new["key"]), "picked")
        exploration.param.watch(self.refresh, "turn")
        exploration.state.appearance.param.watch(self.refresh, "dark")
        self.refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Return what is drawn, and a remark below it as HTML."""
        raise NotImplementedError

    def picked(self, key: int) -> None:
        """Go to the rows of a rectangle."""
        self.exploration.go(self.filters[key])

    def refresh(self, *_events: object) -> None:
        """Draw the rows on show now."""
        selection = self.exploration.selection
        if selection is not None:
            run(self._worker, lambda: self._try(selection), self._show, working=self._working)

    @property
    def dark(self) -> bool:
        """Whether the theme is dark."""
        return bool(self.exploration.state.appearance.dark)

    def _parts(self) -> list[Any]:
        return [sub_heading(self.title), self._remark]

    def _try(self, selection: Selection) -> tuple[Drawn | None, str]:
        try:
            return self.compute(selection)
        except TagscopeError as error:
            return None, safe_text(error)

    def _working(self, busy: bool) -> None:
        self._view.loading = busy

    def _show(self, answer: tuple[Drawn | None, str]) -> None:
        drawn, remark = answer
        self._remark.param.update(object=f'<p class="ts-muted">{remark}</p>', visible=bool(remark))
        self.chart.__panel__().visible = drawn is not None
        if drawn is None:
            return
        self.chart.chart, self.filters = drawn
        if not self._has_chart:
            # The page gets the chart with its first bars in it. Panel and Bokeh send by ways of their own, and what
            # Bokeh says of a chart can arrive before the chart does.
            self._has_chart = True
            self._view[-1] = self.chart


class TagsChart(FilteredChart):
    """Rows by tag, in shades by split, under all conditions but that on tags: a click moves from tag to tag."""

    title = "Projects per tag"

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Count tags."""
        explorer = self.exploration.explorer
        filter = selection.filter
        rows = explorer.select(filter.change(tags=()))
        bars = count_tags(explorer.table, rows)
        self._labels = [bar.label for bar in bars]
        remark = f"The {MOST_ROWS} most frequent of {len(bars):,} tags." if len(bars) > MOST_ROWS else ""
        if any(bar.parts for bar in bars):
            remark += " Light to dark: train, validation, test."
        return draw_tags(bars, rows.count, next(iter(filter.tags), ""), self.dark), remark.strip()

    def picked(self, key: int) -> None:
        """Choose a tag, or take the choice back."""
        if self.filters[key].tags == (self.exploration.chosen.tag,):
            self.exploration.clear("tag")
        else:
            super().picked(key)


class TimelineChart(FilteredChart):
    """Rows over time by tag; a click goes into a span of time, where finer ones appear."""

    title = "Over time"
    labels: ClassVar[dict[str, bool]] = {"rows_have_labels": True, "columns_have_labels": True}

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Count rows by time."""
        timeline = count_over_time(self.exploration.explorer.table, selection)
        shown = sum(1 for counts in timeline.counts if counts.any())
        remarks = []
        if not timeline.firsts:
            remarks.append("No row here has a date.")
        elif timeline.undated:
            remarks.append(f"{timeline.undated:,} rows have no date.")
        if shown > MOST_TAGS_OVER_TIME:
            remarks.append(f"The {MOST_TAGS_OVER_TIME} most frequent of {shown:,} tags.")
        return draw_timeline(timeline, MOST_TAGS_OVER_TIME, self.dark), " ".join(remarks)


class LengthsChart(FilteredChart):
    """Rows by length in words or, where a run is there, in tokens, with the length at which its model cuts."""

    title = "Length"
    labels: ClassVar[dict[str, bool]] = {"columns_have_labels": True}

    def __init__(self, exploration: Exploration) -> None:
        self._column = "words"
        self._switch = Clickable(_SWITCH_CSS, on_pick=self._switched)
        self._counting = Worker()
        super().__init__(exploration)
        self._draw_switch()

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Count lengths."""
        explorer, samples = self.exploration.explorer, self.exploration.samples
        assert samples is not None
        status = samples.tokens.status
        if self._column == "tokens" and explorer.table.tokens is None and status.state != "failed":
            return draw_lengths(count_lengths(explorer, selection), self.dark), (
                f"Tokens are being counted: {status.share:.0%}. Until then, words."
            )
        if self._column == "tokens" and status.state == "failed":
            return draw_lengths(count_lengths(explorer, selection), self.dark), safe_text(status.sentence)
        histogram = count_lengths(explorer, selection, self._column)
        remark = f"The longest has {histogram.longest:,} {self._column}."
        if histogram.limit is not None:
            remark += f" The model reads {histogram.limit:,}: {histogram.cut:,} rows are cut."
        return draw_lengths(histogram, self.dark), remark

    def _parts(self) -> list[Any]:
        return [sub_heading(self.title), self._switch, self._remark]

    def _draw_switch(self) -> None:
        buttons = "".join(
            f'<button class="pill" data-pick="{name}" aria-pressed="{str(name == self._column).lower()}">'
            f"{name.capitalize()}</button>"
            for name in ("words", "tokens")
        )
        self._switch.html = f'<div class="switch">{buttons}</div>'

    def _switched(self, column: str) -> None:
        self._column = column
        self._draw_switch()
        samples = self.exploration.samples
        if column == "tokens" and samples is not None:
            self.exploration.follow(samples.tokens.start(), self._counting, self.refresh)
        else:
            self.refresh()


class TermsChart(FilteredChart):
    """The words that characterise a tag, against the rest or another tag."""

    title = "Characteristic words"

    def __init__(self, exploration: Exploration) -> None:
        self._filling = False
        self._tag, self._other = select("Words of"), select("against")
        super().__init__(exploration)
        for field in (self._tag, self._other):
            field.param.watch(self._chosen, "value")

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Find terms."""
        explorer = self.exploration.explorer
        tag = self._tag.value or ""
        # The words of a tag are found among the rows of all tags; the other conditions hold.
        rows = explorer.select(selection.filter.change(tags=()))
        terms = characteristic_terms(explorer, rows, tag, self._other.value or None, count=16)
        remark = "" if terms else "No word is more frequent here than there."
        return draw_terms(terms, self.dark), remark

    def refresh(self, *events: Any) -> None:
        """Draw the terms of the tag that is chosen here or in the filter."""
        samples = self.exploration.samples
        if samples is None:
            return
        tags = list(samples.facts.tags)
        filtered = self.exploration.chosen.tag
        self._filling = True
        options = {plain_text(tag, 60): tag for tag in tags}
        if list(self._tag.options.values() if self._tag.options else ()) != tags:
            self._tag.param.update(options=options, value=tags[0])
            self._other.param.update(options={_REST: "", **options}, value="")
        if filtered in tags and any(event.name == "turn" for event in events):
            self._tag.value = filtered
            if self._other.value == filtered:
                self._other.value = ""
        self._filling = False
        super().refresh()

    def _parts(self) -> list[Any]:
        fields = columns(self._tag, self._other, narrow=500, gap=12)
        return [sub_heading(self.title), fields, self._remark]

    def _chosen(self, _event: Any) -> None:
        if not self._filling:
            super().refresh()


class MissingChart(FilteredChart):
    """Rows with nothing in a column."""

    title = "Missing values"

    def compute(self, selection: Selection) -> tuple[Drawn, str]:
        """Count empty cells."""
        samples, explorer = self.exploration.samples, self.exploration.explorer
        assert samples is not None
        bars = count_missing(explorer.table, selection, explorer.select)
        # A file without dates lacks a column, not values.
        bars = [bar for bar in bars if bar.label != "created" or samples.has_dates]
        bars = [bar for bar in bars if bar.label not in ("outcome", "predicted")]
        return draw_missing(bars, samples.titles, selection.count, self.dark), ""
