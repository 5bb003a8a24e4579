"""Progress of long work, and its end before time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Callable


class StoppedError(TagscopeError):
    """The work was called off before it was done."""


def unheard(share: float) -> None:
    """Take the share done, and tell nobody."""


def check(stop: Callable[[], bool] | None) -> None:
    """Raise `StoppedError` if the work has been called off."""
    if stop is not None and stop():
        raise StoppedError("The work was called off; ask again.")


def part(progress: Callable[[float], None], start: float, end: float) -> Callable[[float], None]:
    """Return the progress of a part of the work, which goes from `start` to `end` of the whole."""
    return lambda share: progress(start + share * (end - start))
