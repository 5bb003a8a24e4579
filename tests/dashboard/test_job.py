"""Long work: done once however many ask, with its progress, and a sentence where it fails."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from dashboard.job import Job, Status
from dashboard.sections.base import follow
from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_is_done_once_and_tells_how_far_it_is() -> None:
    go_on, begun, runs = threading.Event(), threading.Event(), []

    def work(report) -> int:
        runs.append(1)
        report("Half", 0.5)
        begun.set()
        assert go_on.wait(10)
        return 7

    job = Job(work, "test")
    assert job.status.state == "waiting"
    for _ in range(3):
        job.start()
    assert begun.wait(10)
    assert (job.status.state, job.status.step, job.status.share) == ("running", "Half", 0.5)
    assert job.value is None
    go_on.set()
    assert job.wait(10) == 7
    assert (job.status.is_over, runs) == (True, [1])


def test_a_mistake_that_can_be_mended_is_a_sentence() -> None:
    def work(_report) -> int:
        raise DataError("There are no rows; name a file with texts.")

    job = Job(work, "test").start()
    assert job.wait(10) is None
    assert (job.status.state, job.status.sentence) == ("failed", "There are no rows; name a file with texts.")


def test_what_failed_is_tried_again_when_somebody_asks() -> None:
    tried = []

    def work(_report) -> int:
        tried.append(1)
        if len(tried) < 3:
            raise DataError("The disk is full; make room.")
        return 7

    job = Job(work, "test")
    for expected in ("failed", "failed", "done", "done"):
        job.start().wait(10)
        assert job.status.state == expected
    assert (job.value, len(tried)) == (7, 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_any_other_mistake_ends_the_waiting_too() -> None:
    job = Job(lambda _report: 1 / 0, "test").start()
    job.wait(10)
    assert job.status.state == "failed"
    assert "log" in job.status.sentence


def test_a_job_that_ends_while_it_is_looked_at_is_looked_at_once_more() -> None:
    job = SimpleNamespace(status=Status("running"))
    seen: list[str] = []

    class AtOnce:
        def run(self, compute: Callable[[], None], show: Callable[[None], None], **_options: object) -> None:
            show(compute())

    def look() -> None:
        seen.append(job.status.state)
        job.status = Status("done")

    async def visit() -> None:
        follow(job, AtOnce(), look)

    asyncio.run(visit())
    assert seen == ["running", "done"]
