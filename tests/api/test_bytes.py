"""Bytes that are no request, or nearly one: an answer or an end of the connection, never a hang, a 500 or a trace."""

from __future__ import annotations

import contextlib
import json
import random
import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.api.running import KEY, NGRAM, TEXT, Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRIES = 600
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_HEADERS = (
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Upgrade: h2c",
    b"Connection: close, upgrade",
    b"Authorization: Bearer \xff\xfe",
    b"Authorization: " + b"x" * 10_000,
    b"Content-Type: \xff\x00",
    b"Content-Type: application/json; charset=utf-16",
    b"Host: \x00",
    b": no name",
    b"X" * 70_000 + b": long",
)
_TARGETS = (b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/runs/%ff", b"*", b"http://x/predict", b"/\xff", b"")


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(processes=1, api__body_seconds="1")


def valid_requests() -> list[bytes]:
    body = json.dumps({"texts": [TEXT, "Überall größer"], "top_k": 2, "threshold": 0.5, "run_id": NGRAM}).encode()
    length = b"Content-Length: %d\r\n" % len(body)
    key = b"Authorization: Bearer " + KEY.encode() + b"\r\n"
    return [
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + b"\r\n" + body,
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
        % (len(body), body),
        b"GET /runs/" + NGRAM.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"DELETE /cache HTTP/1.1\r\nHost: x\r\n" + key + b"\r\n",
        b"GET /metrics HTTP/1.0\r\n\r\n",
    ]


def mutations(seed: int, count: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(count):
        request = bytearray(chance.choice(valid_requests()))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(request) + 1)
            match chance.randrange(8):
                case 0:
                    request[at:at] = chance.randbytes(chance.randint(1, 8))
                case 1:
                    del request[at : at + chance.randint(1, 20)]
                case 2 if at < len(request):
                    request[at] ^= 1 << chance.randrange(8)
                case 3:
                    line = request.find(b"\r\n")
                    request[line + 2 : line + 2] = chance.choice(_HEADERS) + b"\r\n"
                case 4:
                    request[at:at] = request[: chance.randrange(len(request) + 1)]
                case 5:
                    first, _, rest = bytes(request).partition(b" ")
                    request = bytearray(first + b" " + chance.choice(_TARGETS) + b" " + rest.partition(b" ")[2])
                case 6:
                    body = request.find(b"\r\n\r\n") + 4
                    request[body:] = chance.choice((b"[" * 5000, b'{"texts":' * 50, b"\x00" * 50, b"1e999", b"null"))
                case _:
                    request = request[:at]
        yield bytes(request)


def answers(api: Api, request: bytes) -> bytes:
    """Send bytes, and then nothing more; return what comes back until the connection ends."""
    with socket.create_connection((api.host, api.port), timeout=20) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                found += part
        return found


def test_mutated_requests(api: Api) -> None:
    seen = set()
    leaks = (str(api.home).encode(), b"Traceback", b"site-packages", b"engine/", b"/root", b"/home")
    for number, request in enumerate(mutations(11, TRIES)):
        found = answers(api, request)
        statuses = {int(status) for status in _STATUS.findall(found)}
        assert not statuses & {500, 502, 504}, (number, request, found)
        for leak in leaks:
            assert leak not in found or leak in request, (number, request, found)
        seen |= statuses
    assert seen >= {200, 400, 404, 405, 415, 422}
    assert (api.predict(TEXT).status, api.ready()) == (200, True)
    assert api.metric("tagscope_process_restarts_total") == 0


def test_two_requests_in_one_packet_are_both_answered(api: Api) -> None:
    first, second = valid_requests()[0], valid_requests()[2]
    found = b""
    with socket.create_connection((api.host, api.port), timeout=20) as connection:
        connection.sendall(first + second)
        while b'"performance"' not in found:
            found += connection.recv(65536)
    assert [int(status) for status in _STATUS.findall(found)] == [200, 200]
    assert found.index(b'"predictions"') < found.index(b'"performance"')


def test_one_byte_at_a_time(api: Api) -> None:
    with socket.create_connection((api.host, api.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in valid_requests()[0]:
            connection.sendall(bytes([byte]))
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_head_that_is_too_long_is_refused(api: Api) -> None:
    found = answers(api, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n")
    assert _STATUS.findall(found) == [b"431"]
