"""A tiny service that speaks the wire format, and says exactly what a test wants it to say."""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN_ID = "0123456789abcdef" * 2


class Service(ThreadingHTTPServer):
    """Answers every text by its own length; before that, whatever was put into `script`, one entry per request.

    Attributes
    ----------
    asked
        The requests so far, decoded.
    script
        Functions that get the handler and answer in the place of the service.
    most_texts
        More texts are refused, as by the service.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[int] = set()
        self.script: deque[Callable[[_Handler], None]] = deque()
        self.most_texts = 256
        self.together = self.most_together = 0
        # Set when two requests were there at once; where `gather` is true, all but the first wait for that.
        self.gather, self.two = False, threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: tests break connections on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service = self.server
        with service.lock:
            service.asked.append(body)
            service.headers.append(dict(self.headers))
            service.connections.add(self.client_address[1])
            service.together += 1
            service.most_together = max(service.most_together, service.together)
            step = service.script.popleft() if service.script else None
            if service.together > 1:
                service.two.set()
        try:
            if service.gather and "run_id" in body:
                service.two.wait(30)
            if step:
                step(self)
            elif len(body["texts"]) > service.most_texts:
                problem(413, "Too many texts.")(self)
            else:
                self.answer(200, answer(body["texts"], body.get("run_id", RUN_ID)))
        finally:
            with service.lock:
                service.together -= 1

    def answer(self, status: int, content: Any, kind: str = "application/json", **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""


def answer(texts: list[str], run_id: str = RUN_ID) -> dict[str, Any]:
    """What the service says to these texts; one without letters is refused."""
    return {
        "run_id": run_id,
        "model": "ngram",
        "model_digest": "d" * 64,
        "seconds": 0.001,
        "predictions": [
            {
                "input_text": text,
                "predicted_tag": f"tag-{len(text)}",
                "probabilities": {f"tag-{len(text)}": 0.75, "other": 0.25},
                "below_threshold": False,
                "cached": False,
            }
            if text.strip()
            else {"input_text": text, "error": f"Text {position} has no words left after cleaning; enter a sentence."}
            for position, text in enumerate(texts, start=1)
        ],
    }


def problem(status: int, detail: str, kind: str = "about:blank", **headers: str) -> Callable[[_Handler], None]:
    """Problem details, as a step of a script."""
    content = {"type": kind, "title": "A problem", "status": status, "detail": detail}
    return lambda handler: handler.answer(status, content, "application/problem+json", **headers)


def hang_up(handler: _Handler) -> None:
    """Close the connection without an answer, as a process that dies does."""
    handler.close_connection = True


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
