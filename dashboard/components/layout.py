"""Where things stand: surfaces, and columns that become one where the window is narrow."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard.theme import colour

# Panel's columns end in a button for long scrolled ones, which would take a place and a gap of its own.
_COLUMN_CSS = ".scroll-button { display: none; } :host { min-width: 0; }"
# What a link leads to stands below the header.
_REACHED_CSS = ":host { scroll-margin-top: 84px; }"
_SURFACE_CSS = f"""
:host {{ background: {colour("surface")}; border: 1px solid {colour("line")}; border-radius: 12px;
  padding: 20px 22px; box-sizing: border-box; }}
"""


def stack(*objects: Any, gap: int = 0, css: str = "", **params: Any) -> pn.Column:
    """Put things below each other, `gap` pixels apart; `css` holds further rules for this column only."""
    params.setdefault("sizing_mode", "stretch_width")
    return pn.Column(*objects, margin=0, stylesheets=[_COLUMN_CSS, f":host {{ gap: {gap}px; }}", css], **params)


def surface(*objects: Any, fill: bool = False, name: str = "") -> pn.Column:
    """Make a sheet with a border, on which things stand below each other.

    `fill` makes it as high as its neighbours, and links can lead to it by `name`, as to a section.
    """
    css = _SURFACE_CSS + (":host { height: 100% !important; }" if fill else "")
    return stack(*objects, gap=16, css=css + _REACHED_CSS, css_classes=[f"section-{name}"] if name else [])


def columns(
    *objects: Any,
    template: str = "1fr 1fr",
    narrow: int = 900,
    gap: int = 20,
    align: str = "stretch",
    wide_class: str = "",
) -> pn.Column:
    """Put things side by side, or below each other in a window narrower than `narrow` pixels.

    Parameters
    ----------
    *objects
        One per column.
    template
        Widths, as CSS grids have them.
    narrow
        Width of the window, in pixels, below which there is one column.
    gap
        Space between, in pixels.
    align
        How the columns stand to each other vertically, as CSS `align-items`.
    wide_class
        CSS class with which they stand below each other in any window.

    Returns
    -------
    panel.Column
        Laid out by CSS alone: nothing is computed when the window changes.
    """
    css = f"""
    :host {{ display: grid; grid-template-columns: {template}; align-items: {align}; }}
    @media (max-width: {narrow}px) {{ :host {{ grid-template-columns: minmax(0, 1fr); }} }}
    """
    if wide_class:
        css += f":host(.{wide_class}) {{ grid-template-columns: minmax(0, 1fr); }}"
    return stack(*objects, gap=gap, css=css)


def section(name: str, *objects: Any) -> pn.Column:
    """Make a section of the page that links can lead to by its name."""
    return stack(*objects, gap=20, css=_REACHED_CSS, css_classes=[f"section-{name}"])
