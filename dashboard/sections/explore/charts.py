"""The charts of the rows that the filter leaves; a click on what is drawn leads to exactly the rows it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from panel.viewable import Viewer

from dashboard.components.caption import Caption, button
from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, stack, surface
from dashboard.components.pills import PILL_CSS
from dashboard.components.rectangles import Chart, RectangleChart
from dashboard.components.skeleton import skeleton
from dashboard.components.work import Worker
from dashboard.sections.base import run
from dashboard.sections.explore.drawing import (
    MOST_ROWS,
    draw_lengths,
    draw_missing,
    draw_tags,
    draw_terms,
    draw_timeline,
    height_of,
    name_of,
    splits_of,
)
from dashboard.text import safe_text, sentence_of, unique_labels
from engine.errors import TagscopeError
from engine.exploration.bars import count_missing, count_tags
from engine.exploration.filter import Filter
from engine.exploration.histogram import count_lengths
from engine.exploration.terms import characteristic_terms
from engine.exploration.timeline import count_over_time

if TYPE_CHECKING:
    import panel as pn

    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration
    from engine.exploration.selection import Selection

_REST = "all other tags"
# What a sheet takes beside its chart: margins, its title, and one line below.
_SHEET_PIXELS = 115
_UNDATED, _CUT = name_of("undated"), name_of("cut")
_SWITCH_CSS = PILL_CSS + ".switch { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; font-size: 14px; }"


class Shown(msgspec.Struct, frozen=True):
    """A chart with the filter of each key in it and in the remark below, which is HTML; None: there is nothing to draw.

    `before` is the filter of the rows that are drawn.
    """

    chart: Chart | None
    filters: dict[str, Filter] = {}
    remark: str = ""
    before: Filter = Filter()


class FilteredChart(Viewer):
    """A chart that follows the exploration; what it shows is worked out in a thread.

    A kind of chart says what is drawn (`compute`, in a thread).
    """

    title = ""
    labels: ClassVar[dict[str, bool]] = {"rows_have_labels": True}

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self.exploration = exploration
        self.chart = RectangleChart(exploration.state.appearance, **self.labels)
        self.caption = Caption(self.title, self.picked)
        self.shown = Shown(None)
        self._samples: Samples | None = None
        self._worker = Worker()
        # The page gets the chart with its first bars in it. Panel and Bokeh send by ways of their own, and what Bokeh
        # says of a chart can arrive before the chart does.
        self._place = stack(skeleton(220))
        self._view = surface(sub_heading(self.title), *self.controls(), self._place, self.caption, fill=True)
        self.chart.param.watch(lambda event: self.picked(event.new["key"]), "picked")
        exploration.param.watch(self.refresh, "turn")
        exploration.state.appearance.param.watch(self.refresh, "dark")
        self.refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Return what is drawn of some rows."""
        raise NotImplementedError

    def controls(self) -> list[Any]:
        """Return what stands above the chart."""
        return []

    def picked(self, key: str) -> None:
        """Go to the rows of what was clicked; nothing happens where the chart has it no more."""
        filter = self.shown.filters.get(key)
        if filter is None or self._samples is not self.exploration.samples:
            return
        self.go(filter)

    def go(self, filter: Filter) -> None:
        """Change the filter, as far as the click is about it: another condition may have changed since it was drawn."""
        self.exploration.go(filter, self.shown.before)

    def refresh(self, *_events: object) -> None:
        """Draw the rows on show now."""
        samples, selection = self.exploration.samples, self.exploration.selection
        if samples is None or selection is None:
            return

        def compute() -> Shown:
            try:
                return self.compute(samples, selection)
            except TagscopeError as error:
                return Shown(None, remark=safe_text(sentence_of(error)))

        run(self._worker, compute, lambda shown: self._show(samples, shown), working=self._working)

    @property
    def dark(self) -> bool:
        """Whether the theme is dark."""
        return bool(self.exploration.state.appearance.dark)

    def _working(self, busy: bool) -> None:
        self._view.loading = busy

    def _show(self, samples: Samples, shown: Shown) -> None:
        if samples is not self.exploration.samples:
            return
        self._samples, self.shown = samples, shown
        self.caption.show(shown.remark, shown.chart)
        self._place.visible = shown.chart is not None
        if shown.chart is None:
            return
        self.chart.chart = shown.chart
        if self._place[0] is not self.chart.__panel__():
            self._place[:] = [self.chart.__panel__()]


class TagsChart(FilteredChart):
    """Rows by tag, in shades by split, under all conditions but that on tags: a click moves from tag to tag."""

    title = "Projects per tag"

    @staticmethod
    def height(samples: Samples | None) -> int:
        """Return how many pixels its sheet will take, with a remark of one line."""
        return height_of(min(len(samples.facts.tags), MOST_ROWS) if samples is not None else 1) + _SHEET_PIXELS

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Count tags."""
        explorer, filter = samples.explorer, selection.filter
        rows = explorer.select(filter.change(tags=()))
        bars = count_tags(explorer.table, rows)
        splits = splits_of(bars)
        remarks = [f"The {MOST_ROWS} most frequent of {len(bars):,} tags."] if len(bars) > MOST_ROWS else []
        if len(splits) > 1:
            remarks.append(f"Faint to strong: {', '.join(safe_text(split, 40) for split in splits)}.")
        chart, filters = draw_tags(bars, rows.count, next(iter(filter.tags), ""), self.dark)
        return Shown(chart, filters, " ".join(remarks), rows.filter)

    def go(self, filter: Filter) -> None:
        """Choose a tag, and a split with it; or take the choice of the tag back."""
        chosen = self.exploration.chosen
        same_split = filter.splits in (self.shown.before.splits, (chosen.split,))
        if filter.tags == (chosen.tag,) and same_split:
            self.exploration.clear("tag")
        else:
            super().go(filter)


class TimelineChart(FilteredChart):
    """Rows over time by tag; a click goes into a span of time, where finer ones appear."""

    title = "Over time"
    labels: ClassVar[dict[str, bool]] = {"rows_have_labels": True, "columns_have_labels": True}

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Count rows by time."""
        timeline = count_over_time(samples.explorer.table, selection)
        tags = sum(1 for counts in timeline.counts if counts.any())
        remarks = []
        if not timeline.firsts:
            remarks.append("No row here has a date.")
        elif timeline.undated:
            remarks.append(button(_UNDATED, f"{_rows(timeline.undated, 'has', 'have')} no date") + ".")
        if tags > MOST_ROWS:
            remarks.append(f"The {MOST_ROWS} most frequent of {tags:,} tags.")
        chart, filters = draw_timeline(timeline, MOST_ROWS, self.dark)
        return Shown(chart, filters | {_UNDATED: timeline.undated_filter}, " ".join(remarks), selection.filter)


class LengthsChart(FilteredChart):
    """Rows by length in words or, where a run is there, in tokens, with the length at which its model cuts."""

    title = "Length"
    labels: ClassVar[dict[str, bool]] = {"columns_have_labels": True}

    def __init__(self, exploration: Exploration) -> None:
        self._switch = Clickable(_SWITCH_CSS, on_pick=self._switched)
        self._counting = Worker()
        self._followed: Samples | None = None
        super().__init__(exploration)
        exploration.param.watch(self.refresh, "known")
        exploration.chosen.param.watch(self.refresh, "length")

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Count lengths: in words until the tokens are known."""
        explorer, status = samples.explorer, samples.tokens.status
        column = self._column if explorer.table.tokens is not None else "words"
        histogram = count_lengths(explorer, selection, column)
        remark = f"The longest has {histogram.longest:,} {column}."
        filters = {}
        if column != self._column:
            remark = safe_text(status.sentence) or _counting(status.share)
        elif histogram.limit is not None:
            filters[_CUT] = histogram.cut_filter
            cut = _rows(histogram.cut, "is", "are") + " cut"
            remark += f" The model reads {histogram.limit:,}: {button(_CUT, cut) if histogram.cut else cut}."
        chart, drawn = draw_lengths(histogram, self.dark)
        return Shown(chart, drawn | filters, remark, selection.filter)

    def controls(self) -> list[Any]:
        """Return the choice between words and tokens."""
        return [self._switch]

    def refresh(self, *events: object) -> None:
        """Draw; and begin to count tokens if these are to be shown and nobody has counted them."""
        buttons = "".join(
            f'<button class="pill" data-pick="{name}" aria-pressed="{str(name == self._column).lower()}">'
            f"{name.capitalize()}</button>"
            for name in ("words", "tokens")
        )
        self._switch.html = f'<div class="switch">{buttons}</div>'
        samples = self.exploration.samples
        wanted = samples is not None and self._column == "tokens" and not samples.tokens.status.is_over
        if samples is not None and wanted and samples is not self._followed:
            self._followed = samples
            self.exploration.follow(samples.tokens.start(), self._counting, lambda: self._look(samples))
        super().refresh(*events)

    @property
    def _column(self) -> str:
        return "tokens" if self.exploration.chosen.length == "tokens" else "words"

    def _look(self, samples: Samples) -> None:
        """Say how far the counting is; what is drawn changes when it is over."""
        if samples is not self.exploration.samples:
            return
        status = samples.tokens.status
        if status.is_over:
            self._followed = None
            self.exploration.more_known()
        elif self._column == "tokens":
            self.caption.say(_counting(status.share))

    def _switched(self, column: str) -> None:
        samples = self.exploration.samples
        if column == "tokens" and samples is not None and samples.tokens.status.state == "failed":
            samples.tokens.start()  # once more, as somebody asks for it
        if column == self._column:
            self.refresh()
        else:
            self.exploration.chosen.length = column


class TermsChart(FilteredChart):
    """The words that characterise a tag, against the rest or another tag."""

    title = "Characteristic words"

    def __init__(self, exploration: Exploration) -> None:
        self._filling = False
        self._tag, self._other = select("Words of"), select("against")
        super().__init__(exploration)
        self._tag.param.watch(self._tag_chosen, "value")
        self._other.param.watch(self._other_chosen, "value")
        exploration.chosen.param.watch(self.refresh, ["terms", "against"])

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Find terms."""
        explorer = samples.explorer
        tag, other = self._compared(samples)
        # The words of a tag are found among the rows of all tags; the other conditions hold.
        rows = explorer.select(selection.filter.change(tags=()))
        terms = characteristic_terms(explorer, rows, tag, other or None, count=16)
        chart, filters = draw_terms(terms, self.dark)
        remark = "" if terms else "No word is more frequent here than there."
        return Shown(chart, filters, remark, rows.filter)

    def controls(self) -> list[Any]:
        """Return the two tags."""
        return [columns(self._tag, self._other, narrow=500, gap=12)]

    def refresh(self, *events: object) -> None:
        """Draw the terms of the tag that is chosen here; if none is, of that in the filter."""
        samples = self.exploration.samples
        if samples is None or not samples.facts.tags:
            return
        tag, other = self._compared(samples)
        tags = list(samples.facts.tags)
        options = dict(zip(unique_labels(tags, 60), tags, strict=True))
        self._filling = True
        self._tag.param.update(options=options, value=tag)
        others = {label: name for label, name in options.items() if name != tag}
        self._other.param.update(options={_REST: "", **others}, value=other)
        self._filling = False
        super().refresh(*events)

    def _compared(self, samples: Samples) -> tuple[str, str]:
        """Return the tag whose words are shown, and that with which they are compared; empty for all others."""
        chosen, tags = self.exploration.chosen, samples.facts.tags
        tag = next(name for name in (chosen.terms, chosen.tag, *tags) if name in tags)
        return tag, chosen.against if chosen.against in tags and chosen.against != tag else ""

    def _tag_chosen(self, event: Any) -> None:
        chosen, samples = self.exploration.chosen, self.exploration.samples
        if not self._filling and samples is not None:
            # The one that is shown without a choice goes on following the filter.
            follows = next(name for name in (chosen.tag, *samples.facts.tags) if name in samples.facts.tags)
            chosen.terms = "" if event.new == follows else event.new

    def _other_chosen(self, event: Any) -> None:
        if not self._filling:
            self.exploration.chosen.against = event.new


class MissingChart(FilteredChart):
    """Rows with nothing in a column."""

    title = "Missing values"

    def compute(self, samples: Samples, selection: Selection) -> Shown:
        """Count empty cells."""
        explorer = samples.explorer
        bars = count_missing(explorer.table, selection, explorer.select)
        # A file without dates lacks a column, not values.
        bars = [bar for bar in bars if bar.label != "created" or samples.has_dates]
        bars = [bar for bar in bars if bar.label not in ("outcome", "predicted")]
        chart, filters = draw_missing(bars, samples.titles, selection.count, self.dark)
        return Shown(chart, filters, "", selection.filter)


def _rows(count: int, one: str, many: str) -> str:
    return f"1 row {one}" if count == 1 else f"{count:,} rows {many}"


def _counting(share: float) -> str:
    return f"Tokens are being counted: {share:.0%}. Until then, words."
