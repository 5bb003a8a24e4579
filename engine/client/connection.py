"""Requests to one service: connections kept alive, asked again where that can help and time is left."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3

from engine.client.problems import Problem, problem_of
from engine.errors import ClosedError, DeadlineError, SettingsError, TagscopeError, reason_of

# Idle connections that are kept; more are opened where more threads ask at once.
_KEPT_CONNECTIONS = 16
_CONNECT_SECONDS = 5.0
# Pauses before asking again when a connection broke: a process of the service that died, or an idle connection that
# was closed while the request was on its way. What is still refused after them is down.
_PAUSES = (0.0, 0.1, 0.4)
# How often a service that is up and cannot answer (503) is asked again: it may be loading its model, or one of its
# processes may be ending; where nothing was promoted, nobody should wait long to be told.
_MOST_NOT_READY = 5
# Where a proxy stands in front of the service, it is the one that says that nobody is behind it.
_NOBODY_THERE = (502, 504)


class Reply(NamedTuple):
    """The last answer to a request: the body where it succeeded, else what went wrong."""

    data: bytes
    problem: Problem | None


class Connection:
    """Connections to one service; safe to share between threads.

    Parameters
    ----------
    url
        Where the service is, such as `http://127.0.0.1:8000`; a path in front of the service's own is kept.
    key
        Its API key; empty for none.

    Raises
    ------
    engine.errors.SettingsError
        The URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.url = _checked(url)
        self.host = urlsplit(self.url).netloc
        if not (key.isascii() and (key.isprintable() or not key)):
            raise SettingsError(
                "The key of the service has characters that a request cannot carry; set TAGSCOPE_API__KEY to printable "
                "ASCII."
            )
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "tagscope"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=_KEPT_CONNECTIONS, headers=headers)
        self._closed = threading.Event()

    def post(self, path: str, body: bytes, until: float) -> Reply:
        """Send a request that may be sent twice without harm, and return the answer.

        Where a connection breaks, it is sent again a few times. Where the service has no room (429 with Retry-After),
        it is sent again after that time, as often as `until` allows; where it is not ready (503), a few times.

        Parameters
        ----------
        path
            Of the service, such as `/predict`.
        body
            JSON.
        until
            When to give up, on the clock of `time.monotonic`.

        Returns
        -------
        Reply
            The answer to the last time it was sent.

        Raises
        ------
        engine.errors.DeadlineError
            No answer came in time.
        engine.errors.ClosedError
            The connection was closed.
        engine.errors.TagscopeError
            Nothing can be reached there; the message names TAGSCOPE_ENGINE_URL.
        """
        broken = not_ready = 0
        started = time.monotonic()
        while not self._closed.is_set():
            left = until - time.monotonic()
            if left <= 0:
                raise self._late(started)
            try:
                answer = self._pool.request(
                    "POST",
                    self.url + path,
                    body=body,
                    timeout=urllib3.Timeout(connect=min(left, _CONNECT_SECONDS), read=left),
                    retries=False,
                )
            except urllib3.exceptions.ReadTimeoutError:
                raise self._late(started) from None
            except urllib3.exceptions.HTTPError as error:
                if broken == len(_PAUSES) or isinstance(error, urllib3.exceptions.SSLError | ValueError):
                    raise self._unreachable(_cause_of(error)) from None
                pause = _PAUSES[broken]
                broken += 1
            else:
                if answer.status == 200:
                    return Reply(answer.data, None)
                if answer.status in _NOBODY_THERE:
                    raise self._unreachable(f"a proxy in front of it answers {answer.status}")
                problem = problem_of(answer.status, answer.headers, answer.data)
                later = problem.asks_again_after
                not_ready += problem.status == 503
                if later is None or not_ready > _MOST_NOT_READY or time.monotonic() + later >= until:
                    return Reply(b"", problem)
                pause = later
            self._closed.wait(min(pause, max(0.0, until - time.monotonic())))
        raise ClosedError(f"The connection to {self.url} was closed; make a new RemotePredictor.")

    def close(self) -> None:
        """End the connections; what waits for its turn to ask again gets a ClosedError."""
        self._closed.set()
        self._pool.clear()

    def _late(self, started: float) -> DeadlineError:
        return DeadlineError(
            f"The service at {self.url} gave no answer within {time.monotonic() - started:.1f} seconds; try again when "
            "it has less to do."
        )

    def _unreachable(self, reason: str) -> TagscopeError:
        return TagscopeError(
            f"The service at {self.url} cannot be reached ({reason}); start it with `tagscope api`, or change or unset "
            "TAGSCOPE_ENGINE_URL."
        )


def _checked(url: str) -> str:
    """Return the URL without a slash at its end; the message never repeats a password."""
    stripped = url.strip().rstrip("/")
    try:
        parts = urlsplit(stripped)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or not stripped.isprintable() or " " in stripped:
        raise SettingsError(
            "TAGSCOPE_ENGINE_URL is not the address of a service; set it to one such as http://127.0.0.1:8000, or "
            "unset it to answer in this process."
        )
    if parts.username is not None:
        raise SettingsError(
            "TAGSCOPE_ENGINE_URL holds a user name or a password; give the key of the service in TAGSCOPE_API__KEY."
        )
    return stripped


def _cause_of(error: BaseException) -> str:
    """Return what the operating system said, without the library's words around it."""
    inner = [part for part in (error.__cause__, *error.args) if isinstance(part, Exception)]
    cause = inner[0] if inner else error
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else reason_of(cause)
