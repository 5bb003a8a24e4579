"""Our own HTML on the page: a pane whose variable parts have all gone through `safe_text`."""

from __future__ import annotations

from typing import Any

import panel as pn

from dashboard.theme import HTML_CSS


def markup(html: str, css: str = "", **params: Any) -> pn.pane.HTML:
    """Make a pane of trusted HTML.

    To show it now and then, put it into a `stack` and hide that: a browser that hears that the pane itself is visible
    before it has drawn it reports an error (seen with Panel 1.9.4).

    Parameters
    ----------
    html
        Markup written here in the dashboard; text from elsewhere stands in it only as `safe_text` returns it.
    css
        Further rules, which hold in this pane only.
    **params
        Parameters of `panel.pane.HTML`.

    Returns
    -------
    panel.pane.HTML
        Full width, in the dashboard's type.
    """
    params.setdefault("sizing_mode", "stretch_width")
    params.setdefault("margin", 0)
    # `sanitize_html` stays off: it would strip our own markup, and what is not ours arrives escaped.
    return pn.pane.HTML(html, stylesheets=[HTML_CSS, css], **params)
