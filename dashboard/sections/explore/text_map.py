"""The map: texts that are alike lie together; a shape drawn around some of them is a filter, a click opens one."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from panel.viewable import Viewer

from dashboard.components.caption import button
from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, surface
from dashboard.components.pills import PILL_CSS
from dashboard.components.point_map import PointMap
from dashboard.components.work import Worker
from dashboard.criteria import state_of
from dashboard.samples import Samples
from dashboard.sections.base import run
from dashboard.sections.explore.drawing import name_of
from dashboard.sections.explore.job_view import JobView, JobWords
from dashboard.sections.explore.map_drawing import draw_map
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.exploration.filter import LONGEST_POLYGON
from engine.exploration.polygon import simplified
from engine.exploration.raster import nearest, window_of
from engine.exploration.text_map import PLACE

if TYPE_CHECKING:
    import panel as pn

    from dashboard.sections.explore.exploration import Exploration
    from dashboard.sections.explore.map_drawing import Class, Drawing
    from dashboard.state import SampleFilter
    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection
    from engine.exploration.text_map import TextMap

WORDS = JobWords(
    offer="It is drawn once, for everybody, and kept; a million rows take a minute.",
    button="Draw the map of {rows} rows",
    doing="Drawing the map",
)
_ZOOM_SECONDS = 0.06
_OTHERS, _NOWHERE = name_of("others"), name_of("missing", PLACE)
_LEGEND_CSS = (
    PILL_CSS
    + f"""
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; font-size: 14px; }}
.legend i {{ display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; flex: none; }}
.legend button, .legend span {{ display: inline-flex; align-items: baseline; border-radius: 6px; padding: 1px 4px; }}
.legend button:hover {{ text-decoration: underline; }}
.legend button[aria-pressed=true] {{ background: {colour("raised")}; font-weight: 600; }}
.legend b {{ font-weight: 600; font-variant-numeric: tabular-nums; color: {colour("muted")}; margin-left: 6px; }}
.others {{ display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; max-height: 140px; overflow-y: auto; }}
"""
)
_SAID_CSS = f"""
p {{ font-size: 13.5px; color: {colour("muted")}; }}
button {{ text-decoration: underline; text-underline-offset: 2px; }}
"""


class TextMapView(Viewer):
    """Shows the work on the map as long as it goes on, then the map in the colours that the state names."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._drawing, self._finding = Worker(), Worker()
        self._samples: Samples | None = None
        self._drawn: Drawing | None = None
        self._unfolded = self._filling = False
        self._by = select("Coloured by", {"Tag": "tag"}, "tag")
        self._legend = Clickable(_LEGEND_CSS, on_pick=self._picked)
        self._said = Clickable(_SAID_CSS, on_pick=self._picked)
        self._job = JobView(
            exploration, WORDS, job=lambda samples: samples.map, kept=Samples.kept_map, done=self._ready
        )
        self._map = PointMap(exploration.state.appearance)
        self._show_map(False)
        self._view = surface(
            sub_heading("Map of the texts"),
            self._job,
            columns(self._by, self._legend, template="220px minmax(0, 1fr)", narrow=700, gap=18, align="center"),
            self._said,
            self._map,
        )
        self._by.param.watch(self._colour_chosen, "value")
        self._map.param.watch(self._drawn_around, "drawn_around")
        self._map.param.watch(self._tapped, "tapped")
        self._map.param.watch(lambda _event: self._draw(pause=_ZOOM_SECONDS), "window")
        exploration.param.watch(self._refresh, ["turn", "known"])
        exploration.chosen.param.watch(self._refresh, "colour")
        exploration.state.appearance.param.watch(self._draw, "dark")
        self._refresh()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _refresh(self, *_events: object) -> None:
        samples = self._exploration.samples
        if samples is None:
            return
        if samples is not self._samples:
            self._samples, self._drawn = samples, None
            self._show_map(False)
            self._job.begin()
        elif samples.map.status.state == "done":
            self._draw()

    def _ready(self, samples: Samples) -> None:
        """Show the whole map, which has just arrived."""
        text_map = samples.map.value
        if text_map is not None:
            self._map.look_at(window_of(text_map.points))
            self._draw()

    def _show_map(self, shown: bool) -> None:
        for part in (self._by, self._legend, self._said, self._map.__panel__()):
            part.visible = shown

    def _offer_colours(self, samples: Samples) -> str:
        """Offer what is known to colour by, and return what is chosen of it."""
        table, chosen = samples.explorer.table, self._exploration.chosen.colour
        options = {"Tag": "tag"}
        if "outcome" in table.categories:
            options["Outcome"] = "outcome"
        if table.findings:
            options["Finding"] = "finding"
        by = chosen if chosen in options.values() else "tag"
        self._filling = True
        self._by.param.update(options=options, value=by)
        self._filling = False
        return by

    def _colour_chosen(self, event: Any) -> None:
        if not self._filling:
            self._exploration.chosen.colour = event.new

    def _draw(self, *_events: object, pause: float = 0.0) -> None:
        exploration, samples = self._exploration, self._exploration.samples
        selection, window = exploration.selection, self._map.window
        if samples is None or selection is None or window is None or samples.map.value is None:
            return
        text_map, remark, explorer = samples.map.value, samples.map.remark, samples.explorer
        by = self._offer_colours(samples)
        titles = samples.findings.value.titles if samples.findings.value is not None else {}
        dark = bool(exploration.state.appearance.dark)

        def compute() -> tuple[Drawing, str]:
            drawing = draw_map(text_map, explorer.table, selection, by, window, titles, dark=dark)
            return drawing, _said_html(text_map, remark, selection)

        def show(found: tuple[Drawing, str]) -> None:
            if samples is not exploration.samples:
                return
            drawing, self._said.html = found
            self._drawn = drawing
            self._write_legend()
            self._map.show(drawing.picture, drawing.colours, selection.filter.polygon, drawing.window)
            self._show_map(True)

        run(self._drawing, compute, show, pause=pause)

    def _write_legend(self) -> None:
        if self._drawn is not None:
            self._legend.html = _legend_html(self._drawn, self._exploration.chosen, unfolded=self._unfolded)

    def _drawn_around(self, event: Any) -> None:
        corners = simplified(event.new["corners"], LONGEST_POLYGON)
        selection = self._exploration.selection
        if len(corners) >= 3 and selection is not None:
            change = selection.filter.change(polygon=tuple(corners))
            self._exploration.chosen.polygon = state_of(change)["polygon"]

    def _tapped(self, event: Any) -> None:
        exploration, samples = self._exploration, self._exploration.samples
        selection = exploration.selection
        if samples is None or selection is None or samples.map.value is None:
            return
        points, explorer = samples.map.value.points, samples.explorer
        x, y, reach = event.new["x"], event.new["y"], event.new["reach"]

        def find() -> str:
            # A row that the filter leaves, where there is one; what is grey can be opened as well.
            for rows in (selection.positions, np.flatnonzero(~selection.mask)):
                place = nearest(points[rows], x, y, reach)
                if place is not None:
                    return str(explorer.rows([rows[place]], ["id"])["id"].iloc[0])
            return ""

        def show(row: str) -> None:
            if row and samples is exploration.samples:
                exploration.chosen.row = row

        run(self._finding, find, show)

    def _picked(self, key: str) -> None:
        chosen, selection = self._exploration.chosen, self._exploration.selection
        if key == _OTHERS:
            self._unfolded = not self._unfolded
            self._write_legend()
        elif self._samples is not self._exploration.samples or selection is None:
            return
        elif key == _NOWHERE:
            chosen.missing = state_of(_nowhere(selection.filter))["missing"]
        elif self._drawn is not None:
            # A click names what was clicked: the classes may have changed meanwhile.
            conditions = [one.condition for one in (*self._drawn.classes, *self._drawn.others) if one.condition]
            for name, value in conditions:
                if name_of(name, value) == key:
                    chosen.param.update(**{name: "" if getattr(chosen, name) == value else value})


def _nowhere(filter: Filter) -> Filter:
    """Return the filter of those rows that lie nowhere."""
    return filter.change(missing=tuple(dict.fromkeys([*filter.missing, PLACE])))


def _legend_html(drawing: Drawing, chosen: SampleFilter, *, unfolded: bool) -> str:
    parts = []
    for one in drawing.classes:
        words = f'<i style="background:{one.colour}"></i>{safe_text(one.label, 40)}<b>{one.count:,}</b>'
        if one.condition is not None:
            parts.append(_class_html(one, words, chosen, ""))
        elif one.gathered:
            expanded, sign = ("true", "▴") if unfolded else ("false", "▾")
            parts.append(
                f'<button data-pick="{html.escape(_OTHERS)}" aria-expanded="{expanded}">{words} {sign}</button>'
            )
        else:
            parts.append(f"<span>{words}</span>")
    legend = f'<div class="legend ts-legend">{"".join(parts)}</div>'
    if not (unfolded and drawing.others):
        return legend
    others = (
        _class_html(one, f"{safe_text(one.label, 40)}<b>{one.count:,}</b>", chosen, "pill") for one in drawing.others
    )
    return f'{legend}<div class="others">{"".join(others)}</div>'


def _class_html(one: Class, words: str, chosen: SampleFilter, kind: str) -> str:
    assert one.condition is not None
    pressed = str(getattr(chosen, one.condition[0]) == one.condition[1]).lower()
    key = html.escape(name_of(*one.condition))
    return f'<button class="{kind}" data-pick="{key}" aria-pressed="{pressed}">{words}</button>'


def _said_html(text_map: TextMap, remark: str, selection: Selection) -> str:
    """Say how the map was made, why not otherwise, and how many of the rows on show are not on it."""
    lost = ""
    nowhere = int(np.count_nonzero(text_map.nowhere() & selection.mask))
    if nowhere:
        lost = "1 row shares" if nowhere == 1 else f"{nowhere:,} rows share"
        lost += f" no word with another one and {'lies' if nowhere == 1 else 'lie'} nowhere"
        lost = f" {button(_NOWHERE, lost)}."
    remarks = f"<p>{safe_text(remark)}</p>" if remark else ""
    how = f"Laid out by {safe_text(text_map.info.method)}."
    return f"<p>{how}{lost} Draw around points to filter; click one to open it.</p>{remarks}"
