"""Threshold: what becomes of the answers if unsure ones are not given, and what that costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import panel_material_ui as pmui
from panel.viewable import Viewer

from dashboard.components.cards import Card, MetricCards
from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import stack, surface
from dashboard.components.message import Message
from dashboard.components.rectangles import Chart, Rectangle, RectangleChart
from dashboard.evaluation.selection import ExampleSelection, Span
from dashboard.sections.performance.linked import Drawing, LinkedChart, key_of
from dashboard.text import safe_text
from dashboard.theme import OUTCOME_COLOURS, colour, palette

if TYPE_CHECKING:
    import panel as pn

    from dashboard.state import DashboardState
    from engine.evaluation.coverage import AtThreshold, Coverage

STEPS = 20
"""Thresholds that the chart shows."""
_MOST_COST = 1e6
_MOST_PLACES = 17
_PIXELS = 280
_COST_CSS = f"""
p {{ font-size: 14px; line-height: 2; }}
input {{ font: inherit; color: {colour("text")}; background: transparent; border: 1px solid {colour("line")};
  border-radius: 8px; padding: 3px 8px; width: 84px; box-sizing: border-box; }}
button {{ text-decoration: underline; text-underline-offset: 2px; }}
button:hover {{ color: {colour("accent")}; }}
"""


class ThresholdView(Viewer):
    """A slider, what it leads to, and the cheapest place of it.

    Parameters
    ----------
    state
        Of the visitor; holds threshold and cost as texts, as a link does.
    deferred
        Whether the chart waits until it is about to be seen.
    """

    def __init__(self, state: DashboardState, *, deferred: bool = False) -> None:
        super().__init__()
        self._state = state
        self._coverage: Coverage | None = None
        self._best: tuple[Coverage, str, str | None] | None = None
        self._moving = False
        self._slider = pmui.FloatSlider(
            label="Answer only from this confidence on",
            start=0,
            end=1,
            step=0.01,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._cards = MetricCards(small=True)
        self._cost = Clickable(_COST_CSS, on_enter=lambda _name, value: self._cost_entered(value), on_pick=self._pick)
        self._message = Message(kind="hint")
        chart = RectangleChart(state.appearance, columns_have_labels=True, rows_have_labels=True)
        self.chart = LinkedChart("Threshold", state, chart, deferred=deferred)
        self._body = stack(self._slider, self._cards, self._cost, self.chart, gap=12)
        self._view = surface(sub_heading("Confidence threshold"), self._message, self._body, fill=True)
        self._slider.param.watch(self._slid, "value")
        self._slider.param.watch(self._let_go, "value_throttled")
        state.figures.param.watch(self._show, ["threshold", "cost"])
        state.appearance.param.watch(self._draw, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, coverage: Coverage | None, problem: str = "") -> None:
        """Show a run's coverage, or why there is none."""
        self._coverage, self._message.text = coverage, problem
        self._body.visible = coverage is not None
        self._show()

    @property
    def threshold(self) -> float:
        """The chosen one; 0 where none is."""
        return float(self._state.figures.threshold or 0)

    def _show(self, *_events: object) -> None:
        if self._coverage is None:
            return
        self._moving = True
        self._slider.value = self.threshold
        self._moving = False
        self._tell(self.threshold)
        self._draw()

    def _slid(self, event: Any) -> None:
        # While it is dragged only the figures follow: each place would be a step of the history.
        if not self._moving and self._coverage is not None:
            self._tell(float(event.new))

    def _let_go(self, event: Any) -> None:
        if event.new is not None and not self._moving and abs(float(event.new) - self.threshold) > 1e-9:
            self._state.figures.threshold = written(float(event.new))

    def _tell(self, threshold: float) -> None:
        """Say what becomes of the rows; two searches in a sorted array, so at once."""
        assert self._coverage is not None
        at = self._coverage.at([threshold])[0]
        cards = [
            _share("Coverage", at.coverage.value, at.coverage.low, at.coverage.high, bool(self._coverage.rows)),
            _share("Right of these", at.precision.value, at.precision.low, at.precision.high, bool(at.answered)),
            Card("Wrong answers", f"{at.wrong:,}", f"of {at.answered:,} answered"),
            Card("Rejected", f"{at.rejected:,}", f"of {self._coverage.rows:,} rows"),
        ]
        ratio = self._state.figures.cost
        if ratio:
            cards.append(Card("Cost per row", f"{at.cost(float(ratio), 1.0):.3f}", "a rejected row costs 1"))
        self._cards.cards = cards
        self._cost.values = {"cost": ratio}
        self._cost.html = self._cost_html(at)

    def _cost_html(self, at: AtThreshold) -> str:
        ratio = self._state.figures.cost
        field = (
            f'<label>A wrong answer costs <input type="number" data-name="cost" min="0" max="{_MOST_COST:.0f}" '
            'step="any" placeholder="5" aria-label="Cost of a wrong answer, in rejected rows"> times what a rejected '
            "row costs.</label>"
        )
        if not ratio or self._coverage is None:
            return f"<p>{field}</p>"
        best = self._cheapest()
        if best is None:
            return f"<p>{field} Then it is cheapest to answer nothing.</p>"
        cost = self._coverage.at([float(best or 0)])[0].cost(float(ratio), 1.0)
        here = at.cost(float(ratio), 1.0)
        where = f"from {safe_text(best)} on" if float(best or 0) else "everything"
        if here <= cost + 1e-12:
            return f"<p>{field} No threshold is cheaper on these rows.</p>"
        return (
            f'<p>{field} Cheapest on these rows: <button data-pick="cheapest">answer {where}</button>, '
            f"{cost:.3f} a row.</p>"
        )

    def _pick(self, _key: str) -> None:
        best = self._cheapest()
        if best is not None:
            self._state.figures.threshold = best

    def _cheapest(self) -> str | None:
        """Find the cheapest threshold once, as it takes some milliseconds for a million rows and is asked for often."""
        coverage, ratio = self._coverage, str(self._state.figures.cost)
        if coverage is None or not ratio:
            return None
        if self._best is None or self._best[:2] != (coverage, ratio):
            self._best = (coverage, ratio, cheapest(coverage, float(ratio)))
        return self._best[2]

    def _cost_entered(self, value: str) -> None:
        try:
            cost = float(value) if value.strip() else None
        except ValueError:
            return  # the field takes numbers only; nothing that our page sends
        if cost is None:
            self._state.figures.cost = ""
        elif math.isfinite(cost):
            self._state.figures.cost = np.format_float_positional(min(max(cost, 0.0), _MOST_COST), 6, trim="-")
        self._show()

    def _draw(self, *_events: object) -> None:
        if self._coverage is None:
            return
        drawing = draw_coverage(self._coverage, self.threshold, bool(self._state.appearance.dark))
        self.chart.show(drawing, "By threshold: right answers below, wrong ones above them, rejected rows on top.")


def cheapest(coverage: Coverage, ratio: float) -> str | None:
    """Return the threshold of least cost as a link has it, as short as can be; None where nothing should be answered.

    Between two confidences that occur all thresholds do the same, so of these the one with the fewest digits is taken.
    """
    best = coverage.cheapest(ratio, 1.0)
    if best.threshold > 1 or (not best.answered and coverage.rows):
        return None
    for places in range(_MOST_PLACES + 1):
        # Downwards: a threshold above the confidence would reject that row as well.
        rounded = math.floor(best.threshold * 10**places) / 10**places
        if coverage.at([rounded])[0].rejected == best.rejected:
            return written(rounded)
    return written(best.threshold)


def written(threshold: float) -> str:
    """Return a threshold as a link has it; empty for 0, where all is answered."""
    return "" if threshold <= 0 else np.format_float_positional(min(threshold, 1.0), _MOST_PLACES, trim="-")


def draw_coverage(coverage: Coverage, threshold: float, dark: bool) -> Drawing:
    """Draw right, wrong and rejected rows at each of some thresholds; the chosen one is marked."""
    colours = palette(dark)
    rows = coverage.rows or 1
    rectangles: list[Rectangle] = []
    examples: dict[str, ExampleSelection] = {}
    for place, at in enumerate(coverage.at(np.arange(STEPS) / STEPS)):
        answered = Span(at.threshold, 1.0)
        kinds = (
            ("right", at.answered - at.wrong, OUTCOME_COLOURS["correct"], "correct", answered),
            ("wrong", at.wrong, OUTCOME_COLOURS["wrong"], "wrong", answered),
            ("rejected", at.rejected, colours.bar, "", Span(0.0, at.threshold, below=True)),
        )
        bottom = 0.0
        for name, count, shade, outcome, span in kinds:
            if not count:
                continue
            key = key_of(name, str(place))
            top = bottom + count / rows
            noun = "row" if count == 1 else "rows"
            tip = f"From {at.threshold:.2f} on, {name}: {count:,} {noun}, {count / rows:.1%}"
            # The bar stands at its threshold, so that the dashed line meets it.
            rectangles.append(Rectangle(place + 0.06, place + 0.94, bottom, top, shade, key, tip))
            examples[key] = ExampleSelection(outcome=outcome, confidence=span)
            bottom = top
    chart = Chart(
        tuple(rectangles),
        STEPS,
        1.0,
        columns={place + 0.5: f"{place / STEPS:g}" for place in range(0, STEPS, 4)},
        rows={share: f"{share:.0%}" for share in (0.0, 0.25, 0.5, 0.75, 1.0)},
        pixels=_PIXELS,
        mark=min(threshold * STEPS + 0.5, STEPS) if threshold else None,
        title="threshold",
    )
    return Drawing(chart, examples)


def _share(name: str, value: float, low: float, high: float, known: bool) -> Card:
    return Card(name, f"{value:.1%}", f"{low:.1%} to {high:.1%}") if known else Card(name, "–", "nothing is answered")
