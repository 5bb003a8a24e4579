"""Parquet files give the same data sets as CSV files, whatever types their columns have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.snapshot import Dataset
from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = Fields(text=("title",))


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [7, 12, 3],
            "title": ["one, two", "drei\nvier", "五"],
            "tag": pd.Categorical(["a", "b", "a"]),
            "created_on": pd.to_datetime(["2024-05-17", "2024-05-18", "2024-05-19"]),
        }
    )


def test_it_is_the_same_data_set_as_a_csv(tmp_path: Path) -> None:
    rows().to_csv(tmp_path / "rows.csv", index=False)
    rows().to_parquet(tmp_path / "rows.parquet")
    sets = [Dataset.from_table(load_table(tmp_path / name, FIELDS), "rows") for name in ("rows.csv", "rows.parquet")]
    assert sets[0].digest == sets[1].digest
    assert list(sets[1].frame["row"]) == [2, 3, 4]


def test_missing_cells_are_left_out_by_row(tmp_path: Path) -> None:
    rows().assign(title=[None, "y", "z"]).to_parquet(tmp_path / "rows.parquet")
    table = load_table(tmp_path / "rows.parquet", FIELDS)
    assert list(table.left_out["row"]) == [2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"title": [[1], [2], [3]]}, '"title": the column holds list'),
        ({"tag": ["a", "a", "a"]}, "tag"),
        ({"id": [1, 1, 2]}, "line 3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    rows().assign(**change).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=words):
        load_table(tmp_path / "rows.parquet", FIELDS)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,title,tag\n1,a,b\n", None])
def test_what_is_no_parquet_file_is_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rows.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.parquet: (the file is no whole Parquet|there is no such file)"):
        load_table(path, FIELDS)


def test_a_missing_column_is_named_with_those_there(tmp_path: Path) -> None:
    rows().to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match='no column "subject", only "id", "title"'):
        load_table(tmp_path / "rows.parquet", Fields(text=("subject",)))
