"""HTML of what was fixed and what broke; text from people stands in it escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.sections.compare.words import rows_of
from dashboard.text import safe_text
from dashboard.theme import OUTCOME_COLOURS, colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dashboard.evaluation.example import Example
    from dashboard.sections.compare.changes import Moved
    from engine.evaluation.comparison import Delta

_FLIPS = ("fixed", "broken")
_CHARACTERS = 260
TABLE_CSS = f"""
.scroll {{ max-height: 330px; overflow-y: auto; }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed; font-size: 14px;
  font-variant-numeric: tabular-nums; }}
thead th {{ position: sticky; top: 0; background: {colour("surface")}; text-align: left; padding: 2px 8px 6px;
  border-bottom: 1px solid {colour("line")}; }}
thead th:not(:first-child), td {{ width: 29%; }}
tbody th {{ font-weight: 400; text-align: left; padding: 2px 8px; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }}
td {{ padding: 1px 8px; }}
td button {{ display: flex; align-items: center; gap: 8px; width: 100%; border-radius: 4px; padding: 1px 0; }}
td button:hover {{ background: {colour("raised")}; text-decoration: underline; text-underline-offset: 2px; }}
td span {{ color: {colour("muted")}; }}
td i {{ height: 12px; border-radius: 2px; min-width: 2px; }}
td.fixed i {{ background: {OUTCOME_COLOURS["correct"]}; }}
td.broken i {{ background: {OUTCOME_COLOURS["wrong"]}; }}
td b {{ font-weight: 600; min-width: 2.2em; text-align: right; }}
p {{ color: {colour("muted")}; font-size: 14px; margin-top: 6px; }}
"""
LIST_CSS = f"""
.bar {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: center; font-size: 14px; margin-bottom: 10px; }}
.bar .pill {{ border: 1px solid {colour("line")}; border-radius: 999px; padding: 3px 12px; }}
.bar .pill:hover {{ background: {colour("raised")}; }}
.bar .pill[aria-pressed=true] {{ background: {colour("accent")}; color: {colour("on_accent")};
  border-color: {colour("accent")}; }}
.bar .all {{ margin-left: auto; color: {colour("accent")}; text-decoration: underline; text-underline-offset: 2px; }}
ul {{ list-style: none; margin: 0; padding: 0; display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); }}
li button {{ width: 100%; height: 100%; box-sizing: border-box; border: 1px solid {colour("line")};
  border-radius: 10px; padding: 10px 14px; display: flex; flex-direction: column; }}
li dl {{ width: 100%; }}
li button:hover {{ background: {colour("raised")}; border-color: {colour("accent")}; }}
li .text {{ display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  overflow-wrap: anywhere; }}
li dl {{ display: grid; grid-template-columns: auto 1fr auto; gap: 1px 10px; margin: 8px 0 0; font-size: 14px;
  font-variant-numeric: tabular-nums; }}
li dt {{ color: {colour("muted")}; }}
li dd {{ margin: 0; overflow-wrap: anywhere; }}
li dd.wrong {{ color: color-mix(in srgb, {OUTCOME_COLOURS["wrong"]} 70%, {colour("text")}); }}
li dd.right {{ color: color-mix(in srgb, {OUTCOME_COLOURS["correct"]} 55%, {colour("text")}); font-weight: 600; }}
p {{ color: {colour("muted")}; font-size: 14px; }}
"""


def table_html(title: str, deltas: Sequence[Delta]) -> str:
    """Write how many examples of each tag or slice were fixed and how many broke, those with most changes first."""
    changed = [place for place, one in enumerate(deltas) if one.improved + one.regressed]
    changed.sort(key=lambda place: -(deltas[place].improved + deltas[place].regressed))
    most = max((max(one.improved, one.regressed) for one in deltas), default=0)
    rows = "".join(_row(place, deltas[place], most) for place in changed)
    same = len(deltas) - len(changed)
    noun = "tag" if title == "By tag" else "slice"
    rest = f"Nothing changed in {rows_of(same, noun)}." if same else ""
    if not deltas:
        rest = f"There are no {noun}s to compare."
    elif noun == "tag" and changed:
        rest = f"An example counts for its true tag and for one that it was given wrongly. {rest}"
    body = f"<tbody>{rows}</tbody>"
    head = f'<thead><tr><th scope="col">{title}</th><th scope="col">Fixed</th><th scope="col">Broken</th></tr></thead>'
    table = f'<div class="scroll"><table class="ts-changed">{head}{body}</table></div>' if rows else f"<b>{title}</b>"
    return f"{table}<p>{rest}</p>"


def _row(place: int, delta: Delta, most: int) -> str:
    name = safe_text(delta.name, 120)
    cells = ""
    for flip, count in zip(_FLIPS, (delta.improved, delta.regressed), strict=True):
        inner = "<span>0</span>"
        if count:
            inner = (
                f'<button data-pick="{flip}:{place}" aria-label="{count:,} {flip}, {name}"><b>{count:,}</b>'
                f'<i style="width:{60 * count / most:.0f}%"></i></button>'
            )
        cells += f'<td class="{flip}">{inner}</td>'
    return f'<tr><th scope="row" title="{name}">{name}</th>{cells}</tr>'


def list_html(flip: str, counts: Mapping[str, int], moved: Moved) -> str:
    """Write the examples of a flip that moved most, and the switch between the two kinds."""
    pills = "".join(
        f'<button class="pill" data-pick="flip:{name}" aria-pressed="{str(name == flip).lower()}">'
        f"{name.capitalize()} {count:,}</button>"
        for name, count in counts.items()
    )
    everything, items, note = "", "", ""
    if moved.total:
        words = f"Show all {moved.total:,}" if moved.total > 1 else "Show it"
        everything = f'<button class="all" data-pick="all:">{words}</button>'
        items = "".join(
            f"<li>{_card(place, now, then)}</li>"
            for place, (now, then) in enumerate(zip(moved.after, moved.before, strict=True))
        )
        note = "" if moved.remark else "<span>whose true tag's probability changed most</span>"
    remark = moved.remark or ("" if moved.total else f"No example was {flip}.")
    said = f"<p>{safe_text(remark, 400)}</p>" if remark else ""
    return f'<div class="bar">{pills}{note}{everything}</div>{said}<ul class="ts-moved">{items}</ul>'


def _card(place: int, now: Example, then: Example) -> str:
    text = safe_text(now.text, _CHARACTERS) if now.text else f"ID {safe_text(now.id, 60)}"
    answers = "".join(
        f'<dt>{when}</dt><dd class="{"right" if one.predicted == now.true else "wrong"}">{safe_text(one.predicted, 60)}'
        f"</dd><dd>{'' if one.confidence is None else f'{one.confidence:.0%}'}</dd>"
        for when, one in (("before", then), ("now", now))
    )
    return (
        f'<button data-pick="example:{place}"><span class="text">{text}</span><dl><dt>true tag</dt>'
        f"<dd>{safe_text(now.true, 60)}</dd><dd></dd>{answers}</dl></button>"
    )
