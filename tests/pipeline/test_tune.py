"""Tuning: what is chosen and why, that nothing measured is lost, and that the time is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.machine import cpu_fingerprint
from engine.errors import BackendError, BundleError
from engine.pipeline.proof.choosing import MARGIN, REFERENCE, choose, gains, settings_of, split_way
from engine.pipeline.proof.gate import Verdict
from engine.pipeline.proof.journal import Answered, Journal, Measured
from engine.pipeline.proof.load import feed, measure
from engine.pipeline.proof.texts import gather_texts
from engine.pipeline.proof.workload import LATENCY, Load, plan_workload
from engine.pipeline.tune import tune_run
from engine.runs.choice import Setting, read_choice, read_profile
from engine.runs.store import open_store

ROOT = Path(__file__).resolve().parents[2]
PASSED = Verdict(True, True, 0.001, "")
ALONE = Verdict(True, False, 0.001, "")
FAILED = Verdict(False, False, 0.1, "")
WORKLOAD = plan_workload(np.array([10, 40, 90]), max_tokens=512, cores=2)
BULK, SINGLE = WORKLOAD.patterns[3], WORKLOAD.patterns[0]
MEANT = (BULK.loads[0], BULK.loads[-1])


def setting(way: str, load: Load, throughput: float) -> Setting:
    backend, precision = split_way(way)
    seconds = load.batch / throughput
    spread = (seconds, seconds), (throughput, throughput)
    return Setting(
        backend, precision, load.batch, load.sequence, load.callers, load.threads, seconds, throughput, *spread, 1
    )


def chosen(found: list[Setting], verdicts: dict[str, Verdict]) -> str:
    choice = choose(found, verdicts, [BULK], cpu="x", complete=True)
    best = choice.patterns[BULK.name]
    return f"{best.backend} {best.precision} {best.batch}"


def test_the_fastest_that_passes_is_chosen() -> None:
    alone, batched = MEANT
    found = [
        setting(REFERENCE, batched, 100),
        setting("a fast", batched, 300),
        setting("a fast", alone, 150),
        setting("b faster", batched, 400),
    ]
    assert chosen(found, {"a fast": PASSED, "b faster": PASSED}) == f"b faster {batched.batch}"
    assert chosen(found, {"a fast": PASSED, "b faster": FAILED}) == f"a fast {batched.batch}"
    assert chosen(found, {"a fast": ALONE, "b faster": ALONE}) == "a fast 1"
    assert chosen(found, {"a fast": PASSED}) == f"a fast {batched.batch}"
    assert chosen(found, {}) == f"{REFERENCE} {batched.batch}"


def test_what_is_faster_by_less_than_the_noise_is_not_chosen() -> None:
    found = [setting(REFERENCE, MEANT[1], 100), setting("a fast", MEANT[1], 100 * MARGIN - 0.1)]
    assert chosen(found, {"a fast": PASSED}) == f"{REFERENCE} {MEANT[1].batch}"


def test_a_reference_that_changes_with_the_batch_is_not_batched() -> None:
    found = [setting(REFERENCE, MEANT[1], 100), setting(REFERENCE, MEANT[0], 60)]
    assert chosen(found, {REFERENCE: ALONE}) == f"{REFERENCE} 1"
    assert choose(found[:1], {REFERENCE: ALONE}, [BULK], cpu="x", complete=True).patterns == {}


@given(
    st.lists(
        st.tuples(st.sampled_from([REFERENCE, "a x", "b y"]), st.sampled_from(WORKLOAD.loads), st.floats(1, 1e5)),
        max_size=30,
    ),
    st.dictionaries(st.sampled_from(["a x", "b y"]), st.sampled_from([PASSED, ALONE, FAILED])),
)
@settings(deadline=None)
def test_no_choice_is_slower_than_fp32_or_forbidden(measured, verdicts: dict[str, Verdict]) -> None:
    found = [setting(way, load, value) for way, load, value in {(w, lo): (w, lo, v) for w, lo, v in measured}.values()]
    choice = choose(found, verdicts, WORKLOAD.patterns, cpu="x", complete=True)
    assert choice.patterns.keys() == choice.reference.keys()
    for pattern in WORKLOAD.patterns:
        best, usual = choice.patterns.get(pattern.name), choice.reference.get(pattern.name)
        if best is None or usual is None:
            continue
        name = f"{best.backend} {best.precision}"
        assert name == REFERENCE or (verdicts[name].passed and (best.batch == 1 or verdicts[name].batching))
        assert best.latency <= usual.latency if pattern.goal == LATENCY else best.throughput >= usual.throughput
        assert gains(found, [pattern]).get(name, 0) >= 1 - 1e-9


def test_rounds_are_put_together_by_their_median() -> None:
    rounds = [Measured("a x", 1, 8, 1, 1, number, value, 1 / value) for number, value in enumerate([3.0, 1.0, 2.0])]
    (found,) = settings_of([*rounds, *[]])
    assert (found.latency, found.throughput, found.rounds) == (2.0, 0.5, 3)
    assert (found.latency_range, found.throughput_range) == ((1.0, 3.0), (1 / 3, 1.0))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=50), st.integers(2, 8192), st.integers(1, 96))
@settings(deadline=None)
def test_the_workload_fits_the_texts_and_the_machine(lengths: list[int], longest: int, cores: int) -> None:
    workload = plan_workload(np.minimum(lengths, longest), max_tokens=longest, cores=cores)
    assert len(set(workload.loads)) == len(workload.loads)
    for load in workload.loads:
        assert 1 <= load.sequence <= longest
        assert load.callers * load.threads <= cores
    assert all(pattern.loads and set(pattern.loads) <= set(workload.loads) for pattern in workload.patterns)
    assert max(workload.lengths) >= np.quantile(np.minimum(lengths, longest), 0.95) - 1e-9
    assert all(load.batch == 1 and load.callers == 1 for load in SINGLE.loads)


class Meeting:
    """A session whose first calls wait for each other: as many as callers must be inside at once."""

    def __init__(self, callers: int = 1, *, fail: bool = False) -> None:
        self.meeting = threading.Barrier(callers)
        self.first = threading.local()
        self.fail = fail
        self.shapes: set[tuple[int, ...]] = set()

    def run(self, feeds):
        (ids,) = feeds.values()
        self.shapes.add(ids.shape)
        if self.fail:
            raise BackendError("it cannot run this")
        if not hasattr(self.first, "done"):
            self.first.done = self.meeting.wait(10)
        return {"logits": np.zeros((len(ids), 2), np.float32)}


def test_callers_call_side_by_side() -> None:
    load = Load(batch=4, sequence=7, callers=3, threads=1)
    session = Meeting(3)
    reading = measure(session, feed([(1, 2, 3)], load), load, 0.01)
    assert session.shapes == {(4, 7)}
    assert reading.calls >= 3 * 2
    assert reading.latency > 0
    assert reading.throughput > 0


def test_a_reading_is_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Slow(Meeting):
        def run(self, feeds):
            now[0] += 0.25
            return super().run(feeds)

    monkeypatch.setattr("engine.pipeline.proof.load.time.perf_counter", lambda: now[0])
    load = Load(batch=8, sequence=3, callers=1, threads=2)
    reading = measure(Slow(), feed([(5,)], load), load, 1.0)
    assert (reading.latency, reading.throughput, reading.calls) == (0.25, 32.0, 4)
    assert measure(Slow(), feed([(5,)], load), load, 0.0).calls == 2


def test_a_session_that_fails_is_told_and_nobody_waits() -> None:
    load = Load(1, 2, 2, 1)
    with pytest.raises(BackendError, match="cannot run this"):
        measure(Meeting(2, fail=True), feed([(1,)], load), load, 0.01)


READING = Measured("a x", 1, 8, 1, 1, 0, 0.5, 2.0)
ANSWERS = Answered("a x", 0, (1, 2), (1, 1))


def test_the_journal_gives_back_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path, "one") as journal:
        journal.add(READING)
        journal.add(ANSWERS)
    with Journal(path, "one") as journal:
        assert journal.entries == [READING, ANSWERS]
    with Journal(path, "one", again=True) as journal:
        assert journal.entries == []
        journal.add(ANSWERS)
    with Journal(path, "two") as journal:
        assert journal.entries == []
    with Journal(path, "one") as journal:
        assert journal.entries == []


@pytest.mark.parametrize("rest", [b'{"type":"measured","way', b"\xff\n", b"[]\n", b'{"type":"measured"}\n{}\n', b"\n"])
def test_a_line_that_was_cut_is_dropped_and_those_before_stay(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "one") as journal:
        journal.add(READING)
    whole = path.read_bytes()
    path.write_bytes(whole + rest)
    with Journal(path, "one") as journal:
        assert journal.entries == [READING]
        journal.add(ANSWERS)
    assert path.read_bytes().startswith(whole)
    with Journal(path, "one") as journal:
        assert journal.entries == [READING, ANSWERS]


def test_only_one_process_tunes_a_run(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "one") as journal:
        journal.add(READING)
        with pytest.raises(BundleError, match="another process"):
            Journal(path, "one")
    with Journal(path, "one") as journal:
        assert journal.entries == [READING]


class Full:
    """A file on a disk that has room for half of the next line."""

    def __init__(self, file) -> None:
        self.file = file
        self.room = True

    def write(self, content: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        self.room = False
        return self.file.write(content[: len(content) // 2])

    def __getattr__(self, name: str):
        return getattr(self.file, name)


def test_a_full_disk_is_a_sentence_and_the_journal_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, "one") as journal:
        journal.add(READING)
        whole = path.read_bytes()
        journal._file = Full(journal._file)
        with pytest.raises(BundleError, match="No space left"):
            journal.add(ANSWERS)
        assert path.read_bytes() == whole
        assert journal.entries == [READING]


def test_texts_are_distinct_and_start_with_the_held_out_rows(demo_home: Path) -> None:
    bundle = open_store().open(run_of(demo_home, "cnn"))
    texts = gather_texts(bundle)
    assert len(texts.ids) == sum(texts.kinds.values()) == 2000
    assert len(set(texts.ids)) == 2000
    assert not set(texts.ids) & set(texts.calibration)
    assert len(texts.held_out) == len(texts.tags) == texts.held_out_rows == 136
    assert texts.held_out.max() < texts.real
    assert gather_texts(bundle).digest == texts.digest
    more = gather_texts(bundle, minimum=12_000)
    assert len(set(more.ids)) == len(more.ids) == 12_000
    assert {"single fields", "sentences", "halves", "pairs"} < more.kinds.keys()
    few = gather_texts(bundle, minimum=10, most_held_out=20)
    assert (len(few.held_out), few.held_out_rows, few.real) == (20, 136, 20)


def run_of(home: Path, model: str) -> str:
    for path in sorted((home / "data" / "runs").iterdir()):
        if json.loads((path / "run.json").read_text())["model"] == model:
            return path.name
    raise AssertionError(model)


KILLED = """
    import os, signal, sys
    from engine.pipeline.proof.journal import Journal
    from engine.pipeline.tune import tune_run
    from engine.runs.store import open_store

    class Fatal(Journal):
        def add(self, entry):
            super().add(entry)
            if len(self.entries) == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)

    import engine.pipeline.tune
    engine.pipeline.tune.Journal = Fatal
    tune_run(open_store().open(sys.argv[1]), backends=["onnxruntime"], reading_seconds=0.01)
"""


@pytest.mark.parametrize("after", [40])
def test_a_tuning_that_was_killed_goes_on_where_it_was(demo_home: Path, after: int) -> None:
    run = run_of(demo_home, "ngram")
    script = textwrap.dedent(KILLED)
    died = subprocess.run(
        [sys.executable, "-c", script, run, str(after)], cwd=ROOT, env={**os.environ, "TAGSCOPE_HOME": str(demo_home)}
    )
    assert died.returncode == -signal.SIGKILL
    path = demo_home / "data" / "tuning" / run / f"{cpu_fingerprint()}.jsonl"
    before = path.read_bytes()
    assert len(before.splitlines()) == after + 1
    bundle = open_store().open(run)
    assert read_choice(bundle, cpu_fingerprint()) is None
    tuning = tune_run(bundle, backends=["onnxruntime"], reading_seconds=0.01)
    assert path.read_bytes().startswith(before)
    assert read_choice(bundle, cpu_fingerprint()) == tuning.choice


def test_a_run_is_tuned_attached_and_not_measured_again(demo_home: Path) -> None:
    bundle = open_store().open(run_of(demo_home, "ngram"))
    seen: list[tuple[str, float]] = []
    tuning = tune_run(
        bundle, minutes=30, reading_seconds=0.01, progress=lambda stage, share: seen.append((stage, share))
    )
    assert tuning.unfinished == ()
    assert tuning.choice.complete
    assert set(tuning.choice.patterns) == {"single-short", "single-long", "stream", "bulk"}
    assert read_choice(bundle, cpu_fingerprint()) == tuning.choice
    profile = read_profile(bundle, cpu_fingerprint())
    assert profile is not None
    assert profile.settings == tuning.settings
    assert read_choice(bundle, "0" * 16) is None
    assert all(0 <= share <= 1 for _, share in seen)
    outcomes = {outcome.way: outcome for outcome in tuning.ways}
    assert outcomes[REFERENCE].passed
    assert all(outcome.reason for outcome in tuning.ways)
    for name, best in tuning.choice.patterns.items():
        usual = tuning.choice.reference[name]
        assert best == usual or outcomes[f"{best.backend} {best.precision}"].passed
    path = demo_home / "data" / "tuning" / bundle.run_id / f"{cpu_fingerprint()}.jsonl"
    kept = path.read_bytes()
    assert tune_run(bundle, minutes=30, reading_seconds=0.01).choice == tuning.choice
    assert path.read_bytes() == kept
    tune_run(bundle, minutes=0, again=True)
    assert len(path.read_bytes()) < len(kept) / 2


def test_without_time_fp32_stays_and_what_is_missing_is_told(demo_home: Path) -> None:
    bundle = open_store().open(run_of(demo_home, "cnn"))
    tuning = tune_run(bundle, minutes=0)
    assert not tuning.choice.complete
    assert not tuning.faster
    assert [part.partition(":")[0] for part in tuning.unfinished] == [
        "first round",
        "gate",
        "more rounds",
        "whole grid",
    ]
    assert tuning.choice.patterns == tuning.choice.reference
    assert len(tuning.choice.patterns) == 4
    assert read_choice(bundle, cpu_fingerprint()) == tuning.choice
    reasons = {outcome.way: outcome.reason for outcome in tuning.ways}
    assert "the time was up" in reasons["onnxruntime fp32-optimized"]


def test_a_run_without_its_data_or_with_an_unknown_backend_is_a_sentence(demo_home: Path) -> None:
    bundle = open_store().open(run_of(demo_home, "ngram"))
    with pytest.raises(BackendError, match="No backend 'nonsense'"):
        tune_run(bundle, backends=["nonsense"])
    assert not (demo_home / "data" / "tuning").exists()
    assert not (bundle.path / "attachments").exists()
