"""The choice of runs that are looked at together, of their order, and of the figure that is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, stack
from dashboard.components.message import Message
from dashboard.evaluation.selection import ORDERS
from dashboard.sections.compare.timeline import METRICS
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.sections.compare.family import Family
    from dashboard.state import DashboardState

_ORDER_LABELS = {"time": "Time", "git tag": "Git tag", "version": "Version of the data"}
_CSS = f"""
.runs {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: center; font-size: 14px; }}
.runs button {{ border: 1px solid {colour("line")}; border-radius: 999px; padding: 3px 12px;
  background: {colour("surface")}; color: {colour("muted")}; }}
.runs button:hover {{ background: {colour("raised")}; }}
.runs [aria-pressed=true] {{ color: {colour("text")}; border-color: {colour("accent")}; }}
.runs [aria-pressed=true]::before {{ content: "✓ "; color: {colour("accent")}; font-weight: 700; }}
.runs span {{ color: {colour("muted")}; }}
"""


class RunsChoice(Viewer):
    """Fields for `RunChoice.over`, `order` and `metric`.

    Parameters
    ----------
    state
        Of the page.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._family: Family | None = None
        self._fixed: tuple[str, ...] = ()
        runs = state.runs
        self._metric = select("Figure", {f"{one[:1].upper()}{one[1:]}": one for one in METRICS}, str(runs.metric))
        self._order = select("Ordered by", {_ORDER_LABELS[one]: one for one in ORDERS}, str(runs.order))
        self._runs = Clickable(_CSS, on_pick=self._picked)
        self._left_out = Message(kind="hint")
        self._view = stack(
            columns(
                sub_heading("Over several runs"),
                self._metric,
                self._order,
                template="1fr minmax(0, 240px) minmax(0, 240px)",
                align="end",
            ),
            self._runs,
            self._left_out,
            gap=14,
        )
        for field, name in ((self._metric, "metric"), (self._order, "order")):
            field.param.watch(lambda event, name=name: self._entered(name, event), "value")
            runs.param.watch(lambda event, field=field: field.param.update(value=event.new), name)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, family: Family, fixed: tuple[str, ...], left_out: str) -> None:
        """Show the runs.

        Parameters
        ----------
        family
            The runs that there are, and which of them are looked at.
        fixed : tuple of str
            Ids of those that cannot be left out: the run on show and the base.
        left_out : str
            Sentences on runs that could not be followed.
        """
        self._family, self._fixed = family, fixed
        buttons = "".join(
            f'<button data-pick="{entry.run_id}" aria-pressed="{str(entry.run_id in family.chosen).lower()}"'
            f"{' disabled' if entry.run_id in fixed else ''}>{safe_text(entry.label, 60)}</button>"
            for entry in family.entries
        )
        self._runs.html = f'<div class="runs"><span>Runs</span>{buttons}</div>' if len(family.entries) > 2 else ""
        self._left_out.text = left_out

    def _picked(self, run_id: str) -> None:
        family = self._family
        if family is not None and run_id not in self._fixed and any(run_id == one.run_id for one in family.entries):
            self._state.runs.over = family.toggled(run_id)

    def _entered(self, name: str, event: Any) -> None:
        if event.new and event.new != getattr(self._state.runs, name):
            setattr(self._state.runs, name, event.new)
