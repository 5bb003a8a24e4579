"""How the drawer looks: everything that is known of one row as HTML, every text of it escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.detail import MOST_TOKENS, Answer, Detail
from dashboard.sections.explore.drawer_pane import row_key
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 20_000
CLOSE = "close"
"""Key of the button that closes the drawer."""
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
    return framed(detail.id, "".join(parts))


def framed(row: str, body: str) -> str:
    """Put the HTML of a row into the drawer, with its head."""
    title = f"Project {safe_text(row, 80)}"
    close = f'<button data-pick="{CLOSE}" data-escape aria-label="Close">✕</button>'
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
