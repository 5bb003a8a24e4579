"""`POST /predict`: the path that every text takes, so little is done here, and nothing twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.body import GoneError
from engine.api.problems import INVALID, LATE, NOT_JSON, TOO_MANY, ProblemError, of_refused, public
from engine.api.records import AnsweredText, PredictAnswer, PredictRequest, RefusedText
from engine.inference.prediction import SHOWN_CHARACTERS, ranked

if TYPE_CHECKING:
    from engine.api.body import Bodies
    from engine.api.service import Service
    from engine.inference.call import Call

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
    bodies
        Reads requests.
    """

    def __init__(self, service: Service, bodies: Bodies) -> None:
        self._service = service
        self._ask = service.predictor.ask
        self._read = bodies.read
        self._most_texts = service.settings.max_texts
        self._deadline = service.settings.deadline_seconds
        self._loop = asyncio.get_running_loop()

    async def answer(self, headers: Any, protocol: Any) -> bytes:
        """Return the body of the answer.

        Raises
        ------
        ProblemError, GoneError, engine.errors.TagscopeError
            Why there is none.
        """
        question = decoded(await self._read(headers, protocol))
        texts = question.texts
        if len(texts) > self._most_texts:
            raise ProblemError(
                TOO_MANY,
                f"A request may have {self._most_texts:,} texts and this one has {len(texts):,}; send several.",
            )
        service = self._service
        if question.run_id is None:
            model = service.require_model()
        else:
            model = await service.model_of(question.run_id)
        answered = self._loop.create_future()

        def on_done(_: Call) -> None:
            if not answered.done():
                answered.set_result(True)

        call = self._ask(texts, model, deadline=self._deadline, on_done=on_done, loop=self._loop)
        if not call.done:
            if model.plan.inline:
                await answered
            else:
                await self._computed(call, answered, protocol)
        return answer_of(call, question)

    async def _computed(self, call: Call, answered: asyncio.Future[bool], protocol: Any) -> None:
        """Wait for the threads, the client's leave or the deadline, whichever is first."""
        watching = self._loop.create_task(_watch(protocol, answered))
        late = self._loop.call_later(self._deadline + _GRACE, answered.cancel)
        try:
            if not await answered:
                raise GoneError
        except asyncio.CancelledError:
            raise ProblemError(
                LATE, f"The answer did not come within {self._deadline:g} seconds; try again later.", retry_after=1
            ) from None
        finally:
            late.cancel()
            watching.cancel()
            call.cancel()


async def _watch(protocol: Any, answered: asyncio.Future[bool]) -> None:
    await protocol.client_disconnect()
    if not answered.done():
        answered.set_result(False)


def decoded(body: bytes) -> PredictRequest:
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
    model, labels = call.model, call.model.labels
    found: list[AnsweredText | RefusedText] = []
    refused = 0
    for text, row, error, cached in zip(call.texts, call.rows, call.errors, call.cached, strict=True):
        if row is None:
            refused += 1
            found.append(RefusedText(text[:SHOWN_CHARACTERS], public(str(error))))
        else:
            tag, probabilities, below = ranked(row, labels, question.top_k, question.threshold)
            found.append(AnsweredText(text, tag, probabilities, below, cached))
    if refused == len(found):
        raise of_refused([error for error in call.errors if error is not None])
    return _encode(PredictAnswer(model.run_id, model.model_name, model.model_digest, round(call.seconds, 6), found))


def _in_words(error: Exception) -> str:
    """Return what msgspec says, as part of a sentence."""
    said = str(error).rstrip(".").replace("`$.", "`").replace(" - at `$`", "")
    return said[:300] or type(error).__name__
