"""Performance: how good a run is, in three sentences, overall, per tag and per slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panel as pn

from dashboard.components.cards import MetricCards, score_cards
from dashboard.components.charts import Bar, BarChart
from dashboard.components.choice_cards import ChoiceCards
from dashboard.components.fields import select
from dashboard.components.heading import section_heading, sub_heading
from dashboard.components.layout import columns, section, stack, surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.report import f1_interval
from dashboard.sections.base import Section
from dashboard.text import plain_text, safe_text
from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dashboard.report import Report
    from engine.evaluation.performance_file import Score

EXPLANATION = "How the run answers on the samples that it is judged on."
NO_ROWS = "This slice has no samples here, so there is nothing to measure; choose another one."
NO_SLICES = "No slice was measured; slices are written in `config/slices.py`."
MOST_BARS = 50
_SENTENCES_CSS = """
ol { list-style: none; margin: 0; padding: 0; }
li { font-size: 17px; line-height: 1.5; overflow-wrap: anywhere; }
li + li { margin-top: 6px; }
li:first-child { font-weight: 700; }
"""


class Part(pn.viewable.Viewer):
    """One way to divide the samples: a selector, the cards of the chosen part, and a bar per part.

    Parameters
    ----------
    title
        Heading.
    label
        Label of the selector.
    appearance, deferred
        As `BarChart`.
    """

    def __init__(self, title: str, label: str, appearance: Any, deferred: bool) -> None:
        super().__init__()
        self.filling = False
        self.select = select(label)
        self.chart = BarChart(appearance, axis="F1", maximum=1.0, deferred=deferred)
        self._labels: dict[str, str] = {}
        self._cards = ChoiceCards()
        self._cards.follow(self.select)
        self._message = Message(kind="hint")
        self._view = surface(sub_heading(title), self.select, self._cards, self._message, self.chart, fill=True)

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def fill(self, scores: Mapping[str, Score], advice: str) -> None:
        """Offer other parts; `advice` is said where there are none."""
        ordered = sorted(scores.items(), key=lambda item: (-item[1].f1 if item[1].num_samples else 1.0, item[0]))
        # Where the old value is not among the new options the selector moves by itself, which is nobody's choice.
        self.filling = True
        options = _options(scores)
        self._labels = {name: label for label, name in options.items()}
        self.select.param.update(options=options, visible=bool(scores))
        self._cards.offer({label: score_cards(scores[name]) for label, name in options.items()})
        self.filling = False
        self.chart.bars = [
            Bar(name, score.f1, f"{score.f1:.2f} · n {score.num_samples:,}" if score.num_samples else "no samples")
            for name, score in ordered[:MOST_BARS]
        ]
        self._cards.visible = pn.panel(self.chart.__panel__()).visible = bool(scores)
        self._message.text = "" if scores else advice

    def show(self, name: str, score: Score | None, remark: str = "") -> None:
        """Show one part's figures."""
        self.select.value = name
        self.chart.selected = name
        self._cards.chosen = self._labels.get(name, "")
        if score is not None:
            self._message.text = remark


def _options(names: Iterable[str]) -> dict[str, str]:
    """Name by label; labels of names that are too long to be told apart are numbered."""
    options: dict[str, str] = {}
    for name in names:
        label = short = plain_text(name, 60)
        number = 1
        while label in options:
            number += 1
            label = f"{short} ({number})"
        options[label] = name
    return options


class PerformanceSection(Section):
    """A run's metrics, or those of the performance file that the settings name.

    Parameters
    ----------
    run_id
        Which run; by default the promoted one.
    deferred
        Whether charts wait until they are about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Examples
    --------
    >>> PerformanceSection(run_id="0f3c...")  # doctest: +SKIP
    """

    def __init__(self, run_id: str = "", *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        selection = self.state.selection
        if run_id:
            selection.run_id = run_id
        appearance = self.state.appearance
        self._report: Report | None = None
        self._message = Message()
        self._source = Message(kind="hint")
        self._run = select("Run")
        self._sentences = markup("", _SENTENCES_CSS)
        self._overall = MetricCards()
        self._tags = Part("By tag", "Tag", appearance, deferred)
        self._slices = Part("By slice", "Slice", appearance, deferred)
        self._body = stack(
            self._source, surface(self._sentences, self._overall), columns(self._tags, self._slices), gap=20
        )
        head = columns(
            section_heading("Performance", EXPLANATION), self._run, template="1fr minmax(0, 400px)", align="end"
        )
        self._view = section("performance", head, self._message, self._body)
        self._offer_runs()
        self._fill(*self._read(self._run_id()))
        selection.param.watch(self._run_changed, "run_id")
        selection.param.watch(self._show_tag, "tag")
        selection.param.watch(self._show_slice, "slice_name")
        self._run.param.watch(self._run_chosen, "value")
        for part, attribute in ((self._tags, "tag"), (self._slices, "slice_name")):
            part.select.param.watch(lambda event, name=attribute: self._choose(name, event.new), "value")
            part.chart.param.watch(
                lambda event, name=attribute: self._choose(name, event.new), "picked", onlychanged=False
            )

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def _choose(self, name: str, value: str | None) -> None:
        # The selector also moves when the state does; only what differs from what is shown is a choice.
        shown = self._tag() if name == "tag" else self._slice()
        if value and value != shown and not (self._tags.filling or self._slices.filling):
            setattr(self.state.selection, name, value)

    def _run_chosen(self, event: Any) -> None:
        if event.new and event.new != self._run_id():
            self.state.selection.run_id = event.new

    def _offer_runs(self) -> None:
        try:
            options = {entry.label: entry.run_id for entry in self.catalogue.runs()}
        except TagscopeError:
            options = {}
        run_id = self._run_id()
        if options and run_id not in options.values():
            # A selector takes a value that it does not offer for its first option, which would be another run.
            options = {f"{plain_text(run_id, 12)} (no such run here)": run_id, **options}
        self._run.param.update(options=options, value=run_id if options else None)
        self._run.visible = bool(options) and self.catalogue.settings.performance_file is None

    def _read(self, run_id: str) -> tuple[Report | None, str, str]:
        try:
            return self.catalogue.report(run_id), "", "problem"
        except TagscopeError as error:
            return None, str(error), "problem" if run_id else "hint"

    def _run_changed(self, _event: object) -> None:
        run_id = self._run_id()
        self._offer_runs()
        self._worker.run(lambda: self._read(run_id), lambda read: self._fill(*read))

    def _fill(self, report: Report | None, problem: str, kind: str) -> None:
        """Show a report, or say why there is none."""
        self._message.param.update(text=problem, kind=kind)
        self._body.visible = report is not None
        self._report = report
        if report is None:
            return
        performance = report.performance
        self._source.text = (
            f"These figures are read from the file {report.source}, as the setting performance_file says; "
            "they belong to no run."
            if report.source
            else " ".join(report.remarks)
        )
        items = "".join(f"<li>{safe_text(sentence)}</li>" for sentence in report.sentences)
        self._sentences.object = f'<ol class="ts-summary">{items}</ol>'
        interval = f1_interval(performance)
        notes = {} if interval is None else {"f1": f"95 %: {interval[0]:.3f} to {interval[1]:.3f}"}
        self._overall.cards = score_cards(performance.overall, notes)
        self._tags.fill(performance.classes, "No tag was measured.")
        self._slices.fill(performance.slices, NO_SLICES)
        self._show_tag()
        self._show_slice()

    def _tag(self) -> str:
        """Tag on show: the chosen one, else the weakest."""
        performance = self._report.performance if self._report else None
        if performance is None or self.state.selection.tag in performance.classes:
            return str(self.state.selection.tag)
        return performance.worst[0] if performance.worst else next(iter(performance.classes), "")

    def _slice(self) -> str:
        """Slice on show: the chosen one, else the first."""
        slices = self._report.performance.slices if self._report else {}
        chosen = self.state.selection.slice_name
        return chosen if chosen in slices else next(iter(slices), "")

    def _show_tag(self, *_events: object) -> None:
        if self._report is not None:
            tag = self._tag()
            self._tags.show(tag, self._report.performance.classes.get(tag))

    def _show_slice(self, *_events: object) -> None:
        if self._report is not None:
            name = self._slice()
            score = self._report.performance.slices.get(name)
            self._slices.show(name, score, NO_ROWS if score is not None and not score.num_samples else "")
