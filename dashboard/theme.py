"""Colours, fonts and style sheets: one look for Material widgets, our own HTML, tables and plots, light and dark."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

# Fonts that are on the visitor's machine; Roboto is served by ourselves where the others are missing.
FONT = '"Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'

# Okabe and Ito's palette, which the usual kinds of colour blindness keep apart, without its yellow and black (one
# vanishes on white, the other on black), and two more of medium lightness.
TAG_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f8c8d")
# One colour per outcome of a prediction; blue against vermilion stays apart where red against green would not.
OUTCOME_COLOURS = {"correct": "#0072b2", "wrong": "#d55e00", "unlabelled": "#7f8c8d"}


class Palette(msgspec.Struct, frozen=True):
    """Colours of one theme, as CSS writes them."""

    page: str
    surface: str
    raised: str
    text: str
    muted: str
    line: str
    accent: str
    on_accent: str
    bar: str
    warning: str
    error: str


LIGHT = Palette(
    page="#f5f6f8",
    surface="#ffffff",
    raised="#f0f3f7",
    text="#17202b",
    muted="#5b6776",
    line="#dfe4ea",
    accent="#0b62a8",
    on_accent="#ffffff",
    bar="#b9cbdc",
    warning="#8a5a00",
    error="#a8320a",
)
DARK = Palette(
    page="#0f141a",
    surface="#171e26",
    raised="#202a35",
    text="#e8edf3",
    muted="#9aa8b7",
    line="#2c3743",
    accent="#6cb6f2",
    on_accent="#0b1a28",
    bar="#3d5468",
    warning="#f0bd5e",
    error="#ff9470",
)


def palette(dark: bool) -> Palette:
    """Colours of the dark or the light theme."""
    return DARK if dark else LIGHT


def tag_colours(tags: Iterable[str]) -> dict[str, str]:
    """Give each tag a colour that depends on its name first, so that it is the same on every page and in every run.

    Parameters
    ----------
    tags
        Distinct tags.

    Returns
    -------
    dict
        Colour by tag. Two tags that want the same colour are kept apart as long as the palette lasts; the order of
        `tags` does not matter.
    """
    size = len(TAG_PALETTE)
    wanted = {tag: int.from_bytes(hashlib.sha256(tag.encode("utf-8", "replace")).digest()[:4], "big") for tag in tags}
    colours: dict[str, str] = {}
    taken: set[int] = set()
    for tag in sorted(wanted):
        if len(taken) == size:
            taken.clear()
        index = wanted[tag] % size
        while index in taken:
            index = (index + 1) % size
        taken.add(index)
        colours[tag] = TAG_PALETTE[index]
    return colours


def mix(first: str, second: str, share: float) -> str:
    """Return the colour `share` of the way from one to another, as #rrggbb.

    Examples
    --------
    >>> mix("#000000", "#ff8000", 0.5)
    '#804000'
    """
    ends = [[int(colour[start : start + 2], 16) for start in (1, 3, 5)] for colour in (first, second)]
    return "#" + "".join(f"{round(a + (b - a) * min(max(share, 0), 1)):02x}" for a, b in zip(*ends, strict=True))


def _material(colours: Palette) -> dict[str, Any]:
    return {
        "palette": {
            "primary": {"main": colours.accent, "contrastText": colours.on_accent},
            "error": {"main": colours.error},
            "warning": {"main": colours.warning},
            "background": {"default": colours.page, "paper": colours.surface},
            "text": {"primary": colours.text, "secondary": colours.muted},
            "divider": colours.line,
        },
        "typography": {"fontFamily": FONT, "fontSize": 14},
        "shape": {"borderRadius": 8},
    }


MATERIAL_THEME = {"light": _material(LIGHT), "dark": _material(DARK)}


def _variables(colours: Palette) -> str:
    return "".join(f"--ts-{name}: {value}; " for name, value in msgspec.structs.asdict(colours).items())


# For the document: custom properties reach into every shadow root. `.ts-dark` stands on the root element.
DOCUMENT_CSS = f"""
:root {{ {_variables(LIGHT)} color-scheme: light; }}
:root.ts-dark {{ {_variables(DARK)} color-scheme: dark; }}
html, body {{ background: var(--ts-page); color: var(--ts-text); font-family: {FONT}; }}
"""

_FALLBACK = {
    "page": "var(--mui-palette-background-default, #ffffff)",
    "surface": "var(--mui-palette-background-paper, #ffffff)",
    "raised": "color-mix(in srgb, var(--mui-palette-text-primary, #17202b) 6%, transparent)",
    "text": "var(--mui-palette-text-primary, #17202b)",
    "muted": "var(--mui-palette-text-secondary, #5b6776)",
    "line": "var(--mui-palette-divider, #dfe4ea)",
    "accent": "var(--mui-palette-primary-main, #0b62a8)",
    "on_accent": "var(--mui-palette-primary-contrastText, #ffffff)",
    "bar": "#b9cbdc",
    "warning": "var(--mui-palette-warning-main, #8a5a00)",
    "error": "var(--mui-palette-error-main, #a8320a)",
}


def colour(name: str) -> str:
    """CSS value of a palette colour that follows the theme; in a notebook it follows the notebook's Material theme."""
    return f"var(--ts-{name}, {_FALLBACK[name]})"


# For our own HTML panes.
HTML_CSS = f"""
:host {{ font-family: {FONT}; color: {colour("text")}; font-size: 15px; line-height: 1.5; }}
.ts-muted {{ color: {colour("muted")}; }}
h2 {{ font-size: 26px; line-height: 1.2; font-weight: 700; letter-spacing: -0.01em; margin: 0; }}
h3 {{ font-size: 16px; line-height: 1.3; font-weight: 700; margin: 0; }}
p {{ margin: 0; }}
"""
