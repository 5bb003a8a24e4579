"""The findings, worst first: what is wrong, how often, what to do about it, and the way to the rows."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import surface
from dashboard.components.work import Worker
from dashboard.sections.base import run
from dashboard.sections.explore.drawer_pane import row_key, row_of
from dashboard.sections.explore.job_view import JobView, JobWords
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.exploration.bars import count_findings

if TYPE_CHECKING:
    import panel as pn

    from dashboard.samples import Found
    from dashboard.sections.explore.exploration import Exploration
    from engine.findings.contract import Finding

CSS = f"""
ul {{ list-style: none; margin: 0; padding: 0; }}
li {{ border-top: 1px solid {colour("line")}; }}
li > button, li > .finding {{ display: grid; grid-template-columns: 92px minmax(0, 1fr); gap: 14px; width: 100%;
  padding: 11px 8px; box-sizing: border-box; overflow-wrap: anywhere; }}
li > button:hover {{ background: {colour("raised")}; }}
li > button[aria-pressed=true] {{ background: {colour("raised")}; box-shadow: inset 3px 0 0 {colour("accent")}; }}
.number {{ font-size: 22px; line-height: 1.25; font-weight: 700; text-align: right;
  font-variant-numeric: tabular-nums; }}
.number small {{ display: block; font-size: 12.5px; font-weight: 400; color: {colour("muted")}; }}
b {{ font-size: 15.5px; }}
.group {{ color: {colour("muted")}; font-size: 13px; margin-left: 8px; }}
p.advice {{ color: {colour("muted")}; font-size: 14px; }}
p.rest {{ color: {colour("muted")}; font-size: 14px; margin-top: 12px; }}
details {{ margin: 0 8px 12px 114px; font-size: 14px; overflow-x: auto; }}
summary {{ cursor: pointer; color: {colour("muted")}; }}
table {{ border-collapse: collapse; margin-top: 6px; }}
th {{ text-align: left; color: {colour("muted")}; font-weight: 600; }}
td, th {{ padding: 4px 16px 4px 0; border-top: 1px solid {colour("line")}; vertical-align: top;
  overflow-wrap: anywhere; }}
td button {{ text-decoration: underline; }}
"""
WORDS = JobWords(
    offer="It is done once, for everybody, and kept; with 100,000 rows it takes minutes.",
    button="Look for findings in {rows} rows",
    doing="Looking for findings",
)
MOST_LINES = 20
_ROW = "most_id"
"""The column of a finding's figures that names a row of the data."""


class FindingsList(Viewer):
    """Begins the work where it is quick or kept, else offers to; then the list, each finding with its figures."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._counting = Worker()
        self._counts: dict[str, int] = {}
        self._opened: set[str] = set()
        self._job = JobView(
            exploration,
            WORDS,
            job=lambda samples: samples.findings,
            kept=lambda samples: samples.kept_findings(),
            done=lambda _samples: self._count(),
        )
        self._list = Clickable(CSS, on_pick=self._picked)
        self._view = surface(sub_heading("Findings"), self._job, self._list)
        exploration.param.watch(self._begin, "opened")
        exploration.param.watch(self._count, "turn")
        self._begin()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _begin(self, *_events: object) -> None:
        self._list.html = ""
        self._job.begin()

    def _count(self, *_events: object) -> None:
        """Count how many rows of each finding the other conditions leave."""
        selection, samples = self._exploration.selection, self._exploration.samples
        if selection is None or samples is None or samples.findings.value is None:
            return
        explorer, found = samples.explorer, samples.findings.value

        def compute() -> dict[str, int]:
            rows = explorer.select(selection.filter.change(finding=None))
            return {bar.label: bar.count for bar in count_findings(explorer.table, rows)}

        def show(counts: dict[str, int]) -> None:
            if samples is self._exploration.samples:
                self._counts = counts
                self._show(found)

        run(self._counting, compute, show)

    def _show(self, found: Found) -> None:
        chosen = self._exploration.chosen.finding
        self._list.html = findings_html(found.items, self._counts, chosen, self._opened)

    def _picked(self, key: str) -> None:
        what, _, name = key.partition(":")
        chosen, samples, row = self._exploration.chosen, self._exploration.samples, row_of(key)
        if row is not None:
            chosen.row = row
        elif what == "figures":
            self._opened ^= {name}
            if samples is not None and samples.findings.value is not None:
                self._show(samples.findings.value)
        else:
            chosen.param.update(finding="" if chosen.finding == name else name, sort="")


def findings_html(items: tuple[Finding, ...], counts: dict[str, int], chosen: str, opened: set[str]) -> str:
    """Write the list: what was found, what was not, and what could not be looked for.

    Parameters
    ----------
    items
        The worst first.
    counts
        By kind: how many of its rows the filter leaves.
    chosen
        The kind that is a condition of the filter; empty without.
    opened
        Kinds whose figures are unfolded.
    """
    listed = [item for item in items if item.noteworthy]
    rows = "".join(
        f"<li>{_item_html(item, counts.get(item.kind, 0), pressed=item.kind == chosen)}"
        f"{_figures_html(item, opened=item.kind in opened)}</li>"
        for item in listed
    )
    clear = [item.title for item in items if item.computed and not item.noteworthy]
    rest = f'<p class="rest">Nothing found: {safe_text("; ".join(clear))}.</p>' if clear else ""
    reasons: dict[str, list[str]] = {}
    for item in items:
        if not item.computed:
            reasons.setdefault(item.sentence, []).append(item.title)
    for reason, titles in reasons.items():
        rest += f'<p class="rest">Not looked for: {safe_text("; ".join(titles))}. {safe_text(reason)}</p>'
    return f'<ul class="ts-findings">{rows}</ul>{rest}'


def _item_html(item: Finding, count: int, *, pressed: bool) -> str:
    # Without a filter all that were found, out of all rows; with one, those that it leaves.
    of = f"of all {item.total:,} rows" if count == item.affected else f"of {item.affected:,} in all {item.total:,} rows"
    words = (
        f"<div><b>{safe_text(item.title)}</b><span class='group'>{safe_text(item.group)}</span>"
        f"<p>{safe_text(item.sentence)}</p><p class='advice'>{safe_text(item.advice)}</p></div>"
    )
    if not item.affected:
        return f'<div class="finding"><div class="number">–</div>{words}</div>'
    return (
        f'<button data-pick="finding:{html.escape(item.kind)}" aria-pressed="{str(pressed).lower()}">'
        f'<div class="number">{count:,}<small>{of}</small></div>{words}</button>'
    )


def _figures_html(item: Finding, *, opened: bool) -> str:
    """Write the figures that belong to no single row, once they are unfolded; a filter that changes leaves them so."""
    lines = item.figures
    if not lines:
        return ""
    summary = f'<summary data-pick="figures:{html.escape(item.kind)}">Figures</summary>'
    if not opened:
        return f"<details>{summary}</details>"
    titles = "".join(f"<th>{safe_text(name)}</th>" for name in lines[0])
    body = "".join(
        f"<tr>{''.join(_cell(name, value) for name, value in line.items())}</tr>" for line in lines[:MOST_LINES]
    )
    rest = f"<p>… and {len(lines) - MOST_LINES:,} more</p>" if len(lines) > MOST_LINES else ""
    return f"<details open>{summary}<table><tr>{titles}</tr>{body}</table>{rest}</details>"


def _cell(name: str, value: str) -> str:
    if name == _ROW.replace("_", " ") and value:
        return f'<td><button data-pick="{row_key(value)}">{safe_text(value, 60)}</button></td>'
    return f"<td>{safe_text(value, 120)}</td>"
