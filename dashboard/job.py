"""Long work for all visitors of a process: done once, in a thread of its own, with its progress for who looks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class Status(msgspec.Struct, frozen=True):
    """How far the work is: `state` is ``waiting``, ``running``, ``done`` or ``failed``; `sentence` says why it failed.

    `step` is what is being computed, `share` how much of all is done, 0 to 1.
    """

    state: str = "waiting"
    step: str = ""
    share: float = 0.0
    sentence: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ("done", "failed")


class Job(Generic[Value]):
    """Work that is begun by the first who asks.

    Parameters
    ----------
    work
        Takes a function to report progress to, ``report(step, share)``, and returns the value. What a person can mend
        is raised as a `TagscopeError`.
    name
        Of the thread.
    """

    def __init__(self, work: Callable[[Callable[[str, float], None]], Value], name: str) -> None:
        self._work = work
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._value: Value | None = None
        self.status = Status()
        # What a person should know of the value although it is there, in a sentence.
        self.remark = ""

    def start(self) -> Job[Value]:
        """Begin, unless it goes on or is done; what failed is tried again. The thread ends with the process."""
        with self._lock:
            if self.status.state in ("waiting", "failed"):
                self.status = Status("running")
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return self

    @property
    def value(self) -> Value | None:
        """What came out; None until it is done."""
        return self._value

    def wait(self, seconds: float | None = None) -> Value | None:
        """Wait for the end, and return what came out."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._value

    def _run(self) -> None:
        def report(step: str, share: float) -> None:
            self.status = Status("running", step, share)

        try:
            self._value = self._work(report)
            self.status = Status("done", share=1.0)
        except TagscopeError as error:
            self.status = Status("failed", sentence=sentence_of(error))
        except BaseException:
            # The trace goes to the log as of any thread; visitors must not wait for ever.
            self.status = Status("failed", sentence="An internal mistake ended this; the server's log says which.")
            raise
