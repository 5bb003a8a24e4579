"""The findings, worst first: what is wrong, how often, what to do about it, and the way to the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import surface
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.sections.explore.exploration import has_loop, run
from dashboard.text import plain_text, safe_text
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
li > button, li > div {{ display: grid; grid-template-columns: 92px minmax(0, 1fr); gap: 14px; width: 100%;
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
progress {{ width: min(420px, 100%); accent-color: {colour("accent")}; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 8px 16px; margin-top: 10px; }}
.start:hover {{ background: {colour("raised")}; }}
"""
_HOW_LONG = "It is done once, for everybody, and kept; with 100,000 rows it takes minutes."


class FindingsList(Viewer):
    """Begins the work where it is quick or kept, else offers to; shows its progress, then the list."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._polling, self._counting, self._probing = Worker(), Worker(), Worker()
        self._samples: object = None
        self._list = Clickable(CSS, on_pick=self._picked)
        self._message = Message()
        self._view = surface(sub_heading("Findings"), self._message, self._list)
        exploration.param.watch(self._refresh, "turn")
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
            self._begin()
        elif samples.findings.status.state == "done":
            self._count()

    def _begin(self) -> None:
        """Compute what is quick or kept, and look at what others have begun."""
        samples = self._exploration.samples
        assert samples is not None
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if (samples.is_small and has_loop()) or samples.findings.status.state != "waiting":
            self._start()
            return
        self._list.html = '<p class="ts-muted">Looking for findings that were kept …</p>'

        def offer(kept: bool) -> None:
            if kept:
                self._start()
            else:
                self._list.html = (
                    f'<p class="ts-muted">{_HOW_LONG}</p><button class="start" data-pick="start">Look for findings '
                    f"in {samples.facts.num_rows:,} rows</button>"
                )

        run(self._probing, samples.kept_findings, offer)

    def _start(self) -> None:
        samples = self._exploration.samples
        if samples is None:
            return
        seen = samples.findings.status.is_over
        job = samples.findings.start()

        def show() -> None:
            if samples is not self._exploration.samples:
                return
            status = job.status
            self._message.text = status.sentence
            if status.state == "running":
                step = safe_text(status.step.lower()) or "…"
                self._list.html = (
                    f'<p class="ts-muted" role="status">Looking for findings: {step}</p>'
                    f'<progress max="1" value="{status.share:.3f}" aria-label="Progress"></progress>'
                )
            elif status.state == "failed":
                self._list.html = ""
            elif seen:
                self._count()
            else:
                # A link may have named a finding that was not there yet.
                self._exploration.refresh()

        self._exploration.follow(job, self._polling, show)

    def _count(self) -> None:
        selection, samples = self._exploration.selection, self._exploration.samples
        if selection is None or samples is None or samples.findings.value is None:
            return
        explorer, found = samples.explorer, samples.findings.value

        def compute() -> dict[str, int]:
            rows = explorer.select(selection.filter.change(finding=None))
            return {bar.label: bar.count for bar in count_findings(explorer.table, rows)}

        run(self._counting, compute, lambda counts: self._show(found, counts))

    def _show(self, found: Found, counts: dict[str, int]) -> None:
        listed = [item for item in found.items if item.affected or (item.computed and item.severity)]
        chosen = self._exploration.chosen.finding
        rows = "".join(
            f"<li>{_item_html(item, counts.get(item.kind, 0), pressed=item.kind == chosen)}</li>" for item in listed
        )
        clear = [item.title for item in found.items if item.computed and item not in listed]
        rest = f'<p class="rest">Nothing found: {safe_text("; ".join(clear))}.</p>' if clear else ""
        reasons: dict[str, list[str]] = {}
        for item in found.items:
            if not item.computed:
                reasons.setdefault(item.sentence, []).append(item.title)
        for reason, titles in reasons.items():
            rest += f'<p class="rest">Not looked for: {safe_text("; ".join(titles))}. {safe_text(reason)}</p>'
        self._list.html = f'<ul class="ts-findings">{rows}</ul>{rest}'

    def _picked(self, key: str) -> None:
        if key == "start":
            self._start()
            return
        chosen, kind = self._exploration.chosen, key.removeprefix("finding:")
        chosen.param.update(finding="" if chosen.finding == kind else kind, sort="")


def _item_html(item: Finding, count: int, *, pressed: bool) -> str:
    number = f"{count:,}" if count == item.affected else f"{count:,}<small>of {item.affected:,}</small>"
    table = _figures(item)
    words = (
        f"<div><b>{safe_text(item.title)}</b><span class='group'>{safe_text(item.group)}</span>"
        f"<p>{safe_text(item.sentence)}</p>{table}<p class='advice'>{safe_text(item.advice)}</p></div>"
    )
    if not item.affected:
        return f'<div><div class="number">–</div>{words}</div>'
    return (
        f'<button data-pick="finding:{safe_text(item.kind)}" aria-pressed="{str(pressed).lower()}">'
        f'<div class="number">{number}'
        f"{'' if count != item.affected else '<small>rows</small>'}</div>{words}</button>"
    )


def _figures(item: Finding) -> str:
    """Figures of a finding that belong to no single row, the first few of them."""
    lines = [
        "; ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in entry.items())
        for entry in item.table[:3]
    ]
    return f"<p class='advice'>{safe_text(' · '.join(lines), 400)}</p>" if lines and not item.affected else ""


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else plain_text(value, 40)
