"""The URL of a page: every value comes back as the text it was, a bad one spoils no other, typing is one step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.state import DEFAULT_TEXT, DashboardState
from dashboard.url import (
    MAX_LINK_TEXT,
    Field,
    UrlState,
    check_length,
    check_member,
    decode_query,
    encode_query,
    filter_fields,
)

ENCODABLE = st.text(st.characters(exclude_categories=["Cs"]))
RUN_IDS = st.one_of(
    st.text("0123456789abcdef", min_size=32, max_size=32),
    st.text("0123456789", min_size=32, max_size=32),
    st.from_regex(r"[0-9]{2}e[0-9]{29}", fullmatch=True),
)
TRAPS = st.sampled_from(["true", "null", "None", "0", "1e3", "NaN", "[1]", "{}", '"quoted"', "a+b c&d=e?#%"])


class Page:
    """A state with its URL, and what was written and reported."""

    def __init__(self, members: tuple[str, ...] = ("cv", "nlp")) -> None:
        self.state = DashboardState()
        selection, question = self.state.selection, self.state.question
        self.written: list[tuple[str, bool]] = []
        self.reported: list[str] = []
        fields = [
            Field("run", selection, "run_id"),
            Field("tag", selection, "tag", check_member("tag", lambda: list(members))),
            Field("text", question, "text", check_length("text", MAX_LINK_TEXT), typed=True),
        ]
        self.url = UrlState(fields, lambda search, push: self.written.append((search, push)), self.reported.append)


@given(st.dictionaries(ENCODABLE.filter(bool), ENCODABLE))
def test_a_query_comes_back_as_it_was(values: dict[str, str]) -> None:
    assert decode_query(encode_query(values)) == values


@given(st.one_of(RUN_IDS, TRAPS), st.one_of(TRAPS, ENCODABLE).filter(lambda text: len(text) <= MAX_LINK_TEXT))
def test_a_copied_link_opens_the_same_state_and_ids_stay_text(run_id: str, text: str) -> None:
    one, other = Page(), Page()
    one.state.selection.param.update(run_id=run_id, tag="nlp")
    one.state.question.text = text
    other.url.read(one.url.search())
    assert (other.state.selection.run_id, other.state.selection.tag) == (run_id, "nlp")
    assert other.state.question.text == text
    assert isinstance(other.state.selection.run_id, str)
    assert other.reported == []


@given(st.text())
def test_no_query_whatever_raises(search: str) -> None:
    page = Page()
    page.url.read(search)
    assert page.state.selection.tag in ("", "cv", "nlp")


def test_a_bad_value_is_reported_and_the_others_are_taken() -> None:
    page = Page()
    page.url.read("?run=abc&tag=nonsense&text=hello")
    assert (page.state.selection.run_id, page.state.selection.tag, page.state.question.text) == ("abc", "", "hello")
    assert page.reported == ["The link names the tag “nonsense”, which is not there (there: cv, nlp)."]


def test_an_absent_parameter_is_the_default_again() -> None:
    page = Page()
    page.url.read("?tag=cv&text=hello")
    page.url.read("")
    assert (page.state.selection.tag, page.state.question.text) == ("", DEFAULT_TEXT)


def test_each_selection_is_a_step_and_a_typed_text_is_one() -> None:
    page = Page()
    page.url.follow()
    page.state.selection.tag = "cv"
    page.state.question.text = "h"
    page.state.question.text = "he"
    page.state.selection.tag = "nlp"
    assert [push for _, push in page.written] == [True, True, False, True]
    assert page.written[-1][0] == "?tag=nlp&text=he"


class Samples:
    """The filter with its URL, as on the page."""

    def __init__(self, tags: list[str] | None = None) -> None:
        self.chosen = DashboardState().samples
        self.written: list[tuple[str, bool]] = []
        self.reported: list[str] = []
        write = lambda search, push: self.written.append((search, push))  # noqa: E731
        self.url = UrlState(filter_fields(self.chosen, lambda: tags), write, self.reported.append)
        self.url.follow()


def test_what_changes_at_once_is_one_step() -> None:
    page = Samples()
    page.chosen.param.update(tag="cv", created="2024-01-01..2024-01-31", sort="-id")
    assert page.written == [("?show=cv&created=2024-01-01..2024-01-31&sort=-id", True)]
    page.url.read("?show=nlp")
    page.chosen.param.update(tag="cv", created="2024-01-01..2024-01-31", sort="-id")
    assert len(page.written) == 2


def test_another_filter_leads_to_the_first_page_in_one_step() -> None:
    page = Samples()
    page.chosen.page = "3"
    page.chosen.tag = "cv"
    page.chosen.page = "2"
    page.chosen.sort = "id"
    page.chosen.page = "4"
    page.chosen.text = "d"
    page.chosen.text = "dr"
    assert page.written == [
        ("?page=3", True),
        ("?show=cv", True),
        ("?show=cv&page=2", True),
        ("?show=cv&sort=id", True),
        ("?show=cv&sort=id&page=4", True),
        ("?show=cv&find=d&sort=id", True),
        ("?show=cv&find=dr&sort=id", False),
    ]


def test_going_back_finds_the_page_of_the_filter() -> None:
    page = Samples()
    page.url.read("?show=cv&page=3&find=a")
    assert (page.chosen.tag, page.chosen.text, page.chosen.page) == ("cv", "a", "3")
    page.url.read("?show=nlp&page=2&sort=id")
    assert (page.chosen.tag, page.chosen.text, page.chosen.page) == ("nlp", "", "2")
    assert page.written == []


def test_a_link_carries_what_the_charts_show_and_no_default() -> None:
    one, other = Samples(), Samples()
    assert one.url.search() == ""
    values = {"terms": "cv", "against": "nlp", "length": "tokens", "colour": "outcome", "tokens": "5.."}
    one.chosen.param.update(**values)
    one.chosen.page = values["page"] = "7"
    other.url.read(one.url.search())
    assert {name: getattr(other.chosen, name) for name in values} == values
    assert other.reported == []


@pytest.mark.parametrize("bad", ["page=0", "page=-1", "page=x", "page=1e3", "length=pages", "show=none", "terms=none"])
def test_a_bad_value_of_the_filter_is_reported(bad: str) -> None:
    page = Samples(["cv", "nlp"])
    page.url.read(f"?{bad}&sort=id")
    assert page.chosen.sort == "id"
    assert page.url.search() == "?sort=id"
    assert len(page.reported) == 1


def test_naming_a_default_is_no_step() -> None:
    page = Samples()
    page.url.settle(lambda: setattr(page.chosen, "tag", "cv"))
    assert page.written == [("?show=cv", False)]


def test_reading_a_step_of_the_history_writes_none() -> None:
    page = Page()
    page.url.follow()
    page.url.read("?tag=cv")
    assert page.written == []


def test_other_parameters_of_the_url_are_kept() -> None:
    page = Page()
    page.url.read("?theme=dark&tag=cv")
    assert decode_query(page.url.search()) == {"tag": "cv", "theme": "dark"}


def test_a_text_too_long_for_a_link_is_left_out_and_survives_the_back_button() -> None:
    page = Page()
    page.state.question.text = long = "x" * (MAX_LINK_TEXT + 1)
    assert page.url.search() == ""
    page.url.read("?tag=cv")
    assert page.state.question.text == long


@pytest.mark.parametrize("search", ["?tag=cv&tag=nlp", "tag=cv", "?tag=cv&&=", "?tag=%63v"])
def test_odd_spellings_of_a_query(search: str) -> None:
    page = Page()
    page.url.read(search)
    assert page.state.selection.tag == "cv"
