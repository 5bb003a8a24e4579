"""What became of the examples over many runs: always right, fixed, broken, flaky, never right; counts to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, surface
from dashboard.evaluation.selection import COURSES
from dashboard.sections.compare.verdict import COUNTS_CSS
from dashboard.sections.compare.way import show_course
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    import numpy as np
    import panel as pn

    from dashboard.evaluation.history import RunHistory
    from dashboard.state import DashboardState

MOST_PATTERNS = 12
MEANINGS = {
    "always right": "by every run",
    "fixed": "wrong at first, then right to the end",
    "broken": "right at first, then wrong to the end",
    "flaky": "changed more than once",
    "never right": "by no run",
    "not judged": "by none of the runs",
}
_SIGNS = {1: ("1", "●", "right"), 0: ("0", "○", "wrong"), -1: ("-", "·", "not judged")}
_CSS = f"""
{COUNTS_CSS}
.counts small {{ display: block; color: {colour("muted")}; font-size: 13px; }}
p {{ color: {colour("muted")}; font-size: 14px; margin-top: 10px; }}
"""
_TABLE_CSS = f"""
.scroll {{ max-height: 360px; overflow: auto; }}
table {{ border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; width: 100%; }}
thead th {{ position: sticky; top: 0; background: {colour("surface")}; font-weight: 600; text-align: right;
  padding: 2px 8px 6px; border-bottom: 1px solid {colour("line")}; white-space: nowrap; }}
th:first-child {{ text-align: left; }}
tbody th {{ font-weight: 400; max-width: 200px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  padding: 2px 8px; }}
td {{ padding: 1px 8px; text-align: right; color: {colour("muted")}; }}
td button {{ color: {colour("text")}; padding: 1px 4px; text-align: right; }}
td button:hover {{ background: {colour("raised")}; text-decoration: underline; text-underline-offset: 2px; }}
.signs {{ letter-spacing: 4px; font-size: 16px; color: {colour("text")}; white-space: nowrap; }}
"""


class Courses(Viewer):
    """The courses of the examples; every count leads to its rows in the run whose examples they are.

    Parameters
    ----------
    state
        Of the page.
    """

    def __init__(self, state: DashboardState) -> None:
        super().__init__()
        self._state = state
        self._history: RunHistory | None = None
        self._patterns: dict[str, int] = {}
        self._counts = Clickable(_CSS, on_pick=self._course_picked)
        self._by_tag = Clickable(_TABLE_CSS, on_pick=self._tag_picked)
        self._by_pattern = Clickable(_TABLE_CSS, on_pick=self._pattern_picked)
        self._view = surface(
            sub_heading("What became of the examples"),
            self._counts,
            columns(self._by_tag, self._by_pattern, template="3fr 2fr", gap=28, align="start"),
        )

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, history: RunHistory, by_tag: np.ndarray, patterns: dict[str, int]) -> None:
        """Show a history, with what `by_tag_of` and `patterns_of` found in it."""
        self._history, self._patterns = history, patterns
        self._counts.html = counts_html(history)
        self._by_tag.html = by_tag_html(history.tags, by_tag)
        self._by_pattern.html = patterns_html(patterns)

    def _course_picked(self, course: str) -> None:
        if self._history is not None and course in COURSES:
            show_course(self._state, self._history, course=course)

    def _tag_picked(self, key: str) -> None:
        if self._history is not None:
            row, course = (int(place) for place in key.split(":"))
            show_course(self._state, self._history, course=COURSES[course], true=self._history.tags[row])

    def _pattern_picked(self, pattern: str) -> None:
        if self._history is not None and pattern in self._patterns:
            show_course(self._state, self._history, pattern=pattern)


def by_tag_of(history: RunHistory) -> np.ndarray:
    """Count the courses by true tag: int64, shape (tags, courses)."""
    return history.flips.counts_by(history.true, len(history.tags))


def patterns_of(history: RunHistory) -> dict[str, int]:
    """Return the most frequent patterns as a selection names them, with their counts; some 10 ms for 200,000 rows."""
    patterns, counts = history.flips.patterns()
    names = ["".join(_SIGNS[int(answer)][0] for answer in pattern) for pattern in patterns[:MOST_PATTERNS]]
    return dict(zip(names, counts[:MOST_PATTERNS].tolist(), strict=True))


def counts_html(history: RunHistory) -> str:
    """Write how many examples took each course."""
    buttons = ""
    for course, count in history.flips.counts().items():
        if count or course != "not judged":
            buttons += (
                f'<button data-pick="{course}" class="{course.replace(" ", "-")}"{"" if count else " disabled"}>'
                f"<b>{count:,}</b>{course}<small>{MEANINGS[course]}</small></button>"
            )
    words = (
        f"{len(history.ids):,} examples of run {history.reference[:8]}, judged by its labels, over "
        f"{len(history.points)} runs; a click shows them in that run."
    )
    return f'<div class="counts">{buttons}</div><p>{safe_text(words)}</p>'


def by_tag_html(tags: tuple[str, ...], counts: np.ndarray) -> str:
    """Write the courses by true tag; those with most examples that are not always right come first."""
    shown = [place for place, course in enumerate(COURSES) if course != "not judged" or counts[:, place].any()]
    heads = "".join(f'<th scope="col">{COURSES[place].capitalize()}</th>' for place in shown)
    order = sorted(range(len(tags)), key=lambda row: -int(counts[row, 1:].sum()))
    rows = ""
    for row in order:
        name = safe_text(tags[row], 120)
        cells = "".join(_cell(int(counts[row, place]), f"{row}:{place}", COURSES[place], name) for place in shown)
        rows += f'<tr><th scope="row" title="{name}">{name}</th>{cells}</tr>'
    return (
        f'<div class="scroll"><table class="ts-courses"><thead><tr><th scope="col">True tag</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(count: int, key: str, course: str, name: str) -> str:
    if not count:
        return "<td>0</td>"
    return f'<td><button data-pick="{key}" aria-label="{count:,} {course}, {name}">{count:,}</button></td>'


def patterns_html(patterns: dict[str, int]) -> str:
    """Write the most frequent patterns, a sign per run from the first to the last."""
    signs = {sign: (mark, word) for sign, mark, word in _SIGNS.values()}
    rows = ""
    for pattern, count in patterns.items():
        spoken = ", ".join(signs[sign][1] for sign in pattern)
        drawn = "".join(signs[sign][0] for sign in pattern)
        rows += (
            f'<tr><th scope="row" class="signs" title="{spoken}" aria-label="{spoken}">{drawn}</th>'
            f'<td><button data-pick="{pattern}">{count:,}</button></td></tr>'
        )
    return (
        '<div class="scroll"><table class="ts-patterns"><thead><tr><th scope="col">Run by run: ● right, ○ wrong</th>'
        f'<th scope="col">Examples</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
