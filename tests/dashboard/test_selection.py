"""Which examples are meant: the text of a link gives the same selection again, or a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.evaluation.link import evaluation_fields
from dashboard.evaluation.selection import (
    COURSES,
    FLIPS,
    OF_EXAMPLES,
    OF_TAGS,
    ORDERS,
    WRONG,
    ExampleSelection,
    SelectionError,
    Span,
    format_selection,
    parse_selection,
)
from dashboard.state import DashboardState
from dashboard.url import UrlState, decode_query
from engine.evaluation.flips import COURSES as COURSES_OF_ENGINE

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
RUNS = st.text("0123456789abcdef", min_size=32, max_size=32)
SPANS = st.builds(
    lambda ends, above, below: Span(min(ends), max(ends), above, below),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.booleans(),
    st.booleans(),
)


@st.composite
def selections(draw: st.DrawFn) -> ExampleSelection:
    values = {name: draw(NAMES) for name in ("true", "predicted", "slice_name", "weak", "tag")}
    values["confidence"] = draw(st.none() | SPANS)
    values["outcome"] = draw(st.sampled_from(["", *OF_EXAMPLES, *(OF_TAGS if values["tag"] else ())]))
    if values["outcome"] not in OF_TAGS and draw(st.booleans()):
        values |= {"flip": draw(st.sampled_from(FLIPS)), "against": draw(RUNS)}
    if draw(st.booleans()):
        values |= {"course": draw(st.sampled_from(COURSES)), "over": tuple(draw(st.lists(RUNS, max_size=4)))}
        values |= {"order": draw(st.sampled_from(ORDERS)), "pattern": draw(st.text("01-", max_size=5))}
        values |= {"by": draw(RUNS | st.just(""))}
    if not values.keys() & {"flip", "course"}:
        values["other_below"] = draw(st.none() | st.floats(0, 1))
    return ExampleSelection(**values)


@given(selections())
def test_the_text_of_a_selection_gives_it_again(selection: ExampleSelection) -> None:
    assert parse_selection(format_selection(selection)) == selection


@given(st.text())
def test_any_text_is_a_selection_or_a_sentence(text: str) -> None:
    try:
        selection = parse_selection(text)
    except SelectionError as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error) or "\n" in text
    else:
        assert parse_selection(format_selection(selection)) == selection


def test_what_is_written_is_short_and_can_be_read() -> None:
    assert parse_selection("") == WRONG
    assert format_selection(WRONG) == "outcome:wrong"
    assert format_selection(ExampleSelection()) == "all"
    assert parse_selection("all") == ExampleSelection()
    cell = ExampleSelection(true="a;b\\c:d", predicted="x")
    assert format_selection(cell) == r"true:a\;b\\c:d;predicted:x"
    span = ExampleSelection(confidence=Span(0.1, 0.2, above=True))
    assert format_selection(span) == "confidence:(0.1,0.2]"
    assert COURSES == COURSES_OF_ENGINE


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "colour:red",
        "true:",
        "true:a;true:b",
        "outcome:maybe",
        "outcome:fp",
        "outcome:fp;tag:a;flip:fixed;against:" + "0" * 32,
        "flip:fixed",
        "against:" + "0" * 32,
        "flip:fixed;against:../../etc/passwd",
        "course:wobbly",
        "over:" + "0" * 32,
        "course:flaky;over:" + "0" * 32 + ",,",
        "course:flaky;order:size",
        "pattern:2",
        "confidence:0.1..0.2",
        "confidence:[0.9,0.1]",
        "confidence:[nan,1]",
        "confidence:[1e999,1e999]",
        "confidence:[1-1,2]",
        "true:\0",
        "tag:" + "x" * 30_000,
        "<script>alert(1)</script>",
        ";",
    ],
)
def test_what_describes_no_examples_gets_one_sentence(text: str) -> None:
    with pytest.raises(SelectionError) as error:
        parse_selection(text)
    assert str(error.value).endswith(".")
    assert len(str(error.value)) < 400


class Page:
    """The state of the three sections with its URL, as on the page."""

    def __init__(self) -> None:
        self.state = DashboardState()
        self.written: list[tuple[str, bool]] = []
        self.reported: list[str] = []
        fields = evaluation_fields(self.state.figures, self.state.runs, self.state.examples, lambda _run: None)
        self.url = UrlState(fields, lambda search, push: self.written.append((search, push)), self.reported.append)
        self.url.follow()


def test_a_click_is_one_step_that_leads_to_the_first_of_its_examples() -> None:
    page = Page()
    chosen = page.state.examples
    chosen.param.update(page="3", example="17", view="table")
    chosen.show("outcome:fp;tag:a")
    assert (chosen.page, chosen.example, chosen.asked) == ("", "", 1)
    assert decode_query(page.written[-1][0]) == {"examples": "outcome:fp;tag:a", "examples-view": "table"}
    assert len(page.written) == 2
    chosen.param.update(page="2", example="17")
    chosen.sort = "unsure"
    assert (chosen.page, chosen.example) == ("", "17")


@given(selections())
def test_a_copied_link_opens_the_same_examples(selection: ExampleSelection) -> None:
    one, other = Page(), Page()
    one.state.examples.examples = format_selection(selection)
    one.state.examples.param.update(page="2", example="a b&c")
    one.state.figures.param.update(threshold="0.85", confusion="rates")
    other.url.read(one.url.search())
    assert other.reported == []
    assert parse_selection(other.state.examples.examples) == selection
    assert (other.state.examples.page, other.state.examples.example) == ("2", "a b&c")
    assert (other.state.figures.threshold, other.state.figures.confusion) == ("0.85", "rates")


def test_a_link_carries_no_defaults() -> None:
    page = Page()
    assert page.url.search() == ""
    page.url.read("?confusion=rates&order=version&metric=macro F1")
    assert page.url.search() == "?confusion=rates&order=version&metric=macro%20F1"
    page.state.figures.confusion = "counts"
    assert page.url.search() == "?order=version&metric=macro%20F1"


@pytest.mark.parametrize(
    "search",
    [
        "threshold=1.5",
        "threshold=nan",
        "threshold=1e-1",
        "threshold=%201",
        "cost=-1",
        "cost=inf",
        "confusion=<b>",
        "bars=size",
        "over=,",
        "order=name",
        "metric=speed",
        "flip=flaky",
        "examples=nonsense",
        "examples-page=0",
        "examples-view=grid",
        "examples-sort=id",
    ],
)
def test_what_a_link_cannot_say_is_one_sentence_and_the_default(search: str) -> None:
    page = Page()
    page.url.read(f"?{search}&threshold=0.5" if not search.startswith("threshold") else f"?{search}")
    assert len(page.reported) == 1
    assert page.url.search() == ("" if search.startswith("threshold") else "?threshold=0.5")
