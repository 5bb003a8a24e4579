"""Tell whether resident memory levels off when every batch has another shape.

    python benchmarks/memory.py [--minutes 10] [--home FOLDER]

MiniLM behind the predictor, fp32 on ONNX Runtime and the tuned way, each in a fresh process without torch and both at
once. Two threads ask for 1 to 64 texts at a time; half of the calls hold texts of one length, drawn from 1 to 256
tokens, the others texts of all lengths. MiniLM is imported into FOLDER once and stays there.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from machine import CACHE, ROOT, write_results

from engine.inference.predictor import Predictor
from engine.inference.sessions import DEFAULT_BACKEND, served_way
from engine.runs.store import DirectoryStore

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CALLERS, TEXTS, TOKENS = 2, 64, 256
_POINTS = 200
_SHOWN = 20
# Of the curve, at each end of its last half: one garbage collection must not decide.
_END_SHARE = 0.05
_MIB = 2**20


def predictor_of(home: Path, backend: str, precision: str) -> Predictor:
    """Return a predictor without a cache, so that everything is computed."""
    store = DirectoryStore(home / "data" / "runs", home / "config")
    return Predictor(
        store,
        cache_bytes=0,
        loaded_runs=1,
        max_text_characters=100_000,
        backend=backend,
        precision=precision,
    )


def ask(predictor: Predictor, words: list[str], special: int, seed: int, ends: float, shapes: set[Any]) -> int:
    """Ask for texts of varying shapes until the time is up; return how many were answered."""
    rng, answered, same = random.Random(seed), 0, False
    while time.monotonic() < ends:
        count = rng.randint(1, TEXTS)
        length = rng.randint(1, TOKENS)
        same = not same
        lengths = [length if same else rng.randint(1, TOKENS) for _ in range(count)]
        shapes.add((count, length))
        # A text has at least one word, and so one token more than the special ones.
        texts = [" ".join(rng.choices(words, k=max(1, length - special))) for length in lengths]
        answered += len(predictor.predict(texts))
    return answered


def measure(home: Path, way: tuple[str, str], seconds: float, result: Connection) -> None:
    """Run in a process of its own: the curve of resident memory, in MiB by seconds."""
    predictor = predictor_of(home, *way)
    served = predictor.load(None)
    special = 2 * len(served.encode("model")) - len(served.encode("model model"))
    with (ROOT / "data" / "labeled_projects.csv").open(newline="", encoding="utf-8") as file:
        found = " ".join(f"{row['title']} {row['description']}" for row in csv.DictReader(file)).split()
    words = [word for word in dict.fromkeys(found) if len(served.encode(word)) == 1 + special]
    process, started = psutil.Process(), time.monotonic()
    answered = [0] * CALLERS
    shapes: set[Any] = set()

    def work(caller: int) -> None:
        answered[caller] = ask(predictor, words, special, caller, started + seconds, shapes)

    threads = [threading.Thread(target=work, args=(caller,)) for caller in range(CALLERS)]
    for thread in threads:
        thread.start()
    curve = []
    for point in range(_POINTS + 1):
        time.sleep(max(0.0, started + point * seconds / _POINTS - time.monotonic()))
        curve.append((round(time.monotonic() - started, 1), round(process.memory_info().rss / _MIB, 1)))
    for thread in threads:
        thread.join()
    predictor.close(60)
    result.send({"curve": curve, "texts": sum(answered), "calls_of_different_shape": len(shapes)})


def growth(curve: list[tuple[float, float]]) -> float:
    """Growth of the last half, as a share: medians of a twentieth of the curve at each of its ends."""
    sizes = [size for _, size in curve]
    middle, some = len(sizes) // 2, max(1, int(len(sizes) * _END_SHARE))
    return float(np.median(sizes[-some:]) / np.median(sizes[middle : middle + some]) - 1)


def main() -> None:
    """Measure each way, print the curves and write them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10.0)
    arguments.add_argument("--home", type=Path, default=CACHE)
    given = arguments.parse_args()
    # Here and not above: the measured processes read this file too, and are to be without torch.
    from serving.models import MINILM, open_model

    context, ways = multiprocessing.get_context("spawn"), []
    with tempfile.TemporaryDirectory() as folder:
        model = open_model(MINILM, given.home, Path(folder), None)
        tuned = served_way(model.bundle)
        running = []
        # Side by side: each computes half as much, and the whole takes no longer than one.
        for way in dict.fromkeys([(DEFAULT_BACKEND, "fp32"), (tuned.backend, tuned.precision)]):
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=measure, args=(model.home, way, given.minutes * 60, sender))
            child.start()
            sender.close()
            running.append((way, child, receiver))
        for way, child, receiver in running:
            found = {"way": " ".join(way), **receiver.recv()}
            child.join()
            found["last_half_growth"] = growth(found["curve"])
            ways.append(found)
            print(f"{found['way']}: {found['texts']:,} texts, last half grows {found['last_half_growth']:+.1%}")
            top = max(size for _, size in found["curve"])
            for seconds, size in found["curve"][:: max(1, _POINTS // _SHOWN)]:
                print(f"  {seconds / 60:5.1f} min {size:7.0f} MiB {'#' * round(60 * size / top)}")
    write_results("memory", {"command": f"python benchmarks/memory.py --minutes {given.minutes:g}", "ways": ways})


if __name__ == "__main__":
    main()
