"""How an open example looks: its words by what they add, similar training examples, findings; all text escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.sections.errors.remarks import Remark
from dashboard.sections.errors.training import NearTraining
from dashboard.sections.errors.why import Why
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboard.evaluation.example import Example

LONGEST_TEXT = 20_000
START = "start:"
_WORDS = 8
CSS = f"""
.detail {{ display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 4px 28px; margin-top: 12px;
  border-top: 1px solid {colour("line")}; padding-top: 4px; overflow-wrap: anywhere; font-size: 14.5px; }}
.detail h4 {{ font-size: 13px; font-weight: 700; color: {colour("muted")}; margin: 10px 0 4px; }}
.detail p {{ margin: 0 0 4px; }}
.whole {{ white-space: pre-wrap; background: {colour("raised")}; border-radius: 8px; padding: 10px 12px;
  max-height: 280px; overflow-y: auto; line-height: 1.7; }}
mark {{ color: inherit; border-radius: 4px; padding: 1px 0; background: color-mix(in srgb, var(--hue)
  calc(var(--strength) * 62%), transparent); }}
mark.for {{ --hue: #0072b2; }} mark.against {{ --hue: #d55e00; }}
.key {{ font-size: 13px; color: {colour("muted")}; margin-top: 6px; }}
.key mark {{ padding: 1px 6px; --strength: 0.75; color: {colour("text")}; }}
.detail ul {{ list-style: none; margin: 0; padding: 0; }}
.detail li + li {{ margin-top: 7px; }}
.detail li i {{ display: block; font-style: normal; font-size: 13px; color: {colour("muted")}; }}
.words {{ display: flex; flex-wrap: wrap; gap: 4px 6px; }}
.words span {{ border: 1px solid {colour("line")}; border-radius: 6px; padding: 0 7px; font-size: 13px; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 5px 12px; }}
.start:hover {{ background: {colour("raised")}; }}
@media (max-width: 900px) {{ .detail {{ grid-template-columns: minmax(0, 1fr); }} }}
"""


class Opened(msgspec.Struct, frozen=True):
    """What is known by now of the open example; None for what is not, which `lack` then speaks of."""

    why: Why | None = None
    near: NearTraining | None = None
    remarks: tuple[Remark, ...] | None = None


def detail_html(example: Example, opened: Opened, lack: Mapping[str, tuple[str, str]]) -> str:
    """Write what unfolds below an example.

    Parameters
    ----------
    example
        Which one.
    opened
        What is known of it.
    lack
        Sentence and words of a button, by attribute of `opened` that is not known yet.
    """
    left = f"{_why(example, opened.why)}"
    right = f"{_near(example, opened, lack)}{_remarks(opened, lack)}"
    return f'<div class="detail" role="region" aria-label="Details"><div>{left}</div><div>{right}</div></div>'


def _why(example: Example, why: Why | None) -> str:
    text = safe_text(example.text, LONGEST_TEXT) if example.text is not None else ""
    plain = f'<div class="whole">{text}</div>' if text else ""
    if why is None:
        return f'<h4>Why</h4>{plain}<p class="ts-muted">The words are being tried …</p>'
    if why.sentence:
        return f"<h4>Why</h4>{plain}<p>{safe_text(why.sentence, 400)}</p>"
    most = max((abs(piece.weight) for piece in why.pieces if piece.weight), default=0.0)
    marked = "".join(
        safe_text(piece.text, None)
        if not most or not piece.weight or abs(piece.weight) < most / 50
        else _mark(piece.text, piece.weight, abs(piece.weight) / most)
        for piece in why.pieces
    )
    answer = safe_text(why.tag, 80)
    # Asked before, it comes from the cache, and its time says nothing.
    took = f", {why.seconds * 1000:,.0f} ms" if why.seconds >= 0.0005 else ""
    parts = [
        f"<h4>Why {answer}? What each word adds to its {why.chance:.0%}</h4>",
        f'<div class="whole ts-why">{marked}</div>',
        f'<p class="key"><mark class="for">speaks for {answer}</mark> <mark class="against">against it</mark> '
        f"· found by leaving out each word in turn{took}</p>",
        f'<p class="key">{safe_text(why.remark, 600)}</p>' if why.remark else "",
    ]
    for tag, words in why.words.items():
        title = "answered" if tag == example.predicted else "true tag" if tag == example.true else "answered now"
        spans = "".join(
            f"<span>{safe_text(word, 40)} {weight * 100:+.1f}</span>" for word, weight in words[:_WORDS] if weight
        )
        none = "no single word moves it by itself"
        parts.append(
            f"<h4>For {safe_text(tag, 80)} ({title}), in points</h4>"
            f'<div class="words">{spans or f"<p>{none}</p>"}</div>'
        )
    return "".join(parts)


def _mark(text: str, weight: float, strength: float) -> str:
    side = "for" if weight > 0 else "against"
    return (
        f'<mark class="{side}" style="--strength:{strength:.2f}" title="{weight * 100:+.1f} points">'
        f"{safe_text(text, None)}</mark>"
    )


def _near(example: Example, opened: Opened, lack: Mapping[str, tuple[str, str]]) -> str:
    title = "Most similar training examples"
    found = opened.near
    if found is None:
        return f"<h4>{title}</h4>{_lacking('near', lack)}"
    if not found.near:
        return f"<h4>{title}</h4><p>{safe_text(found.sentence, 400)}</p>"

    def css(tag: str) -> str:
        return "right" if tag == example.true else "wrong" if tag == example.predicted else ""

    items = "".join(
        f'<li><i><b class="{css(one.tag)}">{safe_text(one.tag, 60)}</b> · {one.similarity:.0%} alike · '
        f"{safe_text(one.id, 60)}</i>{safe_text(one.text, 160)}</li>"
        for one in found.near
    )
    return f'<h4 title="By {safe_text(found.method, 300)}">{title}</h4><ul class="ts-near">{items}</ul>'


def _remarks(opened: Opened, lack: Mapping[str, tuple[str, str]]) -> str:
    if opened.remarks is None:
        return f"<h4>Findings</h4>{_lacking('remarks', lack)}"
    items = "".join(
        f"<li><b>{safe_text(one.title)}</b> {f'Proposed tag: {safe_text(one.proposed, 80)}.' if one.proposed else ''} "
        f"{safe_text(one.note, 400)}{f' (row {safe_text(one.other_id, 60)})' if one.other_id else ''}</li>"
        for one in opened.remarks
    )
    none = '<p class="ts-muted">Nothing was found wrong with this row.</p>'
    return f"<h4>Findings</h4>{f'<ul>{items}</ul>' if items else none}"


def _lacking(name: str, lack: Mapping[str, tuple[str, str]]) -> str:
    sentence, button = lack.get(name, ("", ""))
    start = f'<p><button class="start" data-pick="{START}{name}">{safe_text(button)}</button></p>' if button else ""
    return f'<p class="ts-muted">{safe_text(sentence, 400)}</p>{start}'
