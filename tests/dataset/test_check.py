from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.check import Problem, check_file
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.problems import LISTED
from engine.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "id,created_on,title,description,tag\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def found(problems: list[Problem]) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.row) for problem in problems]


def test_a_good_file_has_no_problems(tmp_path: Path) -> None:
    assert check_file(write(tmp_path, HEAD + "1,2020-01-01,x,y,a\n2,2020-01-01,x,z,b\n"), min_count=1) == []


def test_everything_is_listed_by_row(tmp_path: Path) -> None:
    rows = [
        "1,2020-01-01,x,y,a",  # 2
        "1,2020-01-01,x,z,b",  # 3: id again
        '3,2020-01-01,"x',  # 4, 5: a line break
        'x",q,a',
        "4,2020-01-01,x",  # 6: ragged
        "5,2020-01-01,,,a",  # 7: left out
        '6,2020-01-01,"open,x,b',  # 8: quote
        "7,yesterday,v,w, b ",  # 9: date, white space
        "8,2020-01-01,na\xefve,w,b",  # 10: encoding
        "9,2020-01-01,nul\0,w,b",  # 11: NUL
        "10,2020-01-01,x,y,b",  # 12: text of line 2 with another tag
        "11,2020-01-01,x,u," + "t" * 200,  # 13: long, and rare
    ]
    problems = check_file(
        write(tmp_path, (HEAD + "\n".join(rows)).encode("latin-1")), max_cell_characters=100, min_count=2
    )
    assert found(problems) == [
        ("duplicate-id", 3),
        ("ragged-row", 6),
        ("left-out", 7),
        ("quote", 8),
        ("tag-space", 9),
        ("date", 9),
        ("encoding", 10),
        ("lost-character", 10),
        ("nul", 11),
        ("lost-character", 11),
        ("duplicate-text", 12),
        ("long-cell", 13),
        ("rare-tag", 13),
    ]
    assert {problem.kind for problem in problems if problem.fatal} == {
        "duplicate-id",
        "ragged-row",
        "quote",
        "encoding",
        "nul",
        "long-cell",
    }
    duplicate = next(problem for problem in problems if problem.kind == "duplicate-text")
    assert duplicate.message == 'the text is the same as on line 2, with the tag "b" here and "a" there'


def test_the_first_fatal_one_is_what_loading_says(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1,,x,y, a\n2,,x\n3,,x,z,b\n3,,x,z,b\n")
    first = next(problem for problem in check_file(path) if problem.fatal)
    with pytest.raises(DataError) as caught:
        load_table(path)
    assert str(caught.value).startswith(first.sentence(path).removesuffix("."))


@pytest.mark.parametrize("rows", [LISTED, LISTED + 1, 5 * LISTED])
def test_long_lists_are_cut_and_counted(tmp_path: Path, rows: int) -> None:
    content = HEAD + "a,,x,y,a\nb,,x,z,b\n" + "".join(f"{number},,x\n" for number in range(rows))
    ragged = [problem for problem in check_file(write(tmp_path, content), min_count=1) if problem.kind == "ragged-row"]
    assert [problem.row for problem in ragged[:LISTED]] == list(range(4, 4 + LISTED))
    rest = ragged[LISTED:]
    assert [problem.more for problem in rest] == ([rows - LISTED] if rows > LISTED else [])
    if rest:
        assert rest[0].row is None
        assert f"{rows - LISTED:,} more problem" in rest[0].message


def test_left_out_rows_and_duplicates_are_cut_and_counted(tmp_path: Path) -> None:
    content = HEAD + "a,,x,y,a\nb,,x,z,b\n" + "".join(f"e{n},,,,a\nd{n},,x,y,a\n" for n in range(100))
    problems = check_file(write(tmp_path, content), min_count=1)
    for kind in ("left-out", "duplicate-text"):
        of_kind = [problem for problem in problems if problem.kind == kind]
        assert sum(problem.more or 1 for problem in of_kind) == 100
        assert len(of_kind) == LISTED + 1


def test_spellings_of_tags(tmp_path: Path) -> None:
    tags = ["computer-vision"] * 5 + ["Computer Vision", "computer_vision", "mlops", "mlops"]
    content = HEAD + "".join(f"{n},,x,{n},{tag}\n" for n, tag in enumerate(tags))
    problems = check_file(write(tmp_path, content), min_count=2)
    similar = [problem for problem in problems if problem.kind == "similar-tags"]
    assert [problem.row for problem in similar] == [7, 8]
    assert (
        'the tag "Computer Vision" (1 row, here first) is spelt almost as "computer-vision" (5 rows)'
        in similar[0].message
    )
    assert [problem.row for problem in problems if problem.kind == "rare-tag"] == [7, 8]
    assert not any(problem.fatal for problem in problems)


def test_wrong_label_column(tmp_path: Path) -> None:
    content = HEAD + "".join(f"{n},,x,{n},tag {n}\n" for n in range(300))
    assert "many-tags" in {problem.kind for problem in check_file(write(tmp_path, content))}


@pytest.mark.parametrize("character", ["é", "’", "€", "ü", "ß", "中", "Ж", "ñ", "–", "ك", "Á", "Н", "ぁ"])
def test_mojibake_is_seen(tmp_path: Path, character: str) -> None:
    data = character.encode()
    damaged = "".join(bytes([b]).decode("cp1252") if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(b) for b in data)
    path = write(tmp_path, HEAD + f"1,,x,y,a\n2,,fine,so {damaged} so,b\n")
    problems = [problem for problem in check_file(path, min_count=1) if problem.kind == "mojibake"]
    assert [(problem.row, problem.column) for problem in problems] == [(3, "description")]
    assert f'looks like "{character}" read in a wrong encoding' in problems[0].message


@pytest.mark.parametrize(
    "text",
    [
        "São Paulo, ação, AÇÃO",
        "Ærøskøbing på Ålesund",
        "Đồ án tiếng Việt",
        "Größe: 5 µm ± 2 °C",
        "ΑΒΓ αβγ",
        "中文字符",
        "«été» — «Noël»",
        "Łódź",
    ],
)
def test_ordinary_text_is_no_mojibake(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, HEAD + f'1,,x,y,a\n2,,fine,"{text}",b\n')
    assert check_file(path, min_count=1) == []


def test_lost_characters(tmp_path: Path) -> None:
    problems = check_file(write(tmp_path, HEAD + "1,,x,y,a\n2,,caf\ufffd,z,b\n"), min_count=1)
    assert [(p.kind, p.row, p.column, p.fatal) for p in problems] == [("lost-character", 3, "title", False)]


def test_many_open_quotes_end(tmp_path: Path) -> None:
    content = HEAD + "1,,x,y,a\n2,,x,z,b\n" + "".join(f'{n},,"x" y,w,a\n' for n in range(3, 100))
    problems = check_file(write(tmp_path, content), min_count=1)
    assert sum(problem.kind == "quote" for problem in problems) == 10
    assert [problem.row for problem in problems if problem.kind == "unread"] == [14]


@pytest.mark.parametrize(
    "content", [None, b"", b"a\0b\0,\0", b"\xff\xfe", b'"', b'"\n', b",,,\n,,,", b"\xff", b"\r\n,\r\n"]
)
def test_never_raises_and_always_finds_something(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.csv" if content is None else write(tmp_path, content)
    problems = check_file(path)
    assert any(problem.fatal for problem in problems)
    for problem in problems:
        assert problem.message
        assert problem.remedy
        assert "\n" not in problem.sentence(path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("check")


ALPHABET = st.sampled_from(
    [b"a", b",", b'"', b"\n", b"\r", b"\0", b"\xff", "é".encode(), b" ", b"x,y,a\n", b"x,z,b\n", b'","', b"\t", b";"]
)


@given(st.lists(ALPHABET, max_size=30).map(b"".join))
@settings(deadline=None)
def test_any_bytes_either_load_or_are_explained(scratch: Path, body: bytes) -> None:
    path = write(scratch, b"title,description,tag\n" + body)
    fatal = [problem for problem in check_file(path, Fields()) if problem.fatal]
    if fatal:
        with pytest.raises(DataError) as caught:
            load_table(path)
        assert str(caught.value).startswith(fatal[0].sentence(path).removesuffix("."))
    else:
        table = load_table(path)
        assert table.frame["id"].is_unique
        assert table.frame["row"].is_monotonic_increasing
