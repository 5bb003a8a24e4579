"""Work off the event loop: nobody waits for another visitor's computation, and answers come in order or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING, TypeVar

import panel as pn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")
# What takes less than this needs no sign that work goes on: it would only flicker.
SIGN_AFTER_SECONDS = 0.2
_gathering: contextvars.ContextVar[Group | None] = contextvars.ContextVar("gathering", default=None)


class Group:
    """Knows when views that were made together have all that they asked for.

    Examples
    --------
    >>> group = Group()
    >>> with group.gather():
    ...     worker = Worker()
    >>> group.when_settled(lambda: print("nothing is under way"))
    nothing is under way
    """

    def __init__(self) -> None:
        self._under_way = 0
        self._waiting: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def gather(self) -> Iterator[None]:
        """Take in every worker that is made in the block."""
        token = _gathering.set(self)
        try:
            yield
        finally:
            _gathering.reset(token)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way; what waits for something newer does not count."""
        return not self._under_way

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call something once nothing is under way, at once if that is so."""
        if self.is_settled:
            then()
        else:
            self._waiting.append(then)

    def begin(self) -> None:
        """Count one more piece of work."""
        self._under_way += 1

    def end(self) -> None:
        """Count one less; the last one settles the group, unless it has begun another."""
        self._under_way -= 1
        while self._waiting and self.is_settled:
            self._waiting.pop(0)()


def current_group() -> Group:
    """Return the group that takes in the workers that are made now; one of its own where none does."""
    return _gathering.get() or Group()


class Worker:
    """Runs one thing at a time for one view; asking anew makes an answer that is still under way worthless.

    All changes of the page are made in callbacks that hold the document's lock. Panel runs asynchronous callbacks
    without it and then writes to the socket on its own, where a message that falls between two others is lost.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._group = current_group()

    def run(
        self,
        compute: Callable[[], Value],
        show: Callable[[Value], None],
        *,
        pause: float = 0.0,
        working: Callable[[bool], None] | None = None,
    ) -> None:
        """Compute in a thread, then show the value if nothing newer was asked for.

        Parameters
        ----------
        compute
            Runs in a thread; must not touch the page, and returns mistakes as values.
        show
            Runs on the event loop with the document's lock.
        pause
            Seconds to wait for something newer before computing at all.
        working
            Called with True when it takes long and with False when it is done.
        """
        self._turn += 1
        turn = self._turn
        # What is only looked at now and then, such as a job, is never done.
        counts = not pause
        if counts:
            self._group.begin()

        def apply(change: Callable[[], None]) -> None:
            _apply(lambda: change() if turn == self._turn else None)

        def end() -> None:
            if counts:
                self._group.end()

        async def work() -> None:
            try:
                await compute_and_show()
            finally:
                # In turn, after what was shown, which may have begun more.
                _apply(end)

        async def compute_and_show() -> None:
            await asyncio.sleep(pause)
            if turn != self._turn:
                return
            computing = asyncio.ensure_future(asyncio.to_thread(compute))
            if working is not None and not (await asyncio.wait({computing}, timeout=SIGN_AFTER_SECONDS))[0]:
                apply(lambda: working(True))
            value = await computing

            def finish() -> None:
                if working is not None:
                    working(False)
                show(value)

            apply(finish)

        pn.state.execute(work)


def _apply(change: Callable[[], None]) -> None:
    """Change the page on the event loop, with the document's lock, at a time at which the browser hears of it.

    From when a browser has asked for the document until it says that it has drawn it, Panel drops what changes: it
    takes the document for one that has not been read yet (`panel.io.document.hold`, seen with Panel 1.9.4).
    """

    def in_turn() -> None:
        if _is_being_drawn():
            pn.state.onload(lambda: pn.state.execute(change, schedule=True))
        else:
            change()

    pn.state.execute(in_turn, schedule=True)


def _is_being_drawn() -> bool:
    document = pn.state.curdoc
    context = document.session_context if document is not None else None
    session = getattr(context, "session", None)
    return session is not None and session.connection_count > 0 and not pn.state.loaded
