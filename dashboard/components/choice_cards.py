"""Cards that follow a selector inside the browser: the figures of every choice are there before it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param
from panel.custom import JSComponent

from dashboard.components.cards import CSS, cards_html
from dashboard.theme import HTML_CSS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import panel_material_ui as pmui

    from dashboard.components.cards import Card


class ChoiceCards(JSComponent):
    """A row of small cards per choice, of which one is shown.

    A choice that travels to the server and back takes a fifth of a second, and a figure per tag or slice is small.
    """

    choices = param.List(default=[], doc="Label and HTML of each choice.")
    # Two, because a value that both sides write is overwritten by what was chosen before, on its way back.
    chosen = param.String(default="", doc="Label of the choice to show, written by the server only.")
    picked = param.String(default="", doc="Label that was chosen last in the browser, which alone writes it.")

    _esm = """
    export function render({model}) {
      const place = document.createElement("div")
      let shown = model.chosen
      const show = () => {
        const found = model.choices.find(([label]) => label === shown)
        place.innerHTML = found ? found[1] : ""
      }
      model.on("choices", show)
      for (const name of ["chosen", "picked"]) { model.on(name, () => { shown = model[name]; show() }) }
      show()
      return place
    }
    """

    _stylesheets: ClassVar[list[str]] = [HTML_CSS, CSS]

    def __init__(self, **params: object) -> None:
        params.setdefault("sizing_mode", "stretch_width")
        params.setdefault("margin", 0)
        super().__init__(**params)

    def offer(self, cards: Mapping[str, Sequence[Card]]) -> None:
        """Take other choices: the cards of each by its label."""
        self.choices = [(label, cards_html(some, small=True)) for label, some in cards.items()]

    def follow(self, select: pmui.Select) -> None:
        """Show what is chosen in a selector, whose options have the labels of the choices; without a server."""
        select.jslink(self, value="picked")
