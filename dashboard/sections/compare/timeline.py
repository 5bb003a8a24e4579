"""A figure over the runs, each with its interval; a point leads to its run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec
from panel.viewable import Viewer

from dashboard.components.caption import Caption
from dashboard.components.heading import sub_heading
from dashboard.components.layout import stack, surface
from dashboard.components.rectangles import CLEAR, Chart, Rectangle, RectangleChart
from dashboard.components.skeleton import skeleton
from dashboard.text import plain_text, safe_text, unique_labels
from dashboard.theme import palette
from engine.evaluation.counts import count
from engine.evaluation.estimates import Estimate, report
from engine.evaluation.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import panel as pn

    from dashboard.evaluation.evaluations import Evaluations
    from dashboard.evaluation.history import RunHistory, RunPoint
    from dashboard.state import DashboardState
    from engine.evaluation.estimates import Report

METRICS = ("accuracy", "weighted F1", "macro F1")
_PIXELS = 300
_POINT_PIXELS, _WHISKER_PIXELS = 13, 3
# What the chart measures is not known here; a point that is somewhat wider than high is one all the same.
_WIDTH_PIXELS, _HEIGHT_PIXELS = 1060, 230
_ROOM = 0.12
# A history is kept as long as somebody looks at it, and so is what is worked out of it.
_reports: WeakKeyDictionary[RunHistory, dict[str, Report]] = WeakKeyDictionary()


class Point(msgspec.Struct, frozen=True):
    """A run in the chart: what stands below it, the figure, and what else hovering says."""

    run_id: str
    label: str
    estimate: Estimate
    detail: str = ""


class Timeline(Viewer):
    """The chart; a click on a run shows that run.

    Parameters
    ----------
    state
        Of the page.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._points: tuple[Point, ...] = ()
        self._marks = ("", "")
        self._remark = ""
        self._chart = RectangleChart(state.appearance, rows_have_labels=True, columns_have_labels=True)
        self._caption = Caption("Runs", self._picked)
        # The page gets the chart with its first points in it, see FilteredChart.
        self._place = stack(skeleton(_PIXELS))
        self._view = surface(sub_heading("Over the runs"), self._place, self._caption)
        self._chart.param.watch(lambda event: self._picked(event.new["key"]), "picked")
        state.appearance.param.watch(lambda _event: self._draw(), "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, points: Sequence[Point], metric: str, shown: str, base: str, remark: str = "") -> None:
        """Show runs in their order; `shown` and `base` are marked, and `remark` stands below, as text."""
        self._points, self._marks = tuple(points), (shown, base)
        self._remark = f"{metric[:1].upper()}{metric[1:]} with its 95 % interval. {remark}".strip()
        self._draw()

    def _draw(self) -> None:
        if not self._points:
            return
        dark = bool(self._state.appearance.dark)
        chart = draw_points(self._points, *self._marks, dark=dark)
        self._chart.chart = chart
        self._caption.show(_legend(self._marks[1], dark=dark) + safe_text(self._remark), chart)
        # What stands in a column is the view of a `Viewer`, not itself.
        view: Any = self._chart.__panel__()
        if self._place[0] is not view:
            self._place[:] = [view]

    def _picked(self, run_id: str) -> None:
        if run_id in {point.run_id for point in self._points}:
            self._state.show_run(run_id, "compare")


def draw_points(points: Sequence[Point], shown: str, base: str, *, dark: bool) -> Chart:
    """Draw runs from left to right.

    A run's column is cut into pieces that do not lie upon each other, all with its key: hovering says one thing, and a
    click anywhere in it means the run.
    """
    colours = palette(dark)
    low, high, ticks = _axis([point.estimate for point in points])

    def height(value: float) -> float:
        return (value - low) / (high - low)

    rectangles: list[Rectangle] = []
    dot, whisker = (len(points) * pixels / _WIDTH_PIXELS / 2 for pixels in (_POINT_PIXELS, _WHISKER_PIXELS))
    half = _POINT_PIXELS / _HEIGHT_PIXELS / 2
    for place, point in enumerate(points):
        value = point.estimate
        which = "run on show: " if point.run_id == shown else "base run: " if point.run_id == base else ""
        tip = f"{which}{point.label} {value.value:.3f} (95 %: {value.low:.3f} to {value.high:.3f}){point.detail}"
        strong = colours.accent if point.run_id == shown else colours.warning if point.run_id == base else colours.bar
        middle, at = place + 0.5, height(value.value)
        bands = (
            (0.0, height(value.low), 0.0),
            (height(value.low), at - half, whisker),
            (at - half, at + half, dot),
            (at + half, height(value.high), whisker),
            (max(height(value.high), at + half), 1.0, 0.0),
        )
        for bottom, top, wide in bands:
            bottom, top = max(bottom, 0.0), min(top, 1.0)
            cuts = (
                (place, middle - wide, CLEAR),
                (middle - wide, middle + wide, strong),
                (middle + wide, place + 1, CLEAR),
            )
            if top > bottom:
                rectangles += [
                    Rectangle(left, right, bottom, top, hue, point.run_id, tip)
                    for left, right, hue in cuts
                    if right > left
                ]
    labels = unique_labels([point.label for point in points], 18)
    return Chart(
        tuple(rectangles),
        width=len(points),
        height=1.0,
        columns={place + 0.5: label for place, label in enumerate(labels)},
        figures=tuple(
            (place + 0.5 + dot, height(point.estimate.value), f"{point.estimate.value:.3f}")
            for place, point in enumerate(points)
        ),
        rows={height(tick): f"{tick:.2f}" if high - low >= 0.04 else f"{tick:.3f}" for tick in ticks},
        pixels=_PIXELS,
    )


def _legend(base: str, *, dark: bool) -> str:
    """Write which colour is which run."""
    colours = palette(dark)
    marks = [(colours.accent, "the run on show")] + ([(colours.warning, "the base run")] if base else [])
    return "".join(f'<b style="color:{hue}">■</b> {words} &ensp; ' for hue, words in marks)


def points_of(
    history: RunHistory, metric: str, evaluations: Evaluations, name: Callable[[RunPoint], str]
) -> list[Point]:
    """Work out a figure of each run of a history, on the examples of its reference and by their labels.

    Parameters
    ----------
    history
        The runs, in order.
    metric : str
        One of `METRICS`.
    evaluations
        Where the answers of each run are, which F1 needs.
    name
        Names a `RunPoint`.

    Raises
    ------
    engine.errors.TagscopeError
        A run cannot be read any more.
    """
    found = []
    for point in history.points:
        estimate = point.accuracy if metric == "accuracy" else _f1(evaluations, point.run_id, history, metric)
        detail = f", {point.accuracy.n:,} examples" + (f", {point.git_tag}" if point.git_tag else "")
        # Runs of one day have one name; a piece of the id keeps them apart.
        label = f"{plain_text(name(point), 11)} {point.run_id[:4]}"
        found.append(Point(point.run_id, label, estimate, f"{detail}, run {point.run_id[:8]}"))
    return found


def _f1(evaluations: Evaluations, run_id: str, history: RunHistory, metric: str) -> Estimate:
    kept = _reports.setdefault(history, {})
    if run_id not in kept:
        if run_id == history.reference:
            kept[run_id] = evaluations.get(run_id).report
        else:
            # As the history does: by the reference's labels, also where the run's own are newer.
            shared = guard(evaluations.get(run_id).answers, evaluations.get(history.reference).answers, by_after=True)
            kept[run_id] = report(count(shared.true, shared.before, shared.tags))
    judged = kept[run_id]
    return (judged.weighted if metric == "weighted F1" else judged.macro).f1


def _axis(estimates: Sequence[Estimate]) -> tuple[float, float, list[float]]:
    """Return the ends of the axis and its ticks: as narrow as the intervals allow, for runs differ by little."""
    low, high = min(one.low for one in estimates), max(one.high for one in estimates)
    room = max(high - low, 0.01) * _ROOM
    low, high = max(low - room, 0.0), min(high + room, 1.0 + room / 2)
    step = next(step for step in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 6)
    first = math.ceil(low / step)
    return low, high, [round(tick * step, 6) for tick in range(first, math.floor(min(high, 1.0) / step) + 1)]
