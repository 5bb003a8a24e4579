"""What goes over the wire: the records of requests and answers. `openapi.json` is made from these."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from engine.inference.prediction import RefusalKind

RUN_ID = "^[0-9a-f]{32}$"
RunId = Annotated[str, msgspec.Meta(pattern=RUN_ID, description="32 characters of 0-9 and a-f")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts to predict the tags of."""

    texts: Annotated[
        list[Annotated[str, msgspec.Meta(description="Cleaned as the run's training texts were")]],
        msgspec.Meta(min_length=1, description="Raw texts"),
    ]
    run_id: Annotated[RunId | None, msgspec.Meta(description="Which run answers; else the promoted one")] = None
    top_k: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None,
        msgspec.Meta(description="How many probabilities to return, the highest first; else all"),
    ] = None
    threshold: Annotated[
        Share, msgspec.Meta(description="Where the highest probability is below it, the predicted tag is `other`")
    ] = 0.0


class AnsweredText(msgspec.Struct):
    """The answer to a text."""

    input_text: str
    predicted_tag: str
    probabilities: Annotated[dict[str, Share], msgspec.Meta(description="By tag, the highest first")]
    below_threshold: Annotated[bool, msgspec.Meta(description="Whether no tag was probable enough")]
    cached: Annotated[bool, msgspec.Meta(description="Whether the answer was kept from an earlier equal text")]


class RefusedText(msgspec.Struct):
    """A text that cannot be answered; the others of its request are."""

    input_text: Annotated[str, msgspec.Meta(max_length=200, description="The first 200 characters")]
    error: Annotated[str, msgspec.Meta(description="What is wrong and what to do")]
    kind: Annotated[
        RefusalKind,
        msgspec.Meta(
            description="`data`: no run can answer it as it is; `deadline`: it waited too long; `failed`: it could not "
            "be computed"
        ),
    ] = "data"


class PredictAnswer(msgspec.Struct):
    """The answers to a request, in the order of its texts, and who gave them."""

    run_id: RunId
    model: str
    model_digest: Annotated[str, msgspec.Meta(description="Sha256 of the ONNX file that answered")]
    seconds: Annotated[float, msgspec.Meta(ge=0, description="From the request's last byte to its last answer")]
    predictions: list[Any]


class RunSummary(msgspec.Struct):
    """A run, for a list."""

    run_id: RunId
    created: str
    model: str
    model_digest: Annotated[str, msgspec.Meta(description="Empty for a run that has no model")]
    dataset: str
    version: str
    num_rows: int
    labels: tuple[str, ...]
    promoted: Annotated[bool, msgspec.Meta(description="Whether it was chosen to answer requests that name no run")]
    served: Annotated[
        bool,
        msgspec.Meta(
            description="Whether it answers them: the promoted run once it is loaded, and the former one where it "
            "cannot be"
        ),
    ]


class RunList(msgspec.Struct):
    """The runs that there are, newest first."""

    runs: list[RunSummary]
    promoted: Annotated[RunId | None, msgspec.Meta(description="Chosen to answer requests that name no run")]
    served: Annotated[RunId | None, msgspec.Meta(description="Answers them; null before it is loaded")]
    broken: Annotated[list[str], msgspec.Meta(description="Runs that cannot be read")]


class RunDetail(RunSummary):
    """A run, with how well it did on its held-out rows."""

    task: str
    text_fields: tuple[str, ...]
    parameters: dict[str, Any]
    performance: Annotated[
        dict[str, Any] | None, msgspec.Meta(description="As in performance.json: overall, class, slices")
    ]


class Promoted(msgspec.Struct):
    """Every process serves the run now."""

    run_id: RunId
    model: str
    model_digest: str
    processes: int


class Cleared(msgspec.Struct):
    """Every process has forgotten these results."""

    run_id: Annotated[RunId | None, msgspec.Meta(description="Whose results; null for those of all runs")]
    processes: int


class Alive(msgspec.Struct):
    """The process that answers is alive."""

    status: str


class Ready(msgspec.Struct, omit_defaults=True):
    """Enough processes can answer now."""

    status: str
    run_id: Annotated[RunId, msgspec.Meta(description="Answers requests that name no run")]
    ready: Annotated[int, msgspec.Meta(description="Processes that can answer")]
    needed: Annotated[int, msgspec.Meta(description="How many there must be")]
    processes: Annotated[int, msgspec.Meta(description="How many there are when all is well")]
    reason: Annotated[
        str, msgspec.Meta(description="Why the promoted run is not served, where a former one goes on answering")
    ] = ""


class RefusedPosition(msgspec.Struct):
    """Why a text of a request was refused."""

    position: Annotated[int, msgspec.Meta(ge=1)]
    detail: str


class Problem(msgspec.Struct, omit_defaults=True):
    """Why a request was not answered: problem details by RFC 9457."""

    type: Annotated[str, msgspec.Meta(description="Kind of the problem; its page explains it")]
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: Annotated[str, msgspec.Meta(description="What is wrong here and what to do, in one sentence")]
    errors: Annotated[
        list[RefusedPosition] | None, msgspec.Meta(description="Where every text was refused: why, by position")
    ] = None
