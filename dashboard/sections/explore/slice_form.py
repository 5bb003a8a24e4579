"""The HTML of what saves a filter as a slice: a button, and the card below it in each of its steps."""

from __future__ import annotations

from typing import Literal

import msgspec

from dashboard.text import safe_text
from dashboard.theme import colour

_HINT = "Performance, Errors and Compare then show it, for every run."
# The card floats, so that nothing below the strip moves, and ends where the row of the button ends.
_CARD_WIDTH = "min(470px, 100vw - 56px)"
CSS = f"""
:host {{ flex: 1 1 118px; width: auto !important; min-width: 0; position: relative; }}
.open, .way {{ color: {colour("accent")}; padding: 3px 8px; font-size: 14px; line-height: 1.5; white-space: nowrap;
  border-radius: 8px; }}
.open:hover, .way:hover {{ background: {colour("raised")}; }}
.open[aria-expanded=true] {{ background: {colour("raised")}; }}
.button {{ display: flex; align-items: center; min-height: 32px; }}
.card {{ position: absolute; top: calc(100% + 8px); left: min(0px, 100% - {_CARD_WIDTH}); width: {_CARD_WIDTH};
  box-sizing: border-box; padding: 14px 16px 12px; border-radius: 12px; background: {colour("surface")};
  border: 1px solid {colour("line")}; box-shadow: 0 10px 32px rgb(0 0 0 / 16%); }}
.card p {{ font-size: 14px; min-height: 21px; overflow-wrap: anywhere; }}
.card .problem {{ color: {colour("error")}; }}
.row {{ display: flex; gap: 8px; align-items: center; margin-bottom: 8px; }}
label {{ flex: 1; min-width: 0; display: flex; gap: 8px; align-items: center; font-size: 14px;
  color: {colour("muted")}; }}
input {{ font: inherit; font-size: 14px; color: {colour("text")}; background: transparent; flex: 1; min-width: 0;
  border: 1px solid {colour("line")}; border-radius: 8px; padding: 0 10px; height: 36px; box-sizing: border-box; }}
.do {{ background: {colour("accent")}; color: {colour("on_accent")}; border-radius: 8px; padding: 0 14px; height: 36px;
  font-size: 14px; }}
.ways {{ display: flex; gap: 4px; margin: 6px 0 0 -8px; }}
"""


class Card(msgspec.Struct, frozen=True):
    """What stands below the button.

    Parameters
    ----------
    step
        ``name``: a name is asked for; ``refused``: the filter cannot be a slice; ``saved``: it is one.
    sentence
        What is wrong, or what was saved; plain text.
    more
        What is known of what was saved, a moment later.
    removable
        Whether a click can take out what cannot be kept.
    taken
        Whether a slice of this name may be replaced.
    busy
        Whether it is being written.
    leads
        Whether there is a place to show it.
    """

    step: Literal["name", "refused", "saved"]
    sentence: str = ""
    more: str = ""
    removable: bool = False
    taken: bool = False
    busy: bool = False
    leads: bool = False


def form_html(card: Card | None, focus: str = "", turn: int = 0) -> str:
    """Draw the button and its card.

    Parameters
    ----------
    card
        None where it is closed.
    focus
        Key of the button that takes the focus, or the name of the field; empty leaves the focus where it is.
    turn
        Another number makes it take the focus once more.
    """

    def button(key: str, label: str, kind: str = "way", more: str = "") -> str:
        takes = f' data-focus="{turn}"' if key == focus else ""
        return f'<button class="{kind}" data-pick="{key}"{takes}{more}>{label}</button>'

    expanded = f' aria-haspopup="dialog" aria-expanded="{str(card is not None).lower()}"'
    opener = f'<div class="button">{button("open", "Save as slice", "open", expanded)}</div>'
    if card is None:
        return opener
    says = safe_text(card.sentence, 600)
    close = " data-escape"
    if card.step == "name":
        takes = f' data-focus="{turn}"' if focus == "name" else ""
        disabled = " disabled" if card.busy else ""
        shown = f'<p class="problem" role="alert">{says}</p>' if says else f'<p class="ts-muted">{_HINT}</p>'
        replace = f'<div class="ways">{button("replace", "Replace it")}</div>' if card.taken else ""
        inner = (
            f'<div class="row"><label>Name <input data-name="name"{takes} maxlength="200" autocomplete="off" '
            f'spellcheck="false"></label>{button("save", "Save", "do", f" data-enter{disabled}")}'
            f"{button('close', 'Cancel', more=close)}</div>{shown}{replace}"
        )
    elif card.step == "refused":
        remove = button("remove", "Take out what cannot be kept") if card.removable else ""
        inner = f'<p role="alert">{says}</p><div class="ways">{remove}{button("close", "Cancel", more=close)}</div>'
    else:
        show = button("show", "Show in Performance") if card.leads else ""
        # A line is kept for the rest, so that the buttons stay where they are.
        rest = f'<p class="ts-muted" role="status">{safe_text(card.more, 400)}</p>' if card.leads else ""
        inner = f'<p role="status">{says}</p>{rest}<div class="ways">{show}{button("close", "Close", more=close)}</div>'
    return f'{opener}<div class="card" role="dialog" aria-label="Save this filter as a slice">{inner}</div>'
