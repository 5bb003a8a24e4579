"""What is selected on the page: plain Param classes that know neither Panel nor the URL.

An empty value means "the default", which each section resolves for the run it shows; so a link carries what was
chosen, and choosing a run does not have to touch the other selections.
"""

from __future__ import annotations

import param

DEFAULT_TEXT = "Transfer learning with transformers for text classification."


class RunSelection(param.Parameterized):
    """The run that Data and Performance show, and what of it is looked at."""

    run_id = param.String(default="", doc="Run on show; empty: the promoted one, else the newest.")
    tag = param.String(default="", doc="Tag whose metrics are shown; empty: the weakest one.")
    slice_name = param.String(default="", doc="Slice whose metrics are shown; empty: the first one.")


class SampleFilter(param.Parameterized):
    """Which samples the table of the Data section shows."""

    tag = param.String(default="", doc="Only samples with this tag; empty: all.")
    text = param.String(default="", doc="Only samples that contain this text, in any case; empty: all.")


class Question(param.Parameterized):
    """What the Inference section answers."""

    text = param.String(default=DEFAULT_TEXT, doc="Text to classify.")
    run_id = param.String(default="", doc="Run that answers; empty: the promoted one.")


class Appearance(param.Parameterized):
    """How the page looks."""

    dark = param.Boolean(default=False, doc="Whether the dark theme is on.")


class DashboardState(param.Parameterized):
    """The whole state of one visitor's page."""

    selection = param.ClassSelector(class_=RunSelection, constant=True, doc="Run, tag and slice.")
    samples = param.ClassSelector(class_=SampleFilter, constant=True, doc="Filter of the sample table.")
    question = param.ClassSelector(class_=Question, constant=True, doc="Text and run of the Inference section.")
    appearance = param.ClassSelector(class_=Appearance, constant=True, doc="Theme.")

    def __init__(self, **params: object) -> None:
        params.setdefault("selection", RunSelection())
        params.setdefault("samples", SampleFilter())
        params.setdefault("question", Question())
        params.setdefault("appearance", Appearance())
        super().__init__(**params)
