"""Threshold: what becomes of the answers if unsure ones are not given, and what that costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import panel_material_ui as pmui
from panel.viewable import Viewer

from dashboard.components.cards import MetricCards
from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import stack, surface
from dashboard.components.message import Message
from dashboard.components.pills import Pills
from dashboard.components.rectangles import Chart, Rectangle, RectangleChart
from dashboard.evaluation.selection import ExampleSelection, SelectionError, Span, parse_selection
from dashboard.sections.performance.linked import Drawing, LinkedChart, key_of
from dashboard.sections.performance.threshold_figures import cards_of, cheapest, written
from dashboard.text import safe_text
from dashboard.theme import OUTCOME_COLOURS, colour, palette
from engine.dataset.fields import OTHER

if TYPE_CHECKING:
    import panel as pn

    from dashboard.state import DashboardState
    from engine.evaluation.coverage import AtThreshold, Below, Coverage

STEPS = 20
"""Thresholds that the chart shows."""
_MOST_COST = 1e6
_PIXELS = 280
_PALE = "80"
"""Of a colour: what is `other` because of the threshold is drawn at half strength."""
REJECTED = "rejected"
NO_OTHER = f"This run has no tag `{OTHER}`, so what is below the threshold is rejected."
_NOTHING = {
    REJECTED: "Then it is cheapest to answer nothing.",
    OTHER: f"Then it is cheapest to answer {OTHER} always.",
}
_REMARKS = {
    REJECTED: "By threshold: right answers below, wrong ones above them, rejected rows on top.",
    OTHER: f"By threshold: right answers below, wrong ones above; paler: answered {OTHER}.",
}
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
        self._problem = ""
        self._best: tuple[Coverage, str, Below, str | None] | None = None
        self._moving = False
        self._slider = pmui.FloatSlider(
            label="Keep the answer from this confidence on",
            start=0,
            end=1,
            step=0.01,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._below = Pills("Below it the answer is", {OTHER: f"the tag {OTHER}", REJECTED: "rejected"}, self._choose)
        # A pane that comes and goes stands in a column that is hidden.
        self._choice = stack(self._below, visible=False)
        self._cards = MetricCards(small=True, on_pick=self._lead)
        self._cost = Clickable(_COST_CSS, on_enter=lambda _name, value: self._cost_entered(value), on_pick=self._pick)
        self._message = Message(kind="hint")
        chart = RectangleChart(state.appearance, columns_have_labels=True, rows_have_labels=True)
        self.chart = LinkedChart("Threshold", state, chart, deferred=deferred)
        self._body = stack(self._slider, self._choice, self._cards, self._cost, self.chart, gap=12)
        self._view = surface(sub_heading("Confidence threshold"), self._message, self._body, fill=True)
        self._slider.param.watch(self._slid, "value")
        self._slider.param.watch(self._let_go, "value_throttled")
        state.figures.param.watch(self._show, ["threshold", "below", "cost"])
        state.appearance.param.watch(self._draw, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, coverage: Coverage | None, problem: str = "") -> None:
        """Show a run's coverage, or why there is none."""
        self._coverage, self._problem = coverage, problem
        self._message.text = problem
        self._body.visible = coverage is not None
        self._show()

    @property
    def threshold(self) -> float:
        """The chosen one; 0 where none is."""
        return float(self._state.figures.threshold or 0)

    @property
    def below(self) -> Below:
        """What the rows below it are: `other` as deployed, where the run has that tag and nothing else was chosen."""
        knows = self._coverage is not None and self._coverage.knows_other
        return "other" if knows and self._state.figures.below != REJECTED else "rejected"

    def _show(self, *_events: object) -> None:
        if self._coverage is None:
            return
        knows = self._coverage.knows_other
        self._message.text = NO_OTHER if self._state.figures.below == OTHER and not knows else self._problem
        self._choice.visible, self._below.chosen = knows, self.below
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
        at = self._coverage.at([threshold], self.below)[0]
        ratio = str(self._state.figures.cost)
        self._cards.cards = cards_of(at, self._coverage.rows, self.below)
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
        best, here = self._cheapest(), at.cost(float(ratio), 1.0)
        told = f"{field} At this threshold that is <b>{here:.3f}</b> a row."
        if best is None:
            return f"<p>{told} {_NOTHING[self.below]}</p>"
        cost = self._coverage.at([float(best or 0)], self.below)[0].cost(float(ratio), 1.0)
        where = f"answer from {safe_text(best)} on" if float(best or 0) else "answer everything"
        if here <= cost + 1e-12:
            return f"<p>{told} No threshold is cheaper on these rows.</p>"
        return f'<p>{told} Cheapest on these rows: <button data-pick="cheapest">{where}</button>, {cost:.3f}.</p>'

    def _pick(self, _key: str) -> None:
        best = self._cheapest()
        if best is not None:
            self._state.figures.threshold = best

    def _cheapest(self) -> str | None:
        """Find the cheapest threshold once, as it takes some milliseconds for a million rows and is asked for often."""
        coverage, ratio = self._coverage, str(self._state.figures.cost)
        if coverage is None or not ratio:
            return None
        if self._best is None or self._best[:3] != (coverage, ratio, self.below):
            self._best = (coverage, ratio, self.below, cheapest(coverage, float(ratio), self.below))
        return self._best[3]

    def _choose(self, below: str) -> None:
        # What is deployed is the default, which a link leaves out.
        self._state.figures.below = "" if below == OTHER else below

    def _lead(self, examples: str) -> None:
        """Go to the rows of a card, as it was when it was clicked."""
        try:
            parse_selection(examples)
        except SelectionError:
            return  # nothing that our page sends
        self._state.examples.show(examples)

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
        drawing = draw_coverage(self._coverage, self.threshold, bool(self._state.appearance.dark), self.below)
        self.chart.show(drawing, _REMARKS[self.below])


def draw_coverage(coverage: Coverage, threshold: float, dark: bool, below: Below = "rejected") -> Drawing:
    """Draw what becomes of the rows at each of some thresholds; the chosen one is marked."""
    rows = coverage.rows or 1
    rectangles: list[Rectangle] = []
    examples: dict[str, ExampleSelection] = {}
    for place, at in enumerate(coverage.at(np.arange(STEPS) / STEPS, below)):
        bottom = 0.0
        for name, count, shade, selection in _kinds(at, dark):
            if not count:
                continue
            key = key_of(name, str(place))
            top = bottom + count / rows
            noun = "row" if count == 1 else "rows"
            tip = f"From {at.threshold:.2f} on, {name}: {count:,} {noun}, {count / rows:.1%}"
            # The bar stands at its threshold, so that the dashed line meets it.
            rectangles.append(Rectangle(place + 0.06, place + 0.94, bottom, top, shade, key, tip))
            examples[key] = selection
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


def _kinds(at: AtThreshold, dark: bool) -> tuple[tuple[str, int, str, ExampleSelection], ...]:
    """Return name, number, colour and rows of the parts of a bar, the lowest first."""
    kept, unsure = Span(at.threshold, 1.0), Span(0.0, at.threshold, below=True)
    right, wrong = OUTCOME_COLOURS["correct"], OUTCOME_COLOURS["wrong"]

    def as_other(outcome: str) -> ExampleSelection:
        return ExampleSelection(outcome=outcome, confidence=unsure, other_below=at.threshold)

    others_right, kept_wrong = at.others - at.others_wrong, at.wrong - at.others_wrong
    kept_right = at.answered - at.wrong - others_right
    return (
        ("right", kept_right, right, ExampleSelection(outcome="correct", confidence=kept)),
        ("right as other", others_right, right + _PALE, as_other("correct")),
        ("wrong", kept_wrong, wrong, ExampleSelection(outcome="wrong", confidence=kept)),
        ("wrong as other", at.others_wrong, wrong + _PALE, as_other("wrong")),
        ("rejected", at.rejected, palette(dark).bar, ExampleSelection(confidence=unsure)),
    )
