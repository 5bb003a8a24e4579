"""Two runs side by side on any text, through the predictor that is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.viewable import Viewer

from dashboard.components.fields import set_text, text_area
from dashboard.components.heading import sub_heading
from dashboard.components.layout import columns, stack, surface
from dashboard.components.markup import markup
from dashboard.components.message import Message
from dashboard.components.work import Worker
from dashboard.sections.base import run
from dashboard.text import safe_text, sentence_of
from dashboard.theme import colour, tag_colours
from engine.errors import RunNotFoundError, TagscopeError

if TYPE_CHECKING:
    import panel as pn

    from dashboard.catalogue import Catalogue
    from dashboard.state import DashboardState
    from engine.inference.prediction import Prediction

MOST_TAGS = 5
# How long the typing has to pause before an answer is worked out.
PAUSE_SECONDS = 0.25
EMPTY = "Write or paste a text, and both runs answer it here."
NO_MODEL = "This run was made from predictions and has no model to answer with; choose another run."
NOT_THERE = "The service at {host} does not have this run; choose one that it has, or copy the run's folder there."
_CSS = f"""
h4 {{ margin: 0 0 6px; font-size: 14px; font-weight: 600; color: {colour("muted")}; overflow-wrap: anywhere; }}
.tag {{ font-size: 24px; line-height: 1.25; font-weight: 700; overflow-wrap: anywhere; }}
.same {{ color: {colour("muted")}; font-size: 14px; }}
dl {{ display: grid; grid-template-columns: minmax(80px, 34%) 1fr 56px; gap: 4px 10px; align-items: center;
  margin: 10px 0 0; font-size: 14px; font-variant-numeric: tabular-nums; }}
dt {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
dd {{ margin: 0; }}
dd:last-of-type, dd.share {{ text-align: right; }}
dd i {{ display: block; height: 14px; border-radius: 3px; min-width: 1px; }}
"""
Answer = tuple["Prediction | None", str]


class BothRuns(Viewer):
    """A text field and the answers of two runs, which follow the typing.

    Parameters
    ----------
    state
        Of the page; `runs.text` is the text.
    catalogue
        Where the runs are.
    """

    def __init__(self, state: DashboardState, catalogue: Catalogue) -> None:
        super().__init__()
        self._state, self._catalogue = state, catalogue
        self._runs: tuple[tuple[str, str], ...] = ()
        self._worker = Worker()
        self._text = text_area("Text for both runs", "", 3)
        self._hint = Message(kind="hint")
        self._places = [markup("", _CSS) for _run in range(2)]
        self._problems = [Message() for _run in range(2)]
        self._answers = columns(
            *(stack(place, problem, gap=8) for place, problem in zip(self._places, self._problems, strict=True)),
            gap=28,
        )
        self._view = surface(sub_heading("Both runs on a text"), self._text, self._hint, self._answers)
        set_text(self._text, str(state.runs.text))
        self._text.param.watch(lambda event: state.runs.param.update(text=event.new), "value_input")
        state.runs.param.watch(lambda _event: self._ask(typed=True), "text")

    def __panel__(self) -> pn.viewable.Viewable:
        """Return the view."""
        return self._view

    def show(self, runs: tuple[tuple[str, str], ...]) -> None:
        """Let other runs answer.

        Parameters
        ----------
        runs
            Id and name of the base run and of the run on show; of only one where there is no other.
        """
        self._runs = runs
        self._ask()

    def _ask(self, *, typed: bool = False) -> None:
        """Put the present text; each key is one, and only the last of a series is worked out."""
        text, runs = str(self._state.runs.text), self._runs
        set_text(self._text, text)
        run(
            self._worker,
            lambda: answers_of(self._catalogue, text, [run_id for run_id, _name in runs]),
            lambda answers: self._show(answers, runs),
            pause=PAUSE_SECONDS if typed else 0.0,
            working=self._working,
        )

    def _working(self, busy: bool) -> None:
        self._answers.loading = busy

    def _show(self, answers: list[Answer], runs: tuple[tuple[str, str], ...]) -> None:
        self._hint.text = "" if answers else EMPTY
        self._answers.visible = bool(answers)
        if not answers:
            return
        found = [prediction for prediction, _problem in answers if prediction is not None]
        same = len(found) == 2 and found[0].predicted_tag == found[1].predicted_tag
        colours = tag_colours({tag for one in found for tag in one.probabilities})
        for place in range(2):
            prediction, problem = answers[place] if place < len(answers) else (None, "")
            name = runs[place][1] if place < len(runs) else ""
            self._problems[place].text = problem
            self._places[place].object = answer_html(name, prediction, colours, same if len(found) == 2 else None)


def answers_of(catalogue: Catalogue, text: str, run_ids: list[str]) -> list[Answer]:
    """Let runs answer a text; each answer, or a sentence that says why there is none. Without a text there are none."""
    return [_answer(catalogue, text, run_id) for run_id in run_ids] if text.strip() else []


def _answer(catalogue: Catalogue, text: str, run_id: str) -> Answer:
    from engine.client.predictor import get_predictor, service_host

    try:
        host = service_host()
        try:
            if not catalogue.manifest(run_id).model_digest:
                return None, NO_MODEL
            return get_predictor().predict([text], run_id)[0], ""
        except RunNotFoundError:
            if not host:
                raise
            return None, NOT_THERE.format(host=host)
    except TagscopeError as error:
        return None, sentence_of(error)


def answer_html(name: str, prediction: Prediction | None, colours: dict[str, str], same: bool | None) -> str:
    """Write a run's answer; `same` says whether both runs answer alike, None where only one answers."""
    head = f"<h4>{safe_text(name, 80)}</h4>"
    if prediction is None:
        return head
    bars = "".join(
        f'<dt title="{safe_text(tag, 120)}">{safe_text(tag, 60)}</dt><dd><i style="width:{100 * share:.1f}%;'
        f'background:{colours.get(tag, "")}"></i></dd><dd class="share">{share:.1%}</dd>'
        for tag, share in list(prediction.probabilities.items())[:MOST_TAGS]
    )
    alike = "" if same is None else f'<div class="same">{"Both runs say so." if same else "The runs differ."}</div>'
    return f'{head}<div class="tag">{safe_text(prediction.predicted_tag, 80)}</div>{alike}<dl>{bars}</dl>'
