from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exploration.filter import FilterError
from engine.exploration.query import Pattern, Phrase, parse_query, with_word


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("   ", ()),
        ('""', ()),
        ("Deep", (Phrase(("deep",)),)),
        ("deep  deep DEEP", (Phrase(("deep",)),)),
        ("deep learning", (Phrase(("deep",)), Phrase(("learning",)))),
        ('"Deep Learning"', (Phrase(("deep", "learning")),)),
        ('"deep lear*"', (Phrase(("deep", "lear"), prefix=True),)),
        ("lear*", (Phrase(("lear",), prefix=True),)),
        ("state-of-the-art", (Phrase(("state", "of", "the", "art")),)),
        ("深度", (Phrase(("深", "度")),)),
        ('"deep lear', (Phrase(("deep", "lear")),)),
        ("tcp/ip", (Phrase(("tcp", "ip")),)),
        ("/a b/", (Pattern("a b"),)),
        ("/Bert/i gpt", (Pattern("Bert", ignore_case=True), Phrase(("gpt",)))),
        (r"/a\/b\d/", (Pattern(r"a/b\d"),)),
        ('x"y z"', (Phrase(("x",)), Phrase(("y", "z")))),
    ],
)
def test_parts(text: str, parts: tuple) -> None:
    assert parse_query(text) == parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("++", "no letter or digit"),
        ('"--"', "no letter or digit"),
        ("/a(b/", "cannot be used"),
        ("/(?=a)/", "cannot be used"),
        ("/a b", "has no end"),
        ("/\ud800/", "cannot be used"),
        ("/(a{1000}){1000}/", "cannot be used"),
        ("x" * 1001, "1,001 characters"),
    ],
)
def test_what_cannot_be_looked_for_is_said_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message) as caught:
        parse_query(text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@given(st.text(max_size=40))
def test_any_text_is_a_query_or_a_sentence(text: str) -> None:
    try:
        parts = parse_query(text)
    except FilterError as error:
        assert "\n" not in str(error)
    else:
        assert set(parse_query(with_word(text, "word"))) == {*parts, Phrase(("word",))}
