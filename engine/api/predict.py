"""`POST /predict`: the path that every text takes, so little is done here, and nothing twice."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from engine.api.problems import INVALID, LATE, MEDIA, NOT_JSON, TOO_MANY, ProblemError, of_refused, public
from engine.api.records import AnsweredText, PredictAnswer, PredictRequest, RefusedText
from engine.inference.prediction import SHOWN_CHARACTERS, kind_of, ranked

if TYPE_CHECKING:
    from engine.api.app import App
    from engine.api.request import Request
    from engine.api.service import Service
    from engine.inference.call import Call
    from engine.inference.model import ServedModel

_JSON = b"application/json"
# Where a thread does not come back from a batch, nobody else would end the wait, in seconds after the deadline.
_GRACE = 1.0

_decode = msgspec.json.Decoder(PredictRequest).decode
_encode = msgspec.json.Encoder().encode


class Predict:
    """Answers texts.

    Parameters
    ----------
    service
        Of this process.
    app
        Sends the answers.
    """

    def __init__(self, service: Service, app: App) -> None:
        self._service = service
        self._app = app
        self._ask = service.predictor.ask
        self._refuses = service.predictor.refuses
        self._most_texts = service.settings.max_texts
        self._deadline = service.settings.deadline_seconds
        self._loop = asyncio.get_running_loop()

    def begin(self, request: Request) -> None:
        """Ask for a request's texts; the answer is sent when it is there.

        Raises
        ------
        ProblemError, engine.errors.TagscopeError
            Why there will be none.
        """
        media = request.headers.get(b"content-type", _JSON)
        if media != _JSON and media.partition(b";")[0].strip().lower() != _JSON:
            told = media[:100].decode("latin-1")
            raise ProblemError(MEDIA, f"This address takes application/json, not {told!r}; send JSON and say so.")
        question = decoded(request.body)
        if len(question.texts) > self._most_texts:
            most, given = self._most_texts, len(question.texts)
            raise ProblemError(TOO_MANY, f"A request may have {most:,} texts and this one has {given:,}; send several.")
        service = self._service
        if question.run_id is None:
            model = service.model or service.require_model()
        else:
            loaded = service.predictor.loaded(question.run_id)
            if loaded is None:
                self._app.later(request, self._loaded(request, question, question.run_id))
                return
            model = loaded
        self._ask_model(request, question, model)

    async def _loaded(self, request: Request, question: PredictRequest, run_id: str) -> None:
        self._ask_model(request, question, await self._service.model_of(run_id))

    def _ask_model(self, request: Request, question: PredictRequest, model: ServedModel) -> None:
        if model.plan.inline:
            # Nothing but its own answer ends the wait for an inline model.
            on_done = partial(self._done, request, question)
            call = self._ask(question.texts, model, deadline=self._deadline, on_done=on_done, loop=self._loop)
            if call.done:
                self._done(request, question, call)
        elif len(question.texts) == 1 and (seconds := self._refuses(question.texts[0], model)) is not None:
            self._app.refuse(request, seconds)
        else:
            waiting = _Waiting(self, request, question)
            call = self._ask(question.texts, model, deadline=self._deadline, on_done=waiting.done, loop=self._loop)
            if call.done:
                self._done(request, question, call)
            else:
                waiting.begin(call)

    def _done(self, request: Request, question: PredictRequest, call: Call) -> None:
        try:
            body = answer_of(call, question)
        except Exception as error:  # noqa: BLE001 - one request's fault must not keep the others of its batch waiting
            self._app.fail(request, error)
        else:
            self._app.finish(request, body)


class _Waiting:
    """A request whose texts are computed by threads: ends by the answer, the client's leave or the deadline."""

    __slots__ = ("_call", "_late", "_predict", "_question", "_request")

    def __init__(self, predict: Predict, request: Request, question: PredictRequest) -> None:
        self._predict = predict
        self._request = request
        self._question = question
        self._call: Call | None = None
        self._late: asyncio.TimerHandle | None = None

    def begin(self, call: Call) -> None:
        predict = self._predict
        self._call = call
        self._late = predict._loop.call_later(predict._deadline + _GRACE, self.late)
        self._request.gone = self.left

    def done(self, call: Call) -> None:
        self._call = None
        self._end()
        self._predict._done(self._request, self._question, call)

    def late(self) -> None:
        self._end()
        seconds = self._predict._deadline
        problem = ProblemError(
            LATE, f"The answer did not come within {seconds:g} seconds; try again later.", retry_after=1
        )
        self._predict._app.fail(self._request, problem)

    def left(self) -> None:
        self._end()
        self._predict._app.leave(self._request)

    def _end(self) -> None:
        self._request.gone = None
        if self._late is not None:
            self._late.cancel()
        if self._call is not None:
            self._call.cancel()


def decoded(body: bytes | bytearray) -> PredictRequest:
    """Read a request.

    Raises
    ------
    ProblemError
        It is not JSON, or not such a request.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        # It was looked at only as far as the first wrong value; what follows may not even be JSON.
        problem = ProblemError(INVALID, f"The request cannot be used: {_in_words(error)}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(NOT_JSON, f"The body is not JSON in UTF-8: {_in_words(error)}.") from None
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(NOT_JSON, f"The body is not JSON in UTF-8: {_in_words(error)}.") from None
    raise problem from None


def answer_of(call: Call, question: PredictRequest) -> bytes:
    """Return the body of the answer to a call that is done.

    Raises
    ------
    ProblemError
        No text has an answer.
    """
    model = call.model
    labels, top_k, threshold = model.labels, question.top_k, question.threshold
    found: list[AnsweredText | RefusedText] = []
    if len(call.rows) == 1 and (only := call.rows[0]) is not None:
        # What nearly every request is, without the cost of a loop over four lists.
        tag, probabilities, below = ranked(only, labels, top_k, threshold)
        found.append(AnsweredText(call.texts[0], tag, probabilities, below, call.cached[0]))
    else:
        refused = 0
        for text, row, error, cached in zip(call.texts, call.rows, call.errors, call.cached, strict=True):
            if row is None:
                refused += 1
                found.append(RefusedText(text[:SHOWN_CHARACTERS], public(str(error)), kind_of(error)))
            else:
                tag, probabilities, below = ranked(row, labels, top_k, threshold)
                found.append(AnsweredText(text, tag, probabilities, below, cached))
        if refused == len(found):
            raise of_refused([error for error in call.errors if error is not None])
    # Whole microseconds; `round` takes four times as long.
    seconds = int(call.seconds * 1e6) / 1e6
    return _encode(PredictAnswer(model.run_id, model.model_name, model.model_digest, seconds, found))


def _in_words(error: Exception) -> str:
    """Return what msgspec says, as part of a sentence."""
    said = str(error).rstrip(".").replace("`$.", "`").replace(" - at `$`", "")
    return said[:300] or type(error).__name__
