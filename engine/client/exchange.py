"""One call of the remote predictor: its texts go out in several requests, the answers come back in order."""

from __future__ import annotations

import re
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from engine.client.problems import TOO_LARGE
from engine.errors import TagscopeError
from engine.inference.prediction import SHOWN_CHARACTERS, Prediction, Refusal, RefusalKind
from engine.runs.manifest import checked_run_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.client.connection import Connection
    from engine.client.problems import Problem

# What one request holds at most. Requests of this size are under the service's own limits, keep its processes equally
# busy, and are done well within its deadline even by a slow model.
_TEXTS_PER_REQUEST = 64
_CHARACTERS_PER_REQUEST = 2**18
_REQUESTS_ON_THEIR_WAY = 4
_NUMBER = re.compile(r"^Text [\d,]+ ")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class _Question(msgspec.Struct, omit_defaults=True):
    """What is sent."""

    texts: list[str]
    run_id: str | None = None
    top_k: int | None = None
    threshold: float = 0.0


class _Item(msgspec.Struct):
    """What came back for one text: an answer, or why there is none."""

    predicted_tag: str = ""
    probabilities: dict[str, float] = {}
    below_threshold: bool = False
    cached: bool = False
    error: str = ""
    kind: RefusalKind = "data"


class _Answer(msgspec.Struct):
    """What came back for a request."""

    predictions: list[_Item]
    run_id: str = ""
    model: str = ""
    model_digest: str = ""


class _Part(msgspec.Struct):
    """Some of the caller's texts, and how many came before them."""

    texts: list[Any]
    before: int


_DECODER = msgspec.json.Decoder(_Answer)


class Exchange:
    """Questions and answers of one call.

    Parameters
    ----------
    connection
        To the service.
    run_id, top_k, threshold
        As `RemotePredictor.predict`.
    patience
        Seconds that one request may take.
    until
        When all of them end, on the clock of `time.monotonic`.

    Raises
    ------
    engine.errors.RunNotFoundError
        It is not a run id.
    """

    def __init__(
        self,
        connection: Connection,
        run_id: str | None,
        top_k: int | None,
        threshold: float,
        *,
        patience: float,
        until: float = float("inf"),
    ) -> None:
        self._connection = connection
        named = checked_run_id(run_id) if run_id and run_id.strip() else None
        self._question = _Question([], named, top_k, threshold)
        self._patience = patience
        self._until = until
        self._texts_per_request = _TEXTS_PER_REQUEST

    def answers(self, texts: Iterable[Any]) -> Iterator[list[Prediction | Refusal]]:
        """Ask for texts, a few requests at the same time.

        Parameters
        ----------
        texts
            Any number of them; what is no text gets its refusal.

        Yields
        ------
        list of Prediction or Refusal
            What became of the next texts, in their order.

        Raises
        ------
        engine.errors.TagscopeError
            A request failed as a whole.
        """
        parts = self._parts(texts)
        # The first part goes alone: where no run was named, its answer tells which run has to answer the others.
        for part in parts:
            answers = self._ask_in_time(part)
            yield answers
            first = next((answer for answer in answers if isinstance(answer, Prediction)), None)
            if first is not None:
                self._question.run_id = first.run_id
                break
        waiting: deque[Future[list[Prediction | Refusal]]] = deque()
        threads = ThreadPoolExecutor(_REQUESTS_ON_THEIR_WAY, thread_name_prefix="tagscope-client")
        try:
            for part in parts:
                waiting.append(threads.submit(self._ask_in_time, part))
                while waiting and (len(waiting) > _REQUESTS_ON_THEIR_WAY or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # Also where whoever reads the answers stops early: nothing is waited for then.
            threads.shutdown(wait=False, cancel_futures=True)

    def _parts(self, texts: Iterable[Any]) -> Iterator[_Part]:
        """Cut texts into what one request holds; a longer text goes alone."""
        part, characters, before = list[Any](), 0, 0
        for text in texts:
            size = len(text) if isinstance(text, str) else 0
            if part and (len(part) >= self._texts_per_request or characters + size > _CHARACTERS_PER_REQUEST):
                yield _Part(part, before)
                before += len(part)
                part, characters = [], 0
            part.append(text)
            characters += size
        if part:
            yield _Part(part, before)

    def _ask_in_time(self, part: _Part) -> list[Prediction | Refusal]:
        return self._ask(part, min(self._until, time.monotonic() + self._patience))

    def _ask(self, part: _Part, until: float) -> list[Prediction | Refusal]:
        """Ask for one part, in halves where the service finds it too large or too slow."""
        started = time.perf_counter()
        texts = [text if isinstance(text, str) else "" for text in part.texts]
        body = _encoded(msgspec.structs.replace(self._question, texts=texts))
        reply = self._connection.post("/predict", body, until)
        if reply.problem is None:
            answer = self._decoded(reply.data, len(texts))
        elif reply.problem.is_for_fewer_texts and len(texts) > 1:
            middle = len(texts) // 2
            # The call's further parts need not learn it again.
            self._texts_per_request = min(self._texts_per_request, middle)
            halves = (_Part(part.texts[:middle], part.before), _Part(part.texts[middle:], part.before + middle))
            return [found for half in halves for found in self._ask(half, until)]
        else:
            answer = _Answer(self._refusals(reply.problem, texts))
        seconds = time.perf_counter() - started
        return [
            _result(text, part.before + index + 1, item, answer, seconds)
            for index, (text, item) in enumerate(zip(part.texts, answer.predictions, strict=True))
        ]

    def _decoded(self, data: bytes, count: int) -> _Answer:
        try:
            answer = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            answer = _Answer([])
        if len(answer.predictions) != count or not all(item.error or item.predicted_tag for item in answer.predictions):
            raise TagscopeError(
                f"What runs at {self._connection.url} did not answer as Tagscope's service does; set "
                "TAGSCOPE_ENGINE_URL to the address of `tagscope api`, or unset it."
            )
        return answer

    def _refusals(self, problem: Problem, texts: list[str]) -> list[_Item]:
        """Return why no text of a part was answered, where that is about the texts; else raise the error."""
        if problem.own and len(problem.errors) == len(texts):
            return [_Item(error=refused.detail) for refused in problem.errors]
        if problem.own and problem.status == TOO_LARGE and len(texts) == 1:
            return [_Item(error=f"Text 1 has {len(texts[0]):,} characters, more than the service takes; shorten it.")]
        raise problem.error(self._connection.url)


def _encoded(question: _Question) -> bytes:
    try:
        return msgspec.json.encode(question)
    except UnicodeEncodeError:
        # JSON has no way to write half a character. Cleaning makes a space of it, so this changes no answer.
        question.texts = [_LONE_SURROGATE.sub(" ", text) for text in question.texts]
        return msgspec.json.encode(question)


def _result(text: Any, position: int, item: _Item, answer: _Answer, seconds: float) -> Prediction | Refusal:
    """Return what the caller gets for a text, by its position in the caller's list, from 1."""
    if not isinstance(text, str):
        sentence = f"Text {position} is not a text but {type(text).__name__}; give a string."
        return Refusal(str(text)[:SHOWN_CHARACTERS], sentence)
    if item.error:
        return Refusal(text[:SHOWN_CHARACTERS], _NUMBER.sub(f"Text {position} ", item.error), item.kind)
    return Prediction(
        text,
        item.predicted_tag,
        item.probabilities,
        answer.run_id,
        answer.model,
        answer.model_digest,
        item.cached,
        seconds,
        item.below_threshold,
    )
