"""The drawer: everything that is known of one row, beside the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from panel.viewable import Viewer

from dashboard.components.work import Worker
from dashboard.detail import MOST_TOKENS, Answer, Detail, read_detail
from dashboard.sections.explore.drawer_pane import DrawerPane, row_key, row_of
from dashboard.sections.explore.exploration import has_loop, run
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import panel as pn

    from dashboard.job import Job
    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration

LONGEST_TEXT = 20_000
CSS = f"""
.drawer {{ position: fixed; top: 0; right: 0; bottom: 0; width: min(560px, 100vw); z-index: 1300; overflow-y: auto;
  background: {colour("surface")}; border-left: 1px solid {colour("line")}; box-shadow: -8px 0 32px rgb(0 0 0 / 18%);
  padding: 20px 24px 40px; box-sizing: border-box; overflow-wrap: anywhere; font-size: 15px; }}
header {{ display: flex; justify-content: space-between; gap: 12px; align-items: baseline; }}
.drawer:focus {{ outline: none; }}
td small {{ display: block; color: {colour("muted")}; }}
header button {{ font-size: 20px; padding: 2px 10px; border-radius: 6px; }}
header button:hover, .near button:hover {{ background: {colour("raised")}; }}
h3 {{ font-size: 18px; }}
h4 {{ font-size: 13px; font-weight: 700; color: {colour("muted")}; margin: 20px 0 6px; }}
.text {{ white-space: pre-wrap; background: {colour("raised")}; border-radius: 8px; padding: 10px 12px;
  max-height: 260px; overflow-y: auto; }}
.tokens {{ display: flex; flex-wrap: wrap; gap: 4px; max-height: 260px; overflow-y: auto; }}
.tokens span {{ border: 1px solid {colour("line")}; border-radius: 5px; padding: 0 6px; font-size: 13px; }}
.tokens .unknown {{ border-style: dashed; color: {colour("warning")}; }}
.tokens .cut {{ text-decoration: line-through; color: {colour("error")}; border-color: {colour("error")}; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 6px 12px; }}
.start:hover {{ background: {colour("raised")}; }}
ul {{ list-style: none; margin: 0; padding: 0; }}
li + li {{ margin-top: 6px; }}
.near button {{ width: 100%; padding: 6px 8px; border-radius: 6px; border: 1px solid {colour("line")}; }}
.near i {{ display: block; font-style: normal; font-size: 13px; color: {colour("muted")}; }}
table {{ width: 100%; border-collapse: collapse; font-size: 14px; }}
th {{ text-align: left; color: {colour("muted")}; font-weight: 600; }}
td, th {{ padding: 5px 8px 5px 0; border-top: 1px solid {colour("line")}; vertical-align: top; }}
.wrong {{ color: {colour("error")}; font-weight: 600; }}
"""


_CLOSE, _START = "close", "start:"


class _Part(NamedTuple):
    """A part of a row that long work gives: the work, whether it was done before, and the words of its button."""

    job: Callable[[Samples], Job[Any]]
    kept: Callable[[Samples], bool]
    button: str


_PARTS = {
    "near": _Part(lambda one: one.map, lambda one: one.kept_map(), "Draw the map of {rows} rows"),
    "remarks": _Part(lambda one: one.findings, lambda one: one.kept_findings(), "Look for findings in {rows} rows"),
}
"""By attribute of `Detail`."""


class Drawer(Viewer):
    """Opens when the state names a row, and closes by its button or the Escape key.

    A row is read when it is opened, and again when more is known; in between only the state of the work is looked at.
    """

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._reading = Worker()
        self._probing = {name: Worker() for name in _PARTS}
        self._followed: set[Job[Any]] = set()
        self._offered: set[Job[Any]] = set()
        self._detail: Detail | None = None
        self._view = DrawerPane(CSS, on_pick=self._picked, height=0, width=0, sizing_mode="fixed")
        exploration.chosen.param.watch(lambda _event: self.open(), "row")
        exploration.param.watch(self._learn, "known")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def open(self) -> None:
        """Show the row that the state names, or nothing."""
        exploration, samples = self._exploration, self._exploration.samples
        self._detail = None
        if not exploration.chosen.row or samples is None:
            self._view.html = ""
            return
        for name in _PARTS:
            self._begin(name, samples)
        self._read(samples)

    def _read(self, samples: Samples) -> None:
        exploration = self._exploration
        row, run_id = exploration.chosen.row, exploration.state.selection.run_id

        def compute() -> Detail | str:
            try:
                return read_detail(exploration.catalogue, samples, run_id, row)
            except TagscopeError as error:
                return str(error)

        def show(answer: Detail | str) -> None:
            if exploration.chosen.row != row or samples is not exploration.samples:
                return
            if isinstance(answer, str):
                self._view.html = _frame(row, f"<p>{safe_text(answer)}</p>")
                return
            self._detail = answer
            self._draw(samples)
            self._learn()

        run(self._reading, compute, show)

    def _draw(self, samples: Samples) -> None:
        """Write the row that has been read, with what is to come of it as it stands now."""
        if self._detail is not None and samples is self._exploration.samples:
            self._view.html = detail_html(self._detail, {name: self._to_come(name, samples) for name in _PARTS})

    def _learn(self, *_events: object) -> None:
        """Read the row again if there is more to be said of it."""
        detail, samples = self._detail, self._exploration.samples
        if detail is None or samples is None or not self._exploration.chosen.row:
            return
        if any(getattr(detail, name) is None and part.job(samples).value is not None for name, part in _PARTS.items()):
            self._read(samples)

    def _begin(self, name: str, samples: Samples) -> None:
        """Begin work that is quick or kept, and follow what others have begun."""
        part, exploration = _PARTS[name], self._exploration
        job = part.job(samples)
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        if job.status.is_over or not has_loop():
            return
        if samples.is_small or job.status.state == "running":
            self._start(name, samples)
            return

        def offer(kept: bool) -> None:
            if samples is not exploration.samples:
                return
            if kept:
                self._start(name, samples)
            self._offered.add(job)
            self._draw(samples)

        if job not in self._offered:
            run(self._probing[name], lambda: part.kept(samples), offer)

    def _start(self, name: str, samples: Samples) -> None:
        job = _PARTS[name].job(samples).start()
        if job in self._followed:
            return
        self._followed.add(job)

        def look() -> None:
            if not job.status.is_over:
                return
            self._followed.discard(job)
            if samples is not self._exploration.samples:
                return
            if job.status.state == "done":
                self._exploration.more_known()
            else:
                self._draw(samples)

        self._exploration.follow(job, Worker(), look)

    def _to_come(self, name: str, samples: Samples) -> str:
        """Write what stands in the place of a part that is not there yet."""
        part = _PARTS[name]
        job = part.job(samples)
        start = '<p><button class="start" data-pick="{}{}">{}</button></p>'
        if job.status.state == "failed":
            return f"<p>{safe_text(job.status.sentence)}</p>{start.format(_START, name, 'Try again')}"
        if job.status.state == "waiting" and job in self._offered:
            return start.format(_START, name, part.button.format(rows=f"{samples.facts.num_rows:,}"))
        when = "as soon as it is computed" if job.status.state == "waiting" else "in a moment: it is being computed"
        return f'<p class="ts-muted">Known {when}.</p>'

    def _picked(self, key: str) -> None:
        samples, row = self._exploration.samples, row_of(key)
        if row is not None:
            self._exploration.chosen.row = row
        elif key == _CLOSE:
            self._exploration.chosen.row = ""
        elif key.startswith(_START) and samples is not None:
            self._start(key.removeprefix(_START), samples)
            self._draw(samples)


def detail_html(detail: Detail, to_come: Mapping[str, str] | None = None) -> str:
    """Write everything that is known of a row as HTML, every text of it escaped.

    Parameters
    ----------
    detail
        The row.
    to_come
        HTML for what is not known yet, by attribute of `detail`: `near` and `remarks`.
    """
    to_come = to_come or {}
    parts = [f'<p class="ts-muted">{_facts(detail)}</p>']
    for title, text in detail.fields:
        parts.append(f'<h4>{safe_text(title, 60)}, as in the file</h4><div class="text">{_long(text)}</div>')
    same = detail.cleaned == detail.raw
    cleaned = '<p class="ts-muted">Cleaning changes nothing.</p>' if same else _boxed(detail.cleaned)
    near = _near(detail) if detail.near is not None else "<h4>Most similar</h4>" + to_come.get("near", "")
    remarks = _remarks(detail) if detail.remarks is not None else "<h4>Findings</h4>" + to_come.get("remarks", "")
    parts += ["<h4>Cleaned</h4>", cleaned, _tokens(detail), near, remarks, _answers(detail)]
    return _frame(detail.id, "".join(parts))


def _frame(row: str, body: str) -> str:
    title = f"Project {safe_text(row, 80)}"
    close = f'<button data-pick="{_CLOSE}" data-escape aria-label="Close">✕</button>'
    return (
        f'<aside class="drawer ts-drawer" role="dialog" tabindex="-1" data-row="{row_key(row)}" aria-label="{title}">'
        f"<header><h3>{title}</h3>{close}</header>{body}</aside>"
    )


def _facts(detail: Detail) -> str:
    facts = [f"Tag <b>{safe_text(detail.tag, 80)}</b>", f"line {detail.line:,} of the file"]
    return " · ".join([*facts, *([safe_text(detail.created)] if detail.created else [])])


def _long(text: str) -> str:
    return safe_text(text, LONGEST_TEXT) or "—"


def _boxed(text: str) -> str:
    return f'<div class="text">{_long(text)}</div>'


def _tokens(detail: Detail) -> str:
    if detail.tokens is None:
        return f'<h4>Tokens</h4><p class="ts-muted">{safe_text(detail.sentence)}</p>'
    cut = sum(token.cut for token in detail.tokens)
    unknown = sum(not token.known for token in detail.tokens)
    head = f"Tokens: {len(detail.tokens):,}, of which {unknown:,} are unknown to the model and {cut:,} are cut off"
    limit = f" (it reads {detail.token_limit:,})" if cut else ""
    spans = "".join(
        f'<span class="{"cut" if token.cut else "" if token.known else "unknown"}">{safe_text(token.text, 80)}</span>'
        for token in detail.tokens[:MOST_TOKENS]
    )
    rest = len(detail.tokens) - MOST_TOKENS
    more = f"<span>… {rest:,} more</span>" if rest > 0 else ""
    return f'<h4>{head}{limit}</h4><div class="tokens">{spans}{more}</div>'


def _near(detail: Detail) -> str:
    items = "".join(
        f'<li><button data-pick="{row_key(near.id)}"><i>{safe_text(near.tag, 60)} · {near.similarity:.0%} alike · '
        f"project {safe_text(near.id, 40)}</i>{safe_text(near.text, 160)}</button></li>"
        for near in detail.near or ()
    )
    none = '<p class="ts-muted">No other row shares a word with this one.</p>'
    return f"<h4>Most similar of all {detail.num_rows:,} rows, by {safe_text(detail.method)}</h4>" + (
        f'<ul class="near">{items}</ul>' if items else none
    )


def _remarks(detail: Detail) -> str:
    if not detail.remarks:
        return '<h4>Findings</h4><p class="ts-muted">Nothing was found wrong with this row.</p>'
    items = []
    for remark in detail.remarks:
        other = (
            f' <button data-pick="{row_key(remark.other_id)}"><u>Project {safe_text(remark.other_id, 40)}</u></button>'
            if remark.other_id
            else ""
        )
        items.append(f"<li><b>{safe_text(remark.title)}</b> {safe_text(remark.note, 400)}{other}</li>")
    return f"<h4>Findings</h4><ul>{''.join(items)}</ul>"


def _answers(detail: Detail) -> str:
    if not detail.answers:
        return '<h4>Predictions</h4><p class="ts-muted">No run has this row.</p>'
    rows = "".join(
        f"<tr><td>{safe_text(answer.run)}{_remark(answer)}</td><td>{safe_text(answer.split, 20)}</td>"
        f'<td class="{"wrong" if answer.correct is False else ""}">{safe_text(answer.predicted, 80)}'
        f"{'' if answer.probability is None else f' {answer.probability:.0%}'}"
        f"{' (wrong)' if answer.correct is False else ''}</td></tr>"
        for answer in detail.answers
    )
    return f"<h4>Predictions</h4><table><tr><th>Run</th><th>Split</th><th>Predicted</th></tr>{rows}</table>"


def _remark(answer: Answer) -> str:
    return f"<small>{safe_text(answer.remark)}</small>" if answer.remark else ""
