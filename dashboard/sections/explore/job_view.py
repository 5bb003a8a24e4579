"""What stands in the place of long work until it is done: the offer to begin it, its progress, or why it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from panel.viewable import Viewer

from dashboard.components.clickable import Clickable
from dashboard.components.layout import stack
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.sections.base import has_loop, run
from dashboard.text import safe_text
from dashboard.theme import colour

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from dashboard.job import Job
    from dashboard.samples import Samples
    from dashboard.sections.explore.exploration import Exploration

START = "start"
"""Key of the button that begins the work, or tries it again."""
_CSS = f"""
p {{ margin: 0; }}
progress {{ width: min(420px, 100%); accent-color: {colour("accent")}; margin-top: 6px; }}
.start {{ border: 1px solid {colour("line")}; border-radius: 8px; padding: 8px 16px; margin-top: 10px; }}
.start:hover {{ background: {colour("raised")}; }}
"""


class JobWords(msgspec.Struct, frozen=True):
    """What is said of the work; `{rows}` in `button` becomes the number of rows.

    `offer` is how long it takes and for whom, and `doing` what goes on while it runs.
    """

    offer: str
    button: str
    doing: str


class JobView(Viewer):
    """Begins the work where it is quick or kept, else offers to; hidden as soon as the work is done.

    Parameters
    ----------
    exploration
        Of the visitor.
    words
        What is said.
    job
        From the samples to the work on them.
    kept
        Whether the work was done before, so that it costs little to open; runs in a thread.
    done
        Called with the samples as soon as the work on those on show is done; after it the exploration says that more
        is known, unless it was done before.

    Examples
    --------
    >>> view = JobView(exploration, words, job=lambda one: one.map, kept=lambda one: one.kept_map(), done=draw)
    ... # doctest: +SKIP
    >>> view.begin()  # and whenever other samples are on show  # doctest: +SKIP
    """

    def __init__(
        self,
        exploration: Exploration,
        words: JobWords,
        *,
        job: Callable[[Samples], Job[Any]],
        kept: Callable[[Samples], bool],
        done: Callable[[Samples], None],
    ) -> None:
        super().__init__()
        self._exploration = exploration
        self._words, self._job, self._kept, self._done = words, job, kept, done
        self._polling, self._probing = Worker(), Worker()
        self._message = Message()
        self._choice = Clickable(_CSS, on_pick=lambda _key: self._start())
        self._view = stack(self._message, self._choice, gap=12)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def begin(self) -> None:
        """Look at the work on the samples on show: begin what is quick or kept, and follow what others have begun."""
        samples = self._exploration.samples
        if samples is None:
            return
        self._show(samples, "")
        state = self._job(samples).status.state
        if state == "failed":
            # It is tried again when somebody wants it, not by every visit.
            self._fail(samples)
        # Without an event loop nobody would see it end: a script waits for nothing that it did not ask for.
        elif state != "waiting" or (samples.is_small and has_loop()):
            self._start()
        else:
            self._show(samples, '<p class="ts-muted">Looking whether this was done before …</p>')
            run(self._probing, lambda: self._kept(samples), lambda kept: self._offer(samples, kept=kept))

    def _offer(self, samples: Samples, *, kept: bool) -> None:
        if samples is not self._exploration.samples:
            return
        # Another visitor, or a link, may have begun it in the meantime.
        if kept or self._job(samples).status.state != "waiting":
            self._start()
            return
        button = self._words.button.format(rows=f"{samples.facts.num_rows:,}")
        self._show(samples, f'<p class="ts-muted">{safe_text(self._words.offer)}</p>{_button(button)}')

    def _start(self) -> None:
        samples = self._exploration.samples
        if samples is None:
            return
        job = self._job(samples)
        news = job.status.state != "done"
        job.start()

        def look() -> None:
            status = job.status
            if samples is not self._exploration.samples:
                return
            if status.state == "running":
                self._show(samples, _progress(self._words.doing, status.step, status.share))
            elif status.state == "failed":
                self._fail(samples)
            else:
                self._show(samples, "", visible=False)
                self._done(samples)
                if news:
                    self._exploration.more_known()

        self._exploration.follow(job, self._polling, look)

    def _fail(self, samples: Samples) -> None:
        self._show(samples, _button("Try again"), problem=self._job(samples).status.sentence)

    def _show(self, samples: Samples, html: str, *, problem: str = "", visible: bool = True) -> None:
        if samples is self._exploration.samples:
            self._message.text = problem
            self._choice.html = html
            self._view.visible = visible


def _button(words: str) -> str:
    return f'<button class="start" data-pick="{START}">{safe_text(words)}</button>'


def _progress(doing: str, step: str, share: float) -> str:
    now = f": {step.lower()}" if step and step.casefold() != doing.casefold() else " …"
    return (
        f'<p class="ts-muted" role="status">{safe_text(doing + now)}</p>'
        f'<progress max="1" value="{share:.3f}" aria-label="Progress"></progress>'
    )
