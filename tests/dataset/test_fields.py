from __future__ import annotations

import msgspec

from engine.dataset.fields import Fields


def test_defaults_are_the_columns_of_the_embedded_data() -> None:
    assert Fields() == Fields(("title", "description"), "tag", "id", "created_on")


def test_round_trip() -> None:
    fields = Fields(text=("a", "b"), label="c", id=None, created=None)
    assert msgspec.json.decode(msgspec.json.encode(fields), type=Fields) == fields


def test_columns_of_a_frame_are_all_different() -> None:
    fields = Fields(text=("id", "text", "tag", "title"))
    assert fields.text_columns == ("field:id", "field:text", "field:tag", "title")
