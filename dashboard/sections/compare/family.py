"""Which runs are looked at together: those that were chosen, else the latest ones on the data of the run on show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.run_entry import RunEntry
from dashboard.text import sentence_of
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from dashboard.catalogue import Catalogue

MOST_BY_ITSELF = 10
"""How many runs are looked at where nobody chose any: what can be read side by side."""
MOST_OFFERED = 60
"""As many as a history can follow."""


class Family(msgspec.Struct, frozen=True):
    """The runs on the same data, newest first, the ids of those that are looked at, and why there are none."""

    entries: tuple[RunEntry, ...] = ()
    chosen: tuple[str, ...] = ()
    problem: str = ""

    def toggled(self, run_id: str) -> str:
        """Return what `RunChoice.over` becomes when a run is put in or out; two at least stay."""
        if run_id not in self.chosen:
            return ",".join((*self.chosen, run_id))
        rest = [one for one in self.chosen if one != run_id]
        return ",".join(rest if len(rest) > 1 else self.chosen)


def family_of(catalogue: Catalogue, after: str, before: str, over: str) -> Family:
    """Find the runs to look at.

    Parameters
    ----------
    catalogue
        Where the runs are.
    after, before : str
        The run on show and the one that it is compared with; empty if there is none. Both are always among the runs.
    over : str
        Ids of those that were chosen, separated by commas; empty for the latest.
    """
    try:
        entries = catalogue.relatives(after)[:MOST_OFFERED]
    except TagscopeError as error:
        return Family(problem=sentence_of(error))
    picked = over.split(",") if over else [entry.run_id for entry in entries[:MOST_BY_ITSELF]]
    chosen = dict.fromkeys(run_id for run_id in (*picked, after, before) if run_id)
    return Family(tuple(entries), tuple(chosen))
