"""HTTP/1.1 on real sockets, with a small application behind: order, ends, limits, and clients that do not behave."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import connection as http
from tests.api.listening import MOST, WAIT, Client, Server, get, in_chunks, parsed, post
from tests.api.running import TEXT, Api, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.api.request import Request


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Iterator[Server]:
    """The one server, as if it were new; every connection must be gone after each test."""
    shared.taken, shared.held, shared.left = [], [], 0
    yield shared
    shared.release()
    shared.none_left()


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that a test may end."""
    server = Server()
    yield server
    server.close()


# Order


def test_answers_come_in_the_order_of_the_requests(server: Server) -> None:
    with server.connect() as client:
        client.send(get("/1") + post("/held", b"2") + get("/3") + post("/held", b"4") + in_chunks("/5", b"a", b"b"))
        assert client.answer().text == "GET /1 "
        server.until(lambda: len(server.held) == 1)
        # The rest waits, although some of it could be answered.
        assert [path for _, path, _ in server.taken] == ["/1", "/held"]
        assert client.quiet()
        server.release()
        server.until(lambda: len(server.held) == 1)
        server.release()
        client.finish()
        assert [each.text for each in client.rest()] == ["late 2", "GET /3 ", "late 4", "POST /5 ab"]


def test_thousands_in_one_packet_are_answered_a_few_in_each_turn_of_the_loop(server: Server) -> None:
    count = 5000
    with server.connect() as client:
        sending = threading.Thread(target=client.send, args=(b"".join(get(f"/{number}") for number in range(count)),))
        sending.start()
        found = [client.answer().text for _ in range(count)]
        sending.join()
    assert found == [f"GET /{number} " for number in range(count)]


def test_one_client_does_not_hold_up_the_others(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.connect() as many, server.connect() as one:
        between: list[int] = []
        one.ask(get("/before"))

        def take(request: Request) -> None:
            if request.path == b"/first":
                server.listener.loop.call_soon(lambda: between.append(len(server.taken)))
            server.take(request)

        monkeypatch.setattr(server.listener, "take", take)
        many.send(get("/first") + get("/next") * 1000)
        server.until(lambda: len(server.taken) == 1002)
        assert between[0] < 100


def test_who_sends_on_without_waiting_is_read_no_further(server: Server) -> None:
    with server.connect() as client:
        client.send(get("/held"))
        server.until(lambda: server.held)
        sent = _fill(client, get("/next") * 100)
        (connection,) = server.listener.connections
        held = server.do(lambda: len(connection._queued)) * len(get("/next"))
        assert held < 2**20 < sent
        server.release()
        # All the same everything is answered: here is the first megabyte.
        size = 0
        while size < 2**20:
            size += len(client.socket.recv(2**20))


def _fill(client: Client, data: bytes) -> int:
    """Send until nobody takes it any more; return how many bytes."""
    client.socket.setblocking(False)
    sent, since = 0, time.monotonic()
    while time.monotonic() - since < 0.3:
        with contextlib.suppress(BlockingIOError):
            sent += client.socket.send(data)
            since = time.monotonic()
        assert sent < 100 * 2**20
    client.socket.settimeout(WAIT)
    return sent


def test_garbage_behind_a_request_is_refused_after_its_answer(server: Server) -> None:
    with server.connect() as client:
        client.send(post("/held", b"1") + b"\x16\x03\x01 garbage")
        server.until(lambda: server.held)
        client.send(b"more garbage" * 1000)
        server.release()
        first, second = client.rest()
        assert (first.text, second.status, second.text) == ("late 1", 400, "not-http")
        assert (first.headers.get("connection"), second.headers["connection"]) == (None, "close")
    assert len(server.taken) == 2


def test_what_follows_the_last_request_is_not_answered(server: Server) -> None:
    for last in (get("/1", "Connection: close"), get("/1", version="1.0")):
        (only,) = server.answers(last + get("/2"))
        assert (only.text, only.headers["connection"]) == ("GET /1 ", "close")
    assert [path for _, path, _ in server.taken] == ["/1", "/1"]


# What is a request


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 5000 + b"3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\nA: b\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET /\r\n\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"NOMETHOD / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G" * 70_000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_and_ends_the_connection(server: Server, sent: bytes) -> None:
    hidden = get("/hidden")
    before, refused = server.answers(get("/before") + sent + hidden)
    assert (before.status, refused.headers["connection"]) == (200, "close")
    assert (refused.status, refused.text) in ((400, "not-http"), (413, "too-large"), (501, "transfer-coding"))
    assert "/hidden" not in [path for _, path, _ in server.taken]


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip,chunked", b"x, chunked"])
def test_a_body_that_is_packed_is_not_taken_for_what_it_holds(server: Server, coding: bytes) -> None:
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + coding + b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    (refused,) = server.answers(sent + get("/hidden"))
    assert (refused.status, refused.text, refused.headers["connection"]) == (501, "transfer-coding", "close")
    assert not server.taken or server.taken[-1][1] != "/hidden"


def test_a_request_of_http_1_1_names_a_host(server: Server) -> None:
    nameless, after, old = server.answers(
        b"GET /nameless HTTP/1.1\r\n\r\n" + get("/after") + b"GET /old HTTP/1.0\r\n\r\n"
    )
    assert (nameless.status, nameless.text) == (400, "not-http")
    assert (after.text, old.text) == ("GET /after ", "GET /old ")


def test_a_body_in_chunks_with_all_that_chunks_may_have(server: Server) -> None:
    sent = get("/c", "Transfer-Encoding: chunked", method="POST") + (
        b'3;a=b;c="d;e"\r\nabc\r\n00002\r\nde\r\n0\r\nX: y\r\nAuthorization: Bearer no\r\nExpect: 100-continue\r\n\r\n'
    )
    given: list[dict[bytes, bytes]] = []
    with server.connect() as client:
        assert client.ask(sent).text == "POST /c abcde"
        assert client.ask(get("/next")).text == "GET /next "
        # What stands behind a body is no header of the request.
        client.send(sent.replace(b"/c", b"/held"))
        server.until(lambda: server.held)
        given.append(server.held[0].headers)
    server.release()
    assert given == [{b"host": b"x", b"transfer-encoding": b"chunked"}]


def test_requests_of_all_forms(server: Server) -> None:
    with server.connect() as client:
        assert client.ask(get("/a?b=c")).text == "GET /a "
        assert client.ask(b"\r\n\r\n" + get("/crlf")).text == "GET /crlf "
        assert client.ask(get("http://host:1/path?x")).text == "GET /path "
        assert client.ask(get("http://host")).text == "GET / "
        assert client.ask(get("*", method="OPTIONS")).text == "OPTIONS * "
        assert client.ask(get("/a", "Content-Length: 3") + b"abc").text == "GET /a abc"
        assert client.ask(post("/a", b"", "Content-Type:", "X:")).text == "POST /a "
        assert client.ask(get("/a", "Content-Length: \t 3 \t") + b"abc").text == "GET /a abc"
        client.send(get("/big", method="HEAD") + get("/a"))
        head = b""
        while not head.endswith(b"GET /a "):
            head += client.socket.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length: %d\r\n\r\nHTTP/1.1 200 OK" % len(server.big) in head


def test_versions_and_how_long_a_connection_stays(server: Server) -> None:
    with server.connect() as client:
        kept = client.ask(get("/1", "Connection: keep-alive", version="1.0"))
        assert kept.headers["connection"] == "keep-alive"
        assert "connection" not in client.ask(get("/2")).headers
        client.send(get("/3", version="1.0"))
        (last,) = client.rest()
        assert last.headers["connection"] == "close"
    with server.connect() as client:
        # Chunks came with 1.1, and who hands this on may see its end elsewhere (RFC 9112, section 6.1).
        sent = in_chunks("/c", b"abc", lines=("Connection: keep-alive",)).replace(b"HTTP/1.1", b"HTTP/1.0")
        client.send(sent)
        (only,) = client.rest()
        assert (only.text, only.headers["connection"]) == ("POST /c abc", "close")


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30), seed=st.integers(0, 2))
def test_packets_do_not_matter(shared: Server, cuts: list[int], seed: int) -> None:
    sent = (
        post("/1", b"x" * 30, "Content-Type: text/plain", "Expect: later"),
        in_chunks("/2", b"abc", b"d" * 20, trailers=b"X: y\r\n"),
        post("/3", b"h2" * 9, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"),
    )
    data = sent[seed] + get("/between") + sent[(seed + 1) % 3] + get("/last", "Connection: close")
    with shared.connect() as client:
        at = 0
        for cut in cuts:
            client.send(data[at : at + cut])
            at += cut
        client.send(data[at:])
        texts = [each.text for each in client.rest()]
    bodies = {"/1": "x" * 30, "/2": "abc" + "d" * 20, "/3": "h2" * 9}
    first, second = f"/{seed + 1}", f"/{(seed + 1) % 3 + 1}"
    assert texts == [f"POST {first} {bodies[first]}", "GET /between ", f"POST {second} {bodies[second]}", "GET /last "]


# Another protocol


@pytest.mark.parametrize("chunked", [False, True])
def test_who_asks_for_http_2_gets_an_answer_of_http_1(server: Server, chunked: bool) -> None:
    # What Java's own client sends with every first request to http://.
    lines = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA")
    one = in_chunks("/j", b"ab", b"cd", lines=lines) if chunked else post("/j", b"abcd", *lines)
    with server.connect() as client:
        assert client.ask(one).text == "POST /j abcd"
        client.send(one * 3000 + get("/k", *lines) + get("/last", "Connection: close, upgrade", "Upgrade: websocket"))
        assert [each.text for each in client.rest()] == ["POST /j abcd"] * 3000 + ["GET /k ", "GET /last "]


def test_who_asks_for_http_2_is_not_let_through_where_others_are_not(server: Server) -> None:
    lines = ("Connection: Upgrade", "Upgrade: h2c")
    large = get("/j", f"Content-Length: {MOST + 1}", *lines, method="POST")
    assert [each.status for each in server.answers(large + get("/hidden"))] == [413]
    garbage = post("/j", b"abc", *lines) + b"garbage\r\n\r\n"
    assert [each.status for each in server.answers(garbage)] == [200, 400]
    broken = get("/j", "Transfer-Encoding: chunked", *lines, method="POST") + b"x\r\n\r\n"
    assert [each.status for each in server.answers(broken)] == [400]


def test_a_tunnel_is_not_made(server: Server) -> None:
    (only,) = server.answers(get("example.com:443", method="CONNECT") + get("/hidden"), get("/hidden"))
    assert (only.text, only.headers["connection"]) == ("CONNECT example.com:443 ", "close")
    assert len(server.taken) == 1


# Who asks first


def test_100_continue(server: Server) -> None:
    expect = "Expect: 100-Continue"
    head = get("/1", "Content-Length: 3", expect, method="POST")
    with server.connect() as client:
        assert client.ask(head).status == 100
        assert client.ask(b"abc").text == "POST /1 abc"
        # Not where it is there, was not asked for, or could not be understood.
        assert client.ask(head + b"abc").text == "POST /1 abc"
        assert client.ask(get("/2", "Content-Length: 1", "Expect: tea", method="POST") + b"a").text == "POST /2 a"
        client.send(head[:-1])
        client.send(b"\n" + b"a")
        client.send(b"bc")
        assert [each.text for each in _two(client)][-1] == "POST /1 abc"
    with server.connect() as client:
        client.send(head.replace(b"HTTP/1.1", b"HTTP/1.0"))
        client.send(b"abc")
        assert [each.status for each in client.rest()] == [200]
    # Before too much is sent.
    with server.connect() as client:
        client.send(get("/1", f"Content-Length: {MOST + 1}", expect, method="POST"))
        assert [each.status for each in client.rest()] == [413]


def _two(client: Client) -> list[Reply]:
    """One answer, and the interim answer before it, where there is one."""
    first = client.answer()
    return [first, client.answer()] if first.status == 100 else [first]


def test_100_continue_comes_after_the_answers_before_it(server: Server) -> None:
    head = get("/1", "Content-Length: 3", "Expect: 100-continue", method="POST")
    with server.connect() as client:
        client.send(get("/held") + get("/held") + head)
        for _ in range(2):
            server.until(lambda: server.held)
            assert client.quiet()
            server.release()
            assert client.answer().text == "late "
        assert client.answer().status == 100
        assert client.ask(b"abc").text == "POST /1 abc"


# Ends


def test_who_sends_no_more_still_gets_its_answer(server: Server) -> None:
    (only,) = server.answers(get("/1"))
    # It was answered before it was known.
    assert only.text == "GET /1 "
    with server.connect() as client:
        client.send(get("/held") + get("/2"))
        client.finish()
        server.until(lambda: server.held)
        server.release()
        first, second = client.rest()
        assert (first.text, second.text) == ("late ", "GET /2 ")


def test_who_leaves_is_told_to_those_who_compute_for_it(server: Server) -> None:
    for leave in (Client.finish, Client.reset, lambda client: client.socket.close()):
        with server.connect() as client:
            client.send(get("/leaves"))
            server.until(lambda: server.held)
            leave(client)
            server.until(lambda: server.left)
            assert (server.left, server.listener.connections) == (1, set())
        # The answer comes all the same; nothing happens.
        server.release()
        server.left = 0


def test_an_answer_given_twice_is_sent_once(server: Server) -> None:
    with server.connect() as client:
        client.send(get("/held") + get("/held"))
        server.until(lambda: server.held)
        first = server.held[0]
        server.do(lambda: [first.answer_json(b"once"), first.answer_json(b"twice"), first.answer(500, [], b"")])
        server.until(lambda: len(server.held) == 2)
        server.do(lambda: first.answer_json(b"again"))
        server.held = server.held[1:]
        server.release()
        client.finish()
        assert [each.text for each in client.rest()] == ["once", "late "]


@pytest.mark.parametrize("end", ["finish", "reset", "close"])
def test_an_end_after_every_byte(server: Server, end: str) -> None:
    whole = get("/1")
    request = whole + post("/2", b"abc", "Expect: 100-continue") + in_chunks("/3", b"abc", trailers=b"X: y\r\n")
    for size in range(len(request) + 1):
        with server.connect() as client:
            client.send(request[:size])
            match end:
                case "finish":
                    client.finish()
                    found = [each for each in client.rest() if each.status != 100]
                    statuses = [each.status for each in found]
                    assert statuses == [200] * statuses.count(200) + [400] * statuses.count(400), (size, found)
                    assert statuses.count(400) <= 1
                    assert (statuses[:1] == [200]) == (size >= len(whole)), (size, found)
                case "reset":
                    client.reset()
                case "close":
                    client.socket.close()
    server.none_left()


def test_thousands_of_connections_leave_nothing(server: Server) -> None:
    alive = []
    for number in range(3000):
        with server.connect() as client:
            client.send(get("/1")[: number % 40])
            if not number % 100:
                server.until(lambda: server.listener.connections)
                alive += [weakref.ref(each) for each in server.do(lambda: list(server.listener.connections))]
            if number % 3:
                client.reset()
    server.none_left()
    gc.disable()
    try:
        assert not [each for each in alive if each() is not None]
    finally:
        gc.enable()


# Too much, too slow


def test_a_head_may_be_so_long_and_no_longer_however_it_comes(server: Server) -> None:
    start = get("/1")[:-2]
    fits = start + b"X: " + b"x" * (65_000 - len(start)) + b"\r\n\r\n"
    longer = start + b"X: " + b"x" * (65_600 - len(start)) + b"\r\n\r\n"
    many = start + b"".join(b"X-%d: y\r\n" % number for number in range(4000)) + b"\r\n"
    too_many = start + b"".join(b"X-%d: y\r\n" % number for number in range(8000)) + b"\r\n"
    target = get("/" + "1" * 65_600)
    for size in (10**6, 5000, 1400):
        for sent, status in ((fits, 200), (longer, 431), (many, 200), (too_many, 431), (target, 431)):
            found = server.answers(*(sent[at : at + size] for at in range(0, len(sent), size)))
            assert [each.status for each in found] == [status], (size, len(sent))


def test_a_head_without_an_end_is_refused_before_it_has_one(server: Server) -> None:
    with server.connect() as client:
        client.send(get("/1")[:-2] + b"X: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                client.send(b"x" * 1400)
        assert [each.status for each in client.rest()] == [431]


def test_a_long_body_behind_a_head_in_two_packets(server: Server) -> None:
    body = b"x" * 150_000
    for at in (5, 40):
        sent = post("/1", body)
        with server.connect() as client:
            client.send(sent[:at])
            server.until(lambda: [each for each in server.listener.connections if each.waiting])
            assert len(client.ask(sent[at:]).text) == len(body) + 8


@pytest.mark.parametrize("fill", [b"3;x=", b"0\r\nX: "])
def test_what_is_no_body_has_a_limit_too(server: Server, fill: bytes) -> None:
    with server.connect() as client:
        client.send(in_chunks("/1", b"abc")[:-5] + fill)
        with contextlib.suppress(ConnectionError):
            for _ in range(300):
                client.send(b"x" * 1400)
        assert [each.status for each in client.rest()] == [431]


def test_a_body_may_be_so_long_and_no_longer(server: Server) -> None:
    fits, longer = b"x" * MOST, b"x" * (MOST + 1)
    assert [each.status for each in server.answers(post("/1", fits))] == [200]
    assert [each.status for each in server.answers(in_chunks("/1", fits))] == [200]
    assert [each.status for each in server.answers(post("/1", longer))] == [413]
    assert [each.status for each in server.answers(in_chunks("/1", longer))] == [413]
    assert [each.status for each in server.answers(in_chunks("/1", *[b"x" * 1000] * (MOST // 1000 + 1)))] == [413]


def test_who_still_writes_sees_why_it_is_refused(server: Server) -> None:
    size = 50_000_000
    with server.connect() as client:
        client.send(get("/1", f"Content-Length: {size}", method="POST"))
        for _ in range(50):
            client.send(b"x" * (size // 50))
        assert [each.status for each in client.rest()] == [413]


def test_who_writes_for_ever_is_cut_off(server: Server) -> None:
    with server.connect() as client:
        client.send(get("/1", "Content-Length: 99999999999", method="POST"))
        with pytest.raises(ConnectionError):
            for _ in range(1000):
                client.send(b"x" * 2**20)


def test_a_refused_client_may_stay_for_a_moment_only(server: Server) -> None:
    with server.connect() as client, server.connect() as writing:
        for each in (client, writing):
            each.send(b"garbage\r\n\r\n")
            assert each.answer().status == 400
        server.later(1)
        assert len(server.listener.connections) == 2
        writing.send(b"more")
        server.later(4)
        server.none_left()


def test_slow_heads_bodies_and_idle_connections_end(server: Server) -> None:
    with server.connect() as head, server.connect() as body, server.connect() as idle, server.connect() as served:
        head.send(get("/predict")[:-2])
        body.send(post("/predict", b"abc")[:-1])
        served.ask(get("/1"))
        held = server.connect()
        held.send(get("/held") + get("/1")[:-2])
        server.until(lambda: sum(each.waiting for each in server.listener.connections) == 3 and server.held)
        server.later(5)
        server.later(0)
        assert head.quiet()
        server.later(6.5)
        assert [(each.status, each.text) for each in body.rest()] == [(408, "body-too-slow")]
        assert ("POST", "/predict", "ab") not in server.taken
        assert head.quiet()
        server.later(32)
        assert [(each.status, each.text) for each in head.rest()] == [(408, "head-too-slow")]
        assert idle.quiet()
        server.later(92)
        assert (idle.rest(), served.rest()) == ([], [])
        # What is computed takes the time it takes, and the time of what is sent meanwhile begins after it.
        assert server.held
        server.release()
        assert held.answer().text == "late "
        server.later(5)
        assert held.ask(b"\r\n").text == "GET /1 "
        held.socket.close()


def test_the_time_of_a_body_begins_behind_its_head(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.connect() as client:
        client.send(post("/1", b"abc")[:10])
        server.until(lambda: server.listener.unread() == 1)
        # The head took this long.
        monkeypatch.setattr(server.listener, "now", server.listener.now + 25)
        client.send(post("/1", b"abc")[10:-1])
        server.until(lambda: [each for each in server.listener.connections if each._phase is http.Phase.BODY])
        server.later(3)
        assert client.ask(b"c").text == "POST /1 abc"


def test_who_does_not_read_is_not_read_either_and_ends(server: Server) -> None:
    with server.connect(buffer=4096) as client:
        _fill(client, get("/big"))
        (connection,) = server.listener.connections
        # One answer fits where the client takes a part of it, and no second one.
        taken = len(server.taken)
        assert unwritten(server, connection) <= len(server.big) + 2000
        assert taken < 5
        server.later(29)
        assert server.listener.connections
        server.later(32)
        server.none_left()
        assert len(server.taken) == taken


@pytest.mark.parametrize("last", [False, True])
def test_who_reads_slowly_gets_everything(server: Server, last: bool) -> None:
    with server.connect(buffer=4096) as client:
        client.send(get("/big", *(["Connection: close"] * last)) + get("/2") * (not last))
        server.until(lambda: server.taken)
        (connection,) = server.listener.connections
        came = bytearray()
        for minutes in range(1, 5):
            left = unwritten(server, connection)
            while unwritten(server, connection) > left - 100_000:
                part = client.socket.recv(65536)
                assert part
                came += part
            server.later(60 * minutes)
            assert connection in server.listener.connections
        assert unwritten(server, connection) > 100_000
        if not last:
            client.finish()
        while part := client.socket.recv(2**20):
            came += part
    big, *rest = parsed(bytes(came))
    assert (big.body == server.big, [each.text for each in rest]) == (True, [] if last else ["GET /2 "])


def unwritten(server: Server, connection: http.Connection) -> int:
    """Bytes of answers that the system has not taken yet."""

    def work() -> int:
        return connection._transport.get_write_buffer_size() if connection._transport else 0

    return int(server.do(work))


def test_a_closed_connection_whose_client_does_not_read_ends_too(server: Server) -> None:
    with server.connect(buffer=4096) as client:
        client.send(get("/big", "Connection: close"))
        server.until(lambda: server.taken)
        server.later(32)
        server.later(64)
        server.none_left()


# Draining


def test_draining_answers_everything_that_was_sent(own: Server) -> None:
    with own.connect() as several, own.connect() as held, own.connect() as idle, own.connect() as part:
        idle.ask(get("/1"))
        part.send(get("/1")[:-2])
        held.send(get("/held") + get("/2") + get("/3")[:-2])
        own.until(lambda: own.held and own.listener.unread() == 3)
        own.do(lambda: setattr(own.listener, "draining", True))
        several.send(get("/1") + get("/2") + get("/3"))
        found = several.rest()
        assert [each.text for each in found] == ["GET /1 ", "GET /2 ", "GET /3 "]
        assert [each.headers.get("connection") for each in found] == [None, None, "close"]
        own.do(own.listener.end)
        assert idle.rest() == []
        own.release()
        held.send(b"\r\n")
        assert [each.text for each in held.rest()] == ["late ", "GET /2 ", "GET /3 "]
        part.send(b"\r\n")
        (last,) = part.rest()
        assert (last.text, last.headers["connection"]) == ("GET /1 ", "close")
        assert own.ended.wait(WAIT)


def test_a_process_whose_listening_socket_is_gone_ends(own: Server) -> None:
    own.do(lambda: own.listener._server and own.listener._server.close())
    own.until(lambda: own.listener._socket.fileno() < 0)
    own.do(own.listener.sweep)
    assert own.ended.wait(WAIT)


def test_more_connections_than_there_may_be(own: Server, caplog: pytest.LogCaptureFixture) -> None:
    own.listener._most_connections = 3
    with contextlib.ExitStack() as stack:
        admitted = [stack.enter_context(own.connect()) for _ in range(3)]
        own.until(lambda: len(own.listener.connections) == 3)
        with pytest.raises(ConnectionError), own.connect() as refused:
            refused.socket.recv(1)
            raise ConnectionError
        own.until(lambda: len(own.listener.connections) == 3)
        assert [client.ask(get("/1")).status for client in admitted] == [200] * 3
        own.do(own.listener.sweep)
        assert "1 connections were refused, because 3 are open" in caplog.text


# The whole service


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(processes=1, api__max_body_bytes="100000")


def settled(api: Api) -> bool:
    """Whether no request is open but the one that asks."""
    return api.metric("tagscope_open_requests") == 1


def counted(api: Api) -> dict[str, float]:
    """Requests by route and status, without those for metrics."""
    lines = api.ask("GET", "/metrics").body.decode().splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("tagscope_requests_total{")]
    return {name: float(value) for name, _, value in found if "/metrics" not in name and float(value)}


def test_each_request_is_counted_once_whatever_its_client_does(api: Api) -> None:
    body = json.dumps({"texts": [TEXT]}).encode()
    ask = post("/predict", body, "Content-Type: application/json")
    api.wait_for(lambda: settled(api))
    before = counted(api)
    for rounds in range(20):
        for data, end in (
            (ask + get("/runs") + ask, "read"),
            (ask + ask[:-5], "read"),
            (ask + b"garbage\r\n\r\n" + ask, "read"),
            (get("/pre")[:8], "read"),
            (ask + get("/runs"), "reset"),
            (ask[: rounds + 1], "reset"),
            (get("/runs") * 3, "close"),
        ):
            with Client((api.host, api.port), 0) as client:
                client.send(data)
                match end:
                    case "read":
                        client.finish()
                        client.rest()
                    case "reset":
                        client.reset()
    api.wait_for(lambda: settled(api))
    after = counted(api)
    new = {name: value - before.get(name, 0) for name, value in after.items()}
    assert all(value >= 0 for value in new.values())
    # Those that were read to the end are known: of four connections each.
    assert 80 <= new['tagscope_requests_total{route="/predict",status="200"}'] <= 100
    assert new['tagscope_requests_total{route="/predict",status="400"}'] == 20
    assert new['tagscope_requests_total{route="other",status="400"}'] == 40
    assert 20 <= new['tagscope_requests_total{route="/runs",status="200"}'] <= 100
    assert not [name for name in new if "50" in name]


def test_who_asks_for_http_2_gets_its_texts_answered(api: Api) -> None:
    body = json.dumps({"texts": [TEXT]}).encode()
    lines = (
        "Content-Type: application/json",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: A",
    )
    with Client((api.host, api.port), 0) as client:
        for _ in range(2):
            answer = client.ask(post("/predict", body, *lines))
            assert (answer.status, json.loads(answer.body)["predictions"][0]["input_text"]) == (200, TEXT)


def test_too_much_is_told_to_who_still_writes(api: Api) -> None:
    with Client((api.host, api.port), 0) as client:
        client.send(get("/predict", "Content-Length: 50000000", method="POST"))
        for _ in range(50):
            client.send(b"x" * 1_000_000)
        (only,) = client.rest()
        assert (only.status, json.loads(only.body)["type"]) == (413, "/docs#/too-large")


def test_a_service_without_open_files_left_serves_again_when_there_are_some(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1)
    (process,) = api.processes
    _, most = process.rlimit(psutil.RLIMIT_NOFILE)
    # Below what is open already: whatever comes now cannot be taken, nor can a spare file be opened for it.
    process.rlimit(psutil.RLIMIT_NOFILE, (3, most))
    refused = [socket.create_connection((api.host, api.port)) for _ in range(5)]
    time.sleep(0.2)
    if process.is_running():
        process.rlimit(psutil.RLIMIT_NOFILE, (1024, most))
    for each in refused:
        each.close()
    api.wait_for(lambda: _answers(api))
    assert api.predict(TEXT).status == 200


def _answers(api: Api) -> bool:
    with contextlib.suppress(OSError), Client((api.host, api.port), 0) as client:
        client.socket.settimeout(1)
        return client.ask(get("/readyz")).status == 200
    return False
