"""What an evaluation needs to know of other runs: flips and courses are told from several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dashboard.evaluation.comparison import RunPair
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.evaluation.history import RunHistory


class OtherRuns(Protocol):
    """Where the evaluations of other runs are; `dashboard.evaluation.evaluations.Evaluations` is one."""

    def get(self, run_id: str) -> Evaluation:
        """Return the evaluation of a run."""
        ...

    def pair(self, before: str, after: str) -> RunPair:
        """Compare two runs."""
        ...

    def history(self, runs: Sequence[str], order: str | None = "time", reference: str = "") -> RunHistory:
        """Follow the examples of a run through several runs."""
        ...

    def reference(self, runs: Sequence[str], shown: str, base: str = "") -> str:
        """Name the run whose examples are followed."""
        ...

    def relatives(self, run_id: str) -> tuple[str, ...]:
        """Name the runs on the same data."""
        ...
