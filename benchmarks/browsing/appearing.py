"""When texts appear on a page that is being loaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

# For each pair of selector and words, the time of the first frame in which such a text is laid out, seen from inside,
# through shadow roots. It looks from the beginning on: asked from outside, the answer would wait for scripts that run
# after that frame.
_SCRIPT = """window.appeared = %s.map(([selector, words]) => new Promise((done, fail) => {
  const seen = (root) => [...root.querySelectorAll("*")].some((one) =>
    (one.matches(selector) && one.innerText.includes(words) && one.getBoundingClientRect().height > 0)
    || (one.shadowRoot && seen(one.shadowRoot)))
  const look = () => {
    if (seen(document)) { done(performance.now()) }
    else if (performance.now() > 300_000) { fail(new Error("not to be seen: " + selector + " with " + words)) }
    else { requestAnimationFrame(look) }
  }
  look()
}))"""


def open_timed(page: Page, url: str, *texts: tuple[str, str]) -> list[float]:
    """Open a page that has not been anywhere yet.

    Parameters
    ----------
    page
        A new one.
    url
        Where to go.
    *texts
        CSS selector and words of each text that is waited for.

    Returns
    -------
    list of float
        Milliseconds from navigation start until each of them is laid out.
    """
    page.add_init_script(_SCRIPT % json.dumps(texts))
    page.goto(url)
    return [float(time) for time in page.evaluate("Promise.all(appeared)")]
