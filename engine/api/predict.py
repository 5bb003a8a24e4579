"""`POST /predict`: the path that every text takes, so little is done here, and nothing twice."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from engine.api.body import BROKEN_OFF, JSON, GoneError
from engine.api.problems import INVALID, LATE, NOT_JSON, TOO_MANY, ProblemError, of_refused, public
from engine.api.records import AnsweredText, PredictAnswer, PredictRequest, RefusedText
from engine.inference.prediction import SHOWN_CHARACTERS, kind_of, ranked

if TYPE_CHECKING:
    from engine.api.body import Bodies
    from engine.api.service import Service
    from engine.inference.call import Call

# Where a thread does not come back from a batch, nobody else would end the wait, in seconds after the deadline.
_GRACE = 1.0

# Longer than the largest length that is taken.
_NO_LENGTH = "9" * 99

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
        self._bodies = bodies
        self._reading = bodies.reading
        self._digits = bodies.digits
        self._most_texts = service.settings.max_texts
        self._deadline = service.settings.deadline_seconds
        self._loop = asyncio.get_running_loop()

    async def answer(self, headers: Any, protocol: Any, now: float) -> bytes:
        """Return the body of the answer.

        Parameters
        ----------
        headers, protocol
            As RSGI has them.
        now
            By `time.monotonic`.

        Raises
        ------
        ProblemError, GoneError, engine.errors.TagscopeError
            Why there is none.
        """
        if headers.get("content-type") == JSON and len(headers.get("content-length") or _NO_LENGTH) < self._digits:
            # What `Bodies.read` does, for nearly every request: one coroutine less.
            task: Any = asyncio.current_task()
            self._reading[task] = now
            try:
                content = await protocol()
            except BROKEN_OFF as error:
                raise self._bodies.reason(task, error) from None
            finally:
                del self._reading[task]
        else:
            content = await self._bodies.read(headers, protocol)
        question = decoded(content)
        texts = question.texts
        if len(texts) > self._most_texts:
            raise ProblemError(
                TOO_MANY,
                f"A request may have {self._most_texts:,} texts and this one has {len(texts):,}; send several.",
            )
        service = self._service
        if question.run_id is None:
            model = service.model or service.require_model()
        else:
            model = await service.model_of(question.run_id)
        answered = self._loop.create_future()
        inline = model.plan.inline
        # Nothing but its own answer ends the wait for an inline model.
        on_done = answered.set_result if inline else partial(_tell, answered)
        call = self._ask(texts, model, deadline=self._deadline, on_done=on_done, loop=self._loop)
        if not call.done:
            if inline:
                await answered
            else:
                await self._computed(call, answered, protocol)
        return answer_of(call, question)

    async def _computed(self, call: Call, answered: asyncio.Future[Any], protocol: Any) -> None:
        """Wait for the threads, the client's leave or the deadline, whichever is first."""
        watching = self._loop.create_task(_watch(protocol, answered))
        late = self._loop.call_later(self._deadline + _GRACE, answered.cancel)
        try:
            if await answered is None:
                raise GoneError
        except asyncio.CancelledError:
            raise ProblemError(
                LATE, f"The answer did not come within {self._deadline:g} seconds; try again later.", retry_after=1
            ) from None
        finally:
            late.cancel()
            watching.cancel()
            call.cancel()


def _tell(answered: asyncio.Future[Any], call: Call) -> None:
    if not answered.done():
        answered.set_result(call)


async def _watch(protocol: Any, answered: asyncio.Future[Any]) -> None:
    await protocol.client_disconnect()
    if not answered.done():
        answered.set_result(None)


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
