"""The filter between its two forms: what a bar asks for survives the way into a link and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.criteria import CONDITIONS, chips_of, ends_of, filter_of, read_condition, state_of
from dashboard.state import SampleFilter
from engine.exploration.filter import Dates, Filter, FilterError, Lengths

NAMES = st.text(min_size=1, max_size=20)
ONE = st.one_of(st.just(()), NAMES.map(lambda name: (name,)))
SIZES = st.one_of(st.none(), st.integers(0, 999_999_999))


def ranges(kind, ends):
    """A range with an end at least; one without is no condition."""
    return st.one_of(st.none(), st.tuples(ends, ends).filter(lambda both: both != (None, None)).map(lambda e: kind(*e)))


CORNERS = st.tuples(*[st.integers(-9_999, 9_999).map(lambda number: number / 100)] * 2)
FILTERS = st.builds(
    Filter,
    tags=ONE,
    splits=ONE,
    outcomes=ONE,
    predicted=ONE,
    text=st.text(),
    created=ranges(Dates, st.one_of(st.none(), st.dates())),
    words=ranges(Lengths, SIZES),
    tokens=ranges(Lengths, SIZES),
    finding=st.one_of(st.none(), NAMES),
    missing=st.lists(NAMES, max_size=3).map(tuple),
    polygon=st.one_of(st.just(()), st.lists(CORNERS, min_size=3, max_size=40).map(tuple)),
)


@given(FILTERS)
def test_a_filter_comes_back_as_it_was(filter: Filter) -> None:
    again, problems = filter_of(SampleFilter(**state_of(filter)))
    assert again == filter
    assert problems == {}


@given(st.dictionaries(st.sampled_from(CONDITIONS), st.text()))
def test_no_text_whatever_raises_and_what_cannot_be_read_is_a_sentence(values: dict[str, str]) -> None:
    state = SampleFilter(**values)
    filter, problems = filter_of(state)
    for attribute, sentence in problems.items():
        assert sentence.endswith((".", "again."))
        assert state_of(filter)[attribute] == ""


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("created", "2024-13-01.."),
        ("created", "2024-01-01"),
        ("created", ".."),
        ("words", "5"),
        ("words", "-5..7"),
        ("tokens", "1e3.."),
        ("words", ".."),
        ("polygon", "1,2;3,4"),
        ("polygon", "1,2;3,4;nan,5"),
        ("polygon", ";".join(["1,2"] * 41)),
    ],
)
def test_a_bad_value_is_refused_by_a_sentence(attribute: str, text: str) -> None:
    with pytest.raises(FilterError, match=r"\.$"):
        read_condition(attribute, text)


def test_there_is_a_chip_for_each_condition_in_words() -> None:
    state = SampleFilter(tag="mlops", words="5..", created="2024-01-01..2024-01-01", missing="text_1", finding="odd")
    chips = chips_of(state, {"text_1": "Body"}, {"odd": "Odd rows"})
    assert [(chip.attribute, chip.label) for chip in chips] == [
        ("tag", "Tag: mlops"),
        ("created", "Created: 2024-01-01"),
        ("words", "Words: from 5"),
        ("finding", "Finding: Odd rows"),
        ("missing", "Without Body"),
    ]


def test_the_ends_of_a_range() -> None:
    assert ends_of("5..") == ("5", "")
    assert ends_of("..7") == ("", "7")
    assert ends_of("nonsense") == ("", "")
