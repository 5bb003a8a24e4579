"""The model behind FastAPI: `fastapi_onnx.py` and `fastapi_torch.py` say with what it is computed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Response
from pydantic import BaseModel

if TYPE_CHECKING:
    from card import OnnxTagger, TorchTagger

_encode = msgspec.json.Encoder().encode


class Body(BaseModel):
    """Body of a request."""

    texts: list[str]


def make_app(tagger: OnnxTagger | TorchTagger) -> FastAPI:
    """Return an app that computes on the event loop, or in FastAPI's threads where `SERVING_HANDLER` is `threads`."""
    app = FastAPI()

    def answer(body: Body) -> Response:
        found: dict[str, Any] = tagger.tag(body.texts[:1])[0]
        return Response(_encode(found), media_type="application/json")

    async def answer_inline(body: Body) -> Response:
        return answer(body)

    threads = os.environ.get("SERVING_HANDLER") == "threads"
    app.post("/predict", response_model=None)(answer if threads else answer_inline)
    return app
