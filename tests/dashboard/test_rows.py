"""The table: one page as HTML in which everything is text, and what is chosen in it."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from dashboard.components.rows import EMPTY, PAGE_SIZE, RowTable

HARM = "<script>alert(1)</script>"


def table_of(count: int = 3, total: int = 3, **params) -> RowTable:
    frame = pd.DataFrame(
        {
            "id": [f"{HARM}{number}" for number in range(count)],
            "created": pd.to_datetime(["2024-05-17"] * (count - 1) + [None]) if count else pd.to_datetime([]),
            "a.b": ["x" * 100_000, *[None] * (count - 1)][:count],
            "tag": ["=cmd()"] * count,
        }
    )
    titles = {"id": "ID", "a.b": HARM, "tag": "Tag", "created": "Created"}
    return RowTable(frame=frame, total=total, titles=titles, texts=["a.b"], **params)


def html_of(table: RowTable) -> str:
    return table.__panel__().html


def test_every_cell_and_title_is_text_and_short() -> None:
    html = html_of(table_of())
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;2" in html
    assert "100,000 characters" in html
    assert len(html) < 10_000
    assert "2024-05-17" in html
    assert "NaT" not in html
    assert "None" not in html


def test_an_empty_page_says_what_to_do() -> None:
    assert EMPTY in html_of(table_of(0, 0))


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2), (1_000_000, 83_334)])
def test_pages_are_counted(total: int, pages: int) -> None:
    assert table_of(total=total).pages == pages


def test_titles_sort_up_and_then_down_and_rows_are_named_by_the_index() -> None:
    table = table_of()
    table.titles = dict(table.titles)
    table._picked("sort:3")
    assert table.wanted["sort"] == "tag"
    table.sort = "tag"
    assert 'class="tag" aria-sort="ascending"' in html_of(table)
    table._picked("sort:3")
    assert table.wanted["sort"] == "-tag"
    table._picked("row:1")
    assert table.wanted["row"] == 1


@pytest.mark.parametrize(("key", "page"), [("first", 0), ("previous", 0), ("next", 2), ("last", 2)])
def test_there_is_a_way_to_each_page(key: str, page: int) -> None:
    table = table_of(total=30, number=1)
    table._picked(f"page:{key}")
    assert table.wanted["page"] == page


def test_beyond_the_ends_there_is_no_page_and_the_buttons_keep_their_names() -> None:
    table = table_of(total=30, number=2)
    table._picked("page:next")
    assert table.wanted["page"] == 2
    for number in range(3):
        table.number = number
        names = re.findall('data-pick="page:([a-z]+)"', html_of(table))
        assert names == ["first", "previous", "next", "last"]
        assert html_of(table).count("aria-disabled") == (0 if number == 1 else 2)
        assert " disabled" not in html_of(table)


def test_each_row_has_a_button_where_no_screen_hides_it_and_says_whether_it_is_open() -> None:
    table = table_of(opened=f"{HARM}1")
    cells = re.findall(r'<td class="text-0"><div><button data-pick="row:(\d)" aria-expanded="(\w+)"', html_of(table))
    assert cells == [("0", "false"), ("1", "true"), ("2", "false")]
    assert "tabindex" not in html_of(table)
    assert "aria-selected" not in html_of(table)


def test_what_is_no_column_of_the_data_cannot_be_sorted() -> None:
    table = table_of(unsorted=["tag"])
    assert '<th class="tag">Tag</th>' in html_of(table)
    assert html_of(table).count('data-pick="sort:') == 3
    table.busy = True
    assert 'aria-busy="true"' in html_of(table)
