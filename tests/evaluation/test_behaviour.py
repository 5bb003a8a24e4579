from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scipy.stats import binomtest

from engine.evaluation.behaviour import Answer, Case, Directional, Invariance, Minimum, cases_of, judge_check
from engine.evaluation.checks_file import PACKAGED_CHECKS, CheckError, checks_path, read_checks

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("a", "b")
SENTENCE = Invariance(change="sentence", sentences=("Thanks.",), limit=0.1)


def says(text: str) -> Answer:
    """A model that loves short texts, is swayed by thanks, and refuses what is too long."""
    if len(text) > 60:
        return Answer("", {}, "The text is too long.")
    chance = 0.9 - 0.01 * len(text) - 0.1 * ("Thanks" in text)
    return Answer("a" if chance >= 0.5 else "b", {"a": chance, "b": 1 - chance})


def test_an_invariance_fails_where_the_tag_changes() -> None:
    texts = ["x" * n for n in (5, 20, 25, 30, 45)]
    cases = cases_of("n", SENTENCE, [*texts, texts[0]])
    assert [case.text for case in cases] == texts
    found = judge_check("n", SENTENCE, cases, says, LABELS)
    assert {failure.text for failure in found.failures} == set(texts[2:4])
    expected = binomtest(2, 5).proportion_ci(method="wilson")
    assert (found.rate.value, found.rate.n) == (2 / 5, 5)
    assert (found.rate.low, found.rate.high) == pytest.approx((expected.low, expected.high))
    assert found.broken
    assert found.failures[0].sentence.startswith("The tag became 'b'")
    assert found.failures[0].expected == "a"
    assert not judge_check("n", Invariance(change="case", limit=0.4), cases, says, LABELS).broken


def test_a_text_that_is_refused_when_changed_fails_and_one_refused_as_it_is_does_not_count() -> None:
    cases = [Case("x" * 55, "x" * 65), Case("x" * 61, "x" * 62), Case("x", "xx")]
    found = judge_check("n", SENTENCE, cases, says, LABELS)
    assert (found.rate.n, found.left_out, len(found.failures)) == (2, 1, 1)
    assert (found.failures[0].got, found.failures[0].sentence) == ("", "It was not answered: The text is too long.")


@pytest.mark.parametrize(
    ("tag", "expect", "tolerance", "fails"),
    [("a", "up", 0.0, True), ("a", "up", 0.5, False), ("a", "down", 0.0, False), ("b", "down", 0.0, True)],
)
def test_a_direction_is_a_probability_that_may_not_move_the_other_way(tag, expect, tolerance, fails) -> None:
    check = Directional(sentences=("Thanks.",), tag=tag, expect=expect, tolerance=tolerance, limit=0.0)
    found = judge_check("d", check, cases_of("d", check, ["short", "text"]), says, LABELS)
    assert (len(found.failures), found.broken) == ((2, True) if fails else (0, False))
    if fails:
        moves = [abs(failure.after - failure.before) for failure in found.failures]
        assert moves == sorted(moves, reverse=True)


def test_minimum_functionality_is_its_own_texts() -> None:
    check = Minimum(tag="a", texts=("short", "x" * 50, "x" * 70), limit=0.0)
    found = judge_check("m", check, cases_of("m", check, ["others"]), says, LABELS)
    assert found.rate.n == 3
    assert {failure.text: failure.got for failure in found.failures} == {"x" * 50: "b", "x" * 70: ""}


def test_what_cannot_be_looked_at_says_so_and_breaks_nothing() -> None:
    unknown = judge_check("m", Minimum(tag="z", texts=("x",), limit=0.0), [Case("x", "x")], says, LABELS)
    assert (unknown.remark, unknown.broken, unknown.rate.n) == ("this run has no tag 'z'", False, 0)
    words = Invariance(change="synonyms", synonyms=(("cat", "dog"),), limit=0.0)
    cases = cases_of("s", words, ["no such word"])
    assert cases == []
    assert judge_check("s", words, cases, says, LABELS).remark == "the change leaves every text as it is"
    assert judge_check("s", SENTENCE, [Case("x" * 61, "y")], says, LABELS).remark == "every text was refused as it is"


def test_cases_do_not_depend_on_the_other_texts_and_differ_by_seed() -> None:
    check = Invariance(change="typo", limit=0.0)
    texts = [f"somebody translated {n} sentences" for n in range(30)]
    cases = cases_of("t", check, texts)
    assert cases_of("t", check, texts[::-1])[::-1] == cases
    assert cases_of("t", check, texts[5:6]) == cases[5:6]
    assert cases_of("t", check, texts, seed=1) != cases
    assert cases_of("other", check, texts) != cases
    own = Invariance(change="typo", limit=0.0, texts=("letters",))
    assert [case.text for case in cases_of("t", own, texts)] == ["letters"]


def test_the_checks_that_ship_can_be_read_and_the_homes_own_take_their_place(home: Path) -> None:
    assert checks_path() == PACKAGED_CHECKS
    shipped = read_checks()
    assert {type(check) for check in shipped.values()} == {Invariance, Directional, Minimum}
    (home / "config").mkdir()
    own = home / "config" / "checks.toml"
    own.write_text('[minimum.mine]\ntag = "a"\ntexts = ["x"]\nlimit = 0\n')
    assert read_checks() == {"mine": Minimum(tag="a", texts=("x",), limit=0.0)}
    # Whoever writes a bad file of their own must not be given the one that ships.
    own.write_text("")
    with pytest.raises(CheckError, match="has no checks"):
        read_checks()


BAD = {
    "[invariance.x": "cannot be read as TOML",
    "[wish.x]\nlimit = 1": '"wish" is no kind of check; begin each with a line such as [invariance.my_name]',
    "[invariance]\nlimit = 1": 'a check under "invariance" has no name',
    '[invariance.x]\nchange = "case"': 'the check "x" lacks the field "limit"',
    '[invariance.x]\nchange = "case"\nlimit = 0.1\nwidth = 1': 'the unknown field "width"',
    '[invariance.x]\nchange = "shout"\nlimit = 0.1': 'the check "x", field "change": invalid enum value',
    '[invariance.x]\nchange = "case"\nlimit = "low"': 'field "limit": expected a number, got a text',
    '[invariance.x]\nchange = "case"\nlimit = 1.5': 'field "limit": it is 1.5; give a share from 0 to 1',
    '[invariance.x]\nchange = "case"\nlimit = nan': 'field "limit": it is nan',
    '[invariance.x]\nchange = "typo"\ntypos = 0\nlimit = 0.1': 'field "typos": it is 0',
    '[invariance.x]\nchange = "synonyms"\nlimit = 0.1': 'the change "synonyms" cannot do without it; add it',
    '[invariance.x]\nchange = "synonyms"\nsynonyms = [["a"]]\nlimit = 0.1': "fewer than two different words",
    '[invariance.x]\nchange = "synonyms"\nsynonyms = [["a b", "c"]]\nlimit = 0.1': '"a b" is not one word',
    '[invariance.x]\nchange = "sentence"\nsentences = [" "]\nlimit = 0.1': "one of the texts is empty",
    '[minimum.x]\ntag = "a"\ntexts = []\nlimit = 0': 'field "texts": the list is empty; give at least one text',
    '[directional.x]\ntag = "a"\nexpect = "up"\nsentences = []\nlimit = 0': 'field "sentences": the list is empty',
    '[directional.x]\ntag = "a"\nexpect = "up"\nsentences = ["s"]\ntolerance = -1\nlimit = 0': "tolerance",
    '[invariance.x]\nchange = "case"\nlimit = 0\n[minimum.x]\ntag = "a"\ntexts = ["t"]\nlimit = 0': "two checks have",
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_file_is_one_sentence_with_what_where_and_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "checks.toml"
    path.write_text(content)
    with pytest.raises(CheckError) as error:
        read_checks(path)
    assert BAD[content] in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert ";" in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="there is no such file"):
        read_checks(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(CheckError, match="cannot be read as TOML in UTF-8"):
        read_checks(tmp_path / "bad.toml")
    with pytest.raises(CheckError, match="cannot be read"):
        read_checks(tmp_path)
