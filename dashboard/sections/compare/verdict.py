"""Whether the run on show is better than the other one: in words, in figures with intervals, and in counts to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.cards import Card, MetricCards
from dashboard.components.clickable import Clickable
from dashboard.components.layout import surface
from dashboard.components.markup import markup
from dashboard.evaluation.selection import FLIPS
from dashboard.sections.compare.way import show_flips
from dashboard.sections.compare.words import LEVEL, MORE, NOT_MORE, interval, p_value, rows_of, signed
from dashboard.text import safe_text
from dashboard.theme import OUTCOME_COLOURS, colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.comparison import RunPair
    from dashboard.state import DashboardState
    from engine.evaluation.comparison import Comparison

_TITLES = {"accuracy": "Accuracy", "weighted F1": "Weighted F1", "macro F1": "Macro F1"}
_WORDS = {"fixed": "fixed", "broken": "broken", "both right": "right in both", "both wrong": "wrong in both"}
_CSS = f"""
.verdict {{ font-size: 30px; line-height: 1.2; font-weight: 700; letter-spacing: -0.015em; }}
.verdict i {{ font-style: normal; margin-right: 8px; }}
.verdict .better {{ color: color-mix(in srgb, {OUTCOME_COLOURS["correct"]} 55%, {colour("text")}); }}
.verdict .worse {{ color: color-mix(in srgb, {OUTCOME_COLOURS["wrong"]} 70%, {colour("text")}); }}
.why {{ margin-top: 6px; font-variant-numeric: tabular-nums; }}
"""
COUNTS_CSS = f"""
.counts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }}
.counts button {{ display: flex; flex-direction: column; border: 1px solid {colour("line")}; border-radius: 10px;
  padding: 10px 14px; }}
.counts button:not(:disabled):hover {{ background: {colour("raised")}; border-color: {colour("accent")}; }}
.counts b {{ display: block; font-size: 22px; line-height: 1.25; font-variant-numeric: tabular-nums; }}
.counts .fixed {{ border-left: 5px solid {OUTCOME_COLOURS["correct"]}; }}
.counts .broken {{ border-left: 5px solid {OUTCOME_COLOURS["wrong"]}; }}
.counts span {{ color: {colour("muted")}; font-size: 14px; }}
"""
"""Of a row of counts, each a button; all begin at one height, however much is said of them."""


class Verdict(Viewer):
    """Says of two runs which is better, as far as that is known.

    Parameters
    ----------
    state
        Of the page.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._pair: RunPair | None = None
        self._words = markup("", _CSS)
        self._cards = MetricCards()
        self._counts = Clickable(COUNTS_CSS, on_pick=self._picked)
        self._view = surface(self._words, self._cards, self._counts)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, pair: RunPair) -> None:
        """Show a pair that could be compared."""
        assert pair.comparison is not None
        self._pair = pair
        self._words.object = verdict_html(pair.comparison)
        self._cards.cards = [
            Card(_TITLES[one.name], signed(one.change), f"{one.before:.3f} → {one.after:.3f}, {interval(one)}")
            for one in pair.comparison.overall
        ]
        self._counts.html = counts_html(pair.comparison)

    def _picked(self, flip: str) -> None:
        if self._pair is not None and flip in FLIPS:
            show_flips(self._state, flip, self._pair.before, self._pair.after)


def verdict_html(found: Comparison) -> str:
    """Write which run is better, and McNemar's test in words."""
    accuracy = found.overall[0]
    p = 1.0 if accuracy.p is None else accuracy.p
    sure = p <= LEVEL
    better = accuracy.improved > accuracy.regressed
    kind, mark = ("better", "▲") if better else ("worse", "▼")
    said = f"This run is {kind}" if sure else "No difference beyond chance"
    head = f'<span class="{kind}"><i>{mark}</i>{said}</span>' if sure else said
    if not accuracy.improved + accuracy.regressed:
        why = f"Of {rows_of(accuracy.rows)} both runs get the same ones right, so there is nothing to test."
    else:
        why = (
            f"Of {rows_of(accuracy.rows)} it fixed {accuracy.improved:,} and broke {accuracy.regressed:,}: "
            f"{MORE if sure else NOT_MORE} (McNemar's exact test, {p_value(p)})."
        )
    return f'<div class="verdict">{head}</div><p class="why ts-change">{safe_text(why)}</p>'


def counts_html(found: Comparison) -> str:
    """Write how many examples there are of each kind of flip, each a button that leads to them."""
    counts = dict(
        zip(FLIPS, (len(found.improved), len(found.regressed), found.both_right, found.both_wrong), strict=True)
    )
    buttons = "".join(
        f'<button data-pick="{flip}" class="{flip}"{"" if count else " disabled"}><b>{count:,}</b>'
        f"<span>{_WORDS[flip]}</span></button>"
        for flip, count in counts.items()
    )
    return f'<div class="counts">{buttons}</div>'
