"""Three processes that act as one: sums, promotion, forgetting."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.api.running import CNN, CORRECTED, NGRAM, ROOT, TEXT, Api, command, environment

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def api(start_api: Callable[..., Api]) -> Api:
    return start_api(processes=3)


def of_many(api: Api, path: str, count: int = 30) -> list[bytes]:
    """Ask over as many connections, so that every process answers some."""
    return [api.ask("GET", path).body for _ in range(count)]


def test_counts_are_sums_whichever_process_answers(api: Api) -> None:
    before = api.predicted()
    misses = api.metric("tagscope_cache_misses_total")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: api.predict(f"{TEXT} {number}").status, range(200)))
    assert found == [200] * 200
    line = f'tagscope_requests_total{{route="/predict",status="200"}} {before + 200}'
    assert all(line in body.decode().splitlines() for body in of_many(api, "/metrics"))
    seconds = 'tagscope_request_seconds_bucket{le="+Inf",route="/predict"}'
    assert api.metric(seconds) >= before + 200
    assert api.metric("tagscope_cache_misses_total") == misses + 200
    assert api.metric("tagscope_batch_size_texts_sum") == api.metric("tagscope_batch_texts_total")


def test_metrics_say_what_is_served_and_by_how_many(api: Api) -> None:
    text = api.ask("GET", "/metrics").body.decode()
    digest = api.predict(TEXT).json["model_digest"]
    labels = f'backend="onnxruntime",model="ngram",model_digest="{digest}",precision="fp32",run_id="{NGRAM}"'
    assert f"tagscope_model_info{{{labels}}} 3.0" in text
    assert 'tagscope_processes{state="ready"} 3.0' in text
    for name in (
        "cache_hits_total",
        "cache_shared_total",
        "rejected_total",
        "queue_texts",
        "padding_waste_ratio",
        "process_restarts_total",
    ):
        assert f"# TYPE tagscope_{name} " in text


def test_bad_requests_are_counted_by_status(api: Api) -> None:
    line = 'tagscope_requests_total{route="/predict",status="422"}'
    before = api.metric(line)
    assert [api.predict().status for _ in range(10)] == [422] * 10
    assert api.metric(line) == before + 10


def test_after_a_promotion_every_process_serves_the_run(api: Api) -> None:
    for run_id in (CORRECTED, CNN, NGRAM):
        promoted = api.keyed("POST", f"/runs/{run_id}/promote")
        assert (promoted.status, promoted.json["run_id"], promoted.json["processes"]) == (200, run_id, 3)
        assert {api.predict(f"{TEXT} {number}").json["run_id"] for number in range(200)} == {run_id}
        assert (api.home / "config" / "run_id.txt").read_text().strip() == run_id
        assert b'"promoted":true' in api.ask("GET", f"/runs/{run_id}").body


def test_no_request_fails_while_runs_are_promoted(api: Api) -> None:
    with ThreadPoolExecutor(5) as pool:
        promoting = pool.submit(
            lambda: [api.keyed("POST", f"/runs/{run_id}/promote").status for run_id in (CORRECTED, NGRAM) * 3]
        )
        asked = 0
        while not promoting.done():
            replies = list(pool.map(lambda number: api.predict(f"{number} {TEXT}"), range(asked, asked + 8)))
            asked += len(replies)
            assert {reply.status for reply in replies} == {200}
            assert {reply.json["run_id"] for reply in replies} <= {CORRECTED, NGRAM}
        assert promoting.result() == [200] * 6


def test_promotions_at_the_same_time_end_in_one_run(api: Api) -> None:
    with ThreadPoolExecutor(6) as pool:
        runs = (CORRECTED, CNN, NGRAM) * 2
        statuses = list(pool.map(lambda run_id: api.keyed("POST", f"/runs/{run_id}/promote").status, runs))
    assert set(statuses) == {200}
    promoted = api.ask("GET", "/runs").json["promoted"]
    assert {api.predict(TEXT).json["run_id"] for _ in range(50)} == {promoted}


def test_a_promotion_from_outside_is_seen(api: Api) -> None:
    for run_id in (CORRECTED, NGRAM):
        subprocess.run(command("promote", run_id), cwd=ROOT, env=environment(api.home), check=True, capture_output=True)
        api.wait_for(lambda run_id=run_id: {api.predict(TEXT).json["run_id"] for _ in range(30)} == {run_id})


def test_a_damaged_pointer_leaves_the_run_that_is_served(api: Api) -> None:
    pointer = api.home / "config" / "run_id.txt"
    content = pointer.read_text()
    pointer.write_text("nonsense\n")
    try:
        assert api.ask("GET", "/runs").json["promoted"] is None
        assert api.ready()
        assert api.predict(TEXT).status == 200
    finally:
        pointer.write_text(content)


@pytest.mark.parametrize("path", ["/cache", f"/cache/{NGRAM}"])
def test_what_is_cached_is_forgotten_in_every_process(api: Api, path: str) -> None:
    def cached() -> list[bool]:
        return [api.predict(TEXT).json["predictions"][0]["cached"] for _ in range(60)]

    assert api.keyed("POST", f"/runs/{NGRAM}/promote").status == 200
    cached()
    assert all(cached())
    cleared = api.keyed("DELETE", path)
    assert (cleared.status, cleared.json["processes"]) == (200, 3)
    # Each process computes it once more.
    assert cached().count(False) == 3


def test_the_cache_of_another_run_stays(api: Api) -> None:
    assert api.keyed("POST", f"/runs/{NGRAM}/promote").status == 200
    for _ in range(60):
        api.predict(TEXT)
    assert api.keyed("DELETE", f"/cache/{CORRECTED}").status == 200
    # A process that does not have that run in memory cannot tell its results from others and forgets all.
    assert [api.predict(TEXT).json["predictions"][0]["cached"] for _ in range(60)].count(False) in (0, 1, 2, 3)
