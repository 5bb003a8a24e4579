"""The table: one page as HTML in which everything is text, and what is chosen in it."""

from __future__ import annotations

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


def test_a_page_beyond_the_last_is_the_last() -> None:
    table = table_of(total=30)
    table._picked("page:99")
    assert table.wanted["page"] == 2
