"""What a server does before its first visitor, so that this one waits no longer than the others.

`panel serve --warm` builds the page once before it listens. That visit has no browser and no server behind it; it is
recognised by that, and everything that real visits put off is done in it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import panel as pn

from dashboard.components.charts import import_plotting
from dashboard.state import DEFAULT_TEXT
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from dashboard.catalogue import Catalogue


def is_warming() -> bool:
    """Whether the page is being built for nobody, by `panel serve --warm`."""
    context = pn.state.curdoc.session_context if pn.state.curdoc else None
    return context is not None and context.server_context is None


def warm_up(catalogue: Catalogue) -> None:
    """Import plotting, read the default run's data, figures and answers, and load its model.

    What is missing or broken is said on the page, not here.
    """
    from dashboard.sections.compare.changes import moved_most
    from dashboard.sections.performance.judged import judged_of
    from engine.client.predictor import get_predictor

    import_plotting()
    catalogue.warm()
    with contextlib.suppress(TagscopeError):
        evaluation = catalogue.evaluations.get(catalogue.default_run())
        pair = judged_of(catalogue, evaluation, "").change.pair
        if pair is not None and pair.comparison is not None:
            moved_most(pair, evaluation, "broken")
    with contextlib.suppress(TagscopeError):
        get_predictor().predict([DEFAULT_TEXT], catalogue.answering_run())
