"""The map: texts that are alike lie together; a shape drawn around some of them is a filter, a click opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, surface
from dashboard.components.message import Message
from dashboard.components.point_map import PointMap
from dashboard.components.work import Worker
from dashboard.criteria import state_of
from dashboard.sections.explore.controls import PILL_CSS
from dashboard.sections.explore.exploration import has_loop, run
from dashboard.sections.explore.map_drawing import draw_map
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.exploration.filter import LONGEST_POLYGON
from engine.exploration.polygon import simplified
from engine.exploration.raster import nearest, window_of

if TYPE_CHECKING:
    import panel as pn

    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration
    from dashboard.sections.explore.map_drawing import Class, Drawing
    from engine.exploration.text_map import TextMap

_ZOOM_SECONDS = 0.06
_CSS = (
    PILL_CSS
    + f"""
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; font-size: 14px; }}
.legend i {{ display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; }}
.legend button:hover {{ text-decoration: underline; }}
.legend b {{ font-weight: 600; font-variant-numeric: tabular-nums; color: {colour("muted")}; margin-left: 4px; }}
.method {{ font-size: 13.5px; margin-top: 4px; }}
progress {{ width: min(420px, 100%); accent-color: {colour("accent")}; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 8px 16px; margin-top: 10px; }}
.start:hover {{ background: {colour("raised")}; }}
"""
)


class TextMapView(Viewer):
    """Begins the work where it is quick or kept, else offers to; shows its progress, then the map."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._polling, self._probing, self._drawing = Worker(), Worker(), Worker()
        self._samples: Samples | None = None
        self._classes: tuple[Class, ...] = ()
        self._by = select("Coloured by", {"Tag": "tag"}, "tag")
        self._legend = Clickable(_CSS, on_pick=self._picked)
        self._message = Message()
        self._map = PointMap(exploration.state.appearance)
        self._map.__panel__().visible = False
        self._view = surface(
            sub_heading("Map of the texts"),
            columns(self._by, self._legend, template="220px minmax(0, 1fr)", narrow=700, gap=18, align="center"),
            self._message,
            self._map,
        )
        self._by.visible = False
        self._by.param.watch(self._draw, "value")
        self._map.param.watch(self._drawn_around, "drawn_around")
        self._map.param.watch(self._tapped, "tapped")
        self._map.param.watch(lambda _event: self._draw(pause=_ZOOM_SECONDS), "window")
        exploration.param.watch(self._refresh, "turn")
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
            self._samples = samples
            self._begin(samples)
        elif samples.map.status.state == "done":
            self._offer_colours()
            self._draw()

    def _begin(self, samples: Samples) -> None:
        """Draw what is quick or kept, and look at what others have begun."""
        self._map.__panel__().visible = self._by.visible = False
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if (samples.is_small and has_loop()) or samples.map.status.state != "waiting":
            self._start()
            return

        def offer(kept: bool) -> None:
            if kept:
                self._start()
            else:
                self._legend.html = (
                    '<p class="ts-muted">It is drawn once, for everybody, and kept; a million rows take a minute.</p>'
                    f'<button class="start" data-pick="start">Draw the map of {samples.facts.num_rows:,} rows</button>'
                )

        run(self._probing, samples.kept_map, offer)

    def _start(self) -> None:
        samples = self._exploration.samples
        if samples is None:
            return
        seen = samples.map.status.is_over
        job = samples.map.start()

        def show() -> None:
            if samples is not self._exploration.samples:
                return
            status = job.status
            self._message.text = status.sentence
            if status.state == "running":
                self._legend.html = (
                    '<p class="ts-muted" role="status">Drawing the map …</p>'
                    f'<progress max="1" value="{status.share:.3f}" aria-label="Progress"></progress>'
                )
            elif status.state == "failed":
                self._legend.html = ""
            else:
                text_map = job.value
                assert text_map is not None
                self._map.look_at(window_of(text_map.points))
                self._by.visible = True
                self._offer_colours()
                if seen:
                    self._draw()
                else:
                    # A link may have held a shape before there was a map.
                    self._exploration.refresh()

        self._exploration.follow(job, self._polling, show)

    def _offer_colours(self) -> None:
        table = self._exploration.explorer.table
        options = {"Tag": "tag"}
        if "outcome" in table.categories:
            options["Outcome"] = "outcome"
        if table.findings:
            options["Finding"] = "finding"
        if self._by.options != options:
            self._by.param.update(
                options=options, value=self._by.value if self._by.value in options.values() else "tag"
            )

    def _draw(self, *_events: object, pause: float = 0.0) -> None:
        exploration, samples = self._exploration, self._exploration.samples
        selection, window = exploration.selection, self._map.window
        if samples is None or selection is None or window is None or samples.map.value is None:
            return
        text_map, table, by = samples.map.value, samples.explorer.table, self._by.value
        titles = samples.findings.value.titles if samples.findings.value is not None else {}
        dark = bool(exploration.state.appearance.dark)

        def show(drawing: Drawing) -> None:
            self._classes = drawing.classes
            self._legend.html = _legend_html(drawing.classes, text_map)
            self._map.show(drawing.picture, drawing.colours, selection.filter.polygon, drawing.window)
            self._map.__panel__().visible = True

        run(
            self._drawing,
            lambda: draw_map(text_map, table, selection, by, window, titles, dark=dark),
            show,
            pause=pause,
        )

    def _drawn_around(self, event: Any) -> None:
        corners = simplified(event.new["corners"], LONGEST_POLYGON)
        if len(corners) >= 3:
            chosen = self._exploration.chosen
            selection = self._exploration.selection
            assert selection is not None
            chosen.polygon = state_of(selection.filter.change(polygon=tuple(corners)))["polygon"]

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
            if row:
                exploration.chosen.row = row

        run(self._probing, find, show)

    def _picked(self, key: str) -> None:
        if key == "start":
            self._start()
            return
        condition = self._classes[int(key)].condition
        if condition is not None:
            name, value = condition
            chosen = self._exploration.chosen
            chosen.param.update(**{name: "" if getattr(chosen, name) == value else value})


def _legend_html(classes: tuple[Class, ...], text_map: TextMap) -> str:
    parts = []
    for place, one in enumerate(classes):
        words = f'<i style="background:{one.colour}"></i>{safe_text(one.label, 40)}<b>{one.count:,}</b>'
        parts.append(f'<button data-pick="{place}">{words}</button>' if one.condition else f"<span>{words}</span>")
    info = text_map.info
    nowhere = info.rows - info.placed
    lost = f" {nowhere:,} rows share no word with another one and lie nowhere." if nowhere else ""
    said = f"{safe_text(info.method)}.{lost} Draw around points to filter; click one to open it."
    return (
        f'<div class="legend ts-legend">{"".join(parts)}</div><p class="ts-muted" style="font-size:13.5px">{said}</p>'
    )
