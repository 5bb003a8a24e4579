"""Tell whether each of a million answers, under concurrency and swapping runs, is the answer to its own text.

    python benchmarks/answers.py [--answers 1000000] [--http] [--seed 0]

The demo's `ngram` runs, in a copy of their home. Threads and tasks of several event loops ask one predictor (with
`--http`: threads ask a real `tagscope api`) for random texts by the promoted run or by a named one, while the promoted
run changes as fast as it can and results are forgotten. Every answer is compared with what its run, found by the model
digest that the answer names, gives for the text in one thread, alone.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from machine import ROOT, write_results
from serving.bodies import demo_words
from serving.server import HOST, free_port, running

from engine.inference.model import ServedModel
from engine.inference.predictor import Prediction, Predictor
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving.server import Server

TEXTS = 20_000
MOST_TEXTS = 16
THREADS, LOOPS, TASKS = 8, 2, 32
TOLERANCE = 1e-5
KEY = "a key for this benchmark"
# Smaller than what all texts need, so that results leave and come back.
_CACHE_BYTES = 8 * 2**20
_NAMED_SHARE = 0.3


@dataclass
class Expected:
    """What each run says, computed in one thread and text by text.

    Attributes
    ----------
    texts
        All different.
    rows
        float32 [texts, labels] by model digest.
    labels, runs
        Labels, and the run's id, by model digest.
    """

    texts: list[str]
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    def add(self, served: ServedModel) -> None:
        """Compute all texts."""
        rows = [served.run([served.encode(served.clean(text))])[0] for text in self.texts]
        self.rows[served.model_digest] = np.array(rows)
        self.labels[served.model_digest] = served.labels
        self.runs[served.model_digest] = served.run_id


@dataclass
class Tally:
    """What was found; one per caller, added up at the end."""

    answers: int = 0
    cached: int = 0
    other_text: int = 0
    other_run: int = 0
    different: int = 0
    failed: int = 0
    largest: float = 0.0
    runs_seen: set[str] = field(default_factory=set)
    first_error: str = ""

    def judge(self, expected: Expected, chosen: Sequence[int], wanted: str | None, got: Sequence[Any]) -> None:
        """Compare the answers to some texts, given as their positions."""
        if len(got) != len(chosen):
            self.failed += len(chosen)
            self.first_error = self.first_error or f"{len(got)} answers to {len(chosen)} texts"
            return
        for index, answer in zip(chosen, got, strict=True):
            self.answers += 1
            if not isinstance(answer, Prediction):
                self.failed += 1
                self.first_error = self.first_error or str(answer)
                continue
            self.cached += answer.cached
            digest = answer.model_digest
            self.runs_seen.add(digest)
            self.other_text += answer.input_text != expected.texts[index]
            run_id = expected.runs.get(digest)
            self.other_run += answer.run_id != run_id or wanted not in (None, run_id)
            found = np.array([answer.probabilities[label] for label in expected.labels[digest]])
            off = float(np.abs(found - expected.rows[digest][index]).max())
            self.largest = max(self.largest, off)
            best = max(answer.probabilities, key=answer.probabilities.__getitem__)
            self.different += not off <= TOLERANCE or answer.predicted_tag != best

    def fail(self, texts: int, error: BaseException) -> None:
        """Count texts without an answer."""
        self.failed += texts
        self.first_error = self.first_error or f"{type(error).__name__}: {error}"


class Draw:
    """Random requests until enough texts were asked for; shared by the callers of a process."""

    def __init__(self, count: int, runs: Sequence[str], seed: int) -> None:
        self._left = count
        self._runs = list(runs)
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def next(self) -> tuple[list[int], str | None] | None:
        """Return positions of texts and a run; None at the end."""
        with self._lock:
            if self._left <= 0:
                return None
            size = min(self._rng.randint(1, MOST_TEXTS), self._left)
            self._left -= size
            named = self._rng.choice(self._runs) if self._rng.random() < _NAMED_SHARE else None
            return [self._rng.randrange(TEXTS) for _ in range(size)], named

    @property
    def done(self) -> bool:
        """Whether everything was handed out."""
        return self._left <= 0


def different_texts(seed: int) -> list[str]:
    """Make texts of 4 to 24 words with a number of its own in each."""
    rng, words = random.Random(seed), demo_words()
    return [f"{' '.join(rng.choices(words, k=rng.randint(4, 24)))} {number}" for number in range(TEXTS)]


def demo_home(folder: Path) -> DirectoryStore:
    """Copy the demo's runs."""
    shutil.copytree(ROOT / "data" / "runs", folder / "data" / "runs")
    shutil.copytree(ROOT / "config", folder / "config", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return DirectoryStore(folder / "data" / "runs", folder / "config")


def in_process(store: DirectoryStore, expected: Expected, draw: Draw) -> tuple[list[Tally], int, float]:
    """Ask one predictor from threads and event loops while another thread swaps runs."""
    predictor = Predictor(
        store,
        cache_bytes=_CACHE_BYTES,
        loaded_runs=len(expected.runs),
        max_text_characters=100_000,
    )
    predictor.follow()
    tallies = [Tally() for _ in range(THREADS + LOOPS)]
    swaps = 0

    def ask(tally: Tally) -> None:
        while (request := draw.next()) is not None:
            chosen, run_id = request
            try:
                got = predictor.predict([expected.texts[index] for index in chosen], run_id, errors="return")
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is counted
                tally.fail(len(chosen), error)
            else:
                tally.judge(expected, chosen, run_id, got)

    async def ask_often(tally: Tally) -> None:
        while (request := draw.next()) is not None:
            chosen, run_id = request
            texts = [expected.texts[index] for index in chosen]
            try:
                got = await predictor.predict_async(texts, run_id, errors="return")
            except Exception as error:  # noqa: BLE001 - whatever goes wrong is counted
                tally.fail(len(chosen), error)
            else:
                tally.judge(expected, chosen, run_id, got)

    async def ask_in_tasks(tally: Tally) -> None:
        await asyncio.gather(*(ask_often(tally) for _ in range(TASKS)))

    def swap() -> None:
        nonlocal swaps
        runs = list(expected.runs.values())
        while not draw.done:
            store.promote(runs[swaps % len(runs)])
            predictor.follow()
            swaps += 1
            if swaps % 20 == 0:
                predictor.invalidate(runs[0])

    callers: list[Callable[[], object]] = [lambda tally=tally: ask(tally) for tally in tallies[:THREADS]]
    callers += [lambda tally=tally: asyncio.run(ask_in_tasks(tally)) for tally in tallies[THREADS:]]
    seconds = together([*callers, swap])
    predictor.close(60)
    return tallies, swaps, seconds


def over_http(store: DirectoryStore, expected: Expected, draw: Draw, folder: Path) -> tuple[list[Tally], int, float]:
    """Ask `tagscope api` from threads that each keep a connection, while another thread promotes."""
    port = free_port()
    own = {key: value for key, value in os.environ.items() if not key.startswith("TAGSCOPE_")}
    variables = {
        **own,
        "TAGSCOPE_HOME": str(store.config_dir.parent),
        "TAGSCOPE_API__PORT": str(port),
        "TAGSCOPE_API__KEY": KEY,
        "PYTHONPATH": str(ROOT),
    }
    tallies = [Tally() for _ in range(THREADS)]
    swaps = 0

    def ask(tally: Tally) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        while (request := draw.next()) is not None:
            chosen, run_id = request
            body: dict[str, Any] = {"texts": [expected.texts[index] for index in chosen]}
            if run_id:
                body["run_id"] = run_id
            try:
                connection.request("POST", "/predict", msgspec.json.encode(body))
                response = connection.getresponse()
                content = msgspec.json.decode(response.read())
                if response.status != http.client.OK:
                    raise OSError(f"status {response.status}: {content.get('detail')}")
            except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
                tally.fail(len(chosen), error)
                connection.close()
                continue
            common = {key: content[key] for key in ("run_id", "model", "model_digest", "seconds")}
            got = [msgspec.convert(common | one, Prediction) for one in content["predictions"]]
            tally.judge(expected, chosen, run_id, got)
        connection.close()

    def swap(server: Server) -> None:
        nonlocal swaps
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
        runs = list(expected.runs.values())
        while not draw.done:
            run_id = runs[swaps % len(runs)]
            connection.request("POST", f"/runs/{run_id}/promote", headers={"Authorization": f"Bearer {KEY}"})
            response = connection.getresponse()
            content = response.read()
            if response.status != http.client.OK:
                tallies[0].fail(0, OSError(f"promote: status {response.status}: {content[:200]!r}"))
                return
            swaps += 1
        connection.close()

    with running([sys.executable, "-m", "engine.cli", "api"], variables, port, folder) as server:
        server.wait_until_answering("a first text")
        callers: list[Callable[[], object]] = [lambda tally=tally: ask(tally) for tally in tallies]
        seconds = together([*callers, lambda: swap(server)])
    return tallies, swaps, seconds


def together(functions: Sequence[Callable[[], object]]) -> float:
    """Run functions in threads; return the seconds until the last one ended."""
    started = time.perf_counter()
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def summed(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Add up what all callers found."""
    names = ("answers", "cached", "other_text", "other_run", "different", "failed")
    found: dict[str, Any] = {name: sum(getattr(tally, name) for tally in tallies) for name in names}
    found["largest_difference"] = max(tally.largest for tally in tallies)
    found["runs_seen"] = len(set().union(*(tally.runs_seen for tally in tallies)))
    found["first_error"] = next((tally.first_error for tally in tallies if tally.first_error), "")
    return found


def main() -> None:
    """Compute what is expected, ask, compare, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--answers", type=int, default=1_000_000)
    arguments.add_argument("--http", action="store_true")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = demo_home(folder / "home")
        expected = Expected(different_texts(given.seed))
        for manifest in store.runs():
            if manifest.model == "ngram":
                expected.add(ServedModel(store.open(manifest.run_id)))
        store.promote(next(iter(expected.runs.values())))
        draw = Draw(given.answers, list(expected.runs.values()), given.seed)
        if given.http:
            tallies, swaps, seconds = over_http(store, expected, draw, folder)
        else:
            tallies, swaps, seconds = in_process(store, expected, draw)
    found = {**summed(tallies), "swaps": swaps, "seconds": seconds, "rate": given.answers / seconds}
    print(
        f"{found['answers']:,} answers in {seconds:.0f} s ({found['rate']:,.0f}/s), {found['cached']:,} cached, "
        f"{swaps:,} swaps among {found['runs_seen']} models\n"
        f"differences beyond {TOLERANCE:g}: {found['different']}, another request's text: {found['other_text']}, "
        f"another run: {found['other_run']}, without an answer: {found['failed']} {found['first_error']}\n"
        f"largest difference: {found['largest_difference']:.1e}"
    )
    kind = "answers_http" if given.http else "answers"
    command = f"python benchmarks/answers.py --answers {given.answers}{' --http' * given.http}"
    write_results(kind, {"command": command, "tolerance": TOLERANCE, **found})
    wrong = ("other_text", "other_run", "different", "failed")
    sys.exit(any(found[kind] for kind in wrong) or found["answers"] != given.answers)


if __name__ == "__main__":
    main()
