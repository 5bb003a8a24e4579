"""Calibration: whether answers are right as often as their confidence says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.heading import sub_heading
from dashboard.components.layout import stack, surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.components.rectangles import CLEAR, Chart, Rectangle, RectangleChart
from dashboard.evaluation.selection import ExampleSelection, Span
from dashboard.sections.performance.linked import Drawing, LinkedChart, key_of
from dashboard.sections.performance.scored import interval
from dashboard.theme import palette

if TYPE_CHECKING:
    import panel as pn

    from dashboard.state import DashboardState
    from engine.evaluation.calibration import Bin, Calibration

_TOP = 1.06
_PIXELS = 320
_EVEN = 0.005


class CalibrationView(Viewer):
    """The reliability curve and the expected calibration error.

    Parameters
    ----------
    state
        Of the visitor.
    deferred
        Whether the chart waits until it is about to be seen.
    """

    def __init__(self, state: DashboardState, *, deferred: bool = False) -> None:
        super().__init__()
        self._state = state
        self._found: Calibration | None = None
        self._sentence = markup("")
        self._sentence_place = stack(self._sentence)
        self._message = Message(kind="hint")
        chart = RectangleChart(state.appearance, columns_have_labels=True, rows_have_labels=True)
        self.chart = LinkedChart("Calibration", state, chart, deferred=deferred)
        self._view = surface(sub_heading("Calibration"), self._sentence_place, self._message, self.chart, fill=True)
        state.appearance.param.watch(self._draw, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, found: Calibration | None, problem: str = "") -> None:
        """Show a calibration, or why there is none."""
        self._found, self._message.text = found, problem
        self._sentence_place.visible = found is not None
        if found is not None:
            self._sentence.object = f"<p>{sentence_of(found)}</p>"
        self._draw()

    def _draw(self, *_events: object) -> None:
        if self._found is None:
            self.chart.show(None)
            return
        drawing = draw_calibration(self._found, bool(self._state.appearance.dark))
        remark = "Bars: how often answers are right, with 95 % intervals; short lines: how sure they were. n below."
        self.chart.show(drawing, remark)


def sentence_of(found: Calibration) -> str:
    """Say how far confidence can be believed; our own words and numbers only."""
    n = found.ece.n
    if not n:
        return "Without rows nothing is known of the confidence."
    said = sum(one.confidence * one.accuracy.n for one in found.bins) / n
    right = sum(one.accuracy.value * one.accuracy.n for one in found.bins) / n
    word = "about as sure as it is right"
    if abs(said - right) > _EVEN:
        word = "too sure" if said > right else "not sure enough"
    return (
        f"On the whole {word}: {said:.1%} confident, {right:.1%} right. Expected calibration error "
        f"<b>{found.ece.value:.3f}</b> (95 % interval {interval(found.ece)}, n = {n:,})."
    )


def span_of(one: Bin) -> Span:
    """Return the confidences of a bin."""
    return Span(one.start, one.end, above=one.start > 0)


def draw_calibration(found: Calibration, dark: bool) -> Drawing:
    """Draw a bar per bin of confidence: how often its answers are right, its interval, and how sure they were."""
    colours = palette(dark)
    rectangles: list[Rectangle] = []
    figures: list[tuple[float, float, str]] = []
    examples: dict[str, ExampleSelection] = {}
    size = len(found.bins)
    for place, one in enumerate(found.bins):
        share = one.accuracy
        if not share.n:
            continue
        key = key_of(str(place), str(size))
        examples[key] = ExampleSelection(confidence=span_of(one))
        noun = "row" if share.n == 1 else "rows"
        tip = (
            f"Confidence {one.start:.2g} to {one.end:.2g}: {share.value:.1%} right "
            f"(95 % interval {share.low:.0%} to {share.high:.0%}), {one.confidence:.1%} sure; {share.n:,} {noun}"
        )
        middle = place + 0.5
        rectangles += [
            Rectangle(place, place + 1, 0, _TOP, CLEAR, key, tip),
            Rectangle(place + 0.05, place + 0.95, 0, share.value, colours.bar, key, tip),
            Rectangle(middle - 0.012, middle + 0.012, share.low, share.high, colours.accent, key, tip),
            Rectangle(middle - 0.09, middle + 0.09, share.low - 0.004, share.low + 0.004, colours.accent, key, tip),
            Rectangle(middle - 0.09, middle + 0.09, share.high - 0.004, share.high + 0.004, colours.accent, key, tip),
            Rectangle(place, place + 1, one.confidence - 0.007, one.confidence + 0.007, colours.text, key, tip),
        ]
        figures.append((place + 0.02, 0.05, f"{share.n:,}"))
    chart = Chart(
        tuple(rectangles),
        size,
        _TOP,
        columns={float(place): f"{place / size:.1g}" for place in range(0, size + 1, max(1, size // 5))},
        rows={share: f"{share:.0%}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)},
        figures=tuple(figures),
        pixels=_PIXELS,
        title="confidence of the answer",
    )
    return Drawing(chart, examples)
