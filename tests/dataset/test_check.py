from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.check import Problem, check_file
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.problems import LISTED
from engine.dataset.tags import map_tags, require_tags
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
        ("nul", 11),
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
    problems = check_file(write(tmp_path, content), min_count=1, limit=LISTED)
    ragged = [problem for problem in problems if problem.kind == "ragged-row"]
    assert [problem.row for problem in ragged[:LISTED]] == list(range(4, 4 + LISTED))
    rest = ragged[LISTED:]
    assert [problem.more for problem in rest] == ([rows - LISTED] if rows > LISTED else [])
    if rest:
        assert rest[0].row is None
        assert f"{rows - LISTED:,} more problem" in rest[0].message


def test_left_out_rows_and_duplicates_are_cut_and_counted(tmp_path: Path) -> None:
    content = HEAD + "a,,x,y,a\nb,,x,z,b\n" + "".join(f"e{n},,,,a\nd{n},,x,y,a\n" for n in range(100))
    problems = check_file(write(tmp_path, content), min_count=1, limit=LISTED)
    for kind in ("left-out", "duplicate-text"):
        of_kind = [problem for problem in problems if problem.kind == kind]
        assert sum(problem.more or 1 for problem in of_kind) == 100
        assert len(of_kind) == LISTED + 1


def test_without_a_limit_everything_is_listed(tmp_path: Path) -> None:
    rows = "".join(f"e{n},,,,a\nd{n},never,x,y, a\nr{n},,x\n,,x,{n},a\nq{n},,\xff,{n},b\n" for n in range(1, 51))
    path = write(tmp_path, (HEAD + "a,,x,y,a\nb,,x,z,b\n" + rows).encode("latin-1"))
    problems = check_file(path, min_count=1)
    assert not any(problem.more for problem in problems)
    lines = {kind: [problem.row for problem in problems if problem.kind == kind] for kind, _ in found(problems)}
    assert lines == {
        "left-out": list(range(4, 254, 5)),
        "duplicate-text": list(range(5, 254, 5)),
        "tag-space": list(range(5, 254, 5)),
        "date": list(range(5, 254, 5)),
        "ragged-row": list(range(6, 254, 5)),
        "empty-id": list(range(7, 254, 5)),
        "encoding": list(range(8, 254, 5)),
    }
    assert {
        problem.more
        for problem in load_table(
            write(tmp_path, HEAD + "a,,x,y,a\nb,,x,z,b\n" + "c,,,,\n" * 50), Fields(id=None)
        ).problems
    } == {0, 30}


@pytest.mark.parametrize("limit", [None, 1])
def test_bytes_that_are_not_utf8_are_reported_once(tmp_path: Path, limit: int | None) -> None:
    content = " title ,description,tag\n" + "caf\xe9,x,a\nx,nul\0,b\n" * 3
    problems = check_file(write(tmp_path, content.encode("latin-1")), min_count=1, limit=limit)
    assert "lost-character" not in {problem.kind for problem in problems}
    both = HEAD.encode() + "1,,x,y,a\n2,,lost\ufffd,".encode() + b"caf\xe9,b\n"
    problems = check_file(write(tmp_path, both), min_count=1, limit=limit)
    assert [(problem.kind, problem.column) for problem in problems] == [
        ("encoding", "description"),
        ("lost-character", "title"),
    ]


def labelled(tags: list[str]) -> str:
    return HEAD + "".join(f"{n},,x,{n},{tag}\n" for n, tag in enumerate(tags))


def fatal(problems: list[Problem]) -> list[str]:
    return [problem.kind for problem in problems if problem.fatal]


@pytest.mark.parametrize(
    ("tags", "options", "kinds"),
    [
        ([f"tag {n % 51}" for n in range(102)], {"min_count": 2}, ["too-many-tags"]),
        ([f"tag {n % 50}" for n in range(100)], {"min_count": 2}, []),
        ([f"tag {n % 49}" for n in range(98)] + ["a", "b"], {"min_count": 2}, []),
        ([f"tag {n % 51}" for n in range(102)], {"min_count": 2, "max_tags": 51}, []),
        ([f"tag {n % 51}" for n in range(102)], {"min_count": 2, "accepted": ["tag 1"]}, []),
        (["a", "b"] * 4, {}, ["few-tags"]),
        (["a", "b"] * 5, {}, []),
        (["a", "b"] * 5, {"accepted": ["a", "c"]}, ["unknown-tag"]),
        (["a", "b"] * 4, {"accepted": ["c"]}, ["unknown-tag", "few-tags"]),
        (["a", "b"] * 4, {"minimum_tags": 1, "accepted": ["c"]}, []),
        (["a"] * 8, {}, ["one-tag"]),
    ],
)
def test_what_training_refuses_is_fatal(
    tmp_path: Path, tags: list[str], options: dict[str, Any], kinds: list[str]
) -> None:
    path = write(tmp_path, labelled(tags))
    assert fatal(check_file(path, **options)) == kinds
    if "max_tags" in options or "minimum_tags" in options or kinds == ["one-tag"]:
        return
    frame = load_table(path).frame
    accepted, min_count = options.get("accepted", ()), options.get("min_count", 5)
    mapped, _ = map_tags(frame["tag"], accepted, min_count)
    if kinds:
        with pytest.raises(DataError):
            require_tags(mapped, frame["tag"], accepted, min_count)
    else:
        require_tags(mapped, frame["tag"], accepted, min_count)


def test_tags_missing_because_rows_are_is_not_told(tmp_path: Path) -> None:
    path = write(tmp_path, labelled(["a", "b"] * 4) + "9,,x\n")
    assert fatal(check_file(path, accepted=["c"])) == ["ragged-row"]


def test_rare_tags_are_told_where_rows_decide(tmp_path: Path) -> None:
    path = write(tmp_path, labelled(["a"] * 5 + ["b"] * 2 + ["c", "other"]))
    rare = [problem.row for problem in check_file(path) if problem.kind == "rare-tag"]
    assert rare == [7, 9]
    assert [problem.row for problem in check_file(path, accepted=["a", "c"]) if problem.kind == "rare-tag"] == [9]


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
    fatal = [problem for problem in check_file(path, Fields(), min_count=0) if problem.fatal]
    if fatal:
        with pytest.raises(DataError) as caught:
            load_table(path)
        assert str(caught.value).startswith(fatal[0].sentence(path).removesuffix("."))
    else:
        table = load_table(path)
        assert table.frame["id"].is_unique
        assert table.frame["row"].is_monotonic_increasing
