"""The buttons that save examples, and whether the file will have the proposed tags and notes of the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from panel.viewable import Viewer

from dashboard.components.caption import button
from dashboard.components.clickable import Clickable
from dashboard.components.layout import stack
from dashboard.sections.errors.download import Download, Order
from dashboard.sections.errors.example_file import write_examples
from dashboard.sections.errors.knowledge import PARTS, read_known
from dashboard.text import safe_text
from dashboard.theme import colour
from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import panel as pn

    from dashboard.catalogue import Catalogue
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.job import Job
    from dashboard.sections.errors.knowledge import Knowledge

FINDINGS = "remarks"
"""The part of what is known that proposed tags and notes come from."""
WAITING = "Looking for findings first …"
_CSS = f"""
p {{ font-size: 13px; line-height: 1.5; color: {colour("muted")}; width: 230px;
  min-height: 39px; }}
button {{ text-decoration: underline; text-underline-offset: 2px; }}
button:hover {{ color: {colour("accent")}; }}
"""


class Saving(Viewer):
    """Saves all examples on show, or those that are checked.

    Where findings are begun without asking, the file waits for them; else it is written with what is known.

    Parameters
    ----------
    catalogue
        Where the data set is found.
    knowledge
        What is known of it.
    news
        Called when work was begun.
    """

    def __init__(self, catalogue: Catalogue, knowledge: Knowledge, news: Callable[[], None]) -> None:
        super().__init__()
        self._catalogue, self._knowledge, self._news = catalogue, knowledge, news
        self._evaluation: Evaluation | None = None
        self._rows: np.ndarray | None = None
        self._checked: tuple[int, ...] = ()
        self.all = Download(lambda: self._order(only_checked=False))
        self.some = Download(lambda: self._order(only_checked=True), visible=False)
        self.line = Clickable(_CSS, on_pick=lambda _key: self._begin())
        self._view = stack(self.all, self.some, self.line, gap=6)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, evaluation: Evaluation | None, rows: np.ndarray | None, checked: Collection[int]) -> None:
        """Offer other examples.

        Parameters
        ----------
        evaluation
            Of the run; None while there is nothing to save.
        rows : numpy.ndarray
            int64, shape (m,): positions of all that are on show.
        checked
            Positions of those that are checked.
        """
        self._evaluation, self._rows, self._checked = evaluation, rows, tuple(sorted(checked))
        count = 0 if rows is None else len(rows)
        self.all.param.update(label=f"Download all {count:,} (CSV)", disabled=not count)
        self.some.param.update(label=f"Download the {len(checked):,} checked (CSV)", visible=bool(checked))
        words, offer = self._words()
        link = "" if not offer else " " + button("start", safe_text(offer))
        self.line.html = f'<p role="status">{safe_text(words)}{link}</p>'

    def _words(self) -> tuple[str, str]:
        """Return what is said of proposed tags and notes, and the words of a button that begins the findings."""
        known = self._knowledge.known
        if known.samples is None:
            return (f"Without proposed tags and notes. {known.sentence}" if known.sentence else ""), ""
        status, waits = known.samples.findings.status, known.is_automatic(FINDINGS)
        if status.state == "done":
            return "With the proposed tags and notes of the findings.", ""
        if status.state == "running":
            until = "a file waits for them." if waits else "until then no proposed tags and notes."
            return f"Findings are being looked for; {until}", ""
        if status.state == "waiting" and waits:
            return "With proposed tags and notes: findings are looked for first.", ""
        sentence, offer = self._knowledge.lack(FINDINGS)
        why = "they need findings." if status.state == "waiting" else sentence
        return f"Without proposed tags and notes: {why}", offer

    def _begin(self) -> None:
        self._knowledge.start(FINDINGS)
        self._news()

    def _order(self, *, only_checked: bool) -> Order:
        """Say what is to be saved, as it is now: by the time it is written, others may be on show."""
        evaluation, rows = self._evaluation, self._rows
        if evaluation is None or rows is None:
            raise DataError("The examples are being found; press again in a moment.")
        if only_checked:
            if not self._checked:
                raise DataError("No example is checked any more; check some and press again.")
            rows = np.asarray(self._checked, np.int64)
        name = f"examples-{evaluation.run_id[:8]}{'-checked' if only_checked else ''}.csv"
        read = [self._knowledge.known_of(evaluation)]

        def first() -> Job[Any] | None:
            read[0] = known = read[0] or read_known(self._catalogue, evaluation)
            if known.samples is None or not known.is_automatic(FINDINGS):
                return None
            job = PARTS[FINDINGS].job(known.samples)
            # What failed is tried again by its button: each file would wait for it in vain.
            return None if job.status.is_over else job

        def write() -> tuple[str, TextIO]:
            return name, write_examples(evaluation, rows, None if read[0] is None else read[0].samples)

        return Order(write, first, self._begin, WAITING)
