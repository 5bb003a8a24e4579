"""How good the run is overall: three sentences, figures with their intervals, and the change against another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from panel.viewable import Viewer

from dashboard.components.cards import Card, MetricCards, score_cards
from dashboard.components.clickable import Clickable
from dashboard.components.layout import surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.evaluation.selection import ExampleSelection, format_selection
from dashboard.sections.performance.scored import interval
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.errors import TagscopeError
from engine.evaluation.estimates import Estimate
from engine.evaluation.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import panel as pn

    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.state import DashboardState
    from engine.evaluation.estimates import Report
    from engine.evaluation.performance_file import Performance

_SENTENCES_CSS = """
ol { list-style: none; margin: 0; padding: 0; }
li { font-size: 17px; line-height: 1.5; overflow-wrap: anywhere; }
li + li { margin-top: 6px; }
li:first-child { font-weight: 700; }
"""
_CHANGES_CSS = f"""
h4 {{ margin: 0 0 8px; font-size: 14px; font-weight: 600; color: {colour("muted")}; }}
.changes {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }}
.changes > * {{ display: flex; flex-direction: column; border: 1px solid {colour("line")}; border-radius: 10px;
  padding: 10px 16px; min-width: 0; box-sizing: border-box; }}
.changes b {{ display: block; font-size: 20px; line-height: 1.3; font-variant-numeric: tabular-nums; }}
.changes small {{ display: block; font-size: 12.5px; color: {colour("muted")}; font-variant-numeric: tabular-nums; }}
.changes .sure b {{ color: {colour("accent")}; }}
.changes .worse b {{ color: {colour("error")}; }}
.changes button:hover {{ background: {colour("raised")}; }}
"""
_FLIPS = {"fixed": "wrong before, right now", "broken": "right before, wrong now"}


class Ranked(msgspec.Struct, frozen=True):
    """What the probabilities say of all rows: the share whose true tag is among the first few, and the log loss."""

    first: int
    share: Estimate
    log_loss: Estimate


def ranked(evaluation: Evaluation) -> Ranked | None:
    """Return what the probabilities say; None where there are none that can be used."""
    try:
        chances = evaluation.chances
    except TagscopeError:
        return None
    if chances is None:
        return None
    first = min(3, len(chances.accuracy_at))
    return Ranked(first, chances.accuracy_at[first - 1], chances.log_loss)


class Overall(Viewer):
    """Shows the figures of all rows.

    Parameters
    ----------
    state
        Of the visitor.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._performance: Performance | None = None
        self._sentences: tuple[str, ...] = ()
        self._list = markup("", _SENTENCES_CSS)
        self._main, self._more = MetricCards(), MetricCards(small=True)
        self._changes = Clickable(_CHANGES_CSS, on_pick=self._picked)
        self._remarks = Message(kind="hint")
        self._before = ""
        self._view = surface(self._list, self._main, self._more, self._changes, self._remarks)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(
        self,
        performance: Performance,
        sentences: Sequence[str],
        f1: tuple[float, float] | None,
        *,
        answers_follow: bool = False,
    ) -> None:
        """Show what performance.json says.

        What the answers say is hidden, unless they follow at once: hiding and showing again is two layouts of the page.
        """
        self._performance, self._sentences = performance, tuple(sentences)
        self._say(self._sentences)
        notes = dict.fromkeys(("precision", "recall"), "\u00a0")
        notes["f1"] = "\u00a0" if f1 is None else f"95 %: {f1[0]:.3f} to {f1[1]:.3f}"
        self._main.cards = score_cards(performance.overall, notes)
        if not answers_follow:
            self._more.cards = []
            self._more.__panel__().visible = self._changes.visible = False
            self._remarks.text = ""

    def judged(self, report: Report, labels: int) -> None:
        """Add what the rows themselves say; `labels` is the number of the run's tags."""
        weighted = report.weighted
        values = {"f1": weighted.f1, "precision": weighted.precision, "recall": weighted.recall}
        notes = {name: f"95 %: {interval(one)}" for name, one in values.items()} if report.rows else {}
        scores = _Plain(weighted.precision.value, weighted.recall.value, weighted.f1.value, report.rows)
        self._main.cards = score_cards(scores, {**notes, "num_samples": f"{labels:,} tags"})
        if self._performance is not None and report.rows:
            # One interval on the page: an older run may have had its own computed otherwise.
            first = summarise(self._performance, interval=(weighted.f1.low, weighted.f1.high))[0]
            self._sentences = (first, *self._sentences[1:])
            self._say(self._sentences)
        cards = [_card("Accuracy", report.accuracy), _card("Macro F1", report.macro.f1)] if report.rows else []
        self._more.cards = cards
        self._more.__panel__().visible = bool(cards)

    def ranked(self, found: Ranked | None) -> None:
        """Add what the probabilities say."""
        if found is not None and self._more.cards and found.share.n:
            cards = [_card(f"True tag among the first {found.first}", found.share), _card("Log loss", found.log_loss)]
            self._more.cards = [*self._more.cards[:2], *cards]

    def compared(self, pair: RunPair | None, problem: str, *, is_before: bool) -> None:
        """Show the change against another run, or why there is none to show.

        Parameters
        ----------
        pair
            The two runs; None where there is no other one, or it cannot be read.
        problem
            The sentence that says so.
        is_before
            Whether the other one is the run before, of which the third sentence tells.
        """
        refusal = problem if pair is None else pair.refusal
        found = None if pair is None else pair.comparison
        self._before = "" if pair is None else pair.before
        self._changes.visible = found is not None
        self._say(self._sentences)
        if pair is None or found is None:
            # The third sentence says that there is no earlier run.
            self._remarks.text = f"Not comparable with run {self._before[:8]}: {refusal}" if self._before else refusal
            return
        self._remarks.text = " ".join(pair.remarks)
        self._changes.html = _changes_html(pair)
        if is_before:
            self._say((*self._sentences[:2], sentence_of(pair)))

    def _say(self, sentences: Sequence[str]) -> None:
        items = "".join(f"<li>{safe_text(sentence)}</li>" for sentence in sentences)
        self._list.object = f'<ol class="ts-summary">{items}</ol>'

    def _picked(self, flip: str) -> None:
        if flip in _FLIPS and self._before:
            self._state.examples.show(format_selection(ExampleSelection(flip=flip, against=self._before)), "moved")


def sentence_of(pair: RunPair) -> str:
    """Say whether a run is better than the one before, as the rows that both answered tell it."""
    assert pair.comparison is not None
    delta = next(one for one in pair.comparison.overall if one.name == "weighted F1")
    figures = f"F1 {delta.after:.3f} now, {delta.before:.3f} before (n = {delta.rows:,})"
    within = f"95 % interval of the change {delta.low:+.3f} to {delta.high:+.3f}"
    if abs(delta.change) < 0.0005:
        return f"It is as good as the run before ({within}): {figures}."
    word = "better" if delta.change > 0 else "worse"
    chance = "" if delta.significant else ", which may be chance"
    return f"It is {word} than the run before by {abs(delta.change):.3f} ({within}){chance}: {figures}."


class _Plain(msgspec.Struct, frozen=True):
    precision: float
    recall: float
    f1: float
    num_samples: int


def _card(name: str, one: Estimate) -> Card:
    return Card(name, f"{one.value:.3f}", f"95 %: {interval(one)}")


def _changes_html(pair: RunPair) -> str:
    assert pair.comparison is not None
    found = pair.comparison
    cells = []
    for delta in found.overall:
        kind = "" if not delta.significant else "sure" if delta.change > 0 else "worse"
        chance = "more than chance" if delta.significant else "may be chance"
        name = delta.name[0].upper() + delta.name[1:]
        cells.append(
            f'<div class="{kind}"><small>{safe_text(name)}</small><b>{delta.change:+.3f}</b>'
            f"<small>95 %: {delta.low:+.3f} to {delta.high:+.3f}, {chance}</small></div>"
        )
    for flip, count in (("fixed", len(found.improved)), ("broken", len(found.regressed))):
        inner = f"<small>{flip.capitalize()}</small><b>{count:,}</b><small>{_FLIPS[flip]}</small>"
        cells.append(f'<button data-pick="{flip}">{inner}</button>' if count else f"<div>{inner}</div>")
    return f'<h4>Change since run {safe_text(pair.before[:8])}</h4><div class="changes">{"".join(cells)}</div>'
