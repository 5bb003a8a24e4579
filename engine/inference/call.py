"""One request of a caller: some texts, and what becomes of each."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.errors import TagscopeError
    from engine.inference.model import ServedModel
    from engine.inference.scheduler import Ticket


class Call:
    """Texts that are answered together; made by `Predictor.ask`.

    Attributes
    ----------
    model
        Answers all of them.
    texts
        As they were given.
    rows
        The answer to each, float32[labels]; None where there is an error, or not yet an answer.
    errors
        Why there is no answer.
    cached
        Whether the answer came from the cache.
    done
        Whether every text has its answer or error.
    seconds
        From asking to the last answer.
    """

    __slots__ = (
        "_cancel",
        "_ended",
        "cached",
        "done",
        "errors",
        "loop",
        "missing",
        "model",
        "on_done",
        "rows",
        "seconds",
        "started",
        "texts",
        "tickets",
    )

    def __init__(
        self,
        model: ServedModel,
        texts: Sequence[str],
        cancel: Callable[[Call], None],
        on_done: Callable[[Call], None] | None,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.model = model
        self.texts = texts
        self.rows: list[NDArray[np.float32] | None] = [None] * len(texts)
        self.errors: list[TagscopeError | None] = [None] * len(texts)
        self.cached = [False] * len(texts)
        self.done = False
        self.seconds = 0.0
        self.started = time.perf_counter()
        # Kept by the predictor, under its lock.
        self.missing = 0
        self.tickets: list[Ticket] = []
        self.on_done = on_done
        self.loop = loop
        self._cancel = cancel
        # Only who blocks needs one, and not where everything was in the cache.
        self._ended = None if loop is not None else threading.Event()

    def cancel(self) -> None:
        """Stop waiting: texts that nobody else waits for leave the queue, and `on_done` will not be called."""
        self._cancel(self)

    def wait(self) -> None:
        """Block until the call is done; for calls without a loop."""
        if not self.done and self._ended is not None:
            self._ended.wait()

    def end(self) -> None:
        """Mark the call as done and tell who asked; called once, on the call's loop where it has one."""
        self.seconds = time.perf_counter() - self.started
        self.done = True
        if self._ended is not None:
            self._ended.set()
        if self.on_done is not None:
            self.on_done(self)
