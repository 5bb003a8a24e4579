"""The model behind LitServe."""

from typing import Any

import litserve
import msgspec
from card import BATCH, PORT, PROCESSES, WAIT_MS, OnnxTagger
from fastapi import Response

_encode = msgspec.json.Encoder().encode


class Tagger(litserve.LitAPI):
    """Answers one text, or a batch of them."""

    def setup(self, device: str) -> None:
        """Load the model in the process that computes."""
        self.tagger = OnnxTagger()

    def decode_request(self, request) -> str:  # a type here would be an instruction to LitServe
        """Take the text out of a body."""
        return request["texts"][0]

    def batch(self, inputs: list[str]) -> list[str]:
        """Leave texts as they are: `OnnxTagger` pads them."""
        return list(inputs)

    def predict(self, x: Any) -> Any:
        """Answer a text, or a list of them where batches are on."""
        return self.tagger.tag([x])[0] if BATCH == 1 else self.tagger.tag(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give each text its answer."""
        return output

    def encode_response(self, output: dict[str, Any]) -> Response:
        """Write an answer."""
        return Response(_encode(output), media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(
        Tagger(max_batch_size=BATCH, batch_timeout=WAIT_MS / 1000),
        accelerator="cpu",
        devices=1,
        workers_per_device=PROCESSES,
        timeout=60,
        fast_queue=True,
    )
    server.run(host="127.0.0.1", port=PORT, num_api_servers=PROCESSES, log_level="warning", generate_client_file=False)
