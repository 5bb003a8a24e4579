"""The few kinds of field that a visitor fills in, all of one height and width."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui
from panel.util import edit_readonly

_SELECT_SX = {"& .MuiSelect-select": {"paddingTop": "8.5px", "paddingBottom": "8.5px", "minHeight": "23px"}}


def select(label: str, options: dict[str, str] | None = None, value: str | None = None) -> pmui.Select:
    """Make a field that offers a choice; `options` maps what is shown to what is meant."""
    return pmui.Select(
        label=label,
        options=options or {},
        value=value,
        size="small",
        sizing_mode="stretch_width",
        margin=0,
        sx=_SELECT_SX,
    )


def text_input(label: str, value: str, placeholder: str) -> pmui.TextInput:
    """Make a field for a line of text; its `value_input` follows the typing."""
    return pmui.TextInput(
        label=label,
        value=value,
        placeholder=placeholder,
        size="small",
        sizing_mode="stretch_width",
        margin=0,
        max_length=100_000,
    )


def text_area(label: str, value: str, rows: int, **params: Any) -> pmui.TextAreaInput:
    """Make a field for several lines of text; its `value_input` follows the typing."""
    return pmui.TextAreaInput(
        label=label,
        value=value,
        rows=rows,
        sizing_mode="stretch_width",
        margin=0,
        max_length=1_000_000,
        **params,
    )


def set_text(field: pmui.TextInput | pmui.TextAreaInput, text: str) -> None:
    """Put a text into a field from outside, also over one that was typed and not yet confirmed."""
    if field.value_input == text:
        return
    with edit_readonly(field):
        field.param.update(value=text, value_input=text)
