from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.dataset.cleaning import DEFAULT_STEPS, STEPS, clean, join_fields

if TYPE_CHECKING:
    from collections.abc import Callable

# Plain random text almost never contains markup, so half of the texts are glued together from pieces that matter.
MARKUP = "& amp; &amp; &lt; b &gt; &#3 8; &#56; <b> < > </p> <br/> <mask> http s :// www. ftp://x x.org !-- #38; &nbsp;"
SIGNS = " \t\n\x00\u200b\u200e\u0301e\uff1c\uff06\ufdfa\ufb01\u017f\ud800\u2028\u00ad\ud55c\uff48\u0130\u1160\u337f"
PIECES = st.sampled_from([*MARKUP.split(), *SIGNS])
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))


@given(st.text("ab w.:/&;<>#1W \t\xa0é"), st.lists(st.sampled_from(DEFAULT_STEPS), unique=True))
@example("www.a", ["urls"])
@example("a  b", ["whitespace"])
def test_a_text_that_is_left_alone_has_nothing_that_a_step_would_change(text: str, steps: list[str]) -> None:
    if clean(text, steps) == text:
        assert [STEPS[name](text) for name in steps] == [text] * len(steps)


@given(TEXTS)
@example("&amp;" + "amp;" * 200 + "lt;b&gt;")
@example("&#3" * 30 + "8;" * 30)
@settings(max_examples=500, deadline=None)
def test_clean_is_idempotent(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


@given(TEXTS, st.lists(st.sampled_from(DEFAULT_STEPS), unique=True))
@settings(max_examples=300, deadline=None)
def test_any_choice_of_steps_is_idempotent(text: str, steps: list[str]) -> None:
    once = clean(text, steps)
    assert clean(once, steps) == once


@given(TEXTS)
@settings(deadline=None)
def test_cleaned_text_can_be_written_and_has_no_loose_space(text: str) -> None:
    once = clean(text)
    once.encode("utf-8")
    assert once == " ".join(once.split())
    assert not any(character < " " for character in once)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two   words\n", "two words"),
        ("R-CNN &amp; friends", "R-CNN & friends"),
        ("it&#39;s", "it's"),
        ("R&D; AT&T", "R&D; AT&T"),
        ("a <b>bold</b> claim<br/>", "a bold claim"),
        ("&lt;b&gt;hidden&lt;/b&gt; tag", "hidden tag"),
        ("fill the <mask> in List<int>, x < y > z", "fill the <mask> in List<int>, x < y > z"),
        ("see https://example.org/a?b=c#d, then", "see then"),
        ("WWW.Example.org is HTTP://x.y", "is"),
        ("看https://example.org/路径。完", "看 路径。完"),
        ("ﬁne ｆｕｌｌ ①", "fine full 1"),
        ("cafe\u0301", "café"),
        ("soft\u00adhyphen\ufeff", "softhyphen"),
        ("ไทย\u200bดี", "ไทย ดี"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("bell\x07bell", "bell bell"),
        ("Case Stays ÄÖ", "Case Stays ÄÖ"),
        ("<p> </p> https://only.example &nbsp;", ""),
        ("", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_one_step_alone_does_only_its_work() -> None:
    assert clean(" <b>x</b>  https://a.b ", ["html"]) == "  x   https://a.b "
    assert clean(" <b>x</b> ", []) == " <b>x</b> "


def test_unknown_step_is_refused() -> None:
    with pytest.raises(KeyError):
        clean("x", ["no-such-step"])
    assert set(DEFAULT_STEPS) == set(STEPS)


@pytest.mark.parametrize(
    "unit",
    [
        "<!--",
        "<a ",
        "&amp;",
        "&",
        "&#3",
        "<b",
        "http://",
        "www.",
        "&amp;amp;lt;b&gt;",
        "a\u0301",
        "<p <p",
        "&am&#112;;",
        "ww",
    ],
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    assert_linear(lambda length: unit * (length // len(unit)))


def test_entities_within_entities_take_linear_time() -> None:
    assert clean("&#&#&#53;3;3;") == "5"
    assert_linear(lambda length: "&#" * (length // 4) + "5" + "3;" * (length // 4))


def assert_linear(make: Callable[[int], str]) -> None:
    def seconds(length: int) -> float:
        text = make(length)
        start = time.perf_counter()
        clean(text)
        return time.perf_counter() - start

    # 20 times the length would take 400 times as long if the time were quadratic.
    short = min(seconds(5_000) for _ in range(3))
    assert min(seconds(100_000) for _ in range(3)) < 100 * max(short, 1e-4)


def test_join_fields() -> None:
    assert join_fields(["a", "", " ", "b\n"]) == "a b\n"
    assert join_fields([]) == ""
    assert join_fields(["", "\t"]) == ""


@given(st.lists(st.text()))
@settings(deadline=None)
def test_join_fields_keeps_every_word(values: list[str]) -> None:
    assert join_fields(values).split() == [word for value in values for word in value.split()]


def test_cleaning_needs_no_pandas() -> None:
    code = (
        "import sys, engine.dataset.cleaning, engine.dataset.fields; "
        "print([m for m in ('pandas', 'pyarrow', 'numpy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
