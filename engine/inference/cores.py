"""Cores that several processes share: one whose texts wait may compute where another leaves a core idle."""

from __future__ import annotations

from typing import Protocol


class Cores(Protocol):
    """What a process says of itself, and learns of the others."""

    def busy(self, threads: int) -> None:
        """Say on how many threads this process computes now."""
        ...

    def idle(self) -> bool:
        """Tell whether the processes together leave a core idle."""
        ...
