"""The matrix of changes as a table of buttons: only what is more than chance has a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import surface
from dashboard.components.markup import markup
from dashboard.sections.compare.way import show_flips
from dashboard.sections.compare.words import rows_of, signed
from dashboard.text import safe_text
from dashboard.theme import OUTCOME_COLOURS, colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.sections.compare.matrix import Cell, Matrix
    from dashboard.state import DashboardState

TITLES = {"tags": "F1 by tag against the base run", "slices": "Right answers by slice against the base run"}
_NOTHING = {
    "tags": "No tag can be compared.",
    "slices": "There are no slices to compare: define some in config/slices.py or config/slices.toml.",
}
# From here on a change has the full strength of its colour.
_STRONG = 0.10
_CSS = f"""
.scroll {{ overflow-x: auto; }}
@media (min-width: 900px) {{ .few {{ overflow: visible; }} }}
table {{ border-collapse: separate; border-spacing: 2px; font-size: 14px; font-variant-numeric: tabular-nums; }}
thead th {{ font-weight: 600; padding: 2px 8px 6px; text-align: center; white-space: nowrap; font-size: 13px; }}
thead th button {{ text-align: center; }}
thead th small {{ display: block; color: {colour("muted")}; font-weight: 400; font-size: 12px; }}
thead th.shown {{ border-bottom: 3px solid {colour("accent")}; }}
tbody th {{ font-weight: 400; text-align: left; padding: 0 12px 0 0; max-width: 260px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; position: sticky; left: 0; background: {colour("surface")}; }}
td {{ padding: 0; position: relative; min-width: 84px; }}
td button, td span.none {{ display: block; width: 100%; box-sizing: border-box; padding: 1px 8px; border-radius: 4px;
  text-align: center; line-height: 21px; }}
td button {{ background: {colour("raised")}; }}
td span.none, td button.same {{ color: {colour("muted")}; background: none; }}
td button.up, td button.down {{ font-weight: 700; color: {colour("text")}; }}
td button.up {{ background: color-mix(in srgb, {OUTCOME_COLOURS["correct"]} var(--share), {colour("surface")}); }}
td button.down {{ background: color-mix(in srgb, {OUTCOME_COLOURS["wrong"]} var(--share), {colour("surface")}); }}
td button:hover, td button:focus-visible {{ outline: 2px solid {colour("accent")}; outline-offset: -1px; }}
td .tip {{ display: none; position: absolute; z-index: 20; top: calc(100% + 4px); left: 50%; translate: -50% 0;
  width: 290px; background: {colour("surface")}; color: {colour("text")}; border: 1px solid {colour("line")};
  border-radius: 8px; box-shadow: 0 4px 16px rgb(0 0 0 / 0.25); padding: 8px 12px; font-weight: 400; font-size: 13px;
  line-height: 1.45; text-align: left; white-space: normal; pointer-events: none; overflow-wrap: anywhere; }}
td.late .tip {{ left: auto; right: 0; translate: none; }}
/* The mouse can go to it, but only after it has rested: on the way over a column no tip is to stand in its way. */
td:hover .tip, td:focus-within .tip {{ display: block; animation: hold 0s 0.25s forwards; }}
/* Where the focus is left of a click, nobody asks for it. */
td:has(:focus:not(:focus-visible)):not(:hover) .tip {{ display: none; }}
td .tip::before {{ content: ""; position: absolute; inset: -6px 0; z-index: -1; }}
@keyframes hold {{ to {{ pointer-events: auto; }} }}
.tip .flips {{ display: flex; gap: 8px; margin-top: 8px; }}
.tip .flips > * {{ flex: 1; border: 1px solid {colour("line")}; border-radius: 6px; padding: 2px 8px; width: auto;
  background: none; color: {colour("muted")}; line-height: inherit; text-align: center; }}
.tip .flips button {{ color: {colour("text")}; }}
.tip .flips .fixed {{ border-left: 4px solid {OUTCOME_COLOURS["correct"]}; }}
.tip .flips .broken {{ border-left: 4px solid {OUTCOME_COLOURS["wrong"]}; }}
.tip .flips button:hover {{ background: {colour("raised")}; text-decoration: underline; text-underline-offset: 2px; }}
tbody.deep tr:nth-last-child(-n+4) .tip {{ top: auto; bottom: calc(100% + 4px); }}
.none-at-all {{ color: {colour("muted")}; }}
"""
_LEGEND_CSS = f"""
.legend {{ display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; color: {colour("muted")}; }}
.legend b {{ color: {colour("text")}; font-weight: 600; border-radius: 4px; padding: 1px 8px; }}
.legend .up {{ background: color-mix(in srgb, {OUTCOME_COLOURS["correct"]} 45%, {colour("surface")}); }}
.legend .down {{ background: color-mix(in srgb, {OUTCOME_COLOURS["wrong"]} 45%, {colour("surface")}); }}
"""


class Head(msgspec.Struct, frozen=True):
    """What stands above a column: two short texts, and a long one that hovering says."""

    title: str
    detail: str = ""
    tip: str = ""


class MatrixView(Viewer):
    """A matrix of tags or of slices; a cell leads to the examples that made its change.

    Parameters
    ----------
    state
        Of the page.
    kind : str
        ``"tags"`` or ``"slices"``.
    """

    def __init__(self, state: DashboardState, kind: str) -> None:
        super().__init__()
        self._state, self._kind = state, kind
        self._matrix: Matrix | None = None
        self._picks: dict[str, tuple[Cell, str] | str] = {}
        self._legend = markup("", _LEGEND_CSS)
        self._table = Clickable(_CSS, on_pick=self._picked, min_height=60)
        self._view = surface(sub_heading(TITLES[kind]), self._legend, self._table)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, matrix: Matrix, heads: dict[str, Head], shown: str) -> None:
        """Show a matrix.

        Parameters
        ----------
        matrix
            What is shown.
        heads
            What stands above the column of each run.
        shown
            Id of the run on show, whose column is marked.
        """
        self._matrix = matrix
        # By place, for names of tags are from people and may be long.
        self._picks = {f"run:{run_id}": run_id for run_id in matrix.runs}
        for row, name in enumerate(matrix.names):
            for column, run_id in enumerate(matrix.runs):
                cell = matrix.cells.get((name, run_id))
                if cell is not None and cell.flip:
                    key = f"{row}:{column}:{run_id}"
                    self._picks[key] = cell, cell.flip
                    self._picks |= {f"{key}:{flip}": (cell, flip) for flip, count in cell.counts.items() if count}
        self._legend.object = legend_html(matrix, self._kind, heads.get(matrix.base))
        self._table.html = table_html(matrix, heads, shown, self._kind)

    def _picked(self, key: str) -> None:
        meant, matrix = self._picks.get(key), self._matrix
        if meant is None or matrix is None:
            return
        if isinstance(meant, str):
            self._state.runs.against = matrix.base
            self._state.show_run(meant, "compare")
            return
        cell, flip = meant
        named = {"tag" if self._kind == "tags" else "slice_name": cell.delta.name}
        show_flips(self._state, flip, matrix.base, cell.run_id, **named)


def legend_html(matrix: Matrix, kind: str, base: Head | None = None) -> str:
    """Write what the colours mean, how many changes there are, and what the base is."""
    if not matrix.cells:
        return ""
    marked = sum(cell.marked for cell in matrix.cells.values())
    noun = "tag" if kind == "tags" else "slice"
    named = "" if base is None else f"<span>Base run: {safe_text(base.detail, 40)}, {safe_text(base.title, 24)}</span>"
    cells = rows_of(len(matrix.cells), "change")
    coloured = "None has a colour"
    if marked:
        where = len({name for (name, _run), cell in matrix.cells.items() if cell.marked})
        verb = "has" if marked == 1 else "have"
        coloured = f"{marked:,} of {cells} {verb} a colour, in {where:,} of {rows_of(len(matrix.names), noun)}"
    return (
        f'<div class="legend">{named}<span><b class="up">▲ better</b> <b class="down">▼ worse</b> more than chance, '
        f"corrected for all {cells} (Holm, 5 %)</span><span>{coloured}</span></div>"
    )


def table_html(matrix: Matrix, heads: dict[str, Head], shown: str, kind: str) -> str:
    """Write the table; every name in it is escaped."""
    if not matrix.cells:
        words = safe_text(_NOTHING[kind]) if matrix.runs else "No other run can be compared with the base run."
        return f'<p class="none-at-all">{words}</p>'
    late = len(matrix.runs) // 2
    columns = "".join(_head(run_id, heads.get(run_id, Head(run_id[:8])), run_id == shown) for run_id in matrix.runs)
    rows = ""
    for row, name in enumerate(matrix.names):
        cells = "".join(
            _cell(
                matrix.cells.get((name, run_id)),
                f"{row}:{column}:{run_id}",
                column > late or column == len(matrix.runs) - 1 > 2,
            )
            for column, run_id in enumerate(matrix.runs)
        )
        label = safe_text(name, 120)
        rows += f'<tr><th scope="row" title="{label}">{label}</th>{cells}</tr>'
    few = " few" if len(matrix.runs) <= 12 else ""
    deep = ' class="deep"' if len(matrix.names) > 8 else ""
    return (
        f'<div class="scroll{few}"><table class="ts-matrix"><thead><tr><td></td>{columns}</tr></thead>'
        f"<tbody{deep}>{rows}</tbody></table></div>"
    )


def _head(run_id: str, head: Head, shown: bool) -> str:
    detail = f"<small>{safe_text(head.detail, 24)}</small>" if head.detail else ""
    return (
        f'<th scope="col"{" class=shown" if shown else ""}><button data-pick="run:{run_id}" '
        f'title="{safe_text(head.tip, 300)}">{safe_text(head.title, 24)}{detail}</button></th>'
    )


def _cell(cell: Cell | None, key: str, late: bool) -> str:
    place = " class=late" if late else ""
    if cell is None:
        return f'<td{place}><span class="none" title="Not both runs have it.">–</span></td>'
    change, meaning = cell.delta.change, safe_text(cell.meaning, 600)
    if not cell.flip:
        return f'<td{place}><span class="none">0<span class="tip">{meaning}</span></span></td>'
    css, mark, style = "", "", ""
    text = signed(change, 2)
    if cell.marked:
        css, mark = (" class=up", "▲ ") if change > 0 else (" class=down", "▼ ")
        style = f' style="--share: {25 + 35 * min(abs(change) / _STRONG, 1):.0f}%"'
    elif not text.startswith(("+", "−")):
        css = " class=same"
    return (
        f'<td{place}><button{css} data-pick="{key}"{style} aria-label="{safe_text(cell.spoken, 700)}">{mark}{text}'
        f'</button><span class="tip"><span aria-hidden="true">{meaning}</span>{_flips(cell, key)}</span></td>'
    )


def _flips(cell: Cell, key: str) -> str:
    """Write how many examples were fixed and how many broke, each a way to them: a click on the cell is only one."""
    counts = "".join(
        f'<button class="{flip}" data-pick="{key}:{flip}">{count:,} {flip}</button>'
        if count
        else f'<span class="{flip}">0 {flip}</span>'
        for flip, count in cell.counts.items()
    )
    return f'<span class="flips">{counts}</span>'
