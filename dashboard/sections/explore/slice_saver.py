"""Saves the filter of the Data section as a slice, under a name that the visitor gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from panel.viewable import Viewer

from config.slices import SLICES
from dashboard.components.clickable import Clickable
from dashboard.components.work import Worker
from dashboard.criteria import CONDITIONS, filter_of, name_in_filter
from dashboard.sections.base import run
from dashboard.sections.explore.slice_form import CSS, Card, form_html
from dashboard.sliced_filter import NoSliceError, slice_of
from dashboard.text import plain_text, sentence_of
from engine.errors import TagscopeError
from engine.evaluation.slices_file import NameTakenError, save_slice

if TYPE_CHECKING:
    import panel as pn

    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration
    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection

MOST_SLICES = 200
"""Most slices that the file may have for another one to be added from the page: each costs everybody's Performance."""


class _Saved(NamedTuple):
    """What became of saving: the rows of the slice, or why there is none, and whether its name is taken."""

    selection: Selection | None
    sentence: str = ""
    taken: bool = False


class SliceSaver(Viewer):
    """A button that is there while a condition is set, and a card in which the slice gets its name.

    Parameters
    ----------
    exploration
        Whose filter is saved.
    """

    def __init__(self, exploration: Exploration) -> None:
        super().__init__()
        self._exploration = exploration
        self._card: Card | None = None
        self._busy = False
        self._name = self._offered = self._saved = ""
        self._texts: dict[str, str] = {}
        self._drawn, self._turn = "", 0
        self._saving, self._counting = Worker(), Worker()
        self._view = Clickable(CSS, on_pick=self._picked, on_enter=self._entered)
        exploration.param.watch(self._follow, "turn")
        self._draw()

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    # What is shown

    def _draw(self, focus: str = "") -> None:
        plain = form_html(self._card) if any(self._conditions().values()) else ""
        # What takes the focus does so once: drawing the same again would take it from where the visitor is by now.
        if focus or plain != self._drawn:
            self._turn += 1
            self._view.html = form_html(self._card, focus, self._turn) if plain else ""
            self._drawn = plain

    def _show(self, card: Card | None, focus: str = "") -> None:
        self._card = card
        self._draw(focus)

    def _follow(self, _event: object) -> None:
        """Follow the filter: another one may be refused where this one was not, and was not saved."""
        step = "" if self._card is None else self._card.step
        changed = self._conditions() != self._texts
        if not any(self._conditions().values()) or (step == "saved" and changed):
            self._card = None
        elif step in ("name", "refused") and changed:
            # Whoever is typing in another field stays there.
            self._open(focus=False)
        self._draw()

    def _conditions(self) -> dict[str, str]:
        return {name: getattr(self._exploration.chosen, name) for name in CONDITIONS}

    def _open(self, *, focus: bool = True) -> None:
        """Ask for a name, or say why this filter cannot be a slice."""
        self._texts = self._conditions()
        self._offered = ""
        sentence, removable = self._refusal()
        card = Card("refused", sentence, removable=bool(removable)) if sentence else Card("name")
        first = "name" if not sentence else "remove" if removable else "close"
        self._show(card, first if focus else "")

    def _refusal(self) -> tuple[str, tuple[str, ...]]:
        """Return why the filter cannot be a slice, and the conditions without which it can; else two empty things."""
        filter, problems = filter_of(self._exploration.chosen)
        if problems:
            return " ".join(problems.values()), tuple(problems)
        try:
            slice_of(filter)
        except NoSliceError as error:
            lost = tuple(name for name in CONDITIONS if name_in_filter(name) in error.conditions)
            others = any(text for name, text in self._conditions().items() if name not in lost)
            return sentence_of(error), lost if others else ()
        except TagscopeError as error:
            return sentence_of(error), ()
        return "", ()

    # What the visitor does

    def _entered(self, _name: str, value: str) -> None:
        self._name = value.strip()
        self._view.values = {"name": value}

    def _picked(self, key: str) -> None:
        if self._busy:
            return  # a second click would find the name taken by the first
        if key == "close":
            self._show(None, "open")
        elif key == "open":
            # The button never closes: of Escape and a click right after it, only the click is heard.
            if self._card is None or self._card.step != "name":
                self._name, self._view.values = "", {"name": ""}
            self._open()
        elif key == "remove":
            removable = self._refusal()[1]
            if removable:
                self._exploration.clear(*removable)
            self._open()
        elif key in ("save", "replace") and self._card is not None and self._card.step == "name":
            # Only the slice that was asked about is replaced, whatever stands in the field by now.
            self._save(replace=key == "replace" and self._name == self._offered)
        elif key == "show" and self._saved:
            self._show(None)
            self._exploration.state.selection.show_slice(self._saved)

    def _save(self, *, replace: bool) -> None:
        samples, name = self._exploration.samples, self._name
        filter, problems = filter_of(self._exploration.chosen)
        if samples is None:
            return
        if problems:
            self._open()
            return
        self._busy = True

        def show(saved: _Saved) -> None:
            self._busy = False
            if saved.selection is None:
                self._offered = name if saved.taken else ""
                self._show(Card("name", saved.sentence, taken=saved.taken), "name")
                return
            self._texts, self._saved = self._conditions(), name
            self._exploration.state.selection.saved += 1
            self._confirm(samples, saved.selection)

        def work(busy: bool) -> None:
            if busy:
                self._show(Card("name", busy=True))

        run(self._saving, lambda: _save(samples, filter, name, replace=replace), show, working=work)

    def _confirm(self, samples: Samples, selection: Selection) -> None:
        name, bundle = self._saved, samples.bundle
        done = f"Saved as “{plain_text(name)}”."
        # Figures that are read from a file belong to no run, so there are no slices among them.
        if bundle is None or self._exploration.catalogue.settings.performance_file is not None:
            self._show(Card("saved", done), "close")
            return
        card = Card("saved", done, leads=True)
        self._show(card, "show")
        run_id = bundle.run_id

        def show(sentence: str) -> None:
            if self._card is card:
                self._show(Card("saved", done, sentence, leads=True))

        run(self._counting, lambda: self._judged(run_id, name, samples.digest, selection), show)

    def _judged(self, run_id: str, name: str, digest: str, selection: Selection) -> str:
        """Say how many rows of the slice Performance will show, and why they are others where they are."""
        try:
            evaluation = self._exploration.catalogue.evaluations.get(run_id)
            mask = evaluation.slice_mask(name)
        except TagscopeError as error:
            return sentence_of(error)
        count = int(np.count_nonzero(mask))
        if not count:
            return f"None of the {evaluation.rows:,} rows that this run is judged on is in it, so it has no figures."
        verb = "is" if count == 1 else "are"
        sentence = f"{count:,} of the {evaluation.rows:,} rows that this run is judged on {verb} in it."
        same_data = evaluation.dataset is not None and evaluation.dataset.digest == digest
        if same_data and not np.array_equal(mask, selection.mask[evaluation.places]):
            sentence += " The run has other tags for some rows than the data, such as other for those that are rare."
        return sentence


def _save(samples: Samples, filter: Filter, name: str, *, replace: bool) -> _Saved:
    """Write the slice; in a thread, as the file may be locked, and its rows not be found yet."""
    shown = plain_text(name, 60)
    if not name:
        return _Saved(None, "Give the slice a name first.")
    if name in SLICES:
        return _Saved(None, f"“{shown}” is a function in config/slices.py; take another name.")
    try:
        # A condition that these rows cannot answer is left out of what is shown, so it would be saved unseen.
        selection = samples.explorer.select(filter)
        save_slice(name, slice_of(filter), replace=replace, most=MOST_SLICES)
    except NameTakenError:
        return _Saved(
            None, f"There is a slice “{shown}” already. Take another name, or replace it for everybody.", True
        )
    except TagscopeError as error:
        return _Saved(None, sentence_of(error))
    return _Saved(selection)
