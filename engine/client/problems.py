"""What the service says when it does not answer, and the error that a caller in its process would have got."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.errors import (
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
    from collections.abc import Mapping

TOO_LARGE = 413
_LATER = (429, 503)
_LONGEST_DETAIL = 1_000
# By the last part of the problem's type, where the status alone does not tell.
_KINDS: dict[str, type[TagscopeError]] = {
    "deadline": DeadlineError,
    "draining": ClosedError,
    "no-model": BundleError,
    "not-ready": TagscopeError,
    "nothing-promoted": RunNotFoundError,
    "run-unusable": BundleError,
}
# The service says so too, but not under an address that is its own.
_NO_SUCH_PAGE = "not-found"
_MEDIA_TYPE = "application/problem+json"
_STATUSES: dict[int, type[TagscopeError]] = {
    404: RunNotFoundError,
    408: DeadlineError,
    413: DataError,
    422: DataError,
    429: OverloadedError,
    500: InferenceError,
    503: ClosedError,
}


class RefusedText(msgspec.Struct, frozen=True):
    """One text that the service cannot answer, and why."""

    detail: str


class Problem(msgspec.Struct, frozen=True):
    """An answer other than 200, by RFC 9457.

    Attributes
    ----------
    uri, title, status, detail
        As the RFC has them; `uri` is its `type`.
    errors
        Where every text of a request was refused: why, in the order of the texts.
    retry_after
        Seconds after which the service may be asked again; None where it does not say.
    own
        Whether the service said so itself; other programs answer in other words.
    """

    uri: str = msgspec.field(name="type", default="")
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[RefusedText, ...] = ()
    retry_after: float | None = None
    own: bool = True

    @property
    def name(self) -> str:
        """The kind of problem, as the service names it."""
        return self.uri.rpartition("/")[2]

    @property
    def kind(self) -> type[TagscopeError]:
        """The exception that tells this problem in Python."""
        return _KINDS.get(self.name, _STATUSES.get(self.status, TagscopeError))

    @property
    def is_for_fewer_texts(self) -> bool:
        """Whether the same texts may be answered in smaller requests: they were too many, or not done in time."""
        return self.status == TOO_LARGE or issubclass(self.kind, DeadlineError)

    @property
    def asks_again_after(self) -> float | None:
        """Seconds after which the same request may be answered; None where only another request can be."""
        later = self.status in _LATER and not issubclass(self.kind, DeadlineError | BundleError | RunNotFoundError)
        return self.retry_after if later else None

    def error(self, url: str) -> TagscopeError:
        """Return the exception, in the service's own words where it has any.

        Parameters
        ----------
        url
            Where the service is.
        """
        if self.status == 401:
            return TagscopeError(
                f"The service at {url} does not accept this key; set TAGSCOPE_API__KEY to the key that it was started "
                "with."
            )
        if not self.own or not self.detail:
            return TagscopeError(
                f"What runs at {url} answered {self.status} and not as Tagscope's service does; set "
                "TAGSCOPE_ENGINE_URL to the address of `tagscope api`, or unset it."
            )
        if issubclass(self.kind, OverloadedError):
            return OverloadedError(self.detail, self.retry_after or 1.0)
        return self.kind(self.detail)


_DECODER = msgspec.json.Decoder(Problem)


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """Read an answer that is not 200.

    Parameters
    ----------
    status
        Of the answer; it counts, whatever the body says.
    headers
        Of the answer; upper and lower case are the same to them.
    body
        Problem details, or anything at all from a program that is not the service.
    """
    try:
        problem = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = Problem(own=False)
    return msgspec.structs.replace(
        problem,
        status=status,
        detail=problem.detail[:_LONGEST_DETAIL],
        retry_after=_seconds(headers.get("Retry-After", "")),
        own=problem.own and _MEDIA_TYPE in headers.get("Content-Type", "") and problem.name != _NO_SUCH_PAGE,
    )


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After; the form with a date is for a time longer than anybody waits here."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None
