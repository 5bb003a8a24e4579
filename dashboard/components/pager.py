"""The way through pages, as a part of the HTML of a `Clickable`."""

from __future__ import annotations


def pager_html(number: int, pages: int, label: str) -> str:
    """Return buttons that pick ``page:first``, ``page:previous``, ``page:next`` and ``page:last``.

    Parameters
    ----------
    number
        Of the page on show, from 0.
    pages
        How many there are; of one there is nothing to turn.
    label
        What it is called by who does not see it; ours.
    """
    last = pages - 1
    if not last:
        return ""

    def button(sign: str, name: str, there: bool) -> str:
        # Not disabled: the focus would be lost on the way to the last page.
        off = "" if there else ' aria-disabled="true"'
        return f'<button data-pick="page:{name}" aria-label="{name.capitalize()} page"{off}>{sign}</button>'

    back, on = number > 0, number < last
    return (
        f'<nav class="pager" aria-label="{label}">'
        f"{button('«', 'first', back)}{button('‹ Previous', 'previous', back)}"
        f"<span>Page {number + 1:,} of {pages:,}</span>"
        f"{button('Next ›', 'next', on)}{button('»', 'last', on)}</nav>"
    )
