from __future__ import annotations

import datetime
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.content import Dataset
from engine.dataset.loading import load_table
from engine.errors import TagscopeError
from engine.evaluation.declared_slices import DayRange, DeclaredSlice, SliceError, WordRange
from engine.evaluation.slices import slice_masks
from engine.evaluation.slices_file import all_slices, read_slices, save_slice, slices_path
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Dates, Filter, Lengths
from engine.exploration.table import Table
from engine.pipeline.provenance import slices_digest
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from pathlib import Path

PIECES = ["Graph", "graph-neural", "neural network", "v1.2", "Ünï", "画像", "(cnn)", "a/b", "\n", "", "x" * 30]
DAYS = [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, 23, 59), datetime.datetime(1969, 12, 31, 5), None]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join)
PARTS = st.sampled_from(
    ["graph", "GRAPH neural", "neur*", "graph neur*", "画", "像", "ünï", r"/v\d\.\d/", "/GRAPH/i", "/GRAPH/", r"/a\/b/"]
)
RECORDS = st.builds(
    DeclaredSlice,
    tag=st.lists(st.sampled_from(["a", "b", "nowhere"]), max_size=2, unique=True).map(tuple),
    split=st.lists(st.sampled_from(["train", "test"]), max_size=2, unique=True).map(tuple),
    text=st.lists(PARTS, max_size=2).map(tuple),
    words=st.none() | st.builds(WordRange, st.integers(0, 4), st.none() | st.integers(4, 9)),
    created=st.none() | st.builds(DayRange, st.none() | st.dates(), st.none() | st.just(datetime.date(2020, 1, 1))),
).filter(lambda record: record.problem() is None)
ROWS = st.lists(
    st.tuples(TEXTS, st.sampled_from(["a", "b"]), st.sampled_from(["train", "test"]), st.sampled_from(DAYS)),
    min_size=1,
    max_size=12,
)


def frame_of(rows: list[tuple[str, str, str, datetime.datetime | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["text", "tag", "split", "created"])
    created = pd.to_datetime(frame["created"]).astype("datetime64[us]")
    return frame.assign(text=frame["text"].astype("str"), tag=frame["tag"].astype("str"), created=created)


def by_hand(record: DeclaredSlice, frame: pd.DataFrame) -> list[bool]:
    """Say it once more in pandas and Python, row by row."""

    def meets(part: str, text: str) -> bool:
        if part.startswith("/"):
            body, flag = part[1:].rsplit("/", 1)
            return re.search(body, text, re.IGNORECASE if flag else 0) is not None
        wanted, words = words_of(part), words_of(text)
        last = len(wanted) - 1

        def stands(start: int) -> bool:
            word = words[start + last]
            ends = word.startswith(wanted[last]) if part.endswith("*") else word == wanted[last]
            return ends and words[start : start + last] == wanted[:last]

        return any(stands(start) for start in range(len(words) - last))

    mask = pd.Series(True, index=frame.index)
    if record.tag:
        mask &= frame["tag"].isin(record.tag)
    if record.split:
        mask &= frame["split"].isin(record.split)
    for part in record.text:
        mask &= frame["text"].map(lambda text, part=part: meets(part, text)).astype(bool)
    if record.words:
        lengths = frame["text"].map(lambda text: len(words_of(text)))
        mask &= lengths.between(record.words.least or 0, 10**6 if record.words.most is None else record.words.most)
    if record.created:
        first, last = record.created.first or datetime.date.min, record.created.last or datetime.date.max
        mask &= frame["created"].map(lambda value: not pd.isna(value) and first <= value.date() <= last).astype(bool)
    return mask.tolist()


@given(record=RECORDS, rows=ROWS, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_masks_equal_pandas_in_any_order(record: DeclaredSlice, rows: list, seed: int) -> None:
    frame = frame_of(rows)
    mask = slice_masks(frame, {"it": record})["it"]
    assert mask.dtype == bool
    assert mask.tolist() == by_hand(record, frame)
    order = np.random.default_rng(seed).permutation(len(frame))
    assert record.mask(frame.iloc[order]).tolist() == mask[order].tolist()


def test_a_slice_selects_what_the_same_filter_selects(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    file = tmp_path / "rows.csv"
    pd.DataFrame(
        {
            "id": range(300),
            "title": "t",
            "description": [" ".join(rng.choice(PIECES, 5)) for _ in range(300)],
            "tag": rng.choice(["a", "b"], 300),
            "created_on": rng.choice(["2020-01-01 23:59:59", "2020-01-02 00:00:00", "1969-12-31 12:00:00", ""], 300),
        }
    ).to_csv(file, index=False)
    dataset = Dataset.from_table(load_table(file), "rows")
    split = rng.choice(["train", "test"], len(dataset.frame))
    explorer = Explorer(Table.of(dataset, split=split.tolist()))
    day = datetime.date(2020, 1, 1)
    pairs = [
        (DeclaredSlice(text=("graph neur*", "画")), Filter(text='"graph neur*" 画')),
        (DeclaredSlice(text=("/GRAPH/i", r"/a\/b/")), Filter(text=r"/GRAPH/i /a\/b/")),
        (DeclaredSlice(words=WordRange(6, 9)), Filter(words=Lengths(6, 9))),
        (DeclaredSlice(created=DayRange(day, day)), Filter(created=Dates(day, day))),
        (DeclaredSlice(created=DayRange(None, day)), Filter(created=Dates(None, day))),
        (DeclaredSlice(tag=("a",), split=("test",)), Filter(tags=("a",), splits=("test",))),
    ]
    for record, filter in pairs:
        mask = explorer.select(filter).mask
        assert 0 < mask.sum() < len(mask)
        assert record.mask(dataset.frame.assign(split=split)).tolist() == mask.tolist()


def test_missing_values_are_in_no_slice() -> None:
    frame = frame_of([("graph", "a", "test", None)]).assign(text=pd.Series([None], dtype="str"))
    for record in (DeclaredSlice(text=("/.*/",)), DeclaredSlice(words=WordRange(0, None))):
        assert record.mask(frame).tolist() == [False]


def test_a_column_that_is_not_there_names_slice_and_column() -> None:
    frame = frame_of([("graph", "a", "test", None)]).drop(columns="split")
    with pytest.raises(
        TagscopeError, match=r'"mine" asks for `split`, which these rows do not have; .*slices\.toml\.$'
    ):
        slice_masks(frame, {"mine": DeclaredSlice(split=("test",))})


@given(
    records=st.dictionaries(
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12), RECORDS, min_size=1, max_size=3
    )
)
@settings(max_examples=30, deadline=None)
def test_what_is_saved_is_read(records: dict[str, DeclaredSlice], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("slices") / "config" / "slices.toml"
    for name, record in records.items():
        save_slice(name, record, path=path)
    assert read_slices(path) == records
    assert list(read_slices(path)) == list(records)
    assert sorted(file.name for file in path.parent.iterdir()) == [".slices.toml.lock", "slices.toml"]


def test_saving_keeps_what_people_wrote(home: Path) -> None:
    path = slices_path()
    assert path == home / "config" / "slices.toml"
    assert read_slices() == {}
    path.parent.mkdir()
    path.write_text('# ours\n[slice.one]\ntag = "a" # one tag\n\n[slice."two words"]\nwords = { to = 3 }\n')
    record = DeclaredSlice(text=('say "graph"', "/\\d\x7f/"), created=DayRange(datetime.date(2020, 1, 1)))
    save_slice("three", record)
    assert "# ours" in path.read_text()
    assert "# one tag" in path.read_text()
    two = DeclaredSlice(words=WordRange(None, 3))
    assert read_slices() == {"one": DeclaredSlice(tag=("a",)), "two words": two, "three": record}
    with pytest.raises(SliceError, match='There is a slice "two words" already'):
        save_slice("two words", record)
    save_slice("two words", record, replace=True)
    assert read_slices() == {"one": DeclaredSlice(tag=("a",)), "three": record, "two words": record}
    assert list(all_slices()) == ["nlp_cnn", "short_text", "one", "three", "two words"]


def test_a_file_of_another_style_is_left_alone(home: Path) -> None:
    path = slices_path()
    path.parent.mkdir()
    path.write_text('slice = { one = { tag = "a" } }\n')
    assert list(read_slices()) == ["one"]
    with pytest.raises(SliceError, match=r"cannot be added to; write each slice under a line such as \[slice.two\]"):
        save_slice("two", DeclaredSlice(tag=("b",)))
    assert path.read_text() == 'slice = { one = { tag = "a" } }\n'


def test_who_saves_at_once_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "slices.toml"

    def save(number: int) -> None:
        for step in range(3):
            save_slice(f"{number}-{step}", DeclaredSlice(tag=("a",)), path=path)

    # The file is opened anew for each lock, so threads exclude each other as processes do.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(save, range(4)))
    assert len(read_slices(path)) == 12


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[slice.x]\ntag = 3", 'the slice "x", field "tag": expected a text or a list of texts, got a whole number'),
        ("[slice.x]\ntag = []", 'the slice "x", field "tag": the list is empty'),
        ('[slice.x]\ntag = ["a", 3]', 'field "tag[1]": expected a text, got a whole number'),
        ('[slice.x]\ncolour = "red"', 'the slice "x" has the unknown field "colour"; the fields are tag, split, text'),
        ('[slice.x]\nwords = { from = "3" }', 'field "words.from": expected a whole number, got a text'),
        ("[slice.x]\nwords = { least = 3 }", 'field "words": object contains unknown field "least"'),
        ("[slice.x]\nwords = { from = 3, to = 2 }", 'field "words": goes from 3 to 2; exchange'),
        ("[slice.x]\nwords = {}", 'field "words": has neither from nor to'),
        ('[slice.x]\ncreated = { from = "soon" }', 'field "created.from": invalid'),
        (
            "[slice.x]\ncreated = { from = 2020-01-01T00:00:00 }",
            'field "created.from": expected a date such as 2020-01-31, got a date with a time',
        ),
        ('[slice.x]\ntext = "/(/"', 'field "text": has the regular expression "/(/", which cannot be used (missing )'),
        ('[slice.x]\ntext = "/open"', 'field "text": has the regular expression "/open", which has no end'),
        ('[slice.x]\ntext = "..."', 'field "text": has "...", without letter or digit'),
        ('[slice.x]\ntag = " "', 'field "tag": has an empty text'),
        ('[slice.x]\nsplit = "exam"', 'field "split": has "exam"; choose among "train", "validation", "test"'),
        ("[slice.x]", 'the slice "x" has no condition'),
        ("slice.x = 3", 'the slice "x" has no fields'),
        ('[slices.x]\ntag = "a"', '"slices" is no slice; begin each slice with a line such as [slice.my_name]'),
        ("slice = 3", '"slice" is no slice'),
        ('[slice.short_text]\ntag = "a"', 'the slice "short_text" has the name of a function in config/slices.py'),
        ('[slice." x"]\ntag = "a"', '" x" cannot be the name of a slice'),
        ("[slice.x", "cannot be read as TOML in UTF-8"),
    ],
)
def test_bad_input_gets_one_sentence(home: Path, content: str, expected: str) -> None:
    slices_path().parent.mkdir()
    slices_path().write_text(content)
    with pytest.raises(SliceError) as caught:
        all_slices()
    message = str(caught.value)
    assert expected in message
    assert "slices.toml" in message or "name of a slice" in message
    assert "\n" not in message
    assert message.endswith(".")


def test_digest_covers_declared_slices(home: Path) -> None:
    digests = {slices_digest(all_slices())}
    save_slice("one", DeclaredSlice(words=WordRange(3, None)))
    digests.add(slices_digest(all_slices()))
    assert slices_digest(all_slices()) in digests
    save_slice("one", DeclaredSlice(words=WordRange(4, None)), replace=True)
    digests.add(slices_digest(all_slices()))
    assert len(digests) == 3


def test_performance_has_declared_slices(home: Path) -> None:
    from engine.pipeline.judge import judge

    save_slice("exam", DeclaredSlice(split=("test",), created=DayRange(datetime.date(2020, 1, 1))))
    frame = frame_of([("graph", "a", "test", DAYS[0]), ("graph", "b", "test", DAYS[2]), ("net", "b", "test", DAYS[0])])
    scored = judge(frame, np.array(["a", "a", "a"], object), ["a", "b"])
    assert scored["slices"]["exam"]["num_samples"] == 2
