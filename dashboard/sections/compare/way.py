"""The way from a figure of Compare to its examples in Errors: which run they are of goes along, as one step back."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from param.parameterized import batch_call_watchers

from dashboard.evaluation.selection import ExampleSelection, format_selection

if TYPE_CHECKING:
    from dashboard.evaluation.history import RunHistory
    from dashboard.state import DashboardState


def show_flips(
    state: DashboardState, flip: str, before: str, after: str, *, tag: str = "", slice_name: str = "", example: str = ""
) -> None:
    """Show the examples that changed, or did not, between two runs.

    Parameters
    ----------
    state
        Of the page.
    flip : str
        One of `dashboard.evaluation.selection.FLIPS`.
    before, after : str
        Ids of the runs; the later one becomes the run on show.
    tag, slice_name : str
        As `ExampleSelection` has them.
    example : str
        Id of the example to open among them.
    """
    selection = ExampleSelection(flip=flip, against=before, tag=tag, slice_name=slice_name)
    _show(state, selection, after, before, sort="moved")
    if example:
        state.examples.example = example


def show_course(
    state: DashboardState, history: RunHistory, *, course: str = "", pattern: str = "", true: str = ""
) -> None:
    """Show the examples that took a course, or were answered in a pattern, over the runs of a history.

    The run on show becomes the one whose examples these are: another one may lack some of them. Meant are the runs as
    they were drawn, in that order: what was chosen since may still be on its way.
    """
    over = tuple(point.run_id for point in history.points)
    selection = ExampleSelection(course=course, pattern=pattern, true=true, over=over, by=history.reference)
    _show(state, selection, history.reference)


def _show(state: DashboardState, selection: ExampleSelection, run_id: str, against: str = "", sort: str = "") -> None:
    with ExitStack() as together:
        # All values are set before anybody hears of one, so that the browser's history gets one step; and the run is
        # heard of first, so that nobody looks for the examples in the run that was on show.
        for part in (state.examples, state.runs, state.selection):
            together.enter_context(batch_call_watchers(part))
        state.show_run(run_id, "errors")
        if against:
            # Named, for else it would be the run before the one that is now on show.
            state.runs.against = against
        state.examples.show(format_selection(selection), sort)
        state.examples.param.update(page="", example="")
