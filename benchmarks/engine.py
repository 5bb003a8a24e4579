"""How much of the bare session's speed is left behind the predictor, and where the rest goes.

    python benchmarks/engine.py [--seconds 4] [--rounds 3] [--home FOLDER] [--only MODEL ...]

The bare session gets arrays that are tokenised and padded beforehand, at its best over batches and threads; texts of
mixed lengths are sorted for it as well. The predictor gets raw texts and cleans, looks up, tokenises, queues, batches
and answers. Both are measured in turn. MiniLM is imported into FOLDER once and stays there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import CACHE, write_results
from rich.console import Console
from rich.table import Table
from serving.bodies import demo_words, mixed
from serving.models import MINILM, NGRAM, open_model

from engine.backends.machine import usable_cores
from engine.backends.registry import open_backend
from engine.inference.cache import ResultCache
from engine.inference.model import LOGITS, ServedModel, softmax
from engine.inference.prediction import ranked
from engine.inference.predictor import Predictor
from engine.inference.sessions import DEFAULT_BACKEND, open_served, served_way
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving.models import Model

BATCHES = {NGRAM: (1, 4, 16, 32, 64, 128, 256, 512), MINILM: (1, 2, 4, 8, 16, 32, 64)}
TOKENS = 32
TEXTS = {NGRAM: 20_000, MINILM: 2_048}
CALLERS = 64
CHARACTERS = (16, 64, 256)
MICRO = 1e6
_TRIAL_SECONDS = 0.6
_CACHED_CALLS = 20_000


def predictor_of(model: Model, way: tuple[str, str], cache_bytes: int = 0) -> Predictor:
    """Return a predictor of its own for a model's home, computing in a certain way."""
    store = DirectoryStore(model.home / "data" / "runs", model.home / "config")
    backend, precision = way
    return Predictor(
        store,
        cache_bytes=cache_bytes,
        loaded_runs=1,
        max_text_characters=100_000,
        backend=backend,
        precision=precision,
    )


def equal_texts(served: ServedModel, count: int, seed: int = 0) -> list[str]:
    """Make different texts of `TOKENS` tokens each, of words of the demo data that are one token."""
    special = 2 * len(served.encode("model")) - len(served.encode("model model"))
    words = [word for word in dict.fromkeys(demo_words()) if len(served.encode(word)) == 1 + special]
    rng = np.random.default_rng(seed)
    texts = [
        " ".join(words[index] for index in row) for row in rng.integers(len(words), size=(count, TOKENS - special))
    ]
    return [text for text in dict.fromkeys(texts) if len(served.encode(served.clean(text))) == TOKENS]


def arrays_of(ids: Sequence[Sequence[int]], batch: int) -> list[np.ndarray]:
    """Pad token ids in batches, in the order given."""
    arrays = []
    for start in range(0, len(ids), batch):
        part = ids[start : start + batch]
        array = np.zeros((len(part), max(map(len, part))), dtype=np.int64)
        for row, one in zip(array, part, strict=True):
            row[: len(one)] = one
        arrays.append(array)
    # Batches that follow each other are of any lengths, as long runs and short ones would be.
    np.random.default_rng(0).shuffle(arrays)
    return arrays


def raw_rate(run: Callable[[np.ndarray], object], arrays: Sequence[np.ndarray], callers: int, seconds: float) -> float:
    """Texts per second of so many threads that call the bare session."""
    counts = [0] * callers
    ready = threading.Barrier(callers + 1)
    ends = time.perf_counter() + 3600

    def work(caller: int) -> None:
        mine = itertools.cycle(arrays[caller % len(arrays) :: callers] or arrays)
        run(next(mine))
        ready.wait()
        while time.perf_counter() < ends:
            array = next(mine)
            run(array)
            counts[caller] += len(array)

    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    ends = started + seconds
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def best_raw(model: Model, way: tuple[str, str], ids: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Find the batch, the callers and the threads with which the bare session is fastest."""
    cores = usable_cores()
    ordered = sorted(ids, key=len)
    grid: list[dict[str, Any]] = []
    for callers, threads in dict.fromkeys([(1, 1), (cores, 1), (1, cores)]):
        run = raw_session(model, way, threads)
        for batch in BATCHES[model.name]:
            arrays = arrays_of(ordered, batch)
            rate = raw_rate(run, arrays, callers, _TRIAL_SECONDS)
            grid.append({"callers": callers, "threads": threads, "batch": batch, "rate": rate})
            if rate < 0.5 * max(row["rate"] for row in grid if row["callers"] == callers):
                break
    return {"best": max(grid, key=lambda row: row["rate"]), "grid": grid}


def raw_session(model: Model, way: tuple[str, str], threads: int) -> Callable[[np.ndarray], object]:
    """Open a session of its own with so many threads per run."""
    if threads == 1:
        session = open_served(model.bundle, *way)
    elif way[1] in open_backend(way[0]).computes:
        session = open_backend(way[0]).open(model.bundle.model_bytes(), name="raw", compute=way[1], threads=threads)
    else:
        session = open_served(model.bundle, *way)
    return lambda array: session.run({"input_ids": array})


def stream_rate(predictor: Predictor, texts: Sequence[str], seconds: float) -> float:
    """Texts per second of `predict_stream`."""
    endless = predictor.predict_stream(itertools.cycle(texts))
    for _ in range(len(texts) // 8):
        next(endless)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(64):
            next(endless)
        count += 64
    taken = time.perf_counter() - started
    endless.close()
    return count / taken


def callers_rate(predictor: Predictor, texts: Sequence[str], seconds: float) -> float:
    """Texts per second of `CALLERS` tasks that ask for one text each, as an HTTP process does."""

    async def run() -> float:
        endless, count = itertools.cycle(texts), 0
        ends = time.perf_counter() + seconds

        async def caller() -> None:
            nonlocal count
            while time.perf_counter() < ends:
                await predictor.predict_async([next(endless)])
                count += 1

        started = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return count / (time.perf_counter() - started)

    return asyncio.run(run())


def throughput(model: Model, way: tuple[str, str], texts: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Measure the bare session at its best and the predictor in turn."""
    predictor = predictor_of(model, way)
    served = predictor.load(None)
    texts = [text for text in texts if served.clean(text)]
    ids = [served.encode(served.clean(text)) for text in texts]
    raw = best_raw(model, way, ids)
    best = raw["best"]
    run = raw_session(model, way, best["threads"])
    arrays = arrays_of(sorted(ids, key=len), best["batch"])
    found: dict[str, list[float]] = {"raw": [], "stream": [], "callers": []}
    for _ in range(rounds):
        found["raw"].append(raw_rate(run, arrays, best["callers"], seconds))
        found["stream"].append(stream_rate(predictor, texts, seconds))
        found["callers"].append(callers_rate(predictor, texts, seconds))
    counters = predictor.counters
    predictor.close(60)
    middle = {name: statistics.median(rates) for name, rates in found.items()}
    return {
        **raw,
        "rates": found,
        "median": middle,
        "share": {name: middle[name] / middle["raw"] for name in ("stream", "callers")},
        "texts_per_batch": counters.batch_texts / counters.batches,
        "padding": 1 - counters.tokens / counters.padded_tokens,
    }


def per_call(function: Callable[[], object], seconds: float = 0.3) -> float:
    """Median microseconds of a call, over repetitions that fill the time."""
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times) < 5:
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * MICRO


def stages(model: Model, way: tuple[str, str], texts: Sequence[str], batch: int) -> dict[str, float]:
    """Microseconds per text by stage, for so many texts at once; the answer is built from all probabilities."""
    served = ServedModel(model.bundle, *way)
    session = open_served(model.bundle, *way)
    raw = list(texts[:batch])
    cleaned = [served.clean(text) for text in raw]
    keys = [ResultCache.key(served.identity, text) for text in raw]
    ids = [served.encode(text) for text in cleaned]
    (array,) = arrays_of(ids, batch)
    logits = session.run({"input_ids": array})[LOGITS]
    rows = softmax(logits)
    cache = ResultCache(2**20)
    whole = per_call(lambda: served.run(ids))
    session_time = per_call(lambda: session.run({"input_ids": array}))
    softmax_time = per_call(lambda: softmax(logits))
    found = {
        "cleaning": per_call(lambda: [served.clean(text) for text in raw]),
        "key": per_call(lambda: [ResultCache.key(served.identity, text) for text in raw]),
        "cache look-up": per_call(lambda: [cache.get(key) for key in keys]),
        "tokenising": per_call(lambda: [served.encode(text) for text in cleaned]),
        "array": max(0.0, whole - session_time - softmax_time),
        "session": session_time,
        "softmax": softmax_time,
        "answer": per_call(lambda: [ranked(row, served.labels) for row in rows]),
    }
    predictor = predictor_of(model, way)
    predictor.predict(raw)
    asked = per_call(lambda: predictor.predict(raw))
    predictor.close(60)
    found["queue, hand-over, rest"] = max(0.0, asked - sum(found.values()))
    return {name: value / batch for name, value in found.items()}


def cached_answers(model: Model) -> list[dict[str, float]]:
    """Median and 99th percentile of an answer from the cache, in microseconds, by length of the text."""
    predictor = predictor_of(model, (DEFAULT_BACKEND, "fp32"), cache_bytes=2**24)
    words = demo_words()
    found = []
    for characters in CHARACTERS:
        text = " ".join(words)[:characters].strip().ljust(characters, "x")
        predictor.predict([text])
        times = np.empty(_CACHED_CALLS)
        for index in range(_CACHED_CALLS):
            started = time.perf_counter()
            (answer,) = predictor.predict([text])
            times[index] = time.perf_counter() - started
        assert answer.cached
        median, p99 = np.percentile(times, [50, 99]) * MICRO
        found.append({"characters": characters, "median": float(median), "p99": float(p99)})
    predictor.close(60)
    return found


def ways_of(model: Model) -> dict[str, tuple[str, str]]:
    """Name the ways to compute a model: fp32 on ONNX Runtime, and the tuned one where that is another."""
    tuned = served_way(model.bundle)
    ways = {f"{model.name}, onnxruntime fp32": (DEFAULT_BACKEND, "fp32")}
    if (tuned.backend, tuned.precision) != (DEFAULT_BACKEND, "fp32"):
        ways[f"{model.name}, {tuned.backend} {tuned.precision} (tuned)"] = (tuned.backend, tuned.precision)
    return ways


def measure(model: Model, rounds: int, seconds: float, scratch: Path) -> dict[str, Any]:
    """Measure a model in all its ways."""
    served = ServedModel(model.bundle)
    count = TEXTS[model.name]
    kinds = {
        f"{TOKENS} tokens": equal_texts(served, count),
        "8 to 256 tokens": mixed(scratch / f"{model.name}.txt", count, served.encode).texts(count),
    }
    found: dict[str, Any] = {}
    for name, way in ways_of(model).items():
        found[name] = {
            "throughput": {kind: throughput(model, way, texts, rounds, seconds) for kind, texts in kinds.items()},
            "stages": {str(batch): stages(model, way, kinds[f"{TOKENS} tokens"], batch) for batch in (1, 32)},
        }
        show(name, found[name])
    return found


def show(name: str, found: dict[str, Any]) -> None:
    """Print what was measured of one way."""
    table = Table(title=name)
    head = ("texts", "bare session at its best", "texts/s", "predict_stream", f"{CALLERS} callers", "texts/batch")
    for column in head:
        table.add_column(column)
    for kind, row in found["throughput"].items():
        best, rates, share = row["best"], row["median"], row["share"]
        table.add_row(
            kind,
            f"batch {best['batch']}, {best['callers']} x {best['threads']} threads",
            f"{rates['raw']:,.0f}",
            *(f"{rates[way]:,.0f} ({share[way]:.0%})" for way in ("stream", "callers")),
            f"{row['texts_per_batch']:.1f}",
        )
    costs = Table(title=f"{name}: microseconds per text of {TOKENS} tokens")
    costs.add_column("stage")
    for batch in found["stages"]:
        costs.add_column(f"{batch} at once", justify="right")
    for stage in found["stages"]["1"]:
        costs.add_row(stage, *(f"{costs_of[stage]:,.1f}" for costs_of in found["stages"].values()))
    Console().print(table, costs)


def main() -> None:
    """Measure, print and write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4.0)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--home", type=Path, default=CACHE)
    arguments.add_argument("--only", nargs="*", choices=(NGRAM, MINILM), default=(NGRAM, MINILM))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = [open_model(name, given.home, scratch, None) for name in given.only]
        found = [measure(model, given.rounds, given.seconds, scratch) for model in models]
        cached = cached_answers(models[0])
    for row in cached:
        print(f"cached, {row['characters']} characters: {row['median']:.1f} us median, {row['p99']:.1f} us p99")
    results = {
        "command": f"python benchmarks/engine.py --seconds {given.seconds:g} --rounds {given.rounds}",
        "models": {name: row for part in found for name, row in part.items()},
        "cached": cached,
    }
    write_results("engine", results)


if __name__ == "__main__":
    main()
