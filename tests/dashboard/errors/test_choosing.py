"""What is chosen is what is shown: ids as pandas finds them, counts, orders, pages, and what cannot be used."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dashboard.evaluation.selection import ExampleSelection, Span, format_selection, parse_selection
from dashboard.sections.errors.conditions import further, kinds_of, with_kind, with_tag, without
from dashboard.sections.errors.listing import PAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Visitor

RUN = "f" * 32


def wrong(visitor: Visitor) -> list[str]:
    frame = visitor.frame
    return frame.loc[frame["tag"] != frame["predicted_tag"], "id"].tolist()


def test_without_a_choice_all_wrong_answers_are_shown(visitor: Visitor) -> None:
    assert set(visitor.ids) == set(wrong(visitor))
    assert visitor.shown == visitor.ids[:PAGE_SIZE]
    assert f"<b>{len(wrong(visitor)):,}</b> of {len(visitor.frame):,} examples: wrong" in visitor.head
    assert 'data-pick="clear"' not in visitor.head
    text = visitor.section.evaluation.texts(np.array([visitor.row(visitor.shown[0])]))[0]
    assert text.split()[0] in visitor.html


@pytest.mark.parametrize("kind", ["tp", "fp", "fn", "wrong", "correct", "confidently wrong", "nearly right", ""])
def test_kind_and_tag_lead_to_the_rows_that_pandas_finds(visitor: Visitor, kind: str) -> None:
    frame, tag = visitor.frame, visitor.frame["tag"].value_counts().index[0]
    visitor.enter("tag", str(visitor.section.evaluation.tags.index(tag)))
    visitor.pick(f"kind:{kind}")
    true, said = frame["tag"] == tag, frame["predicted_tag"] == tag
    right = frame["tag"] == frame["predicted_tag"]
    chances = frame[[name for name in frame if name.startswith("probability:")]]
    top = chances.apply(lambda row: row.nlargest(2).index[-1].removeprefix("probability:"), axis=1)
    expected = {
        "tp": true & said,
        "fp": said & ~true,
        "fn": true & ~said,
        "wrong": ~right & (true | said),
        "correct": right & (true | said),
        "confidently wrong": ~right & (true | said) & (chances.max(axis=1) >= np.float32(0.9)),
        "nearly right": ~right & (true | said) & (top == frame["tag"]),
        "": true | said,
    }[kind]
    assert set(visitor.ids) == set(frame.loc[expected, "id"])
    # The count on the pill is the number of these rows.
    pill = re.search(rf'data-pick="kind:{kind}"[^>]*>[^<]*<b>([\d,]+)</b>', visitor.head)
    assert int(pill[1].replace(",", "")) == expected.sum()


def test_a_click_elsewhere_shows_its_words_and_is_cleared(visitor: Visitor) -> None:
    frame = visitor.frame
    cell = frame[frame["tag"] != frame["predicted_tag"]].iloc[0]
    chosen = ExampleSelection(true=cell["tag"], predicted=cell["predicted_tag"])
    visitor.state.examples.show(format_selection(chosen))
    expected = frame[(frame["tag"] == cell["tag"]) & (frame["predicted_tag"] == cell["predicted_tag"])]
    assert set(visitor.ids) == set(expected["id"])
    assert f"true tag {cell['tag']}, predicted {cell['predicted_tag']}" in visitor.head
    visitor.pick("without:predicted")
    assert set(visitor.ids) == set(frame.loc[frame["tag"] == cell["tag"], "id"])
    visitor.pick("clear")
    assert set(visitor.ids) == set(wrong(visitor))
    assert visitor.state.examples.examples == ""


@pytest.mark.parametrize(("sort", "ascending"), [("confident", False), ("unsure", True), ("surprised", True)])
def test_orders_are_those_of_the_probabilities(visitor: Visitor, sort: str, ascending: bool) -> None:
    visitor.enter("sort", sort)
    frame = visitor.frame.set_index("id").loc[visitor.ids]
    column = "tag" if sort == "surprised" else "predicted_tag"
    values = np.array([row[f"probability:{row[column]}"] for _, row in frame.iterrows()])
    assert (np.diff(values) >= 0).all() if ascending else (np.diff(values) <= 0).all()


def test_pages_turn_and_the_open_example_decides_which_one_is_shown(visitor: Visitor) -> None:
    visitor.state.examples.examples = "all"
    visitor.pick("page:next")
    assert visitor.shown == visitor.ids[PAGE_SIZE : 2 * PAGE_SIZE]
    assert visitor.state.examples.page == "2"
    visitor.pick("page:last")
    assert visitor.shown == visitor.ids[-((len(visitor.ids) - 1) % PAGE_SIZE + 1) :]
    visitor.state.examples.page = "999999999"
    assert visitor.shown[-1] == visitor.ids[-1]
    # As in a link without a page, or after another order.
    visitor.state.examples.param.update(page="", example=visitor.ids[25])
    assert visitor.shown == visitor.ids[20:30]
    visitor.state.examples.sort = "unsure"
    assert visitor.state.examples.example in visitor.shown


def test_steps_go_over_the_end_of_a_page_with_the_open_example(visitor: Visitor) -> None:
    visitor.state.examples.examples = "all"
    visitor.pick("step:previous")
    assert visitor.state.examples.page == ""
    visitor.pick("step:next")
    assert (visitor.state.examples.page, visitor.state.examples.example) == ("2", "")
    visitor.pick(f"open:{visitor.row(visitor.ids[PAGE_SIZE])}")
    visitor.pick("step:previous")
    assert visitor.state.examples.example == visitor.ids[PAGE_SIZE - 1]
    assert visitor.shown == visitor.ids[:PAGE_SIZE]
    visitor.pick("step:next")
    assert visitor.state.examples.example == visitor.ids[PAGE_SIZE]


def test_an_open_example_that_is_not_meant_stands_apart_and_an_unknown_one_is_a_sentence(visitor: Visitor) -> None:
    other = next(name for name in visitor.frame["id"] if name not in visitor.ids)
    visitor.state.examples.example = other
    assert visitor.shown == [other, *visitor.ids[:PAGE_SIZE]]
    assert "none of those chosen above" in visitor.html
    visitor.state.examples.example = "<b>nobody"
    assert "not judged on an example “<b>nobody”" in visitor.problem
    assert visitor.shown == visitor.ids[:PAGE_SIZE]


def test_what_cannot_be_used_is_one_sentence_and_the_controls_lead_on(visitor: Visitor) -> None:
    for examples, words in (
        ("tag:not there", "has no tag “not there”"),
        ("nonsense", "describes no examples"),
        ("slice:neither", "no slice “neither”"),
    ):
        visitor.state.examples.examples = examples
        assert words in visitor.problem
        assert visitor.shown == []
        visitor.pick("clear")
        assert visitor.problem == ""
        assert visitor.shown
    visitor.state.examples.sort = "moved"
    assert "no order “moved”" in visitor.problem
    assert visitor.shown


def test_without_probabilities_the_rest_works(visit_changed: Callable[..., Visitor]) -> None:
    visitor = visit_changed(lambda frame: frame[["id", "split", "tag", "predicted_tag"]])
    assert visitor.shown == visitor.ids[:PAGE_SIZE]
    assert 'class="bars"' not in visitor.html
    assert 'data-pick="kind:nearly right" aria-pressed="false" title="Unknown' in visitor.head
    visitor.pick("kind:nearly right")
    assert "has no probabilities" in visitor.problem
    visitor.pick("clear")
    visitor.state.examples.sort = "unsure"
    assert "has no probabilities" in visitor.problem
    assert visitor.shown


def test_without_its_data_set_there_are_examples_without_texts(demo_home: Path, visitor: Visitor) -> None:
    shutil.move(demo_home / "data" / "datasets", demo_home / "elsewhere")
    bare = type(visitor)(demo_home)
    assert bare.ids == visitor.ids
    assert "The text is not here" in bare.html
    assert "no texts and no slices" in bare.section._remarks.text
    bare.pick(f"open:{bare.row(bare.shown[0])}")
    assert "The data set is not here" in bare.html
    assert "the data set is not; copy it" in bare.html


def test_cards_and_table_show_the_same(visitor: Visitor) -> None:
    shown = visitor.shown
    visitor.pick("view:table")
    assert visitor.shown == shown
    assert visitor.html.count("<tr data-card") == len(shown)
    visitor.pick(f"open:{visitor.row(shown[1])}")
    assert visitor.html.count('aria-expanded="true"') == visitor.html.count('class="detail"') == 1


def test_weak_slices_are_waited_for(visitor: Visitor) -> None:
    visitor.state.examples.examples = "weak:about nothing"
    assert "No weak slice “about nothing”" in visitor.problem


def test_controls_keep_what_they_do_not_change() -> None:
    chosen = ExampleSelection(true="a", slice_name="s", confidence=Span(0.5, 1.0))
    assert with_kind(chosen, "wrong") == ExampleSelection(
        outcome="wrong", true="a", slice_name="s", confidence=Span(0.5, 1.0)
    )
    tagged = with_tag(chosen, "b")
    assert tagged == ExampleSelection(tag="b", slice_name="s", confidence=Span(0.5, 1.0))
    assert with_tag(with_kind(tagged, "fp"), "").outcome == "wrong"
    assert set(further(chosen)) == {"true", "slice_name", "confidence"}
    assert without(chosen, "slice_name") == ExampleSelection(true="a", confidence=Span(0.5, 1.0))
    flip = parse_selection(f"flip:fixed;against:{RUN};tag:a")
    assert "tp" not in kinds_of(flip)
    assert without(flip, "flip") == ExampleSelection(tag="a")
    course = ExampleSelection(course="flaky", over=(RUN,), order="version")
    assert without(course, "course") == ExampleSelection()


@pytest.mark.parametrize(
    "key",
    ["open:99999", "check:99999", "open:-1", "check:-1", "open:", "check:x", "page:sideways", "open:1e3", "check:²"],
)
def test_a_click_that_names_no_example_on_show_does_nothing(visitor: Visitor, key: str) -> None:
    before = visitor.html
    visitor.pick(key)
    assert visitor.html == before
    assert visitor.state.examples.example == ""
    assert not visitor.section._saving.some.visible


def test_a_late_click_on_an_example_of_other_examples_does_nothing(visitor: Visitor) -> None:
    row = visitor.row(visitor.shown[0])
    visitor.pick("kind:correct")
    visitor.pick(f"check:{row}")
    visitor.pick(f"open:{row}")
    assert not visitor.section._saving.some.visible
    assert visitor.state.examples.example == ""


def test_what_was_checked_is_cleared_with_the_run(visitor: Visitor) -> None:
    runs = [entry.run_id for entry in visitor.catalogue.runs() if entry.run_id != visitor.run_id]
    visitor.pick(f"check:{visitor.row(visitor.shown[0])}")
    saving = visitor.section._saving
    assert saving.some.visible
    visitor.state.selection.run_id = runs[0]
    assert visitor.section.evaluation.run_id == runs[0]
    assert not saving.some.visible
    assert 'aria-checked="true"' not in visitor.html
    # A press that was on its way is answered by a sentence.
    saving.some.asked += 1
    assert saving.some.sentence == "No example is checked any more; check some and press again."
    visitor.enter("tag", "99")
    assert visitor.state.examples.examples == ""
