from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from engine.dataset.fields import Fields
from engine.dataset.loading import load_table

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults_are_the_columns_of_the_embedded_data() -> None:
    assert Fields() == Fields(("title", "description"), "tag", "id", "created_on")


def test_round_trip() -> None:
    fields = Fields(text=("a", "b"), label="c", id=None, created=None)
    assert msgspec.json.decode(msgspec.json.encode(fields), type=Fields) == fields


def test_columns_of_a_frame_are_all_different() -> None:
    fields = Fields(text=("id", "text", "tag", "title"))
    assert fields.text_columns == ("field:id", "field:text", "field:tag", "title")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_name_is_no_column(empty: str) -> None:
    none = Fields(id=None, created=None)
    assert Fields(id=empty, created=empty) == none
    assert msgspec.structs.replace(Fields(), id=empty, created=empty) == none
    assert msgspec.json.decode(f'{{"id": "{empty}", "created": "{empty}"}}', type=Fields) == none


def test_a_file_loads_with_empty_names(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,title,tag\n1,x,a\n1,y,b\n", encoding="utf-8")
    table = load_table(tmp_path / "rows.csv", Fields(text=("title",), id="", created=""))
    assert table.generated_ids
