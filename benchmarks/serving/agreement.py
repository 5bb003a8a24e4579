"""Whether servers give the same answers: a benchmark on wrong answers is void."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from serving.server import ServerFailed
from serving.servers.card import Card, OnnxTagger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from serving.models import Model
    from serving.server import Server

TEXTS = 50
_AT_ONCE = 8
_MOST_OFF = 1e-3
# What was tuned computes in half precision: two tags that are this close may change places.
_MOST_OFF_TUNED = 0.05


@dataclass(frozen=True)
class Agreement:
    """Answers of a server against those of ONNX Runtime in fp32, each text alone.

    Attributes
    ----------
    texts, other_tags
        How many were asked, and how many got another tag.
    most_off
        Largest difference of a probability.
    """

    texts: int
    other_tags: int
    most_off: float

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def expected_of(model: Model, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Answers of ONNX Runtime in this process, one text at a time."""
    tagger = OnnxTagger(msgspec.json.decode(model.card.read_bytes(), type=Card))
    return [tagger.tag([text])[0] for text in texts]


def check_answers(
    server: Server, texts: Sequence[str], expected: Sequence[dict[str, Any]], *, exact: bool
) -> Agreement:
    """Ask a server several texts at a time, so that it makes batches, and compare.

    Parameters
    ----------
    server
        Answers already.
    texts
        What to ask.
    expected
        Answers, as `expected_of` gives them.
    exact
        Whether tags must be the same and probabilities within 0.001; else two tags within 0.05 may change places.

    Raises
    ------
    ServerFailed
        It answers something else.
    """
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(server.ask, texts))
    allowed = _MOST_OFF if exact else _MOST_OFF_TUNED
    other_tags, most_off = 0, 0.0
    for text, (status, body), wanted in zip(texts, answers, expected, strict=True):
        if status != http.client.OK:
            raise ServerFailed(f"it answers {status} to {text[:100]!r}: {body[:300]!r}")
        content = msgspec.json.decode(body)
        found = content["predictions"][0] if "predictions" in content else content
        tags, probabilities = wanted["probabilities"], found["probabilities"]
        off = max(abs(probabilities[tag] - probability) for tag, probability in tags.items())
        most_off = max(most_off, off)
        if found["predicted_tag"] != wanted["predicted_tag"]:
            other_tags += 1
            behind = tags[wanted["predicted_tag"]] - tags[found["predicted_tag"]]
            off = max(off, allowed + 1 if exact else behind)
        if off > allowed:
            raise ServerFailed(f"it answers {found} to {text[:100]!r}, and {wanted} is right")
    return Agreement(len(texts), other_tags, most_off)
