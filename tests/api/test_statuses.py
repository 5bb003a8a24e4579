"""Every status exactly where it belongs, with a problem that says what to do and betrays nothing."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.running import CNN, KEY, NGRAM, TEXT, Api, make_home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.running import Reply


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(
        processes=1, api__max_body_bytes="20000", api__max_texts="8", api__body_seconds="1", inference__queue_texts="8"
    )


def assert_problem(reply: Reply, status: int, kind: str, says: str = "") -> dict[str, Any]:
    problem = reply.json
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json"), problem
    assert problem["type"] == f"/docs#/{kind}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert says in problem["detail"]
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    return problem


def test_an_answer_names_the_run_and_its_model(api: Api) -> None:
    reply = api.predict(TEXT, top_k=2, threshold=0.2)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert (reply.json["run_id"], reply.json["model"], len(reply.json["model_digest"])) == (NGRAM, "ngram", 64)
    assert 0 <= reply.json["seconds"] < 10
    (found,) = reply.json["predictions"]
    assert (found["input_text"], found["predicted_tag"]) == (TEXT, "natural-language-processing")
    first, second = found["probabilities"].values()
    assert (first >= second, first >= 0.2, found["below_threshold"]) == (True, True, False)


def test_the_second_time_it_comes_from_the_cache(api: Api) -> None:
    text = "A text that nobody has asked for before"
    assert [api.predict(text).json["predictions"][0]["cached"] for _ in range(2)] == [False, True]


def test_the_threshold_makes_other(api: Api) -> None:
    (found,) = api.predict("mlops or vision", threshold=1).json["predictions"]
    assert (found["predicted_tag"], found["below_threshold"]) == ("other", True)


def test_a_bad_text_beside_good_ones(api: Api) -> None:
    reply = api.predict(TEXT, " ", "Object detection in video frames")
    first, refused, third = reply.json["predictions"]
    assert (reply.status, first["predicted_tag"], third["predicted_tag"]) == (
        200,
        "natural-language-processing",
        "computer-vision",
    )
    assert refused["input_text"] == " "
    assert refused["error"].startswith("Text 2 has no words left")


def test_another_run_by_name(api: Api) -> None:
    reply = api.predict(TEXT, run_id=CNN)
    assert (reply.status, reply.json["run_id"], reply.json["model"]) == (200, CNN, "cnn")


def test_texts_of_all_kinds_come_back_as_they_were_given(api: Api) -> None:
    texts = ['quotes " and \\ and \x00', "Überall größer", "日本語 text", "emoji 🙂 text", "<b>tags</b> of HTML"]
    reply = api.predict(*texts)
    assert [found["input_text"] for found in reply.json["predictions"]] == texts


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,2", b'{"texts": ["\xff"]}', b'{"texts": 5, "x', b"nonsense", b'{"texts":["\\ud800"]}']
)
def test_400_where_it_is_not_json(api: Api, body: bytes) -> None:
    assert_problem(api.ask("POST", "/predict", body), 400, "not-json")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "texts"),
        ([], "object"),
        (None, "object"),
        ({"texts": []}, "texts"),
        ({"texts": "one"}, "texts"),
        ({"texts": [1]}, "texts"),
        ({"texts": ["a"], "unknown": 1}, "unknown"),
        ({"texts": ["a"], "top_k": 0}, "top_k"),
        ({"texts": ["a"], "top_k": 10**30}, "top_k"),
        ({"texts": ["a"], "threshold": 1.5}, "threshold"),
        ({"texts": ["a"], "run_id": "../../etc/passwd"}, "run_id"),
    ],
)
def test_422_where_a_value_is_wrong(api: Api, body: Any, says: str) -> None:
    assert_problem(api.ask("POST", "/predict", json.dumps(body).encode()), 422, "invalid", says)


def test_422_where_no_text_can_be_answered(api: Api) -> None:
    problem = assert_problem(api.predict("", " "), 422, "texts-refused", "None of the 2 texts")
    assert [each["position"] for each in problem["errors"]] == [1, 2]
    assert problem["errors"][1]["detail"].startswith("Text 2 has no words left")
    one = assert_problem(api.predict(""), 422, "texts-refused", "Text 1 has no words left")
    assert len(one["errors"]) == 1


def test_404_where_there_is_no_such_run(api: Api) -> None:
    missing = "0" * 32
    assert_problem(api.predict(TEXT, run_id=missing), 404, "no-such-run", missing)
    assert_problem(api.ask("GET", f"/runs/{missing}"), 404, "no-such-run", missing)
    assert_problem(api.keyed("POST", f"/runs/{missing}/promote"), 404, "no-such-run", missing)
    assert_problem(api.keyed("DELETE", f"/cache/{missing}"), 404, "no-such-run", missing)
    assert_problem(api.ask("GET", "/runs/..%2e"), 404, "no-such-run")


@pytest.mark.parametrize(
    "path", ["/", "/predict/", "/runs/a/b", "/favicon.ico", "/%00", "//predict", "/runs/..%2f..%2fetc"]
)
def test_404_where_there_is_no_such_page(api: Api, path: str) -> None:
    assert_problem(api.ask("GET", path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
        ("POST", "/runs", "GET, HEAD"),
        ("GET", f"/runs/{NGRAM}/promote", "POST"),
        ("GET", "/cache", "DELETE"),
        ("DELETE", "/metrics", "GET, HEAD"),
    ],
)
def test_405_says_what_is_allowed(api: Api, method: str, path: str, allowed: str) -> None:
    reply = api.ask(method, path)
    assert_problem(reply, 405, "method-not-allowed")
    assert reply.headers["allow"] == allowed


@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer \xff\xfe"])
@pytest.mark.parametrize("what", [("DELETE", "/cache"), ("POST", f"/runs/{NGRAM}/promote")])
def test_401_without_the_key(api: Api, what: tuple[str, str], given: str | None) -> None:
    reply = api.ask(*what, headers={"Authorization": given} if given else {})
    assert_problem(reply, 401, "key-needed")
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_413_for_too_much(api: Api) -> None:
    assert_problem(api.predict("x" * 25_000), 413, "too-large", "20,000")
    assert_problem(api.predict(*["a text"] * 9), 413, "too-many-texts", "8")
    assert_problem(api.ask("POST", "/predict", b"x" * 5_000_000), 413, "too-large")


def test_413_for_too_much_of_unknown_length(api: Api) -> None:
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"4000\r\n" + b"x" * 0x4000 + b"\r\n4000\r\n" + b"x" * 0x4000 + b"\r\n0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_body_in_chunks_is_read(api: Api) -> None:
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        body = json.dumps({"texts": [TEXT]}).encode()
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(body), body))
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_415_for_another_media_type(api: Api) -> None:
    body = json.dumps({"texts": [TEXT]}).encode()
    for media in ("text/plain", "application/x-www-form-urlencoded", "x"):
        reply = api.ask("POST", "/predict", body, {"Content-Type": media})
        assert_problem(reply, 415, "media-type", media)
    for media in ("application/json; charset=utf-8", "Application/JSON"):
        assert api.ask("POST", "/predict", body, {"Content-Type": media}).status == 200


@pytest.mark.parametrize("header", [b"", b"Content-Type: application/json\r\n"])
def test_408_for_a_body_that_does_not_come(api: Api, header: bytes) -> None:
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        started = time.monotonic()
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + header + b'Content-Length: 100\r\n\r\n{"texts"')
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 408"), answer
        assert b"/docs#/body-too-slow" in answer
        assert 1 <= time.monotonic() - started < 10
        # The rest would be taken for another request.
        assert connection.recv(1) == b""


def test_runs_are_listed_and_described(api: Api) -> None:
    listed = api.ask("GET", "/runs").json
    assert (listed["promoted"], len(listed["runs"]), listed["broken"]) == (NGRAM, 3, [])
    assert [run["run_id"] for run in listed["runs"] if run["promoted"]] == [NGRAM]
    run = api.ask("GET", f"/runs/{CNN}").json
    assert (run["model"], run["promoted"], run["task"]) == ("cnn", False, "text-classification")
    assert 0 < run["performance"]["overall"]["f1"] <= 1


def test_health_and_readiness(api: Api) -> None:
    assert api.ask("GET", "/healthz").json == {"status": "alive"}
    ready = api.ask("GET", "/readyz").json
    assert ready == {"status": "ready", "run_id": NGRAM, "ready": 1, "needed": 1, "processes": 1}
    head = api.ask("HEAD", "/healthz")
    assert (head.status, head.body) == (200, b"")


def test_without_a_promoted_run(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1, promoted=None)
    assert api.ask("GET", "/healthz").status == 200
    api.wait_for(lambda: "promoted" in api.ask("GET", "/readyz").json["detail"])
    assert_problem(api.ask("GET", "/readyz"), 503, "nothing-promoted", "No run was promoted yet")
    assert_problem(api.predict(TEXT), 503, "nothing-promoted", "No run was promoted yet")
    assert api.predict(TEXT, run_id=CNN).status == 200
    assert api.keyed("POST", f"/runs/{NGRAM}/promote").status == 200
    assert (api.ready(), api.predict(TEXT).json["run_id"]) == (True, NGRAM)


def test_a_damaged_run_is_told_without_paths(api: Api) -> None:
    damaged = api.home / "data" / "runs" / ("d" * 32)
    damaged.mkdir()
    for file in (api.home / "data" / "runs" / NGRAM).iterdir():
        if file.is_file():
            content = file.read_bytes().replace(NGRAM.encode(), b"d" * 32)
            (damaged / file.name).write_bytes(content + b" " * (file.name == "model.onnx"))
    for reply in (
        api.predict(TEXT, run_id="d" * 32),
        api.ask("GET", f"/runs/{'d' * 32}"),
        api.keyed("POST", f"/runs/{'d' * 32}/promote"),
    ):
        problem = assert_problem(reply, 503, "run-unusable", "model.onnx")
        assert str(api.home) not in json.dumps(problem)
        assert "/data" not in problem["detail"]
    # Promoted from outside all the same: the former run goes on, and nobody is told that this one answers.
    pointer = api.home / "config" / "run_id.txt"
    pointer.write_text("d" * 32 + "\n")
    api.wait_for(lambda: "reason" in api.ask("GET", "/readyz").json)
    ready = api.ask("GET", "/readyz").json
    assert (ready["status"], ready["run_id"], "model.onnx" in ready["reason"]) == ("ready", NGRAM, True)
    listed = api.ask("GET", "/runs").json
    assert (listed["promoted"], listed["served"]) == ("d" * 32, NGRAM)
    assert [(run["promoted"], run["served"]) for run in listed["runs"] if run["run_id"] == "d" * 32] == [(True, False)]
    pointer.write_text(NGRAM + "\n")
    api.wait_for(lambda: "reason" not in api.ask("GET", "/readyz").json)
    (damaged / "run.json").write_text("{")
    assert api.ask("GET", "/runs").json["broken"] == ["d" * 32]
    assert (api.predict(TEXT).status, api.ready()) == (200, True)


def test_a_service_whose_promoted_run_is_damaged(start_api: Callable[..., Api], tmp_path: Path) -> None:
    home = make_home(tmp_path)
    file = home / "data" / "runs" / NGRAM / "model.onnx"
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    api = start_api(processes=1, home=home, promoted=None)
    api.wait_for(lambda: "model.onnx" in api.ask("GET", "/readyz").json["detail"])
    assert_problem(api.ask("GET", "/readyz"), 503, "run-unusable", "model.onnx")
    assert_problem(api.predict(TEXT), 503, "run-unusable", "model.onnx")
    file.write_bytes(content)
    # Looked at again sooner or later, and at once where another run is promoted.
    (home / "config" / "run_id.txt").write_text(CNN + "\n")
    api.wait_for(api.ready)
    assert api.predict(TEXT).json["run_id"] == CNN


def test_without_a_key_nobody_may_promote(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1, api__key="")
    assert_problem(api.ask("POST", f"/runs/{CNN}/promote"), 403, "no-key-set", "TAGSCOPE_API__KEY")
    assert_problem(api.ask("DELETE", "/cache", headers={"Authorization": "Bearer "}), 403, "no-key-set")
    assert api.predict(TEXT).status == 200


def test_predict_may_need_the_key_too(start_api: Callable[..., Api]) -> None:
    api = start_api(processes=1, api__open_predict="false")
    assert_problem(api.predict(TEXT), 401, "key-needed")
    assert_problem(api.ask("GET", "/runs"), 401, "key-needed")
    headers = {"Authorization": f"bearer {KEY}"}
    assert api.ask("POST", "/predict", {"texts": [TEXT]}, headers).status == 200
    assert [api.ask("GET", path).status for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
