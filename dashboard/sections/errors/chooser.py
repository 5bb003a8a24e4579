"""The controls above the examples: what is shown and how many, kinds with their counts, tag, order, cards or table."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.evaluation.selection import format_selection
from dashboard.sections.errors.conditions import KINDS, MEANINGS, further, kinds_of, with_kind, with_tag, without
from dashboard.text import plain_text, safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import panel as pn

    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.sections.errors.listing import Listing
    from dashboard.state import DashboardState

SORTS = {
    "": "as in the file",
    "confident": "most confident first",
    "unsure": "least confident first",
    "surprised": "true tag least probable first",
    "moved": "changed most first",
}
VIEWS = {"cards": "Cards", "table": "Table"}
_CSS = f"""
.strip, .kinds, .fields, .views {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }}
.strip {{ min-height: 34px; }}
.strip p {{ font-size: 17px; margin-right: 6px; overflow-wrap: anywhere; }}
.strip b {{ font-variant-numeric: tabular-nums; }}
.kinds, .fields {{ margin-top: 10px; font-size: 14px; }}
.pill {{ border: 1px solid {colour("line")}; border-radius: 999px; padding: 3px 12px; font-size: 14px; line-height: 1.5;
  background: {colour("surface")}; overflow-wrap: anywhere; }}
.pill:hover {{ background: {colour("raised")}; }}
.pill b {{ font-variant-numeric: tabular-nums; font-weight: 600; color: {colour("muted")}; }}
.pill[aria-pressed=true] {{ background: {colour("accent")}; color: {colour("on_accent")};
  border-color: {colour("accent")}; }}
.pill[aria-pressed=true] b {{ color: inherit; }}
.pill[aria-disabled] {{ opacity: 0.45; cursor: default; }}
.clear {{ color: {colour("accent")}; padding: 3px 8px; font-size: 14px; }}
label {{ display: flex; gap: 8px; align-items: center; color: {colour("muted")}; margin-right: 12px; }}
select {{ font: inherit; font-size: 14px; color: {colour("text")}; background: {colour("surface")};
  border: 1px solid {colour("line")}; border-radius: 8px; height: 36px; padding: 0 8px; max-width: 300px; }}
"""


class Chooser(Viewer):
    """Writes the state; what is on show comes with `show`.

    Parameters
    ----------
    state
        Of the page.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._chosen = state.examples
        self._evaluation: Evaluation | None = None
        self._listing: Listing | None = None
        self._view = Clickable(_CSS, on_pick=self._picked, on_enter=self._entered)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, evaluation: Evaluation, listing: Listing) -> None:
        """Show what was found."""
        self._evaluation, self._listing = evaluation, listing
        selection = listing.selection
        code = evaluation.tags.index(selection.tag) if selection.tag in evaluation.tags else -1
        # A tag that the run does not have stays named by its own entry.
        tag = str(code) if code >= 0 else "?" if selection.tag else ""
        # Before the HTML: the field that has the focus is filled only when it is drawn anew.
        self._view.values = {"tag": tag, "sort": listing.wanted.sort}
        self._view.html = (
            f'<div class="strip">{self._sentence(evaluation, listing)}{self._conditions(listing)}</div>'
            f'<div class="kinds" role="group" aria-label="Kind of examples">{self._kinds(listing)}</div>'
            f'<div class="fields" data-sort="{safe_text(listing.wanted.sort, 40)}">'
            f"{self._fields(evaluation, listing)}</div>"
        )

    def _sentence(self, evaluation: Evaluation, listing: Listing) -> str:
        noun = "example" if evaluation.rows == 1 else "examples"
        count = "…" if listing.job is not None else f"{len(listing.rows):,}"
        if listing.problem and not len(listing.rows):
            count = "None"
        words = safe_text(listing.selection.words)
        return f'<p class="ts-shown"><b>{count}</b> of {evaluation.rows:,} {noun}: {words}</p>'

    def _conditions(self, listing: Listing) -> str:
        chips = "".join(
            f'<button class="pill" data-pick="without:{name}" title="Take this condition out">'
            f"{safe_text(plain_text(words, 80))} ✕</button>"
            for name, words in further(listing.selection).items()
        )
        # What is shown without any choice are the wrong answers.
        clear = '<button class="clear" data-pick="clear">Clear</button>' if listing.wanted.examples else ""
        return chips + clear

    def _kinds(self, listing: Listing) -> str:
        pills = []
        for kind in kinds_of(listing.selection):
            count = listing.counts.get(kind, None)
            figure = "" if count is None else f" <b>{count:,}</b>"
            unknown = count is None and kind in listing.counts
            off = ' aria-disabled="true"' if unknown else ""
            title = "Unknown: this run has no probabilities that can be used" if unknown else MEANINGS[kind]
            pressed = str(kind == listing.selection.outcome).lower()
            pills.append(
                f'<button class="pill" data-pick="kind:{kind}" aria-pressed="{pressed}" title="{title}"{off}>'
                f"{KINDS[kind]}{figure}</button>"
            )
        return "".join(pills)

    def _fields(self, evaluation: Evaluation, listing: Listing) -> str:
        tags = [
            '<option value="">All tags</option>',
            *(
                f'<option value="{code}">{safe_text(plain_text(tag, 60))}</option>'
                for code, tag in enumerate(evaluation.tags)
            ),
        ]
        if listing.selection.tag and listing.selection.tag not in evaluation.tags:
            tags.append(f'<option value="?" disabled>{safe_text(plain_text(listing.selection.tag, 60))}</option>')
        sorts = "".join(
            f'<option value="{html.escape(sort)}">{title}</option>'
            for sort, title in SORTS.items()
            if sort != "moved" or listing.selection.flip or listing.wanted.sort == "moved"
        )
        views = "".join(
            f'<button class="pill" data-pick="view:{view}" aria-pressed="{str(self._chosen.view == view).lower()}">'
            f"{title}</button>"
            for view, title in VIEWS.items()
        )
        return (
            f'<label>Tag <select data-name="tag" aria-label="Tag of the examples">{"".join(tags)}</select></label>'
            f'<label>Order <select data-name="sort" aria-label="Order of the examples">{sorts}</select></label>'
            f'<span class="views" role="group" aria-label="View">{views}</span>'
        )

    def _picked(self, key: str) -> None:
        name, _, value = key.partition(":")
        if self._listing is None:
            return
        selection = self._listing.selection
        if name == "clear":
            self._chosen.examples = ""
        elif name == "kind":
            self._chosen.examples = format_selection(with_kind(selection, value))
        elif name == "without":
            self._chosen.examples = format_selection(without(selection, value))
        elif name == "view":
            self._chosen.view = value

    def _entered(self, name: str, value: str) -> None:
        if self._listing is None or self._evaluation is None:
            return
        if name == "sort":
            self._chosen.sort = value
        elif name == "tag":
            tags = {str(code): tag for code, tag in enumerate(self._evaluation.tags)}
            if value and value not in tags:
                return  # chosen of another run, a moment ago
            tag = tags.get(value, "")
            self._chosen.examples = format_selection(with_tag(self._listing.selection, tag))
