"""What is selected on the page: plain Param classes that know neither Panel nor the URL.

An empty value means "the default", which each section resolves for the run it shows; so a link carries what was
chosen, and choosing a run does not have to touch the other selections.
"""

from __future__ import annotations

import param

DEFAULT_TEXT = "Transfer learning with transformers for text classification."


class RunSelection(param.Parameterized):
    """The run that Data, Performance, Errors and Compare show, and what of it is looked at."""

    run_id = param.String(default="", doc="Run on show; empty: the promoted one, else the newest.")
    tag = param.String(default="", doc="Tag whose metrics are shown; empty: the weakest one.")
    slice_name = param.String(default="", doc="Slice whose metrics are shown; empty: the first one with rows.")
    saved = param.Integer(default=0, doc="Grows whenever this visitor has saved a slice, which all sections then have.")
    asked = param.Integer(default=0, doc="Grows whenever a click asks for a slice, so that the page leads there.")

    def show_slice(self, name: str) -> None:
        """Show a slice in Performance."""
        self.param.update(slice_name=name, asked=self.asked + 1)


class SampleFilter(param.Parameterized):
    """Which samples the Data section shows; every value is the text that a link carries, empty for no condition.

    `dashboard.criteria` reads them and writes them.
    """

    tag = param.String(default="", doc="Only samples with this tag.")
    split = param.String(default="", doc="Only samples of this split.")
    outcome = param.String(default="", doc="Only samples that the run on show answered so: correct or wrong.")
    predicted = param.String(default="", doc="Only samples for which the run on show predicts this tag.")
    text = param.String(default="", doc="A query of words, phrases and regular expressions.")
    created = param.String(default="", doc="A range of days, both included: 2024-01-01..2024-12-31; ends may be open.")
    words = param.String(default="", doc="A range of lengths in words, both included: 5..20; ends may be open.")
    tokens = param.String(default="", doc="The same in tokens of the run on show.")
    finding = param.String(default="", doc="Only samples of this finding, by its kind.")
    missing = param.String(default="", doc="Only samples with nothing in these columns, separated by |.")
    polygon = param.String(default="", doc="Only samples inside this polygon of the map: x,y;x,y;x,y.")
    sort = param.String(default="", doc="Column by which the table is sorted; descending with a minus before it.")
    page = param.String(default="", doc="Page of the table, from 1; empty: the first.")
    row = param.String(default="", doc="Id of the sample whose details are shown; empty: none.")
    terms = param.String(default="", doc="Tag whose characteristic words are shown; empty: that of the filter.")
    against = param.String(default="", doc="Tag that these words are compared with; empty: all others.")
    length = param.String(default="words", doc="What the chart of lengths counts: words or tokens.")
    colour = param.String(default="tag", doc="What the map is coloured by.")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        # The first who watches: all others see a filter with the page that belongs to it.
        rest = ("page", "row", "terms", "against", "length", "colour", "name")
        self.param.watch(self._go_to_first_page, [name for name in self.param if name not in rest])

    def _go_to_first_page(self, *_events: object) -> None:
        self.page = ""


class FigureChoice(param.Parameterized):
    """How the Performance section shows a run's figures."""

    threshold = param.String(default="", doc="Confidence from which on a row keeps its answer, 0 to 1; empty: all do.")
    below = param.String(
        default="", doc="What the others are: rejected or other; empty: other where the run has that tag."
    )
    cost = param.String(default="", doc="What a wrong answer costs, where a rejected row costs 1; empty: no costs.")
    confusion = param.String(default="counts", doc="What the confusion matrix shows: counts or rates.")
    bars = param.String(default="f1", doc="What tags and slices are sorted by: f1, precision, recall, support or name.")


class RunChoice(param.Parameterized):
    """What the run on show is compared with."""

    against = param.String(default="", doc="The other run; empty: the one before.")
    over = param.String(default="", doc="Runs of the history, ids separated by commas; empty: all that belong to it.")
    order = param.String(default="time", doc="Their order: time, git tag or version.")
    metric = param.String(
        default="accuracy", doc="The figure that is followed over the runs: accuracy, weighted F1 ..."
    )
    flip = param.String(default="broken", doc="Which changed examples are listed: fixed or broken.")
    text = param.String(default="", doc="Text that both runs answer side by side.")


class ExampleChoice(param.Parameterized):
    """Which examples the Errors section shows.

    `dashboard.evaluation.selection` reads `examples` and writes it.
    """

    examples = param.String(default="", doc="Text of an ExampleSelection; empty: all wrong answers.")
    sort = param.String(default="", doc="Order: confident, unsure, surprised, moved; empty: that of the file.")
    view = param.String(default="cards", doc="How they are shown: cards or table.")
    page = param.String(default="", doc="Page, from 1; empty: the first.")
    example = param.String(default="", doc="Id of the example that is open; empty: none.")
    asked = param.Integer(default=0, doc="Grows whenever a click asks for examples, so that the page leads there.")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        # The first who watches: all others see examples with the page that belongs to them.
        self.param.watch(self._begin_anew, ["examples", "sort"])

    def show(self, examples: str, sort: str = "") -> None:
        """Show the examples behind a figure that was clicked, given as the text of an ExampleSelection.

        An order that was chosen for others need not make sense for these, so it ends with them.
        """
        self.param.update(examples=examples, sort=sort, asked=self.asked + 1)

    def _begin_anew(self, *events: param.parameterized.Event) -> None:
        # Where only their order changed, the example that is open is still among them. At once, as it is one step.
        only_sorted = all(event.name == "sort" for event in events)
        self.param.update(page="", example=self.example if only_sorted else "")


class Question(param.Parameterized):
    """What the Inference section answers."""

    text = param.String(default=DEFAULT_TEXT, doc="Text to classify.")
    run_id = param.String(default="", doc="Run that answers; empty: the promoted one.")


class Sight(param.Parameterized):
    """What the visitor looks at."""

    sections = param.List(default=[], item_type=str, doc="Names of the sections in sight; empty: nobody knows.")
    work = param.Dict(default={}, doc="The `Group` of what each section has under way, by its name.")

    @property
    def is_settled(self) -> bool:
        """Whether the sections in sight have all that they asked for."""
        return all(self.work[name].is_settled for name in self.sections if name in self.work)


class Appearance(param.Parameterized):
    """How the page looks."""

    dark = param.Boolean(default=False, doc="Whether the dark theme is on.")


class DashboardState(param.Parameterized):
    """The whole state of one visitor's page."""

    selection = param.ClassSelector(class_=RunSelection, constant=True, doc="Run, tag and slice.")
    samples = param.ClassSelector(class_=SampleFilter, constant=True, doc="Filter of the sample table.")
    figures = param.ClassSelector(class_=FigureChoice, constant=True, doc="How performance is shown.")
    runs = param.ClassSelector(class_=RunChoice, constant=True, doc="What the run is compared with.")
    examples = param.ClassSelector(class_=ExampleChoice, constant=True, doc="Examples of the Errors section.")
    question = param.ClassSelector(class_=Question, constant=True, doc="Text and run of the Inference section.")
    sight = param.ClassSelector(class_=Sight, constant=True, doc="The section in sight.")
    appearance = param.ClassSelector(class_=Appearance, constant=True, doc="Theme.")

    def __init__(self, **params: object) -> None:
        params.setdefault("selection", RunSelection())
        params.setdefault("samples", SampleFilter())
        params.setdefault("figures", FigureChoice())
        params.setdefault("runs", RunChoice())
        params.setdefault("examples", ExampleChoice())
        params.setdefault("question", Question())
        params.setdefault("sight", Sight())
        params.setdefault("appearance", Appearance())
        super().__init__(**params)

    def show_run(self, run_id: str, section: str) -> None:
        """Show another run, first of all in the section in which it was chosen, or to which that leads."""
        self.sight.sections = [section]
        self.selection.run_id = run_id
