"""Tags or slices: a selector, the figures of the chosen one, and a bar for each, which leads to its examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.choice_cards import ChoiceCards
from dashboard.components.clickable import Clickable
from dashboard.components.fields import select
from dashboard.components.heading import sub_heading
from dashboard.components.layout import surface
from dashboard.components.message import Message
from dashboard.components.pills import Pills
from dashboard.components.rectangles import RectangleChart
from dashboard.evaluation.selection import ExampleSelection, format_selection
from dashboard.sections.performance.bars import MOST_BARS, choice_key, draw_bars
from dashboard.sections.performance.linked import LinkedChart
from dashboard.sections.performance.scored import METRICS, Scored, slice_examples, tag_examples
from dashboard.text import unique_labels
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Mapping

    import panel as pn

    from dashboard.state import DashboardState

_KINDS_CSS = f"""
p {{ font-size: 14px; color: {colour("muted")}; min-height: 22px; }}
button {{ text-decoration: underline; text-underline-offset: 2px; color: {colour("text")}; }}
button:hover {{ color: {colour("accent")}; }}
"""


class Part(Viewer):
    """One way to divide the samples: by tag, or by slice.

    Parameters
    ----------
    title
        Heading.
    label
        Label of the selector: ``Tag`` or ``Slice``.
    attribute
        Of the state's selection, where the choice is kept: ``tag`` or ``slice_name``.
    state
        Of the visitor.
    """

    def __init__(self, title: str, label: str, attribute: str, state: DashboardState) -> None:
        super().__init__()
        self.filling = False
        self.select = select(label)
        self._state, self._attribute, self._noun = state, attribute, label.lower()
        self._parts: dict[str, Scored] = {}
        self._shown = ""
        self._labels: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._cards = ChoiceCards()
        self._cards.follow(self.select)
        self._message = Message(kind="hint")
        self._kinds = Clickable(_KINDS_CSS, on_pick=self._kind_picked)
        self._sort = Pills("Sorted by", METRICS, lambda key: state.figures.param.update(bars=key))
        chart = RectangleChart(state.appearance, rows_have_labels=True, columns_have_labels=True)
        self.chart = LinkedChart(title, state, chart, on_other=self._label_picked)
        self._view = surface(
            sub_heading(title),
            self.select,
            self._cards,
            self._kinds,
            self._message,
            self._sort,
            self.chart,
            fill=True,
            name=f"{self._noun}s",
        )
        state.figures.param.watch(self._draw, "bars")
        state.appearance.param.watch(self._draw, "dark")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    @property
    def names(self) -> tuple[str, ...]:
        """The parts that can be chosen."""
        return tuple(self._parts)

    def has_rows(self, name: str) -> bool:
        """Whether a part has any rows."""
        return name in self._parts and bool(self._parts[name].scores.support)

    def fill(self, parts: Mapping[str, Scored], advice: str) -> None:
        """Offer other parts; `advice` is said where there are none."""
        # Where the old value is not among the new options the selector moves by itself, which is nobody's choice.
        self.filling = True
        self._parts = dict(parts)
        options = dict(zip(unique_labels(list(parts), 60), parts, strict=True))
        self._labels = {name: label for label, name in options.items()}
        self._keys = {choice_key(name): name for name in parts}
        self.select.param.update(options=options, visible=bool(parts))
        self._cards.offer({label: parts[name].cards for label, name in options.items()})
        self.filling = False
        self._cards.visible = self._kinds.visible = bool(parts)
        self._sort.__panel__().visible = len(parts) > 1
        if not parts:
            self._message.text = advice

    def show(self, name: str, remark: str = "") -> None:
        """Show one part's figures; `remark` is said of it."""
        self._shown = name
        if self._parts:
            self.select.value = name if name in self._parts else None
            self._message.text = remark
        self._cards.chosen = self._labels.get(name, "")
        self._kinds.html = self._kinds_html()
        self._draw()

    def _draw(self, *_events: object) -> None:
        metric = str(self._state.figures.bars)
        self._sort.chosen = metric
        if not self._parts:
            self.chart.show(None)
            return
        examples = tag_examples if self._attribute == "tag" else slice_examples
        drawing = draw_bars(self._parts, metric, self._shown, bool(self._state.appearance.dark), examples)
        remarks = []
        if len(self._parts) > MOST_BARS:
            remarks.append(f"The first {MOST_BARS} of {len(self._parts):,}, and the chosen one.")
        if drawing.examples:
            remarks.append(f"Lines: 95 % intervals. A bar leads to its rows, a name chooses the {self._noun}.")
        self.chart.show(drawing, " ".join(remarks))

    def _kinds_html(self) -> str:
        """Return what became of the rows of the part on show, each kind a button."""
        part = self._parts.get(self._shown)
        if part is None or not part.sure:
            return "<p></p>"
        if self._attribute == "tag":
            kinds = {
                "tp": (part.right, "true positive"),
                "fp": (part.false_positives, "false positive"),
                "fn": (part.false_negatives, "false negative"),
            }
        else:
            kinds = {"correct": (part.right, "right answer"), "wrong": (part.false_negatives, "wrong answer")}
        words = [
            f'<button data-pick="{kind}">{count:,} {name}{"" if count == 1 else "s"}</button>'
            if count
            else f"no {name}"
            for kind, (count, name) in kinds.items()
        ]
        return f"<p>{' · '.join(words)}</p>"

    def _kind_picked(self, kind: str) -> None:
        chosen: dict[str, str] = {"tag" if self._attribute == "tag" else "slice_name": self._shown}
        self._state.examples.show(format_selection(ExampleSelection(outcome=kind, **chosen)))  # type: ignore[arg-type]

    def _label_picked(self, key: str) -> None:
        if key in self._keys:
            setattr(self._state.selection, self._attribute, self._keys[key])
