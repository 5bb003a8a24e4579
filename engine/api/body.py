"""Bodies of requests: read whole, within a size and a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from engine.api.problems import MEDIA, SLOW_BODY, TOO_LARGE, ProblemError

if TYPE_CHECKING:
    from config.settings import ApiSettings

# So much, in bytes, of a body that is too large is read and thrown away: a client that is still writing would
# otherwise meet a broken connection instead of the answer.
_THROWN_AWAY = 64 * 2**20
JSON = "application/json"
_LONGEST_NUMBER = 12
BROKEN_OFF = (asyncio.CancelledError, ProtocolError, ProtocolClosed)
"""Raised where a body does not come."""


class GoneError(Exception):
    """The client closed the connection before its request was whole, or before its answer."""


class Bodies:
    """Reads bodies. One sweep a second ends the slow ones, which costs less than a timer for each request.

    Parameters
    ----------
    settings
        Section `api`.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._most = settings.max_body_bytes
        self._seconds = settings.body_seconds
        # A number with fewer digits than the largest is smaller.
        self.digits = len(str(settings.max_body_bytes))
        self.reading: dict[asyncio.Task[Any], float] = {}
        """Since when each task reads, by `time.monotonic`."""
        self._late: set[asyncio.Task[Any]] = set()

    async def read(self, headers: Any, protocol: Any) -> bytes:
        """Return the body of a request.

        Parameters
        ----------
        headers, protocol
            As RSGI has them.

        Raises
        ------
        ProblemError
            It is not JSON by its own word, is too large, or comes too slowly.
        GoneError
            The client left.
        """
        media = headers.get("content-type")
        if media is not None and media != JSON and media.partition(";")[0].strip().lower() != JSON:
            raise ProblemError(
                MEDIA, f"This address takes application/json, not {media[:100]!r}; send JSON and say so."
            )
        length = headers.get("content-length")
        fits = length is None or (len(length) < _LONGEST_NUMBER and int(length) <= self._most)
        if not fits and headers.get("expect"):
            # The client asks before it sends.
            raise self._too_large(length)
        task: Any = asyncio.current_task()
        self.reading[task] = time.monotonic()
        try:
            if length is not None and fits:
                content: bytes = await protocol()
                return content
            return await self._streamed(protocol, length)
        except BROKEN_OFF as error:
            raise self.reason(task, error) from None
        finally:
            del self.reading[task]

    def reason(self, task: asyncio.Task[Any], error: BaseException) -> BaseException:
        """Return what is to be raised where reading was broken off.

        Parameters
        ----------
        task
            Reads.
        error
            One of `BROKEN_OFF`.
        """
        if not isinstance(error, asyncio.CancelledError):
            return GoneError()
        if task not in self._late:
            return error
        self._late.remove(task)
        task.uncancel()
        return ProblemError(
            SLOW_BODY, f"The body did not arrive within {self._seconds:g} seconds; send it again, faster."
        )

    def sweep(self) -> None:
        """End the reading of bodies that take too long; called about once a second."""
        latest = time.monotonic() - self._seconds
        for task, since in list(self.reading.items()):
            if since < latest:
                self._late.add(task)
                task.cancel()

    async def _streamed(self, protocol: Any, length: str | None) -> bytes:
        content = bytearray()
        size = 0
        async for chunk in protocol:
            size += len(chunk)
            if size <= self._most:
                content += chunk
            elif size > _THROWN_AWAY:
                break
            else:
                content.clear()
        if size > self._most:
            raise self._too_large(length)
        return bytes(content)

    def _too_large(self, length: str | None) -> ProblemError:
        said = f"{int(length):,}" if length is not None and len(length) < _LONGEST_NUMBER else "more than that"
        return ProblemError(
            TOO_LARGE, f"The body may have {self._most:,} bytes and has {said}; send fewer texts in one request."
        )
