"""The remote predictor against a service that says what a test wants: same answers, same errors, nothing lost."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.client.problems import problem_of
from engine.client.remote import RemotePredictor
from engine.errors import (
    BundleError,
    ClosedError,
    DataError,
    DeadlineError,
    InferenceError,
    OverloadedError,
    RunNotFoundError,
    SettingsError,
    TagscopeError,
)
from engine.inference.prediction import Prediction, Refusal

from .conftest import RUN_ID, Service, answer, hang_up, problem

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def remote(service: Service) -> Iterator[RemotePredictor]:
    predictor = RemotePredictor(service.url, "secret", timeout=20)
    yield predictor
    predictor.close()


def test_an_answer_is_a_prediction_as_in_process(service: Service, remote: RemotePredictor) -> None:
    (found,) = remote.predict(["four"], RUN_ID, top_k=2, threshold=0.5)
    assert isinstance(found, Prediction)
    assert (found.input_text, found.predicted_tag, found.run_id) == ("four", "tag-4", RUN_ID)
    assert (found.model, found.model_digest, found.cached) == ("ngram", "d" * 64, False)
    assert list(found.probabilities.items()) == [("tag-4", 0.75), ("other", 0.25)]
    assert found.seconds > 0
    assert service.asked == [{"texts": ["four"], "run_id": RUN_ID, "top_k": 2, "threshold": 0.5}]
    assert service.headers[0]["Authorization"] == "Bearer secret"


def test_what_was_not_asked_for_is_left_to_the_service(service: Service, remote: RemotePredictor) -> None:
    remote.predict(["four"], "  ")
    assert "run_id" not in service.asked[0]
    assert "top_k" not in service.asked[0]


def test_one_connection_serves_many_requests(service: Service, remote: RemotePredictor) -> None:
    for _ in range(5):
        remote.predict(["text"])
    assert len(service.connections) == 1


def test_a_long_list_goes_out_in_parts_that_one_run_answers(service: Service, remote: RemotePredictor) -> None:
    service.gather = True
    texts = [f"text {number}" * (number % 7 + 1) for number in range(400)]
    found = remote.predict(texts)
    assert [one.input_text for one in found] == texts
    assert [one.predicted_tag for one in found] == [f"tag-{len(text)}" for text in texts]
    assert len(service.asked) == 7
    assert "run_id" not in service.asked[0]
    assert {asked["run_id"] for asked in service.asked[1:]} == {RUN_ID}
    assert 1 < service.most_together <= 4


def test_a_service_that_takes_fewer_texts_gets_fewer(service: Service, remote: RemotePredictor) -> None:
    service.most_texts = 10
    texts = [f"text {number}" for number in range(100)]
    assert [one.input_text for one in remote.predict(texts)] == texts
    assert [len(asked["texts"]) for asked in service.asked][:4] == [64, 32, 16, 8]
    assert max(len(asked["texts"]) for asked in service.asked[4:]) <= 32


def test_long_texts_share_no_request(service: Service, remote: RemotePredictor) -> None:
    remote.predict(["x" * 200_000, "short", "y" * 200_000])
    assert [len(asked["texts"]) for asked in service.asked] == [2, 1]


def test_texts_not_done_by_the_services_deadline_are_asked_for_in_halves(
    service: Service, remote: RemotePredictor
) -> None:
    service.script.append(problem(503, "The texts waited longer than 10 seconds.", LATE, Retry_After="1"))
    assert [one.input_text for one in remote.predict(["a", "b", "c"])] == ["a", "b", "c"]
    assert [len(asked["texts"]) for asked in service.asked] == [3, 1, 2]


def test_no_texts_are_no_request(service: Service, remote: RemotePredictor) -> None:
    assert remote.predict([]) == []
    assert service.asked == []


# Texts that cannot be answered


def test_a_refused_text_is_named_by_its_place_in_the_callers_list(service: Service, remote: RemotePredictor) -> None:
    texts = ["text"] * 150
    texts[130] = " "
    with pytest.raises(DataError, match=r"^Text 131 has no words left"):
        remote.predict(texts)
    found = remote.predict(texts, errors="return")
    assert [index for index, one in enumerate(found) if isinstance(one, Refusal)] == [130]
    assert found[130].error.startswith("Text 131 has no words left")


def test_what_is_no_text_is_refused_as_in_process(service: Service, remote: RemotePredictor) -> None:
    texts: list[Any] = ["good", None]
    with pytest.raises(DataError, match="Text 2 is not a text but NoneType; give a string"):
        remote.predict(texts)
    good, bad = remote.predict(texts, errors="return")
    assert (good.predicted_tag, bad.input_text) == ("tag-4", "None")


def test_where_every_text_is_refused_each_gets_its_sentence(service: Service, remote: RemotePredictor) -> None:
    refused = [{"position": place, "detail": f"Text {place} has no words left."} for place in (1, 2)]

    def refuse(handler: Any) -> None:
        content = {"type": "about:blank", "status": 422, "detail": "No text can be answered.", "errors": refused}
        handler.answer(422, content, "application/problem+json")

    service.script.extend([refuse, refuse])
    assert [one.error for one in remote.predict(["", " "], errors="return")] == [
        "Text 1 has no words left.",
        "Text 2 has no words left.",
    ]
    with pytest.raises(DataError, match=r"^Text 1 has no words left\.$"):
        remote.predict(["", " "])


def test_a_text_that_is_too_large_for_a_request_is_refused_alone(service: Service, remote: RemotePredictor) -> None:
    service.script.append(problem(413, "The request has 300,000 bytes."))
    first, second = remote.predict(["x" * 300_000, "good"], errors="return")
    assert first == Refusal("x" * 200, "Text 1 has 300,000 characters, more than the service takes; shorten it.")
    assert second.predicted_tag == "tag-4"


def test_half_a_character_is_sent_as_the_space_that_cleaning_makes_of_it(
    service: Service, remote: RemotePredictor
) -> None:
    found = remote.predict(["a\ud800b", "naïve 学 \U0001f600"])
    assert service.asked[0]["texts"] == ["a b", "naïve 学 \U0001f600"]
    assert found[0].input_text == "a\ud800b"


# Errors of the whole request

LATE = "/docs#/deadline"


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "not-json", TagscopeError),
        (404, "no-such-run", RunNotFoundError),
        (409, "no-model", BundleError),
        (422, "invalid", DataError),
        (500, "internal-error", InferenceError),
        (503, "run-unusable", BundleError),
        (503, "deadline", DeadlineError),
        (503, "draining", ClosedError),
        (503, "not-ready", TagscopeError),
    ],
)
def test_the_services_own_sentence_comes_as_the_error_of_the_same_kind(
    service: Service, remote: RemotePredictor, status: int, name: str, kind: type[TagscopeError]
) -> None:
    service.script.append(problem(status, "One sentence; do this.", f"/docs#/{name}"))
    with pytest.raises(kind, match=r"^One sentence; do this\.$"):
        remote.predict(["text"])
    assert len(service.asked) == 1


def test_a_wrong_key_names_the_variable(service: Service, remote: RemotePredictor) -> None:
    service.script.append(problem(401, "This needs the key."))
    with pytest.raises(TagscopeError, match="set TAGSCOPE_API__KEY to the key"):
        remote.predict(["text"])
    service.script.append(problem(403, "The service was started without a key."))
    with pytest.raises(TagscopeError, match="was started without a key"):
        remote.predict(["text"])


def test_a_run_id_that_is_none_is_refused_without_asking(service: Service, remote: RemotePredictor) -> None:
    with pytest.raises(RunNotFoundError, match="is not a run id"):
        remote.predict(["text"], "../../etc/passwd")
    assert service.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "content"),
    [
        (200, "text/html", b"<html>hello"),
        (200, "application/json", b'{"predictions": []}'),
        (200, "application/json", b'{"predictions": [{}]}'),
        (200, "application/json", b"\xff"),
        (404, "text/html", b"<html>not found"),
        (404, "application/json", b'{"detail": "Not Found"}'),
        (404, "application/problem+json", b'{"type": "/docs#/not-found", "detail": "No page has this address."}'),
        (404, "application/problem+json", b"[]"),
        (500, "application/json", b"\xff{"),
        (302, "text/html", b""),
    ],
)
def test_another_program_on_that_port_is_recognised(
    service: Service, remote: RemotePredictor, status: int, kind: str, content: bytes
) -> None:
    service.script.append(lambda handler: handler.answer(status, content, kind))
    with pytest.raises(TagscopeError, match="as Tagscope's service does; set TAGSCOPE_ENGINE_URL") as caught:
        remote.predict(["text"])
    assert type(caught.value) is TagscopeError
    assert "\n" not in str(caught.value)


# Asking again


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_without_room_is_asked_again_when_it_says(
    service: Service, remote: RemotePredictor, status: int
) -> None:
    service.script.append(problem(status, "The queue is full.", Retry_After="1"))
    started = time.monotonic()
    assert remote.predict(["text"])[0].predicted_tag == "tag-4"
    assert len(service.asked) == 2
    assert time.monotonic() - started >= 1


def test_it_is_not_asked_again_where_that_would_be_too_late(service: Service, remote: RemotePredictor) -> None:
    service.script.append(problem(429, "The queue is full.", Retry_After="60"))
    with pytest.raises(OverloadedError, match="queue is full") as caught:
        remote.predict(["text"])
    assert caught.value.retry_after == 60
    service.script.append(problem(503, "No run is ready.", Retry_After="5"))
    with pytest.raises(ClosedError, match="No run is ready"):
        remote.predict(["text"], deadline=2)
    assert len(service.asked) == 2


def test_a_service_that_stays_unready_is_not_asked_for_ever(service: Service, remote: RemotePredictor) -> None:
    service.script.extend([problem(503, "Nothing is promoted.", "/docs#/not-ready", Retry_After="0")] * 20)
    with pytest.raises(TagscopeError, match="Nothing is promoted"):
        remote.predict(["text"])
    assert len(service.asked) == 6


def test_a_damaged_run_is_not_asked_for_again(service: Service, remote: RemotePredictor) -> None:
    service.script.append(problem(503, "The run is damaged.", "/docs#/run-unusable", Retry_After="1"))
    with pytest.raises(BundleError, match="is damaged"):
        remote.predict(["text"])
    assert len(service.asked) == 1


def test_closing_ends_the_wait_for_room(service: Service, remote: RemotePredictor) -> None:
    def close_it(handler: Any) -> None:
        problem(429, "The queue is full.", Retry_After="15")(handler)
        remote.close()

    service.script.append(close_it)
    started = time.monotonic()
    with pytest.raises(ClosedError, match="was closed"):
        remote.predict(["text"])
    assert time.monotonic() - started < 10


def test_a_connection_that_breaks_is_made_again(service: Service, remote: RemotePredictor) -> None:
    remote.predict(["text"])
    service.script.extend([hang_up, hang_up])
    assert remote.predict(["text"])[0].predicted_tag == "tag-4"
    assert len(service.asked) == 4


def test_it_gives_up_on_a_service_that_always_hangs_up(service: Service, remote: RemotePredictor) -> None:
    service.script.extend([hang_up] * 20)
    with pytest.raises(TagscopeError, match="cannot be reached"):
        remote.predict(["text"])
    assert len(service.asked) == 4


def test_a_service_that_does_not_answer_is_left_at_the_deadline(service: Service, remote: RemotePredictor) -> None:
    released = threading.Event()
    service.script.append(lambda handler: released.wait(30))
    try:
        with pytest.raises(DeadlineError, match=r"no answer within [\d.]+ seconds"):
            remote.predict(["text"], deadline=0.3)
    finally:
        released.set()
    with pytest.raises(DeadlineError):
        remote.predict(["text"], deadline=0)


def test_nobody_there_is_one_sentence_that_names_the_setting() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(TagscopeError, match="TAGSCOPE_ENGINE_URL") as caught:
            RemotePredictor(url).predict(["text"])
    assert str(caught.value) == (
        f"The service at {url} cannot be reached (Connection refused); start it with `tagscope api`, or change or "
        "unset TAGSCOPE_ENGINE_URL."
    )


def test_a_proxy_with_nobody_behind_it_is_nobody_there(service: Service, remote: RemotePredictor) -> None:
    service.script.append(lambda handler: handler.answer(502, b"<html>", "text/html"))
    with pytest.raises(TagscopeError, match=r"cannot be reached \(a proxy in front of it answers 502\)"):
        remote.predict(["text"])


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://host", "http://", "http://host:99999", "http://[::1", "http://a b", "http://h/?q=1"],
)
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsError, match="TAGSCOPE_ENGINE_URL is not the address"):
        RemotePredictor(url)


def test_a_password_in_the_address_is_never_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        RemotePredictor("http://me:hunter2@host:8000")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["a\nb", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_at_once(key: str) -> None:
    with pytest.raises(SettingsError, match="TAGSCOPE_API__KEY"):
        RemotePredictor("http://host", key)


def test_a_path_in_front_of_the_service_is_kept(service: Service) -> None:
    service.script.append(lambda handler: handler.answer(200, answer([handler.path])))
    predictor = RemotePredictor(f" {service.url}/tags/ ")
    assert predictor.predict(["text"])[0].predicted_tag == f"tag-{len('/tags/predict')}"
    predictor.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(100, 599), st.binary(max_size=80), st.sampled_from(["", "application/problem+json", "text/html"]))
def test_no_answer_at_all_makes_anything_but_one_sentence(status: int, body: bytes, kind: str) -> None:
    found = problem_of(status, {"Content-Type": kind, "Retry-After": body[:3].decode("latin-1")}, body)
    error = found.error("http://host")
    assert isinstance(error, TagscopeError)
    assert str(error)


# Many at a time


def test_a_stream_is_answered_in_order_and_reads_no_more_than_it_must(
    service: Service, remote: RemotePredictor
) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for number in itertools.count():
            read += 1
            yield f"text {number}"

    counts: list[int] = []
    stream = remote.predict_stream(endless(), progress=counts.append)
    for number, found in enumerate(itertools.islice(stream, 1000)):
        assert found.input_text == f"text {number}"
        assert read - number <= 64 * 7
    stream.close()
    assert counts == list(range(64, counts[-1] + 1, 64))
    assert counts[-1] >= 1000


def test_a_stream_raises_or_returns_what_cannot_be_answered(service: Service, remote: RemotePredictor) -> None:
    texts = ["text"] * 100 + [""] + ["text"] * 100
    found = list(remote.predict_stream(iter(texts), errors="return"))
    assert [isinstance(one, Refusal) for one in found] == [not text for text in texts]
    with pytest.raises(DataError, match="Text 101 has no words"):
        list(remote.predict_stream(iter(texts)))


def test_a_stream_survives_a_full_queue_and_broken_connections(service: Service, remote: RemotePredictor) -> None:
    service.script.extend([hang_up, problem(429, "Full.", Retry_After="0"), hang_up, hang_up])
    texts = [f"text {number}" for number in range(300)]
    assert [one.input_text for one in remote.predict_stream(texts)] == texts


def test_an_error_of_one_part_ends_the_stream(service: Service, remote: RemotePredictor) -> None:
    service.script.extend([lambda handler: handler.answer(200, answer(["x"] * 64)), problem(404, "No such run.")])
    with pytest.raises(RunNotFoundError, match="No such run"):
        list(remote.predict_stream(["text"] * 1000))
    assert len(service.asked) <= 8


def test_event_loops_go_on_while_it_waits(service: Service, remote: RemotePredictor) -> None:
    together = threading.Barrier(3)

    def meet(handler: Any) -> None:
        # Only passes where all three requests are on their way at once.
        together.wait(20)
        handler.answer(200, answer(["text"]))

    service.script.extend([meet] * 3)

    async def ask() -> list[list[Prediction]]:
        return await asyncio.gather(*(remote.predict_async(["text"]) for _ in range(3)))

    assert [found.predicted_tag for (found,) in asyncio.run(ask())] == ["tag-4"] * 3


def test_threads_share_it_and_get_their_own_answers(service: Service, remote: RemotePredictor) -> None:
    wrong: list[str] = []

    def ask(name: int) -> None:
        for number in range(30):
            text = "x" * (name * 30 + number + 1)
            if remote.predict([text])[0].predicted_tag != f"tag-{len(text)}":
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(service.asked) == 240
