"""Small data sets in which we know what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from engine.dataset.content import Dataset
from engine.dataset.loading import load_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings.store import Findings

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "data" / "labeled_projects.csv"

TOPICS = {
    tag: words.split()
    for tag, words in {
        "cooking": "bread dough oven flour yeast crust butter recipe sugar bake salt knead sauce soup onion",
        "sailing": "boat wind mast anchor harbour sail rope deck keel tide storm captain buoy rudder hull",
        "chess": "pawn rook bishop knight castle gambit endgame queen king mate check opening board tempo fork",
    }.items()
}


def sentence(tag: str, number: int, length: int = 8) -> str:
    """Words of a topic, another choice for each number."""
    words = TOPICS[tag]
    return (
        " ".join(words[(number * 7 + step * (1 + number % 5)) % len(words)] for step in range(length)) + f" n{number}"
    )


def rows(each: int = 20) -> pd.DataFrame:
    """As many rows of each topic, in turn, with dates a day apart."""
    made = [(tag, sentence(tag, number)) for number in range(each) for tag in TOPICS]
    frame = pd.DataFrame(made, columns=["tag", "title"])
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(range(len(frame)), unit="D")
    return frame.assign(
        id=[f"r{number}" for number in range(len(frame))], description="", created_on=days.strftime("%Y-%m-%d")
    )


def dataset(folder: Path, frame: pd.DataFrame) -> Dataset:
    """Write rows to a CSV and load it, as every user's rows come in."""
    path = folder / "rows.csv"
    frame.to_csv(path, index=False)
    return Dataset.from_table(load_table(path, minimum_tags=1), "rows")


def affected_ids(found: Findings, data: Dataset, kind: str) -> list[str]:
    """The ids of the affected rows, sorted."""
    return sorted(data.frame["id"].iloc[found.affected(kind)])


def detail(found: Findings, data: Dataset, kind: str) -> dict[str, Sequence[object]]:
    """Of each row with a score by id: score, proposed tag, other id, note."""
    table = found.rows(kind)
    ids = data.frame["id"].to_numpy()[table["position"]]
    columns = table[["score", "proposed_tag", "other_id", "note"]].itertuples(index=False)
    return {name: tuple(values) for name, values in zip(ids, columns, strict=True)}
