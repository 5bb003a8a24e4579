"""How long does each question about the rows take, and how much memory? At 1,000, 100,000 and 1,000,000 rows.

    python benchmarks/exploration.py [--rows 1000 100000 1000000] [--repeats 15] [--only NAME]

Rows are made by recombining halves of the embedded data's real texts, with a word of its own in most of them, so that
values differ and the vocabulary grows with the rows. Each size is measured in a process of its own. Every repetition
asks something else (another word, tag, range, page, polygon), with empty caches, so that what is timed is the work and
not the memory of it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from machine import ROOT, write_results
from rich.console import Console
from rich.table import Table as Printed

from engine.dataset.content import Dataset
from engine.dataset.fields import Fields
from engine.exploration.bars import count_findings, count_missing, count_tags, count_values
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Dates, Filter, Lengths
from engine.exploration.histogram import count_lengths
from engine.exploration.map_store import MapStore
from engine.exploration.table import FoundRows, Table
from engine.exploration.terms import characteristic_terms
from engine.exploration.timeline import count_over_time

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS = {"terms": 2_000, "neighbours": 200}
USUAL_TARGET = 150


def make_dataset(rows: int, seed: int = 0) -> Dataset:
    """Recombine real texts: the first half of one and the second half of another."""
    real = pd.read_csv(ROOT / "data" / "labeled_projects.csv", keep_default_na=False)
    random = np.random.default_rng(seed)
    first = [_half(text, 0) for text in real["description"]]
    second = [_half(text, 1) for text in real["description"]]
    one, other = random.integers(len(real), size=(2, rows))
    marks = random.integers(max(rows // 3, 1), size=rows)
    titles = [real["title"][row] for row in one]
    texts = [f"{first[a]} {second[b]} item{c}".strip() for a, b, c in zip(one, other, marks, strict=True)]
    for row in np.flatnonzero(random.random(rows) < 0.07):
        texts[row] = ""
    created = np.datetime64("2021-01-01", "us") + random.integers(5 * 365 * 86_400, size=rows) * np.timedelta64(1, "s")
    created[random.random(rows) < 0.01] = np.datetime64("NaT")
    fields = Fields(id="id", created="created_on")
    frame = pd.DataFrame(
        {
            "id": _strings([f"p{number}" for number in random.permutation(rows)]),
            "row": np.arange(2, rows + 2),
            "title": _strings(titles),
            "description": _strings(texts),
            "tag": _strings(real["tag"].to_numpy()[one]),
            "created": created,
            "text": _strings([f"{title} {text}".strip() for title, text in zip(titles, texts, strict=True)]),
            "holdout": False,
        }
    )
    left_out = pd.DataFrame({"id": [], "row": [], "reason": []})
    return Dataset(f"{rows:032x}", "made", "1", fields, frame, left_out)


def _half(text: str, which: int) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2 + 1] if which == 0 else words[len(words) // 2 :])


def _strings(values: Any) -> pd.Series:
    return pd.Series(pd.array(pa.array(values, pa.large_string()), dtype="str"))


class Bench:
    """Times the questions on one explorer."""

    def __init__(self, explorer: Explorer, repeats: int) -> None:
        self.explorer = explorer
        self.table = explorer.table
        self.repeats = repeats
        self.random = np.random.default_rng(1)
        words = explorer.words()
        order = np.argsort(-words.counts[1:])
        self.common = [words.word(code + 1) for code in order[:200]]

    def operations(self) -> dict[str, Callable[[int], Callable[[], Any]]]:
        """Return what is timed: for the number of a repetition, the call, which was prepared outside the time."""
        explorer, table = self.explorer, self.table
        tags = table.tag.names
        days = [datetime.date(2021, 1, 1) + datetime.timedelta(int(day)) for day in self.random.integers(1500, size=99)]

        def select(**conditions: Any) -> Callable[[], Any]:
            wanted = Filter(**conditions)
            return lambda: (self._forget(), explorer.select(wanted).positions)

        def half(number: int) -> Any:
            return explorer.select(Filter(created=Dates(days[number])))

        return {
            "filter: tag": lambda i: select(tags=(tags[i % len(tags)],)),
            "filter: split": lambda i: select(splits=(("train", "validation", "test")[i % 3],)),
            "filter: dates": lambda i: select(created=Dates(days[i], days[i] + datetime.timedelta(200))),
            "filter: length": lambda i: select(words=Lengths(5 + i, 25 + i)),
            "filter: finding": lambda i: select(finding="made up"),
            "filter: ids": lambda i: select(ids=(f"p{i}", f"p{i + 1}")),
            "filter: one word": lambda i: select(text=self.common[i]),
            "filter: rare word": lambda i: select(text=f"item{i}"),
            "filter: three words": lambda i: select(text=" ".join(self.common[i : i + 3])),
            "filter: prefix": lambda i: select(text=f"{self.common[20 + i][:2]}*"),
            "filter: phrase": lambda i: select(text=f'"{self.common[i % 3]} {self.common[i]}"'),
            "filter: regular expression": lambda i: select(text=rf"/{self.common[30 + i]}\w* \d+/i"),
            "filter: regular expression in a tag": lambda i: select(
                tags=(tags[i % len(tags)],), text=rf"/{self.common[30 + i]}\w* \d+/i"
            ),
            "filter: lasso": lambda i: select(polygon=self._lasso(i)),
            "filter: tag, dates, word and lasso": lambda i: select(
                tags=tags[:2], created=Dates(days[i]), text=self.common[i], polygon=self._lasso(i)
            ),
            "one more condition on a kept filter": lambda i: self._further(days[i], i),
            "page: first of all rows": lambda i: self._page(half(i), None, 0),
            "page: sorted by text": lambda i: self._page(half(i), "text", 0),
            "page: in the middle, sorted by words": lambda i: self._page(half(i), "words", table.line.size // 4 + i),
            "page: sorted by finding": lambda i: self._page(half(i), "finding:made up", 20 * i),
            "bars: tags by split": lambda i: self._asked(count_tags, half(i)),
            "bars: outcomes": lambda i: self._asked(count_values, half(i), "outcome"),
            "bars: findings": lambda i: self._asked(count_findings, half(i)),
            "bars: missing values": lambda i: self._asked(count_missing, half(i), explorer.select),
            "time: by tag": lambda i: self._asked(count_over_time, half(i)),
            "histogram: words": lambda i: self._asked(count_lengths, half(i), of_explorer=True),
            "histogram: tokens": lambda i: self._asked(count_lengths, half(i), "tokens", of_explorer=True),
            "terms: tag against the rest": lambda i: self._asked(
                characteristic_terms, half(i), tags[i % len(tags)], of_explorer=True
            ),
            "neighbours: 10 of a row": lambda i: lambda: explorer.text_map().neighbours(i, 10, table.tag),
        }

    def _forget(self) -> None:
        self.explorer.attach_map(self.explorer.text_map())

    def _further(self, day: datetime.date, number: int) -> Callable[[], Any]:
        base = Filter(tags=self.table.tag.names[:2], created=Dates(day))
        self._forget()
        self.explorer.select(base)
        return lambda: self.explorer.select(base.change(words=Lengths(5 + number))).positions

    def _page(self, selection: Any, sort_by: str | None, offset: int) -> Callable[[], Any]:
        return lambda: self.explorer.page(selection, sort_by=sort_by, ascending=False, offset=offset, size=50)

    def _asked(self, question: Callable[..., Any], selection: Any, *more: Any, of_explorer: bool = False) -> Any:
        first = self.explorer if of_explorer else self.table
        return lambda: question(first, selection, *more)

    def _lasso(self, number: int) -> tuple[tuple[float, float], ...]:
        """Return a ragged ring of 40 corners around the middle of the map: about half of all points."""
        points = self.explorer.text_map().points
        placed = points[np.isfinite(points[:, 0])]
        spread = placed.std(axis=0) * 1.2
        radius = 1 + 0.2 * np.random.default_rng(number).standard_normal(40)
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        ring = placed.mean(axis=0) + spread * (np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None])
        return tuple((float(x), float(y)) for x, y in ring)

    def run(self, only: str) -> dict[str, dict[str, float]]:
        """Time every operation."""
        results = {}
        for name, prepare in self.operations().items():
            if only not in name:
                continue
            prepare(0)()  # what is computed once per process, such as the order by a column, is timed apart
            times = []
            for number in range(1, self.repeats + 1):
                call = prepare(number)
                started = time.perf_counter()
                call()
                times.append((time.perf_counter() - started) * 1e3)
            median, high = np.percentile(times, [50, 95])
            results[name] = {"median_ms": round(float(median), 2), "p95_ms": round(float(high), 2)}
        return results


def measure(rows: int, repeats: int, only: str) -> dict[str, Any]:
    """Measure one size in this process."""
    dataset = make_dataset(rows)
    random = np.random.default_rng(2)
    columns = {
        "split": _strings(np.array(["train", "validation", "test"])[random.choice(3, rows, p=[0.7, 0.15, 0.15])]),
        "outcome": _strings(np.array(["right", "wrong"])[random.integers(2, size=rows)]),
        "predicted": dataset.frame["tag"],
        "confidence": random.random(rows),
        "tokens": random.integers(1, 400, size=rows),
        "token_limit": 256,
        "findings": {"made up": FoundRows(random.random(rows) < 0.05, random.random(rows).astype(np.float32))},
    }
    built: dict[str, dict[str, float]] = {}
    memory = {"data set": _resident()}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        started, worked = time.perf_counter(), time.process_time()
        result = call()
        times = {"wall": time.perf_counter() - started, "processor": time.process_time() - worked}
        built[name] = {which: round(seconds, 3) for which, seconds in times.items()}
        memory[name] = _resident()
        return result

    explorer = timed("table", lambda: Explorer(Table.of(dataset, **columns)))
    held: list[float] = []
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(held, ended))
    watch.start()
    words = timed("words", explorer.words)
    ended.set()
    watch.join()
    for name in ("text", "id", "title", "description"):
        timed(f"order by {name}", lambda name=name: explorer.order(name))
    timed("other orders", lambda: [explorer.order(name) for name in explorer.table.columns])
    with tempfile.TemporaryDirectory() as folder:
        store = MapStore(Path(folder))
        drawn = timed("map", lambda: store.draw(dataset.digest, explorer.words))
        explorer.attach_map(timed("map opened again", lambda: store.open(dataset.digest)))
        results = Bench(explorer, repeats).run(only)
        memory["at the end"] = _resident()
        memory["highest"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    visitors = [explorer.select(Filter(tags=("mlops",), words=Lengths(number))) for number in range(20)]
    each = sum(selection.mask.nbytes for selection in visitors) / len(visitors) / 2**20
    return {
        "rows": rows,
        "words": int(words.lengths.sum()),
        "vocabulary": len(words.vocabulary),
        "map": drawn.info.method,
        "built_s": built,
        "longest_hold_of_other_threads_ms": round(max(held, default=0.0) * 1e3, 1),
        "resident_mib": memory,
        "mib_per_visitor": round(each, 2),
        "operations": results,
    }


def _watch(held: list[float], ended: threading.Event) -> None:
    """Note how long another thread has to wait for its turn while words are read."""
    while not ended.is_set():
        started = time.perf_counter()
        time.sleep(0.005)
        held.append(time.perf_counter() - started - 0.005)


def _resident() -> int:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def main() -> None:
    """Measure each size in a fresh process, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="operations whose name has this in it; nothing is written then")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.rows[0], arguments.repeats, arguments.only)))
        return
    results = []
    for rows in arguments.rows:
        command = [sys.executable, __file__, "--one", "--rows", str(rows), "--repeats", str(arguments.repeats)]
        done = subprocess.run([*command, "--only", arguments.only], stdout=subprocess.PIPE, text=True, check=True)
        results.append(json.loads(done.stdout.splitlines()[-1]))
    console = Console()
    table = Printed("median / p95, ms", *(f"{result['rows']:,} rows" for result in results), "target, ms")
    for name in results[0]["operations"]:
        cells = [result["operations"][name] for result in results]
        target = next((target for start, target in TARGETS.items() if name.startswith(start)), USUAL_TARGET)
        table.add_row(name, *(f"{cell['median_ms']:.1f} / {cell['p95_ms']:.1f}" for cell in cells), f"{target:,}")
    console.print(table)
    for result in results:
        console.print({name: value for name, value in result.items() if name != "operations"})
    if not arguments.only:
        write_results("exploration", {"command": "python benchmarks/exploration.py", "results": results})


if __name__ == "__main__":
    main()
