from __future__ import annotations

import csv
import io
import os
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.dataset.cleaning import clean, join_fields
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """id,created_on,title,description,tag
007,2020-02-20 06:43:18,First,A text.,a
8,2020-02-21,NA,null,b
9,,"Third, quoted","Two
lines, ""quoted"".",a
10,2020-02-22T10:00:00+02:00,Fourth,,b
"""


def write(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path: Path, fields: Fields | None = None, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load_table(path, fields, **options)
    text = str(caught.value)
    assert text.startswith(str(path)), text
    assert "\n" not in text
    assert text.endswith(".")
    assert "; " in text, "a remedy follows the fault"
    return text.removeprefix(str(path))


def test_good_file(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, GOOD))
    frame = table.frame
    assert list(frame.columns) == ["id", "row", "title", "description", "tag", "created", "text"]
    assert list(frame["id"]) == ["007", "8", "9", "10"]
    assert list(frame["row"]) == [2, 3, 4, 6]
    assert list(frame["tag"]) == ["a", "b", "a", "b"]
    assert frame["text"].iloc[1] == "NA null"
    assert frame["description"].iloc[2] == 'Two\nlines, "quoted".'
    assert frame["text"].iloc[3] == "Fourth"
    assert frame["created"].dtype == "datetime64[us]"
    assert frame["created"].iloc[3] == pd.Timestamp("2020-02-22 08:00:00")
    assert frame["created"].isna().tolist() == [False, False, True, False]
    for column in ("id", "title", "description", "tag", "text"):
        assert frame[column].dtype == "str"
    assert table.left_out.empty
    assert table.problems == []
    assert table.fields == Fields()


def test_lesson_data(lesson_data: Path) -> None:
    table = load_table(lesson_data / "dataset.csv")
    with (lesson_data / "dataset.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(table.frame) == len(rows) == 764
    assert table.frame["title"].tolist() == [row["title"] for row in rows]
    assert table.frame["tag"].nunique() == 6
    assert table.left_out.empty
    lines = (lesson_data / "dataset.csv").read_text(encoding="utf-8").split("\n")
    for identifier, line in zip(table.frame["id"], table.frame["row"], strict=True):
        assert lines[line - 1].startswith(identifier + ",")


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["a", "b"])), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
)
@example([("x\ny", "\r", "a"), ("", 'q"', "b"), ("\r\n", "z", "a")], "\r\n")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_written_is_read_with_its_line(tmp_path: Path, rows: list[tuple[str, str, str]], end: str) -> None:
    stream = io.StringIO()
    # Before Python 3.13 the writer leaves a lone carriage return unquoted where lines end in "\n".
    bare = end == "\n" and any("\r" in cell for row in rows for cell in row)
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL)
    writer.writerow(["title", "description", "tag", "other"])
    expected = []
    for title, description, tag in [*rows, ("last", "one", "a"), ("very", "last", "b")]:
        written = stream.getvalue()
        line = len(written.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        writer.writerow([title, description, tag, "x"])
        if clean(join_fields([title, description])):
            expected.append((title, description, tag, line))
    table = load_table(write(tmp_path, stream.getvalue()))
    found = table.frame[["title", "description", "tag", "row"]].itertuples(index=False, name=None)
    assert list(found) == expected
    assert len(table.left_out) == len(rows) + 2 - len(expected)
    assert table.frame["text"].tolist() == [join_fields(row[:2]) for row in expected]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_bom_and_line_ends(tmp_path: Path, bom: bytes, end: str) -> None:
    content = bom + "id,title,description,tag\n1,x,y,a\n\n2,x,z,b".replace("\n", end).encode()
    frame = load_table(write(tmp_path, content)).frame
    assert list(frame["id"]) == ["1", "2"]
    assert list(frame["row"]) == [2, 4]


def test_tsv_and_other_names(tmp_path: Path) -> None:
    path = write(tmp_path, "doc\tsubject\tteam\nd1\tHello, there\tred\nd2\tBye\tblue\n", "data.tsv")
    table = load_table(path, Fields(text=("subject",), label="team", id="doc"))
    assert table.frame["text"].tolist() == ["Hello, there", "Bye"]
    assert table.frame["id"].tolist() == ["d1", "d2"]
    assert table.fields.created is None
    assert table.frame["created"].isna().all()


def test_text_columns_with_names_that_the_frame_needs(tmp_path: Path) -> None:
    path = write(tmp_path, "text,row,label\nhello,one,a\nworld,two,b\n")
    fields = Fields(text=("text", "row"), label="label")
    frame = load_table(path, fields).frame
    assert frame["text"].tolist() == ["hello one", "world two"]
    assert frame["field:text"].tolist() == ["hello", "world"]
    assert frame["row"].tolist() == [2, 3]
    assert fields.text_columns == ("field:text", "field:row")


def test_ids_made_from_texts(tmp_path: Path) -> None:
    rows = ["x,y,a", "x,y,b", "xy,,a", "x,y,a", ",xy,b"]
    table = load_table(write(tmp_path, "title,description,tag\n" + "\n".join(rows)))
    ids = table.frame["id"].tolist()
    assert table.generated_ids
    assert table.fields.id is None
    assert len(set(ids)) == 5
    assert ids[1] == ids[0] + "-2"
    assert ids[3] == ids[0] + "-3"
    other = load_table(write(tmp_path, "tag,description,title\nb,y,x\na,new,new\n"))
    assert other.frame["id"].iloc[0] == ids[0]


def test_rows_left_out(tmp_path: Path) -> None:
    content = "id,title,description,tag\n1,x,y,a\n2, ,\t,a\n3,<p></p>,https://x.org,b\n4,x,z,\n"
    content += "5,x,z, b \n,,,\n6,。,,b\n7,\u200b,,a\n"
    table = load_table(write(tmp_path, content))
    assert table.frame["id"].tolist() == ["1", "5", "6"]
    assert table.frame["tag"].tolist() == ["a", "b", "b"]
    assert table.left_out["id"].tolist() == ["2", "3", "4", "", "7"]
    assert table.left_out["row"].tolist() == [3, 4, 5, 7, 9]
    reasons = table.left_out["reason"].tolist()
    assert reasons[0] == reasons[1] == 'no text in "title", "description" after cleaning'
    assert reasons[2] == 'no tag in "tag"'
    assert reasons[3] == "the row is blank"
    assert not any(problem.fatal for problem in table.problems)
    assert {problem.kind for problem in table.problems} == {"left-out", "tag-space"}


def test_file_to_predict(tmp_path: Path) -> None:
    table = load_table(write(tmp_path, "title,description\nx,y\n,\n"), labelled=False)
    assert table.frame["text"].tolist() == ["x y"]
    assert table.frame["tag"].isna().all()
    assert len(table.left_out) == 1
    table = load_table(write(tmp_path, "title,description,tag\nx,y,\nx,z,a\n"), labelled=False)
    assert table.frame["tag"].isna().tolist() == [True, False]
    assert load_table(write(tmp_path, "title,description,tag\nx,y,a\n"), minimum_tags=1).frame["tag"].tolist() == ["a"]


# Files that cannot be loaded: each fault has its sentence.


def test_missing_file(tmp_path: Path) -> None:
    assert "there is no such file" in message(tmp_path / "none.csv")
    assert "there is no such file" in message(write(tmp_path, GOOD) / "below.csv")


def test_directory_and_device(tmp_path: Path) -> None:
    assert "this is a folder" in message(tmp_path)
    os.mkfifo(tmp_path / "pipe.csv")
    assert "a device or a pipe" in message(tmp_path / "pipe.csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b" \n\t"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    assert "the file is empty" in message(write(tmp_path, content))


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_header_only(tmp_path: Path, end: str) -> None:
    assert "a header line and no rows" in message(write(tmp_path, "id,title,description,tag" + end))


def test_missing_column_names_the_nearest(tmp_path: Path) -> None:
    text = message(write(tmp_path, "id,Title,description,label\n1,x,y,a\n"))
    assert text.startswith(
        ', line 1: there is no column "title", only "id", "Title", "description", "label"; did you mean "Title"'
    )
    assert "the first of 2 problems" in text
    text = message(write(tmp_path, "a,b\n1,2\n"), Fields(text=("a",), label="b", id="key"))
    assert 'there is no column "key", only "a", "b"' in text


def test_wide_header_is_shortened(tmp_path: Path) -> None:
    names = [f"column_{number}" * 20 for number in range(500)]
    assert len(message(write(tmp_path, ",".join(names) + "\n" + "," * 499))) < 2000


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_other_separator(tmp_path: Path, separator: str, word: str) -> None:
    text = message(write(tmp_path, 'id,"title",description,tag\n1,x,y,a\n'.replace(",", separator)))
    assert f"separated by {word}" in text
    assert "not by commas" in text
    assert "save it with commas" in text
    assert ("rename it to end in .tsv" in text) == (separator == "\t")
    assert f"separated by {word}" in message(write(tmp_path, "foo,bar\n1,2\n".replace(",", separator)))


def test_commas_in_a_tsv(tmp_path: Path) -> None:
    text = message(write(tmp_path, "id,title,description,tag\n1,x,y,a\n", "data.tsv"))
    assert "separated by commas" in text
    assert "rename it to end in .csv" in text


def test_latin1_names_line_byte_and_column(tmp_path: Path) -> None:
    head = 'id,title,description,tag\n1,"x\n\n",y,a\n'
    content = (head + "2,caf\xe9,z,b\n3,na\xefve,w,b\n").encode("latin-1")
    text = message(write(tmp_path, content))
    position = content.index(b"\xe9")
    assert text.startswith(
        f', line 5 (row 3 in a spreadsheet), column "title": byte 0xE9 at offset {position} of the file is not UTF-8 '
        '("é" in Windows-1252 or Latin-1); save the file as "CSV UTF-8"'
    )
    assert "the first of 2 problems" in text


def test_bad_byte_in_the_header_and_at_the_end(tmp_path: Path) -> None:
    assert ", line 1: byte 0xE9 at offset 10" in message(
        write(tmp_path, b"id,title,d\xe9scription,description,tag\n1,x,,y,a\n")
    )
    content = b"id,title,description,tag\n1,x,y,a\n2,x,z,b\xc3"
    assert f'line 3, column "tag": byte 0xC3 at offset {len(content) - 1}' in message(write(tmp_path, content))


@given(
    st.integers(0, 40), st.sampled_from([b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80"])
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_position_of_the_bad_byte_across_blocks(tmp_path: Path, shift: int, bad: bytes) -> None:
    head = b"id,title,description,tag\n1,x,y,a\n2,x,"
    good = ("é" * 20).encode()
    filler = b"z" * ((1 << 20) - len(head) - len(good) - 20 + shift)
    content = head + filler + good + bad + b" ,b\n"
    assert f"byte 0x{bad[0]:02X} at offset {len(head + filler + good):,} of" in message(write(tmp_path, content))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16(tmp_path: Path, encoding: str) -> None:
    text = message(write(tmp_path, GOOD.encode(encoding)))
    assert f"the file is in {encoding[:6].upper()}, not UTF-8" in text
    assert "line 1, byte 0x" in text


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"PK\x03\x04", "Excel workbook"), (b"\x1f\x8b\x08", "gzip"), (b"PAR1", "Parquet"), (b"%PDF-1.7", "PDF")],
)
def test_other_kinds_of_file(tmp_path: Path, start: bytes, what: str) -> None:
    assert what in message(write(tmp_path, start + bytes(range(256))))


def test_nul_byte(tmp_path: Path) -> None:
    text = message(write(tmp_path, GOOD.replace("Fourth", "Fo\0urth")))
    assert text.startswith(
        ', line 6 (row 5 in a spreadsheet), column "title": the cell has a NUL byte, after 2 characters;'
    )


@pytest.mark.parametrize("row", ["5,x,y,a,extra", "5,x", '5,"a, b",x,y,b'])
def test_ragged_row(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, f'id,title,description,tag\n1,"x\n2",y,a\n{row}\n6,x,z,b\n')
    count = len(next(csv.reader([row])))
    assert f", line 4 (row 3 in a spreadsheet): the row has {count} cells and the header has 4" in message(path)


def test_unclosed_quote(tmp_path: Path) -> None:
    head = "id,title,description,tag\n1,x,y,a\n"
    text = message(write(tmp_path, head + '2,"open,y,a\n3,x,y,b\n'))
    assert text.startswith(
        ", line 3: a quote opens a cell that is not closed before the end of the file; put quotes around"
    )
    text = message(write(tmp_path, head + '2,"open,y,a\n3,x,y,b\n4,"closed",y,b\n'))
    assert text.startswith(", line 3: a quote opens a cell that is not closed properly (the next quote, on line 5,")
    assert ", line 3: a cell goes on after its closing quote" in message(write(tmp_path, head + '2,"so" called,y,b\n'))


def test_ten_megabyte_cell(tmp_path: Path) -> None:
    size = 10 * 2**20
    path = write(tmp_path, 'id,title,description,tag\n1,"x\n",y,a\n2,x,' + "é" * size + ",b\n3,x,z,b\n")
    text = message(path)
    assert text.startswith(
        f', line 4 (row 3 in a spreadsheet), column "description": the cell has {size:,} characters '
        "and the limit is 100,000;"
    )
    assert "data.max_cell_characters" in text
    table = load_table(path, max_cell_characters=size)
    assert len(table.frame["description"].iloc[1]) == size


def test_long_cell_limit_is_in_characters(tmp_path: Path) -> None:
    path = write(tmp_path, "id,title,description,tag\n1,éééé,y,a\n2,x,z,b\n")
    load_table(path, max_cell_characters=4)
    assert "the cell has 4 characters and the limit is 3" in message(path, max_cell_characters=3)


def test_duplicate_ids(tmp_path: Path) -> None:
    text = message(write(tmp_path, 'id,title,description,tag\n1,"x\n",y,a\n2,x,z,b\n1,v,w,b\n2,x,u,a\n'))
    assert text.startswith(
        ', line 5 (row 4 in a spreadsheet), column "id": the id "1" is also on line 2; give each row'
    )
    assert "the first of 2 problems" in text
    assert 'line 3, column "id": the id is empty' in message(
        write(tmp_path, "id,title,description,tag\n1,x,y,a\n ,x,y,b\n")
    )


def test_one_tag(tmp_path: Path) -> None:
    path = write(tmp_path, "title,description,tag\nx,y,a\nx,z,a\n,,b\n")
    assert ', column "tag": all 2 rows have the tag "a"; at least 2 different tags are needed' in message(path)


def test_no_usable_row(tmp_path: Path) -> None:
    assert "no row has both a text and a tag" in message(write(tmp_path, "title,description,tag\n,,a\nx,y,\n"))
    assert "no row has a text" in message(write(tmp_path, "title,description,tag\n,,\n"), labelled=False)


def test_duplicate_columns(tmp_path: Path) -> None:
    text = message(write(tmp_path, "id,title,title,description,tag\n1,x,y,z,a\n2,x,y,z,b\n"))
    assert text.startswith(', line 1, column "title": 2 columns have the name "title"; rename all but one')
    table = load_table(write(tmp_path, "note,note,,title,description,tag\n,,,x,y,a\n,,,x,z,b\n"))
    assert [problem.kind for problem in table.problems] == ["duplicate-column"]


@pytest.mark.parametrize(
    "fields",
    [
        Fields(text=("tag", "title")),
        Fields(text=("title", "title")),
        Fields(text=()),
        Fields(label="id", text=("title",)),
    ],
)
def test_columns_named_for_two_purposes(tmp_path: Path, fields: Fields) -> None:
    assert "name" in message(write(tmp_path, GOOD), fields)


def test_bad_dates_are_told(tmp_path: Path) -> None:
    table = load_table(
        write(tmp_path, "created_on,title,description,tag\n31.12.2020,x,y,a\n2020-13-01,x,z,b\n2021-01-02,v,w,b\n")
    )
    assert table.frame["created"].isna().tolist() == [True, True, False]
    assert [(problem.kind, problem.row, problem.fatal) for problem in table.problems] == [
        ("date", 2, False),
        ("date", 3, False),
    ]


def test_user_text_cannot_break_the_sentence(tmp_path: Path) -> None:
    text = message(write(tmp_path, '"id\n\x1b[31m",title\n1,x\n'))
    assert "\x1b" not in text
    assert "\\n" in text


def test_hundred_thousand_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = np.array(["graph", "neural", "model", "text", "image", "learning", "réseau", "データ"])
    texts = rng.choice(words, (100_000, 12))
    lines = (
        f'{number},{" ".join(row[:4])},"{" ".join(row[4:])}",{"ab"[number % 2]}' for number, row in enumerate(texts)
    )
    path = write(tmp_path, "id,title,description,tag\n" + "\n".join(lines))
    start = time.perf_counter()
    table = load_table(path)
    seconds = time.perf_counter() - start
    assert len(table.frame) == 100_000
    assert table.frame["row"].iloc[-1] == 100_001
    assert seconds < 10  # about 1 s alone on one core; a loop per cell in pandas would take minutes
