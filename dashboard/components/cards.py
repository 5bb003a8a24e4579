"""Metric cards: a few figures side by side, each with its name and, where there is one, its range."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import msgspec
import param
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.layout import stack
from dashboard.components.markup import markup
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import panel as pn

CSS = f"""
dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 12px; margin: 0; }}
dl > div {{ background: {colour("raised")}; border-radius: 10px; padding: 12px 16px 10px; min-width: 0; }}
dt {{ color: {colour("muted")}; font-size: 13px; white-space: nowrap; }}
dd {{ margin: 0; font-variant-numeric: tabular-nums; }}
dd.value {{ font-size: 28px; line-height: 1.25; font-weight: 700; letter-spacing: -0.01em; }}
dd.note {{ color: {colour("muted")}; font-size: 12.5px; min-height: 18px; overflow-wrap: anywhere; }}
dl.small dd.value {{ font-size: 22px; }}
@media (max-width: 560px) {{ dt {{ white-space: normal; }} }}
"""
# The whole card is the button's.
_BUTTON_CSS = f"""
dl > div:has(button) {{ position: relative; }}
dd.value button {{ font: inherit; letter-spacing: inherit; }}
dd.value button::after {{ content: ""; position: absolute; inset: 0; border-radius: 10px; }}
dl > div:has(button:hover) {{ box-shadow: inset 0 0 0 1px {colour("muted")}; }}
dl > div:has(button) dd.note {{ text-decoration: underline dotted; text-underline-offset: 3px; }}
dd.value button:focus-visible {{ outline: none; }}
dd.value button:focus-visible::after {{ outline: 2px solid {colour("accent")}; outline-offset: 1px; }}
"""


class Card(msgspec.Struct, frozen=True):
    """One figure: its name, the figure as it is shown, and a remark below it.

    `key` is the choice that a click on it is, where `MetricCards` has somebody who hears of it; empty for none.
    """

    label: str
    value: str
    note: str = ""
    key: str = ""


class MetricCards(Viewer):
    """A row of cards that wraps where it is narrow.

    Parameters
    ----------
    on_pick
        Called with the key of a card that was chosen, by mouse or keyboard.

    Examples
    --------
    >>> MetricCards(cards=[Card("Precision", "0.92"), Card("Rows", "144")])  # doctest: +SKIP
    """

    cards = param.List(default=[], item_type=Card, doc="Figures, from left to right.")
    small = param.Boolean(default=False, doc="Smaller figures, for cards below a heading of their own.")

    def __init__(self, *, on_pick: Callable[[str], None] | None = None, **params: Any) -> None:
        super().__init__(**params)
        # What is only looked at needs no script of its own.
        self._buttons = None if on_pick is None else Clickable(CSS + _BUTTON_CSS, on_pick=on_pick)
        self._pane = markup("", CSS) if self._buttons is None else None
        self._view = stack(self._buttons or self._pane)
        self._update()
        self.param.watch(self._update, ["cards", "small"])

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _update(self, *_events: object) -> None:
        if self._buttons is not None:
            self._buttons.html = cards_html(self.cards, small=self.small, buttons=True)
        elif self._pane is not None:
            self._pane.object = cards_html(self.cards, small=self.small)


def cards_html(cards: Sequence[Card], *, small: bool = False, buttons: bool = False) -> str:
    """Return the HTML of a row of cards, everything in it escaped; `buttons`: those with a key are to be chosen."""
    notes = any(card.note for card in cards)

    def value(card: Card) -> str:
        if not buttons or not card.key:
            return safe_text(card.value)
        label = safe_text(f"{card.label}: {card.value} {card.note}")
        return f'<button data-pick="{html.escape(card.key)}" aria-label="{label}">{safe_text(card.value)}</button>'

    cells = "".join(
        f'<div><dt>{safe_text(card.label)}</dt><dd class="value">{value(card)}</dd>'
        + (f'<dd class="note">{safe_text(card.note)}</dd>' if notes else "")
        + "</div>"
        for card in cards
    )
    return f'<dl class="ts-cards{" small" if small else ""}">{cells}</dl>'


def score_cards(scores: Any, notes: dict[str, str] | None = None) -> list[Card]:
    """Cards of one set of scores.

    Parameters
    ----------
    scores
        Has `precision`, `recall`, `f1` (0 to 1) and `num_samples`.
    notes
        Remark by `precision`, `recall`, `f1` or `num_samples`.

    Returns
    -------
    list of Card
        Precision, recall, F1 and the number of samples. Where there is no sample the scores are a dash: 0.00 would
        read as a bad result.
    """
    notes = notes or {}
    count = round(scores.num_samples)
    figures = {"F1": scores.f1, "Precision": scores.precision, "Recall": scores.recall}
    cards = [
        Card(name, f"{value:.3f}" if count else "–", notes.get(name.lower(), "")) for name, value in figures.items()
    ]
    return [*cards, Card("Samples", f"{count:,}", notes.get("num_samples", ""))]
