"""Weak slices: where the model errs more often than chance explains, found by a job, each leading to its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import surface
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.evaluation.selection import ExampleSelection, format_selection, weak_name
from dashboard.sections.base import follow, has_loop
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.state import DashboardState
    from engine.evaluation.weak_slices import WeakSlice, WeakSlices

SMALL = 5_000
"""So many rows are looked through without being asked for: it takes a second or two."""

_START = "start"
_CSS = f"""
p {{ font-size: 14px; }}
.explain {{ color: {colour("muted")}; }}
table {{ border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.4; margin-top: 10px;
  font-variant-numeric: tabular-nums; }}
th {{ text-align: left; font-weight: 600; color: {colour("muted")}; padding: 6px 10px; }}
td {{ padding: 7px 10px; border-top: 1px solid {colour("line")}; vertical-align: top; overflow-wrap: anywhere; }}
td:first-child, th:first-child {{ padding-left: 0; }}
td button {{ text-decoration: underline; text-underline-offset: 2px; }}
td button:hover {{ color: {colour("accent")}; }}
.wrap {{ overflow-x: auto; }}
.also {{ color: {colour("muted")}; font-size: 13px; }}
.rate {{ display: block; height: 6px; border-radius: 3px; background: {colour("bar")}; margin-top: 4px;
  min-width: 90px; position: relative; }}
.rate i {{ position: absolute; left: 0; top: 0; bottom: 0; border-radius: 3px; background: {colour("error")}; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 8px 16px; margin-top: 10px; }}
.start:hover {{ background: {colour("raised")}; }}
progress {{ width: min(420px, 100%); accent-color: {colour("accent")}; margin-top: 6px; }}
@media (max-width: 640px) {{ .wide {{ display: none; }} }}
"""
_EXPLANATION = (
    "Words, lengths, dates, tags and neighbourhoods of texts, alone and by two, where errors are more frequent than "
    "the tags of the rows explain; corrected for all that were looked at."
)


class WeakSlicesView(Viewer):
    """Offers to look for weak slices, and lists those that were found.

    Parameters
    ----------
    state
        Of the visitor.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._evaluation: Evaluation | None = None
        self._worker = Worker()
        self._content = Clickable(_CSS, on_pick=self._picked)
        self._message = Message(kind="hint")
        self._view = surface(sub_heading("Weak slices"), self._content, self._message)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, evaluation: Evaluation | None) -> None:
        """Show what was found in another run; look for it at once where that is quick, or somebody has begun."""
        self._evaluation = evaluation
        self._view.visible = evaluation is not None
        if evaluation is None:
            return
        state = evaluation.weak.status.state
        self._message.text = ""
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if state in ("running", "done") or (state == "waiting" and self._is_quick(evaluation)):
            self.start()
        elif state == "failed":
            # It is tried again when somebody wants it, not by every visit.
            self._look(evaluation)
        else:
            self._show(_button(f"Look for weak slices among {evaluation.rows:,} rows"))

    def start(self) -> None:
        """Look for weak slices, or follow the search."""
        evaluation = self._evaluation
        if evaluation is not None:
            follow(evaluation.weak.start(), self._worker, lambda: self._look(evaluation))

    def _is_quick(self, evaluation: Evaluation) -> bool:
        return evaluation.rows <= SMALL and evaluation.dataset is not None and has_loop()

    def _look(self, evaluation: Evaluation) -> None:
        if evaluation is not self._evaluation:
            return
        status, found = evaluation.weak.status, evaluation.weak.value
        self._message.text = status.sentence if status.state == "failed" else ""
        if status.state == "failed":
            self._show(_button("Try again"))
        elif found is None:
            doing = safe_text(status.step or "Looking for weak slices")
            self._show(
                f'<p role="status">{doing} …</p><progress max="1" value="{status.share:.3f}" aria-label="Progress">'
                "</progress>"
            )
        else:
            self._show(_found_html(found))

    def _show(self, html: str) -> None:
        self._content.html = f'<p class="explain">{_EXPLANATION}</p>{html}'

    def _picked(self, key: str) -> None:
        if key == _START:
            self.start()
            return
        found = None if self._evaluation is None else self._evaluation.weak.value
        kind, _, place = key.partition(":")
        if found is None or not place.isdigit() or int(place) >= len(found.found):
            return
        selection = ExampleSelection(weak=_name(found.found[int(place)]), outcome="wrong" if kind == "wrong" else "")
        self._state.examples.show(format_selection(selection))


def _name(one: WeakSlice) -> str:
    return weak_name([condition.phrase for condition in one.conditions])


def _button(words: str) -> str:
    return f'<button class="start" data-pick="{_START}">{safe_text(words)}</button>'


def _found_html(found: WeakSlices) -> str:
    sentence = f'<p class="found">{safe_text(found.sentence)}</p>'
    if not found.found:
        return sentence
    titles = ("Rows", "Errors", "Error rate", "Usual", "Times", "p")
    heads = "".join(f"<th{' class=wide' if title == 'Times' else ''}>{title}</th>" for title in titles)
    rows = "".join(_row(place, one) for place, one in enumerate(found.found))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'{sentence}<div class="wrap">{table}</div>'


def _row(place: int, one: WeakSlice) -> str:
    also = "; ".join(safe_text(weak_name([condition.phrase for condition in some]), 80) for some in one.also[:3])
    more = f'<div class="also">also {also}</div>' if also else ""
    chance = "&lt; 0.001" if one.p < 0.001 else f"{one.p:.3f}"
    return (
        f'<tr><td><button data-pick="rows:{place}">{safe_text(_name(one), 160)}</button>{more}</td>'
        f'<td><button data-pick="wrong:{place}">{one.errors:,} of {one.rows:,}</button></td>'
        f'<td>{one.error_rate:.0%}<span class="rate"><i style="width:{100 * one.error_rate:.0f}%"></i></span></td>'
        f"<td>{one.usual:.0%}</td>"
        f'<td class="wide">{_times(one)}</td><td>{chance}</td></tr>'
    )


def _times(one: WeakSlice) -> str:
    low, high = (f"{end:.1f}" if end < 1000 else "∞" for end in (one.ratio.low, one.ratio.high))
    return f"{one.ratio.value:.1f} ({low} to {high})" if one.ratio.value < 1000 else "–"
