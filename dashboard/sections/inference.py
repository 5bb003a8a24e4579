"""Inference: a text and a run go in, the tag and its probability come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dashboard.components.charts import Bar, BarChart
from dashboard.components.fields import select, set_text, text_area, text_input
from dashboard.components.heading import section_heading
from dashboard.components.layout import columns, section, stack, surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.sections.base import Section, is_served
from dashboard.text import safe_text, sentence_of
from dashboard.theme import colour, tag_colours
from dashboard.url import MAX_LINK_TEXT
from engine.errors import RunNotFoundError, TagscopeError

if TYPE_CHECKING:
    import panel as pn

    from engine.inference.prediction import Prediction

EXPLANATION = "What a run makes of a text, through the same ONNX model that is deployed."
EMPTY_TEXT = "Enter a text to classify, such as the title and description of a project."
TOO_LONG_FOR_LINK = f"This text has more than {MAX_LINK_TEXT:,} characters, so a copied link will not carry it."
NO_MODEL = (
    "This run was made from predictions and has no model to answer with; choose another run, or import the model "
    "itself (`tagscope import --help`)."
)
NOT_THERE = "The service at {host} does not have this run; choose one that it has, or copy the run's folder there."
ANOTHER = "another"
MOST_BARS = 10
# How long the typing has to pause before an answer is worked out.
PAUSE_SECONDS = 0.25
_ANSWER_CSS = f"""
.tag {{ font-size: 30px; line-height: 1.2; font-weight: 700; letter-spacing: -0.015em; overflow-wrap: anywhere; }}
.tag i {{ display: inline-block; width: 14px; height: 14px; border-radius: 4px; margin-right: 10px; }}
.how {{ font-size: 17px; margin-top: 4px; font-variant-numeric: tabular-nums; }}
.facts {{ color: {colour("muted")}; font-size: 14px; margin-top: 2px; font-variant-numeric: tabular-nums; }}
.working {{ opacity: 0.5; }}
"""


class InferencePane(Section):
    """A text field, a choice of run, and the answer, which follows the typing.

    Parameters
    ----------
    run_id
        Which run answers; by default the promoted one.
    text
        The first text.
    deferred
        Whether the chart waits until it is about to be seen, as on the page.
    **params
        `state` and `catalogue`, as `Section`.

    Examples
    --------
    >>> InferencePane(run_id="0f3c...")  # doctest: +SKIP
    """

    def __init__(self, run_id: str = "", text: str | None = None, *, deferred: bool = False, **params: Any) -> None:
        super().__init__(**params)
        question = self.state.question
        if run_id:
            question.run_id = run_id
        if text is not None:
            question.text = text
        self._text = text_area("Text", question.text, rows=6)
        self._run = select("Run")
        self._other = text_input("Run ID", "", "32 characters of 0-9 and a-f")
        self._remark = markup("")
        self._remark_place = stack(self._remark)
        self._message = Message()
        self._answer = markup("", _ANSWER_CSS)
        self._chart = BarChart(
            self.state.appearance, axis="probability", maximum=1.0, clickable=False, deferred=deferred
        )
        self._result = stack(self._answer, self._chart, gap=8)
        self._view = section(
            "inference",
            section_heading("Inference", EXPLANATION),
            columns(
                surface(self._text, self._remark_place, self._run, self._other, fill=True),
                surface(self._message, self._result, fill=True),
                template="minmax(0, 2fr) minmax(0, 3fr)",
            ),
        )
        self._show_question()
        self._text.param.watch(lambda event: question.param.update(text=event.new), "value_input")
        self._run.param.watch(self._run_chosen, "value")
        self._other.param.watch(lambda event: question.param.update(run_id=event.new.strip()), "value")
        question.param.watch(self._ask, ["text", "run_id"])
        if is_served():
            self._ask()
        else:
            self._show(*self._work_out(question.text, self._run_asked()))

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    # Question

    def _show_question(self) -> None:
        """Put the state into the fields."""
        question = self.state.question
        try:
            options = {entry.label: entry.run_id for entry in self.catalogue.runs()}
        except TagscopeError:
            options = {}
        known = not question.run_id or question.run_id in options.values()
        choice = (question.run_id or self._default_run()) if known else ANOTHER
        if not options:
            choice = ANOTHER if question.run_id else None
        self._run.param.update(options={**options, "Another run ID …": ANOTHER}, value=choice)
        self._other.visible = choice == ANOTHER
        if not known:
            set_text(self._other, question.run_id)
        set_text(self._text, question.text)
        remark = TOO_LONG_FOR_LINK if len(question.text) > MAX_LINK_TEXT else ""
        self._remark.object = f'<p class="ts-muted">{remark}</p>'
        self._remark_place.visible = bool(remark)

    def _run_chosen(self, event: Any) -> None:
        if event.new == ANOTHER:
            self._other.visible = True
        elif event.new:
            self.state.question.run_id = event.new

    def _default_run(self) -> str:
        try:
            return self.catalogue.answering_run()
        except TagscopeError:
            return ""

    def _run_asked(self) -> str:
        return self.state.question.run_id or self._default_run()

    # Answer

    def _ask(self, *events: object) -> None:
        """Put the present question; each key is one, and only the last of a series is worked out."""
        self._show_question()
        text, run_id = self.state.question.text, self._run_asked()
        self._worker.run(
            lambda: self._work_out(text, run_id),
            lambda answer: self._show(*answer),
            pause=PAUSE_SECONDS if events else 0.0,
            working=self._working,
        )

    def _working(self, busy: bool) -> None:
        self._result.loading = busy

    def _work_out(self, text: str, run_id: str) -> tuple[Prediction | None, str, str]:
        from engine.client.predictor import get_predictor, service_host

        try:
            host = service_host()
            # A service may have runs that are not here, and knows which one it serves.
            is_here = not host or self._is_here(run_id)
            if not run_id and is_here:
                return None, self.catalogue.training_advice(), "hint"
            if not text.strip():
                return None, EMPTY_TEXT, "hint"
            if is_here and not self.catalogue.manifest(run_id).model_digest:
                return None, NO_MODEL, "hint"
            try:
                return get_predictor().predict([text], run_id)[0], "", "problem"
            except RunNotFoundError:
                if not host or not is_here:
                    raise
                return None, NOT_THERE.format(host=host), "problem"
        except TagscopeError as error:
            return None, sentence_of(error), "problem"

    def _is_here(self, run_id: str) -> bool:
        try:
            return bool(run_id and self.catalogue.manifest(run_id))
        except RunNotFoundError:
            return False

    def _show(self, prediction: Prediction | None, problem: str, kind: str) -> None:
        """Show an answer, or say why there is none."""
        from engine.client.predictor import service_host

        self._message.param.update(text=problem, kind=kind)
        self._result.visible = prediction is not None
        if prediction is None:
            return
        chances = prediction.probabilities
        colours = tag_colours(chances)
        best = prediction.predicted_tag
        kept = "from the cache" if prediction.cached else "computed now"
        host = service_host()
        place = f" · by the service at {safe_text(host)}" if host else ""
        self._answer.object = (
            f'<div class="tag"><i style="background:{colours.get(best, "")}"></i>{safe_text(best, 80)}</div>'
            f'<div class="how">{chances.get(best, 0.0):.1%} probable</div>'
            f'<div class="facts">{_duration(prediction.seconds)}, {kept} · {safe_text(prediction.model)} · '
            f"run {safe_text(prediction.run_id[:8])}{place}</div>"
        )
        self._chart.bars = [
            Bar(tag, chance, f"{chance:.1%}", colour=colours[tag]) for tag, chance in list(chances.items())[:MOST_BARS]
        ]


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
