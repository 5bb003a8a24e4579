"""One run, as a selector names it."""

from __future__ import annotations

import msgspec

from engine.runs.manifest import Manifest


class RunEntry(msgspec.Struct, frozen=True):
    """One run as a selector names it."""

    manifest: Manifest
    promoted: bool

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.manifest.run_id

    @property
    def has_model(self) -> bool:
        """Whether it can answer texts; a run that was made from predictions cannot."""
        return bool(self.manifest.model_digest)

    @property
    def label(self) -> str:
        """Model, day, whether promoted, and the short id."""
        mark = " · promoted" if self.promoted else ""
        return f"{self.manifest.model} · {self.manifest.created[:10]}{mark} · {self.manifest.short_id}"
