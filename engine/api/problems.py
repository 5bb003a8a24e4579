"""Why a request is not answered: kinds of problems, and which error of the engine is which (RFC 9457)."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING

import msgspec

from config.settings import get_settings
from engine.api.records import Problem, RefusedPosition
from engine.api.request import header_lines
from engine.errors import (
    BackendError,
    BundleError,
    ClosedError,
    DataError,
    DeadlineError,
    InferenceError,
    OverloadedError,
    RunNotFoundError,
    TagscopeError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA_TYPE = "application/problem+json"
# In what a library or a bundle says of a file: everything up to its last name. At the beginning of a sentence, up to a
# colon, a folder may have spaces.
_FIRST_FOLDERS = re.compile(r"^(?:[A-Za-z]:)?[/\\][^:]*[/\\](?=[^:/\\]+: )")
_FOLDERS = re.compile(r"(?:[A-Za-z]:)?(?<![\w./\\-])(?:~|\.{1,2})?[/\\](?:[^\s:;,'\"<>|()]*[/\\])?")


class Kind(msgspec.Struct, frozen=True):
    """A kind of problem: the last part of its type, its status, and what it means to who meets it."""

    name: str
    status: int
    meaning: str

    @property
    def type(self) -> str:
        """URI reference of the kind: where the page explains it."""
        return f"/docs#/{self.name}"

    @property
    def title(self) -> str:
        """Its name, for people."""
        return self.name.replace("-", " ").capitalize()


NOT_HTTP = Kind("not-http", 400, "What was sent is not HTTP/1.1.")
CUT = Kind("cut-short", 400, "The connection ended before the request was whole.")
NOT_JSON = Kind("not-json", 400, "The body is not JSON in UTF-8.")
NO_KEY = Kind("key-needed", 401, "Send `Authorization: Bearer KEY` with the key of the service (`api.key`).")
KEYLESS = Kind("no-key-set", 403, "The service was started without a key, so nobody may do this; set `api.key`.")
NOT_FOUND = Kind("not-found", 404, "No page has this address.")
NO_RUN = Kind("no-such-run", 404, "No run has this id; GET /runs lists those there are.")
METHOD = Kind("method-not-allowed", 405, "The header `Allow` says which methods this address takes.")
SLOW_HEAD = Kind("head-too-slow", 408, "The head of the request did not arrive in time.")
SLOW_BODY = Kind("body-too-slow", 408, "The body did not arrive within `api.body_seconds`.")
OVERTAKEN = Kind("overtaken", 409, "Another run was promoted at the same time.")
NO_MODEL = Kind("no-model", 409, "The run was made from predictions and cannot answer.")
TOO_LARGE = Kind("too-large", 413, "The body is larger than `api.max_body_bytes`.")
TOO_MANY = Kind("too-many-texts", 413, "More texts than `api.max_texts`; send them in several requests.")
MEDIA = Kind("media-type", 415, "Send the body as `application/json`.")
INVALID = Kind("invalid", 422, "The body is JSON and does not say what this address needs.")
REFUSED = Kind("texts-refused", 422, "None of the texts can be answered; `errors` says why, for each.")
HEAD_TOO_LARGE = Kind("head-too-large", 431, "The head of the request is longer than the service reads.")
OVERLOADED = Kind("overloaded", 429, "The queue is full; ask again after `Retry-After` seconds.")
BROKEN = Kind("internal-error", 500, "The fault is the service's; its log says more.")
CODED = Kind("transfer-coding", 501, "The body is packed in a way that the service does not unpack.")
DAMAGED = Kind("run-unusable", 503, "The run is damaged or cannot be computed on this machine.")
NOTHING_PROMOTED = Kind("nothing-promoted", 503, "No run is promoted, or the one that was is gone; promote another.")
NOT_READY = Kind("not-ready", 503, "The run is still being loaded.")
FEW_READY = Kind("few-processes", 503, "Fewer processes can answer than there must be.")
DRAINING = Kind("draining", 503, "The service is being stopped.")
LATE = Kind("deadline", 503, "The answer would have come later than `api.deadline_seconds`.")
KINDS = tuple(value for value in globals().values() if isinstance(value, Kind))
BY_NAME = {kind.name: kind for kind in KINDS}

_NOT_YET = 1.0


class ProblemError(Exception):
    """Ends a request without its answer.

    Parameters
    ----------
    kind
        What is wrong.
    detail
        One sentence.
    retry_after
        Seconds after which it may go better; None where that would not help.
    headers
        More headers of the answer.
    errors
        Where all texts were refused: why, for each.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        retry_after: float | None = None,
        headers: Sequence[tuple[str, str]] = (),
        errors: list[RefusedPosition] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = [("content-type", MEDIA_TYPE), *headers]
        if retry_after is not None:
            # Whole seconds, as the RFC of HTTP has it, and never "at once".
            self.headers.append(("retry-after", str(max(1, round(retry_after + 0.499)))))

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.kind.status

    def body(self) -> bytes:
        """Return the problem details as JSON."""
        return msgspec.json.encode(Problem(self.kind.type, self.kind.title, self.status, self.detail, self.errors))


@functools.lru_cache(1024)
def overloaded(detail: str, retry_after: int) -> tuple[bytes, bytes]:
    """Return header lines and body of a 429; kept, since under overload hardly any differs from the one before."""
    problem = ProblemError(OVERLOADED, public(detail), retry_after=retry_after)
    return header_lines(problem.headers), problem.body()


def problem_of(error: TagscopeError) -> ProblemError:
    """Return the problem that tells an error of the engine, without the folders of this machine."""
    detail = public(str(error))
    match error:
        case OverloadedError():
            return ProblemError(OVERLOADED, detail, retry_after=error.retry_after)
        case DeadlineError():
            return ProblemError(LATE, detail, retry_after=_NOT_YET)
        case ClosedError():
            return ProblemError(DRAINING, detail, retry_after=_NOT_YET)
        case RunNotFoundError():
            return ProblemError(NO_RUN, detail)
        case BundleError() | BackendError():
            return ProblemError(DAMAGED, detail, retry_after=30)
        case DataError():
            return ProblemError(INVALID, detail)
        case InferenceError() | _:
            return ProblemError(BROKEN, detail)


def public(sentence: str) -> str:
    """Return a sentence with files named without their folders."""
    return _FOLDERS.sub("", _FIRST_FOLDERS.sub("", sentence.replace(f"{get_settings().home}{os.sep}", "")))


def of_refused(errors: Sequence[TagscopeError]) -> ProblemError:
    """Return the problem of a request none of whose texts has an answer.

    Parameters
    ----------
    errors
        One for each text.
    """
    for kind in (DeadlineError, ClosedError, InferenceError):
        if found := next((error for error in errors if isinstance(error, kind)), None):
            return problem_of(found)
    refused = [RefusedPosition(position, public(str(error))) for position, error in enumerate(errors, start=1)]
    detail = refused[0].detail
    if len(refused) > 1:
        detail = f"None of the {len(refused):,} texts can be answered; the first: {detail}"
    return ProblemError(REFUSED, detail, errors=refused)
