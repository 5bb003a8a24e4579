"""A Granian handler that reads a body and answers the same bytes whatever it says: what another HTTP server reaches."""

from __future__ import annotations

import msgspec

_HEAD = [("content-type", "application/json")]
_ANSWER = msgspec.json.encode({"predicted_tag": "other", "probabilities": dict.fromkeys("abcdefgh", 0.125)})


async def app(scope, proto) -> None:
    """Answer one request (RSGI)."""
    await proto()
    proto.response_bytes(200, _HEAD, _ANSWER)
