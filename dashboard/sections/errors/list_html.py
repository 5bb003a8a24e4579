"""How the examples look: a page of cards or rows of a table as HTML, every text of it escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.components.pager import pager_html
from dashboard.text import plain_text, safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dashboard.sections.errors.listing import Entry, Listing

SHOWN_CHARACTERS = 400
NO_TEXT = "(The text is not here, as the data set is not.)"
CSS = f"""
.hint {{ color: {colour("muted")}; font-size: 13.5px; margin: 0 0 10px; }}
kbd {{ font: inherit; border: 1px solid {colour("line")}; border-radius: 4px; padding: 0 5px;
  background: {colour("raised")}; color: {colour("text")}; }}
.card {{ border: 1px solid {colour("line")}; border-radius: 10px; padding: 12px 16px; margin-bottom: 10px;
  scroll-margin: 84px 0 24px; background: {colour("surface")}; }}
[data-card]:focus-within {{ border-color: {colour("accent")}; box-shadow: inset 3px 0 0 {colour("accent")}; }}
.card.open {{ border-color: {colour("accent")}; }}
header {{ display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: center; font-size: 14.5px; }}
header .id {{ color: {colour("muted")}; font-size: 13px; margin-left: auto; overflow-wrap: anywhere; }}
.tag {{ font-weight: 700; overflow-wrap: anywhere; }}
.right {{ color: {colour("accent")}; }}
.wrong {{ color: {colour("error")}; }}
.instead {{ color: {colour("muted")}; }}
.found {{ border: 1px solid {colour("line")}; border-radius: 999px; padding: 0 9px; font-size: 12.5px;
  color: {colour("warning")}; }}
.check {{ width: 18px; height: 18px; border: 1.5px solid {colour("muted")}; border-radius: 4px; line-height: 15px;
  text-align: center; font-size: 13px; flex: none; }}
.check[aria-checked=true] {{ background: {colour("accent")}; border-color: {colour("accent")};
  color: {colour("on_accent")}; }}
.body {{ display: grid; grid-template-columns: minmax(0, 1fr) 280px; gap: 6px 24px; margin-top: 6px; }}
.text {{ display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden;
  overflow-wrap: anywhere; }}
.card.open .text {{ -webkit-line-clamp: 1; color: {colour("muted")}; }}
button[data-item] {{ width: 100%; align-self: start; }}
.bars {{ display: grid; grid-template-columns: minmax(0, 1fr) 90px 44px; gap: 1px 8px; font-size: 12.5px;
  align-items: center; align-self: start; font-variant-numeric: tabular-nums; }}
.bars span {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
.bars i {{ display: block; height: 8px; border-radius: 2px; background: {colour("bar")}; min-width: 1px; }}
.bars .said {{ background: {colour("error")}; }}
.bars .true {{ background: {colour("accent")}; }}
.bars b {{ text-align: right; font-weight: 400; }}
.bars p {{ grid-column: 1 / -1; color: {colour("muted")}; }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed; font-size: 14px; line-height: 1.4; }}
.frame {{ border: 1px solid {colour("line")}; border-radius: 10px; overflow: hidden; }}
.frame th {{ background: {colour("raised")}; color: {colour("muted")}; font-weight: 600; text-align: left;
  padding: 9px 10px; }}
.frame tr[data-card] {{ border-top: 1px solid {colour("line")}; cursor: pointer; scroll-margin: 84px 0 24px; }}
.frame tr[data-card]:hover, .frame tr.open {{ background: {colour("raised")}; }}
.frame td {{ padding: 9px 10px; vertical-align: top; overflow-wrap: anywhere; }}
.frame .text {{ -webkit-line-clamp: 2; }}
.narrow {{ width: 34px; }} .code {{ width: 84px; }} .name {{ width: 160px; }} .share {{ width: 84px; }}
.spark {{ width: 110px; }}
.spark i {{ display: block; height: 4px; border-radius: 2px; background: {colour("bar")}; margin: 2px 0;
  min-width: 1px; }}
.spark .said {{ background: {colour("error")}; }} .spark .true {{ background: {colour("accent")}; }}
.none {{ padding: 36px 20px; text-align: center; color: {colour("muted")}; }}
.pager {{ display: flex; gap: 8px; align-items: center; justify-content: flex-end; color: {colour("muted")};
  font-size: 14px; font-variant-numeric: tabular-nums; padding-top: 8px; }}
.pager button {{ color: {colour("text")}; border: 1px solid {colour("line")}; border-radius: 6px; padding: 4px 12px; }}
.pager [aria-disabled] {{ cursor: default; opacity: 0.45; }}
.busy {{ opacity: 0.5; }}
@media (max-width: 900px) {{ .body {{ grid-template-columns: minmax(0, 1fr); }} .spark, .code {{ display: none; }} }}
@media (max-width: 640px) {{ .name {{ width: 110px; }} .share {{ display: none; }} }}
"""


def list_html(
    listing: Listing,
    *,
    table: bool = False,
    checked: Collection[int] = (),
    findings: Mapping[int, tuple[str, ...]] | None = None,
    detail: str = "",
    busy: bool = False,
) -> str:
    """Write a page of examples.

    Parameters
    ----------
    listing
        What was found.
    table
        Rows of a table instead of cards.
    checked
        Positions of the rows that are checked.
    findings
        Titles of what was found wrong with a row, by its position.
    detail
        HTML of the open example.
    busy
        Whether another page is being found, and takes long.
    """
    if listing.job is not None:
        return ""
    write = _row if table else _card
    opened = listing.opened

    def written(entry: Entry) -> str:
        row = entry.example.row
        titles = (findings or {}).get(row, ())
        return write(entry, row in checked, titles, detail if opened is entry else None)

    apart = ""
    if listing.apart is not None:
        card = _card(
            listing.apart,
            listing.apart.example.row in checked,
            (findings or {}).get(listing.apart.example.row, ()),
            detail,
        )
        apart = f'<p class="hint">The open example is none of those chosen above:</p>{card}'
    shown = "".join(written(entry) for entry in listing.entries)
    if not shown:
        body = "" if listing.problem else '<div class="none">No example is like that; choose another kind or tag.</div>'
    elif table:
        heads = (
            ("narrow", '<span aria-hidden="true">✓</span>'),
            ("code", "ID"),
            ("", "Text"),
            ("name", "True tag"),
            ("name", "Predicted"),
            ("share", "Probability"),
            ("spark", "Top 5"),
        )
        titles = "".join(f'<th class="{css}">{title}</th>' for css, title in heads)
        body = f'<div class="frame"><table><thead><tr>{titles}</tr></thead><tbody>{shown}</tbody></table></div>'
    else:
        body = shown
    hint = (
        '<p class="hint">Click a text, or step with <kbd>j</kbd> <kbd>k</kbd> and open with <kbd>o</kbd>: why it '
        "was answered so, similar training examples, findings</p>"
        if shown
        else ""
    )
    return (
        f'<div class="ts-examples{" busy" if busy else ""}" data-page="{listing.number}" role="group" '
        f'aria-label="Examples" aria-keyshortcuts="j k o" aria-busy="{str(busy).lower()}">{apart}{hint}{body}'
        f"{pager_html(listing.number, listing.pages, 'Pages of examples')}</div>"
    )


def _card(entry: Entry, checked: bool, findings: tuple[str, ...], detail: str | None) -> str:
    one, is_open = entry.example, detail is not None
    chips = "".join(f'<span class="found">{safe_text(title, 60)}</span>' for title in findings)
    return (
        f'<article data-card class="card{" open" if is_open else ""}" aria-label="Example {safe_text(one.id, 80)}">'
        f"<header>{_check(entry, checked)}{_verdict(entry)}{chips}"
        f'<span class="id">{safe_text(one.id, 80)}</span></header>'
        f'<div class="body">{_opener(entry, is_open)}{_bars(entry)}</div>{detail or ""}</article>'
    )


def _row(entry: Entry, checked: bool, findings: tuple[str, ...], detail: str | None) -> str:
    one, is_open = entry.example, detail is not None
    share = "–" if one.confidence is None else f"{one.confidence:.1%}"
    spark = "".join(
        f'<i class="{_kind(entry, tag)}" style="width:{chance * 100:.1f}%" '
        f'title="{safe_text(tag, 80)} {chance:.1%}"></i>'
        for tag, chance in one.top
    )
    chips = "".join(f' <span class="found">{safe_text(title, 60)}</span>' for title in findings)
    instead = f' <span class="instead">instead of {safe_text(one.predicted, 80)}</span>' if entry.instead else ""
    cells = (
        f"<td>{_check(entry, checked)}</td>"
        f'<td class="code">{safe_text(one.id, 80)}</td><td>{_opener(entry, is_open)}{chips}</td>'
        f"<td>{safe_text(one.true, 80)}</td>"
        f'<td class="{"right" if entry.correct else "wrong"}">{safe_text(entry.answer, 80)}{instead}</td>'
        f'<td class="share">{share}</td><td class="spark">{spark}</td>'
    )
    unfolded = f'<tr><td colspan="7">{detail}</td></tr>' if is_open else ""
    return (
        f'<tr data-card data-pick="open:{one.row}"{" class=open" if is_open else ""} '
        f'aria-label="Example {safe_text(one.id, 80)}">{cells}</tr>{unfolded}'
    )


def _verdict(entry: Entry) -> str:
    one = entry.example
    chance = "" if one.confidence is None else f" <span>{one.confidence:.0%}</span>"
    if entry.instead:
        chance = f" <span>instead of {safe_text(one.predicted, 80)}, {one.confidence:.0%}</span>"
    said = f'<span class="tag {"right" if entry.correct else "wrong"}">{safe_text(entry.answer, 80)}</span>{chance}'
    if entry.correct:
        return f"<span>Rightly</span> {said}"
    return f'<span>True</span> <span class="tag right">{safe_text(one.true, 80)}</span> <span>· predicted</span> {said}'


def _check(entry: Entry, checked: bool) -> str:
    one = entry.example
    return (
        f'<button class="check" role="checkbox" aria-checked="{str(checked).lower()}" data-pick="check:{one.row}" '
        f'aria-label="Check example {safe_text(one.id, 80)}" title="Check for the download">'
        f"{'✓' if checked else ''}</button>"
    )


def _opener(entry: Entry, is_open: bool) -> str:
    one = entry.example
    text = NO_TEXT if one.text is None else plain_text(one.text, SHOWN_CHARACTERS) or "(empty)"
    return (
        f'<button data-item data-pick="open:{one.row}" aria-expanded="{str(is_open).lower()}">'
        f'<span class="text">{safe_text(text, None)}</span></button>'
    )


def _bars(entry: Entry) -> str:
    one = entry.example
    if not one.top:
        return ""
    lines = "".join(
        f'<span title="{safe_text(tag, 80)}">{"✓ " if tag == one.true else ""}{safe_text(tag, 40)}</span>'
        f'<i class="{_kind(entry, tag)}" style="width:{chance * 100:.1f}%"></i><b>{chance:.0%}</b>'
        for tag, chance in one.top
    )
    below = ""
    if one.true not in dict(one.top):
        below = (
            "<p>The model does not know the true tag.</p>"
            if entry.truth is None
            else f"<p>True tag: {entry.truth:.1%}, place {entry.rank:,}</p>"
        )
    return f'<div class="bars">{lines}{below}</div>'


def _kind(entry: Entry, tag: str) -> str:
    one = entry.example
    return "true" if tag == one.true else "said" if tag == one.predicted else ""
