"""The first thing a visitor sees: title and number of projects, in the HTML of the page, before any script has run.

It stands where the real thing will stand, and goes when that is there. The template extends the one that Material
pages use, so everything else is theirs.
"""

from __future__ import annotations

from dashboard.components.heading import HERO_CSS
from dashboard.text import safe_text
from dashboard.theme import DOCUMENT_CSS, FONT

# The splash's own measures are those of the page: bar of 64 px, sheets of 12 px radius, 1240 px at most.
_CSS = f"""
{DOCUMENT_CSS}
#loader:not(.error) {{ display: none !important; }}
#ts-splash {{ position: absolute; inset: 0 0 auto 0; min-height: 100vh; z-index: 1; background: var(--ts-page);
  font: 15px/1.5 {FONT}; color: var(--ts-text); }}
#ts-splash header {{ height: 60px; background: var(--ts-surface); border-bottom: 1px solid var(--ts-line); }}
#ts-splash header b {{ display: block; max-width: 1240px; margin: 0 auto; padding: 0 28px; font-size: 21px;
  line-height: 60px; letter-spacing: -0.01em; box-sizing: border-box; }}
#ts-splash main {{ max-width: 1240px; margin: 0 auto; padding: 28px 28px; box-sizing: border-box; }}
#ts-splash h2 {{ font-size: 26px; line-height: 1.2; font-weight: 700; letter-spacing: -0.01em; margin: 0; }}
#ts-splash p {{ margin: 0 0 20px; color: var(--ts-muted); }}
#ts-splash .row {{ display: grid; grid-template-columns: minmax(280px, 2fr) 3fr; gap: 20px; }}
#ts-splash .row > div {{ background: var(--ts-surface); border: 1px solid var(--ts-line); border-radius: 12px;
  padding: 20px 22px; min-height: 230px; box-sizing: border-box; }}
@media (max-width: 900px) {{ #ts-splash .row {{ grid-template-columns: minmax(0, 1fr); }} }}
{HERO_CSS.replace(".ts-hero", "#ts-splash .ts-hero")}
"""

# Gone as soon as the real number stands in the page, or something went wrong and is to be seen.
_SCRIPT = """
(() => {
  const splash = document.getElementById("ts-splash")
  const cookie = document.cookie.match(/tagscope_theme=(\\w+)/)
  const dark = cookie ? cookie[1] === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches
  if (dark) { document.documentElement.classList.add("ts-dark") }
  const seen = (root) => {
    for (const element of root.querySelectorAll("*")) {
      const real = element.classList.contains("ts-hero") || element.classList.contains("ts-message")
      if (real) { return element.getBoundingClientRect().height > 0 }
      if (element.shadowRoot && seen(element.shadowRoot)) { return true }
    }
    return false
  }
  const started = performance.now()
  const look = () => {
    const roots = [...document.querySelectorAll("[data-root-id]")]
    const failed = document.querySelector("#loader.error")
    if (roots.some(seen) || failed || performance.now() - started > 20000) { splash.remove() }
    else { setTimeout(look, 40) }
  }
  look()
})()
"""

# Sheets of style keep a browser from drawing, scripts keep its parser from going on. So sheets are loaded as if for
# print until they are there, and 3 MB of scripts, which would run before the splash is drawn, are deferred. They run in
# their order when all of the page is parsed; an inline script can only be deferred as a module.
_LATER = """
{%- filter replace('<link rel="stylesheet"', '<link rel="stylesheet" media="print" onload="this.media = String()"') -%}
{{ super() }}
{%- endfilter -%}
"""
_SCRIPTS_LATER = """
{%- if bokeh_js -%}
{{ bokeh_js | replace('<script type="text/javascript" src=', '<script defer src=')
            | replace('<script type="text/javascript">', '<script type="module">') }}
{%- endif -%}
"""


def page_template(title: str, hero: str, explanation: str) -> str:
    """Make the Jinja template of the page.

    Parameters
    ----------
    title
        Title of the page, as text.
    hero
        HTML of the big number, as `hero_html` makes it; empty where there is none.
    explanation
        Sentence below the heading of the first section, as text.

    Returns
    -------
    str
        Template source in which nothing of ours is read as Jinja.
    """
    first = f'<div class="row"><div>{hero}</div><div></div></div>' if hero else ""
    body = (
        f'<div id="ts-splash"><header><b>{safe_text(title)}</b></header>'
        f"<main><h2>Data</h2><p>{safe_text(explanation)}</p>{first}</main></div><script>{_SCRIPT}</script>"
    )
    return (
        '{% extends "base.html" %}{% block js_resources %}{% endblock %}'
        + "{% block resources %}"
        + _LATER
        + "{% endblock %}{% block postamble %}"
        + _LATER
        + "<style>{% raw %}"
        + _CSS
        + "{% endraw %}</style>{% endblock %}{% block contents %}{% raw %}"
        + body.replace("{%", "{&#37;")
        + "{% endraw %}"
        + _SCRIPTS_LATER
        + "{{ super() }}{% endblock %}"
    )
