from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import struct
import threading
import time
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.dataset.fields import Fields
from engine.dataset.loading import Table, load_table
from engine.dataset.snapshot import Dataset, list_datasets, open_dataset, save_dataset
from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("id", "created_on", "title", "description", "tag")
ROWS = [
    ("1", "2020-02-20", "First", "A text.", "a"),
    ("2", "", "Second", "", "b"),
    ("3", "2020-02-22", "", "Drei, vier\nfünf", "a"),
    ("4", "2020-02-23", "NA", "null", "b"),
]


def load(folder: Path, rows=ROWS, columns=COLUMNS, name="data.csv", fields: Fields | None = None) -> Table:
    order = [COLUMNS.index(column) for column in columns]
    frame = pd.DataFrame([[row[number] for number in order] for row in rows], columns=list(columns), dtype="str")
    frame.to_csv(folder / name, index=False)
    return load_table(folder / name, fields, minimum_tags=1)


def digest(folder: Path, *arguments, **options) -> str:
    return Dataset.from_table(load(folder, *arguments, **options), "name").digest


def test_round_trip(tmp_path: Path) -> None:
    table = load(tmp_path, [*ROWS, ("5", "", "", " ", "a")])
    dataset = Dataset.from_table(table, "projects", version="v2")
    folder = save_dataset(dataset, tmp_path / "datasets")
    assert folder == tmp_path / "datasets" / dataset.digest
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "rows.parquet"]
    again = open_dataset(tmp_path / "datasets", dataset.digest)
    pd.testing.assert_frame_equal(again.frame, dataset.frame)
    pd.testing.assert_frame_equal(again.left_out, dataset.left_out)
    assert (again.digest, again.name, again.version, again.fields) == (dataset.digest, "projects", "v2", table.fields)
    assert len(again.left_out) == 1
    assert again.frame["text"].iloc[1] == "Second"
    (info,) = list_datasets(tmp_path / "datasets")
    assert (info.digest, info.name, info.rows, info.left_out_rows, info.tags) == (dataset.digest, "projects", 4, 1, 2)


def test_digest_is_the_same_everywhere(tmp_path: Path) -> None:
    # Written down once: runs name their data by it, so it must not change between machines or versions.
    assert digest(tmp_path) == "c310d850b0c5df27868e6a087665d92a"


def test_digest_is_the_documented_one(tmp_path: Path) -> None:
    def column(role: str, values: list[str]) -> bytes:
        data = [value.encode() for value in values]
        lengths = b"".join(struct.pack("<q", len(value)) for value in data)
        return struct.pack("<Q", len(role)) + role.encode() + lengths + b"".join(data)

    ids, dates, titles, descriptions, tags = (list(values) for values in zip(*ROWS, strict=True))
    content = b"tagscope-dataset 1 4"
    content += column("id", ids) + column("tag", tags)
    content += column("text:title", titles) + column("text:description", descriptions)
    content += struct.pack("<Q", 7) + b"created"
    for date in dates:
        seconds = (dt.datetime.fromisoformat(date) - dt.datetime(1970, 1, 1)).total_seconds() if date else None
        content += struct.pack("<q", -(2**63) if seconds is None else int(seconds * 1e6))
    content += struct.pack("<Q", 7) + b"holdout" + bytes(4)
    assert digest(tmp_path) == hashlib.sha256(content).hexdigest()[:32]


@given(st.permutations(COLUMNS))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_digest_does_not_depend_on_the_order_of_columns(tmp_path: Path, columns: list[str]) -> None:
    assert digest(tmp_path, columns=columns) == digest(tmp_path)


CELL = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.integers(0, len(ROWS) - 1), st.sampled_from([0, 2, 3, 4]), CELL)
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_digest_changes_with_any_cell(tmp_path: Path, row: int, column: int, cell: str) -> None:
    rows = [list(values) for values in ROWS]
    rows[row][column] = f"w{cell}w"
    assert digest(tmp_path, rows) != digest(tmp_path)


def test_digest_tells_apart_what_looks_alike(tmp_path: Path) -> None:
    alike = [
        ROWS,
        [ROWS[1], ROWS[0], *ROWS[2:]],
        ROWS[:-1],
        [("1", "2020-02-20", "FirstA", " text.", "a"), *ROWS[1:]],
        [("1", "2020-02-20", "First A text.", "", "a"), *ROWS[1:]],
        [("1", "2020-02-20", "", "First A text.", "a"), *ROWS[1:]],
        [("1", "2020-02-20 00:00:01", "First", "A text.", "a"), *ROWS[1:]],
        [("1", "", "First", "A text.", "a"), *ROWS[1:]],
    ]
    digests = [digest(tmp_path, rows) for rows in alike]
    digests.append(digest(tmp_path, fields=Fields(text=("description", "title"))))
    digests.append(digest(tmp_path, fields=Fields(text=("title",))))
    digests.append(
        Dataset.from_table(load(tmp_path, ROWS[:3]), "name", load(tmp_path, ROWS[3:], name="holdout.csv")).digest
    )
    assert len(set(digests)) == len(digests)


def test_name_of_file_and_lines_do_not_matter(tmp_path: Path) -> None:
    gap = [ROWS[0], ("9", "", "", "", "a"), *ROWS[1:]]
    assert digest(tmp_path, gap, name="other.csv") == digest(tmp_path)


def test_untagged_rows(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("title,description,tag\nx,y,a\nz,,\n,w,a\n", encoding="utf-8")
    dataset = Dataset.from_table(load_table(tmp_path / "data.csv", labelled=False), "to predict")
    save_dataset(dataset, tmp_path)
    pd.testing.assert_frame_equal(open_dataset(tmp_path, dataset.digest).frame, dataset.frame)
    (tmp_path / "data.csv").write_text("title,description,tag\nx,y,\nz,,a\n,w,a\n", encoding="utf-8")
    assert Dataset.from_table(load_table(tmp_path / "data.csv", labelled=False), "to predict").digest != dataset.digest


def test_holdout_rows_are_marked(tmp_path: Path) -> None:
    table, holdout = load(tmp_path, ROWS[:2]), load(tmp_path, ROWS[2:], name="holdout.csv")
    dataset = Dataset.from_table(table, "name", holdout)
    assert dataset.frame["holdout"].tolist() == [False, False, True, True]
    assert dataset.frame["row"].tolist() == [2, 3, 2, 4]
    save_dataset(dataset, tmp_path)
    pd.testing.assert_frame_equal(open_dataset(tmp_path, dataset.digest).frame, dataset.frame)


def test_an_id_in_both_files_is_refused(tmp_path: Path) -> None:
    table, holdout = load(tmp_path, ROWS[:3]), load(tmp_path, ROWS[1:], name="holdout.csv")
    with pytest.raises(
        DataError, match=r'holdout\.csv, line 2: the id "2" is also in .*data\.csv \(2 ids are in both\)'
    ):
        Dataset.from_table(table, "name", holdout)


def test_made_ids_of_one_text_in_both_files_are_told_apart(tmp_path: Path) -> None:
    for name in ("data.csv", "holdout.csv"):
        (tmp_path / name).write_text("title,description,tag\nx,y,a\nz,,b\n", encoding="utf-8")
    table, holdout = load_table(tmp_path / "data.csv"), load_table(tmp_path / "holdout.csv")
    assert Dataset.from_table(table, "name", holdout).frame["id"].is_unique
    with pytest.raises(DataError, match="no id column"):
        Dataset.from_table(load(tmp_path), "name", holdout)
    with pytest.raises(DataError, match="text columns"):
        Dataset.from_table(load_table(tmp_path / "holdout.csv", Fields(text=("title",))), "name", holdout)


def test_lesson_data(lesson_data: Path, tmp_path: Path) -> None:
    dataset = Dataset.from_table(
        load_table(lesson_data / "dataset.csv"), "lesson", load_table(lesson_data / "holdout.csv")
    )
    assert dataset.frame["holdout"].sum() == 191
    folder = save_dataset(dataset, tmp_path)
    assert (folder / "rows.parquet").stat().st_size < 0.6 * (lesson_data / "dataset.csv").stat().st_size
    pd.testing.assert_frame_equal(open_dataset(tmp_path, dataset.digest).frame, dataset.frame)


def test_saving_is_deterministic_and_done_once(tmp_path: Path) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    first, second = save_dataset(dataset, tmp_path / "one"), save_dataset(dataset, tmp_path / "two")
    assert (first / "rows.parquet").read_bytes() == (second / "rows.parquet").read_bytes()
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    assert save_dataset(Dataset.from_table(load(tmp_path), "another name"), tmp_path / "one") == first
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before
    assert [path.name for path in (tmp_path / "one").iterdir()] == [dataset.digest], "no temporary folder is left"


def test_parquet_says_nothing_about_this_machine(tmp_path: Path) -> None:
    folder = save_dataset(Dataset.from_table(load(tmp_path), "name"), tmp_path / "datasets")
    schema = pq.read_schema(folder / "rows.parquet")
    assert not schema.metadata
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_many_savers_at_once(tmp_path: Path) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    failures: list[BaseException] = []

    def save() -> None:
        try:
            save_dataset(dataset, tmp_path / "datasets")
        except DataError as error:
            failures.append(error)

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert open_dataset(tmp_path / "datasets", dataset.digest).digest == dataset.digest
    assert len(list((tmp_path / "datasets").iterdir())) == 1


@pytest.mark.parametrize("saved_before", [False, True])
def test_what_a_killed_save_left_is_deleted_after_a_day(tmp_path: Path, saved_before: bool) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    directory = tmp_path / "datasets"
    directory.mkdir()
    if saved_before:
        save_dataset(dataset, directory)
    digest, other = dataset.digest, "0" * 32
    ages = {
        f".{digest}-a1b2c3d4": 25,
        f".{other}-_8xyz_12": 25,
        f".{digest}-at_work": 23,
        f".{digest}": 25,
        ".backup-of-mine": 25,
        other: 25,
    }
    for name, hours in ages.items():
        (directory / name).mkdir()
        (directory / name / "rows.parquet").write_bytes(b"half")
        then = time.time() - hours * 3600
        os.utime(directory / name, (then, then))
    (directory / f".{other}-a-link").symlink_to(tmp_path)
    os.utime(directory / f".{other}-a-link", (0, 0), follow_symlinks=False)
    save_dataset(dataset, directory)
    assert {path.name for path in directory.iterdir()} == {digest, *list(ages)[2:], f".{other}-a-link"}
    assert (tmp_path / "data.csv").exists()


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n"])
def test_what_is_no_digest(tmp_path: Path, bad: str) -> None:
    with pytest.raises(DataError, match="is no digest"):
        open_dataset(tmp_path, bad)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no data set 0000"):
        open_dataset(tmp_path, "0" * 32)
    assert list_datasets(tmp_path / "none") == []


def test_changed_rows_are_noticed(tmp_path: Path) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    folder = save_dataset(dataset, tmp_path)
    path = folder / "rows.parquet"
    frame = pd.read_parquet(path)
    frame.loc[2, "tag"] = "b"
    frame.to_parquet(path)
    with pytest.raises(DataError, match="the rows were changed"):
        open_dataset(tmp_path, dataset.digest)
    frame.drop(columns="created").to_parquet(path)
    with pytest.raises(DataError, match="missing or damaged"):
        open_dataset(tmp_path, dataset.digest)
    pd.DataFrame({"id": [1]}).to_parquet(path)
    with pytest.raises(DataError, match="missing or damaged"):
        open_dataset(tmp_path, dataset.digest)


@pytest.mark.parametrize("name", ["rows.parquet", "dataset.json"])
@pytest.mark.parametrize("cut", [None, 0, 1, 100])
def test_damaged_files(tmp_path: Path, name: str, cut: int | None) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    path = save_dataset(dataset, tmp_path) / name
    content = path.read_bytes()
    path.unlink() if cut is None else path.write_bytes(content[:cut])
    with pytest.raises(DataError) as caught:
        open_dataset(tmp_path, dataset.digest)
    assert f"{name}: the file is missing or damaged" in str(caught.value)
    assert len(list_datasets(tmp_path)) == (name == "rows.parquet")


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_flipped_byte_is_noticed_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    path = save_dataset(dataset, tmp_path) / "rows.parquet"
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    flipped = bytearray(content)
    flipped[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    try:
        again = open_dataset(tmp_path, dataset.digest)
    except DataError:
        pass
    else:
        pd.testing.assert_frame_equal(again.frame.drop(columns="row"), dataset.frame.drop(columns="row"))
    finally:
        path.write_bytes(content)


def test_other_formats_are_named(tmp_path: Path) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    path = save_dataset(dataset, tmp_path) / "dataset.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"format_version": 2}), encoding="utf-8")
    with pytest.raises(DataError, match="version 2, and this program reads"):
        open_dataset(tmp_path, dataset.digest)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    dataset = Dataset.from_table(load(tmp_path), "name")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        save_dataset(dataset, tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == ""
