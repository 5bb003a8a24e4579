"""Three runs that answered made-up texts, with mistakes planted in them, and what pandas reads of what they left.

They were not judged on the same rows, and the last one has corrected tags; so a click may have to change the run.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

TAGS = ("language", "operations", "vision")
OWN = {
    "language": "word sentence parse corpus grammar translate",
    "operations": "deploy monitor serve pipeline release cluster",
    "vision": "image camera pixel segment object lens",
}
COMMON = "the a model fast new open tool simple small large for with from data good more next"
# Texts of these are a neighbourhood of their own.
KNITTING = "yarn wool needle stitch purl loop gauge skein hook row"
SLICES = """
[slice.june]
created = { from = 2024-06-01, to = 2024-06-30 }
[slice.knitting]
text = ["wool"]
[slice."long vision"]
tag = "vision"
words = { from = 18 }
"""
_IMPORT = """
import sys
from pathlib import Path
from engine.dataset.fields import Fields
from engine.pipeline.imports.predictions import import_predictions
for file in sys.argv[1:]:
    import_predictions(Path(file), Fields())
"""


def planted_home(folder: Path) -> Path:
    """Import the runs into a home under a folder, and declare slices."""
    home = folder / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "slices.toml").write_text(SLICES)
    files = []
    for number, table in enumerate(_tables()):
        # Of one name, for runs on files of one name are runs on one data set.
        path = folder / str(number) / "notes.csv"
        path.parent.mkdir()
        table.to_csv(path, index=False)
        files.append(str(path))
    own = {name: value for name, value in os.environ.items() if not name.startswith("TAGSCOPE_")}
    command = [sys.executable, "-c", _IMPORT, *files]
    subprocess.run(command, check=True, cwd=home, env={**own, "TAGSCOPE_HOME": str(home)})
    return home


def _tables() -> list[pd.DataFrame]:
    """One file per run, in the order of time."""
    rng, count = np.random.default_rng(4), 600
    tags = rng.choice(TAGS, count, p=[0.4, 0.2, 0.4])
    lengths = rng.integers(6, 20, count) + 15 * (rng.random(count) < 0.1)
    quantum, robust = rng.random(count) < 0.1, rng.random(count) < 0.25
    knits = np.arange(count) % 10 == 5
    said = []
    for place, tag in enumerate(tags):
        words = list(
            rng.choice(KNITTING.split(), 5, replace=False) if knits[place] else rng.choice(OWN[tag].split(), 3)
        )
        words += ["QUANTUM-like"] * int(quantum[place]) + ["Robust"] * int(robust[place])
        words += list(rng.choice(COMMON.split(), max(lengths[place] - len(words), 0)))
        said.append(rng.permutation(words))
    minutes = rng.integers(0, 182 * 24 * 60, count)
    created = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="m"))
    created[:4] = [
        pd.Timestamp(edge) for edge in ("2024-06-01", "2024-06-30 23:59:59", "2024-03-01", "2024-03-31 23:59:59")
    ]
    rows = pd.DataFrame(
        {
            "id": [f"note {place}" for place in range(count)],
            "created_on": created,
            "title": [" ".join(words[:3]) for words in said],
            "description": [", ".join(words[3:]) for words in said],
            "tag": tags,
        }
    )
    corrected = np.where(np.arange(count) % 40 == 7, np.roll(tags, 1), tags)
    # Where each of the three errs, how often, and which rows it was not judged on.
    made = (
        (tags, [(quantum, 0.8), (created.dt.month == 3, 0.5), (robust & (tags == "vision"), 0.8)], 11),
        (tags, [(tags == "operations", 0.2), (created.dt.month == 6, 0.3)], 13),
        (corrected, [(corrected == "operations", 0.45), (lengths > 20, 0.7), (knits, 0.8)], 17),
    )
    tables = []
    for true, weak, left_out in made:
        odds = np.maximum.reduce([np.full(count, 0.03), *(np.where(where, share, 0) for where, share in weak)])
        wrong = rng.random(count) < odds
        answers = np.array([TAGS[(TAGS.index(tag) + no) % 3] for tag, no in zip(true, wrong, strict=True)])
        split = np.where(np.arange(count) % left_out == 3, "validation", "test")
        chances = {f"probability:{tag}": np.where(answers == tag, 0.8, 0.1) for tag in TAGS}
        tables.append(rows.assign(tag=true, predicted_tag=answers, split=split, **chances))
    return tables


@dataclass(frozen=True)
class Planted:
    """The runs as they are on the disk: ids in the order of time, and by id the rows that each was judged on."""

    run_ids: tuple[str, ...]
    judged: dict[str, pd.DataFrame]
    created: dict[str, str]

    def over_the_runs(self, reference: str) -> pd.DataFrame:
        """Return the rows of a run with what each run answered: 1 right, 0 wrong by this run's tags, - not judged."""
        rows = self.judged[reference]
        signs = {}
        for run_id in self.run_ids:
            said = self.judged[run_id]["predicted_tag"].reindex(rows.index)
            signs[run_id] = (said == rows["tag"]).map({True: "1", False: "0"}).where(said.notna(), "-")
        pattern = pd.DataFrame(signs).agg("".join, axis=1)
        return rows.assign(**signs, pattern=pattern, course=pattern.map(_course))

    def pair(self, before: str, after: str) -> pd.DataFrame:
        """Return the rows that both runs were judged on, and who was right by the tags of the later run."""
        rows = self.judged[after]
        rows = rows.assign(then=self.judged[before]["predicted_tag"].reindex(rows.index), now=rows["right"])
        return rows[rows["then"].notna()].assign(was=lambda rows: rows["then"] == rows["tag"])


def _course(pattern: str) -> str:
    answers = pattern.replace("-", "")
    turns = sum(one != other for one, other in itertools.pairwise(answers))
    if turns > 1:
        return "flaky"
    if turns:
        return "fixed" if answers.endswith("1") else "broken"
    return "always right" if answers.startswith("1") else "never right"


def read_planted(home: Path) -> Planted:
    """Read the runs of a home with pandas alone."""
    created = {}
    for path in (home / "data" / "runs").glob("*/run.json"):
        created[path.parent.name] = json.loads(path.read_text())["created"]
    run_ids = tuple(sorted(created, key=lambda run_id: created[run_id]))
    judged = {}
    for run_id in run_ids:
        manifest = json.loads((home / "data" / "runs" / run_id / "run.json").read_text())
        given = pd.read_parquet(home / "data" / "datasets" / manifest["dataset"]["digest"] / "rows.parquet")
        texts = (given["title"] + " " + given["description"]).set_axis(given["id"])
        rows = pd.read_parquet(home / "data" / "runs" / run_id / "predictions.parquet").set_index("id", drop=False)
        rows = rows[rows["split"] == "test"]
        text = texts.reindex(rows.index)
        said = text.str.lower().str.findall("[a-z0-9]+")
        judged[run_id] = rows.assign(
            text=text,
            said=said,
            words=said.str.len(),
            created=given.set_index("id")["created"].reindex(rows.index),
            right=rows["tag"] == rows["predicted_tag"],
        )
    return Planted(run_ids, judged, created)


def slices_of(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Return which rows are in each slice, those that ship here among them."""
    return {
        "nlp_cnn": rows["tag"].eq("natural-language-processing"),
        # Its words are separated by white space, where "QUANTUM-like" is one.
        "short_text": rows["text"].str.split().str.len() < 8,
        "june": rows["created"].dt.strftime("%Y-%m") == "2024-06",
        "knitting": rows["said"].map(lambda said: "wool" in said),
        "long vision": (rows["tag"] == "vision") & (rows["words"] >= 18),
    }
