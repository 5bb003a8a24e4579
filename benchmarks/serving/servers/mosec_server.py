"""The model behind mosec."""

from __future__ import annotations

from typing import Any

import msgspec
from card import BATCH, PROCESSES, WAIT_MS, Ask, OnnxTagger
from mosec import Server, Worker

_decode = msgspec.json.Decoder(Ask).decode
_encode = msgspec.json.Encoder().encode


class Tagger(Worker):
    """Answers one text, or a batch of them; JSON by msgspec, which is faster than mosec's own."""

    def __init__(self) -> None:
        super().__init__()
        self.tagger = OnnxTagger()

    def deserialize(self, data: bytes) -> str:
        """Read a body."""
        return _decode(data).texts[0]

    def serialize(self, data: dict[str, Any]) -> bytes:
        """Write an answer."""
        return _encode(data)

    def forward(self, data: Any) -> Any:
        """Answer a text, or a list of them where batches are on."""
        return self.tagger.tag([data])[0] if BATCH == 1 else self.tagger.tag(data)


if __name__ == "__main__":
    server = Server()
    # A wait of 0 stands for the command line's `--wait` here.
    server.append_worker(Tagger, num=PROCESSES, max_batch_size=BATCH, max_wait_time=WAIT_MS, route="/predict")
    server.run()
