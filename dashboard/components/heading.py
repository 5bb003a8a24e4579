"""Headings, and the big number that a visitor sees first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.components.markup import markup
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.facts import Facts

HERO_CSS = f"""
.ts-hero .count {{ font-size: 64px; line-height: 1.05; font-weight: 700; letter-spacing: -0.03em;
  font-variant-numeric: tabular-nums; color: {colour("text")}; }}
.ts-hero .what {{ font-size: 19px; line-height: 1.3; color: {colour("text")}; margin-top: 2px; }}
.ts-hero ul {{ list-style: none; margin: 18px 0 0; padding: 0; color: {colour("muted")}; font-size: 15px;
  line-height: 1.75; }}
.ts-hero b {{ color: {colour("text")}; font-weight: 700; font-variant-numeric: tabular-nums; }}
"""


def section_heading(title: str, explanation: str) -> pn.pane.HTML:
    """Make a section's title and the sentence below it; both are ours."""
    return markup(f'<h2>{safe_text(title)}</h2><p class="ts-muted">{safe_text(explanation)}</p>')


def sub_heading(title: str) -> pn.pane.HTML:
    """Make the title of a part of a section."""
    return markup(f"<h3>{safe_text(title)}</h3>")


def hero_html(facts: Facts) -> str:
    """Make the big number of a data set and what is known about it, as HTML for `HERO_CSS`."""
    lines = [f"<b>{len(facts.tags):,}</b> tags"]
    if facts.first:
        days = safe_text(facts.first) if facts.first == facts.last else f"{facts.first}</b> to <b>{facts.last}"
        lines.append(f"written <b>{days}</b>")
    if facts.num_left_out:
        rows = "row was" if facts.num_left_out == 1 else "rows were"
        lines.append(f"<b>{facts.num_left_out:,}</b> {rows} left out: no text or no tag")
    items = "".join(f"<li>{line}</li>" for line in lines)
    noun = "labelled project" if facts.num_rows == 1 else "labelled projects"
    return (
        f'<div class="ts-hero"><div class="count">{facts.num_rows:,}</div>'
        f'<div class="what">{noun} in {safe_text(facts.name, 60)}</div><ul>{items}</ul></div>'
    )
