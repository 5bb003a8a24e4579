"""The controls of the filter: fields, choices with live counts, and a chip for each condition that is set."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.fields import select, set_text, text_input
from dashboard.components.layout import columns, stack
from dashboard.components.message import Message
from dashboard.components.pills import PILL_CSS
from dashboard.components.work import Worker
from dashboard.criteria import chips_of, ends_of
from dashboard.sections.base import run
from dashboard.sections.explore.slice_saver import SliceSaver
from dashboard.text import plain_text, safe_text
from dashboard.theme import colour
from engine.exploration.bars import count_values

if TYPE_CHECKING:
    import panel as pn

    from dashboard.sections.explore.exploration import Exploration
    from engine.exploration.bars import Bar
    from engine.exploration.filter import Filter

ALL_TAGS = "All tags"
_RANGE_CSS = f"""
fieldset {{ border: none; margin: 0; padding: 0; min-width: 0; display: flex; gap: 6px; align-items: center;
  font-size: 14px; color: {colour("muted")}; }}
input {{ font: inherit; color: {colour("text")}; background: transparent; border: 1px solid {colour("line")};
  border-radius: 8px; padding: 8px 6px 8px 8px; min-width: 0; font-size: 13px; flex: 1;
  box-sizing: border-box; height: 40px; }}
legend {{ float: left; padding: 0; margin-right: 4px; }}
"""
_FACETS_CSS = PILL_CSS + (
    ".facets { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; font-size: 14px; }"
    ".facets span:not(:first-child) { margin-left: 14px; }"
)
_STRIP_CSS = (
    PILL_CSS
    + f"""
:host {{ flex: 0 1 auto; width: auto !important; }}
.strip {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: center; min-height: 32px; }}
.strip p {{ font-size: 16px; font-weight: 700; margin-right: 8px; font-variant-numeric: tabular-nums; }}
.strip .clear {{ color: {colour("accent")}; padding: 3px 8px; font-size: 14px; }}
.busy {{ opacity: 0.5; }}
"""
)


_PLACE_CSS = f"""
:host {{ position: sticky; top: 64px; z-index: 5; background: {colour("page")}; padding: 8px 0;
  flex-flow: row wrap !important; align-items: flex-start; }}
"""


class FilterFields(Viewer):
    """Tag, text, dates and length; a sentence stands beside what cannot be used."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        chosen = exploration.chosen
        self._filling = False
        self.tag = select("Tag", {ALL_TAGS: ""}, "")
        self.text = text_input("Contains", chosen.text, 'words, "a phrase", begin*, /RE2/')
        self._created = Clickable(_RANGE_CSS, on_enter=lambda name, value: self._entered("created", name, value))
        self._words = Clickable(_RANGE_CSS, on_enter=lambda name, value: self._entered("words", name, value))
        self._tokens = Clickable(_RANGE_CSS, on_enter=lambda name, value: self._entered("tokens", name, value))
        self._ranges = {"created": self._created, "words": self._words, "tokens": self._tokens}
        for attribute, field in self._ranges.items():
            field.html = _range_html(attribute.capitalize(), "date" if attribute == "created" else "number")
        self._counting = Worker()
        self._message = Message()
        self._fields = columns(
            self.tag,
            self.text,
            self._created,
            stack(self._words, self._tokens, gap=6),
            template="minmax(150px, 3fr) minmax(180px, 4fr) minmax(330px, 5fr) minmax(170px, 3fr)",
            narrow=1100,
            gap=14,
            align="center",
        )
        self._view = stack(self._fields, self._message, gap=10)
        self.tag.param.watch(self._tag_chosen, "value")
        self.text.param.watch(lambda event: chosen.param.update(text=event.new), "value_input")
        chosen.param.watch(self.show, ["tag", "text", "created", "words", "tokens"])
        exploration.param.watch(self._offer, "opened")
        exploration.param.watch(self._count, "turn")
        exploration.param.watch(self.show, "known")
        exploration.param.watch(self._complain, "problems")
        self.show()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, *_events: object) -> None:
        """Put the state into the fields."""
        chosen, samples = self._exploration.chosen, self._exploration.samples
        self._filling = True
        self.tag.value = chosen.tag if chosen.tag in self.tag.options.values() else ""
        self._filling = False
        set_text(self.text, chosen.text)
        for attribute, field in self._ranges.items():
            field.values = dict(zip(("first", "last"), ends_of(getattr(chosen, attribute)), strict=True))
        if samples is not None:
            self._created.visible = samples.has_dates
            self._tokens.visible = bool(chosen.tokens) or samples.explorer.table.tokens is not None

    def _offer(self, *_events: object) -> None:
        """Offer the tags of other samples."""
        samples = self._exploration.samples
        if samples is not None:
            self._show_tags(samples.facts.tags)
            self.show()

    def _count(self, *_events: object) -> None:
        """Count tags under all other conditions."""
        selection, samples = self._exploration.selection, self._exploration.samples
        if selection is None or samples is None:
            return
        explorer = samples.explorer

        def compute() -> dict[str, int]:
            rows = explorer.select(selection.filter.change(tags=()))
            return {bar.label: bar.count for bar in count_values(explorer.table, rows)}

        def show(counts: dict[str, int]) -> None:
            if samples is self._exploration.samples:
                self._show_tags({tag: counts.get(tag, 0) for tag in samples.facts.tags})

        run(self._counting, compute, show)

    def _show_tags(self, counts: dict[str, int]) -> None:
        self._filling = True
        chosen = self._exploration.chosen.tag
        self.tag.param.update(options=tag_options(counts), value=chosen if chosen in counts else "")
        self._filling = False

    def _tag_chosen(self, event: Any) -> None:
        # The selector also moves when the state or the data set does, which is nobody's choice.
        if not self._filling:
            self._exploration.chosen.tag = event.new

    def _entered(self, attribute: str, name: str, value: str) -> None:
        chosen = self._exploration.chosen
        first, last = ends_of(getattr(chosen, attribute))
        ends = (value, last) if name == "first" else (first, value)
        chosen.param.update(**{attribute: "..".join(ends) if any(ends) else ""})

    def _complain(self, event: Any) -> None:
        self._message.text = " ".join(event.new.values())


class Facets(Viewer):
    """Splits and outcomes with the number of rows that each has under all other conditions."""

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._worker = Worker()
        self._bars: dict[str, tuple[str, Bar]] = {}
        self._since: Filter | None = None
        self._view = Clickable(_FACETS_CSS, on_pick=self._picked)
        exploration.param.watch(lambda _event: self._bars.clear(), "opened")
        exploration.param.watch(self._refresh, "turn")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _refresh(self, *_events: object) -> None:
        selection, samples = self._exploration.selection, self._exploration.samples
        if selection is None or samples is None:
            return
        filter, explorer = selection.filter, samples.explorer

        def compute() -> list[tuple[str, Bar]]:
            found = []
            for attribute, name in (("split", "splits"), ("outcome", "outcomes")):
                if attribute in explorer.table.categories:
                    without = explorer.select(filter.change(**{name: ()}))
                    found += [(attribute, bar) for bar in count_values(explorer.table, without, attribute)]
            return found

        def show(bars: list[tuple[str, Bar]]) -> None:
            if samples is self._exploration.samples:
                self._show(bars, filter)

        run(self._worker, compute, show)

    def _show(self, bars: list[tuple[str, Bar]], since: Filter) -> None:
        self._since = since
        # A click names what was clicked: the order may have changed meanwhile.
        self._bars = {f"{attribute}:{bar.label}": (attribute, bar) for attribute, bar in bars}
        parts, before = [], ""
        for key, (attribute, bar) in self._bars.items():
            if attribute != before:
                parts.append(f'<span class="ts-muted">{attribute.capitalize()}</span>')
                before = attribute
            pressed = str(getattr(self._exploration.chosen, attribute) == bar.label).lower()
            parts.append(
                f'<button class="pill" data-pick="{html.escape(key)}" aria-pressed="{pressed}">'
                f"{safe_text(bar.label, 40)} "
                f"<b>{bar.count:,}</b></button>"
            )
        self._view.html = f'<div class="facets ts-facets">{"".join(parts)}</div>' if parts else ""
        self._view.visible = bool(parts)

    def _picked(self, key: str) -> None:
        attribute, bar = self._bars.get(key, ("", None))
        if bar is None:
            return
        if getattr(self._exploration.chosen, attribute) == bar.label:
            self._exploration.clear(attribute)
        else:
            self._exploration.go(bar.filter, self._since)


class Strip(Viewer):
    """How many rows there are, and the conditions that are set, each with a way to take it out; stays in sight.

    Where the settings allow it, the conditions can be saved as a slice.
    """

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._strip = Clickable(_STRIP_CSS, on_pick=self._picked)
        self._view = stack(self._strip, gap=0, css=_PLACE_CSS)
        self._may_save = exploration.catalogue.settings.dashboard.save_slices
        exploration.param.watch(self.show, ["turn", "known", "problems", "working"])

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, *_events: object) -> None:
        """Draw the strip."""
        exploration = self._exploration
        samples, selection = exploration.samples, exploration.selection
        if samples is None or selection is None:
            self._strip.html = ""
            return
        total, count = samples.facts.num_rows, selection.count
        shown = f"{count:,} of {total:,} projects" if count < total else f"{total:,} projects"
        found = samples.findings.value
        chips = chips_of(exploration.chosen, samples.titles, {} if found is None else found.titles)
        buttons = "".join(
            f'<button class="pill" data-pick="{chip.attribute}" title="Take this condition out">'
            f"{safe_text(chip.label)} ✕</button>"
            for chip in chips
        )
        if chips and self._may_save and len(self._view) == 1:
            # Whoever sets no condition does not wait for it.
            self._view.append(SliceSaver(exploration))
        clear = '<button class="clear" data-pick="">Clear all</button>' if chips else ""
        busy = " busy" if exploration.working else ""
        self._strip.html = (
            f'<div class="strip{busy}"><p class="ts-shown" role="status">{shown}</p>{buttons}{clear}</div>'
        )

    def _picked(self, key: str) -> None:
        self._exploration.clear(*([key] if key else []))


def tag_options(counts: dict[str, int]) -> dict[str, str]:
    """Return the tag meant by each label of a choice: every tag has one of its own, and one means all of them."""
    options = {ALL_TAGS: ""}
    for tag, count in counts.items():
        label = f"{plain_text(tag, 60)} ({count:,})"
        number = 2
        while label in options:
            label = f"{plain_text(tag, 60)} ({count:,}; {number})"
            number += 1
        options[label] = tag
    return options


def _range_html(label: str, kind: str) -> str:
    more = ' min="0" inputmode="numeric"' if kind == "number" else ""
    return (
        f"<fieldset><legend>{label}</legend>"
        f'<input type="{kind}" data-name="first" aria-label="{label} from"{more}><span>to</span>'
        f'<input type="{kind}" data-name="last" aria-label="{label} to"{more}></fieldset>'
    )
