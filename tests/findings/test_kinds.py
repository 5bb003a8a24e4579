"""Each finding finds what was put in, and nothing in rows without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from engine.findings.context import Options
from engine.findings.finder import find
from engine.findings.registry import specs
from engine.findings.tokens import count_tokens
from engine.runs.store import open_store
from engine.runs.tokenizer import SubwordTokenizer

from .made import affected_ids, dataset, detail, rows, sentence

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("home")


def changed(frame: pd.DataFrame, **cells: dict[str, object]) -> pd.DataFrame:
    """Set cells by id."""
    frame = frame.set_index("id")
    for name, values in cells.items():
        for column, value in values.items():
            frame.loc[name, column] = value
    return frame.reset_index()


def test_sound_rows_have_nothing_of_these(tmp_path: Path) -> None:
    found = find(dataset(tmp_path, rows()))
    quiet = {"label-errors", "conflicting-labels", "overlapping-tags", "small-tags", "exact-duplicates", "short-texts",
             "encoding-damage", "foreign-texts", "tag-drift-over-time", "cleaning-steps", "emptied-rows",
             "merged-rows", "mapped-tags"}  # fmt: skip
    assert {item.kind: item.affected for item in found.items if item.kind in quiet} == dict.fromkeys(quiet, 0)
    # Descriptions are all empty, and the short texts say so.
    assert {item.kind for item in found.items if item.kind in quiet and item.noteworthy} == {"short-texts"}


def test_what_affects_no_row_may_be_worth_telling(tmp_path: Path) -> None:
    frame = changed(rows(60), r1={"title": sentence("sailing", 1, 40) + " <b></b>"}, r150={"title": "<br>"})
    frame.loc[frame.index < 90, "title"] += " sponsored"
    found = find(dataset(tmp_path, frame))
    told = {item.kind for item in found.items if item.noteworthy and not item.affected}
    assert {"cleaning-steps", "emptied-rows", "word-drift-over-time"} <= told
    assert {entry["most id"] for entry in found["cleaning-steps"].figures} == {"r1"}
    (word,) = found["word-drift-over-time"].figures
    assert (word["word"], word["after"]) == ("sponsored", "1.1%")
    assert [item.noteworthy for item in found.items] == sorted(
        (item.noteworthy for item in found.items), reverse=True
    )  # as they are listed


def test_a_mix_of_tags_may_drift_although_no_tag_stands_out(tmp_path: Path) -> None:
    made = [
        (f"t{tag:02}", "train" if (number < 26) == (tag % 2 == 0) else "test")
        for tag in range(30)
        for number in range(40)
    ]
    frame = pd.DataFrame(made, columns=["tag", "split"]).assign(title="some words here now", description="")
    frame["id"] = frame.index.astype(str)
    data = dataset(tmp_path, frame.drop(columns="split"))
    (found,) = find(data, splits=frame["split"].to_numpy(), kinds=["tag-drift-between-splits"]).items
    assert (found.affected, found.noteworthy) == (0, True)
    assert "No single tag stands out" in found.sentence


def test_a_wrong_tag_is_the_worst_label_and_the_right_one_is_proposed(tmp_path: Path) -> None:
    data = dataset(tmp_path, changed(rows(), r6={"tag": "chess"}, r31={"tag": "cooking"}))
    found = find(data)
    assert affected_ids(found, data, "label-errors") == ["r31", "r6"]
    told = detail(found, data, "label-errors")
    assert (told["r6"][1], told["r31"][1]) == ("cooking", "sailing")
    assert set(data.frame["id"].iloc[np.argsort(-found.scores("label-errors"))[:2]]) == {"r6", "r31"}
    assert {"r6", "r31"} <= set(affected_ids(found, data, "disagreeing-neighbours"))


def test_duplicates_are_told_apart_by_kind_and_name_the_other_row(tmp_path: Path) -> None:
    frame = rows()
    one, two = frame["title"][0], frame["title"][4]
    data = dataset(
        tmp_path, changed(frame, r30={"title": one.upper()}, r33={"title": one + " extra"}, r34={"title": two})
    )
    found = find(data)
    exact, near = detail(found, data, "exact-duplicates"), detail(found, data, "near-duplicates")
    assert {name: row[2] for name, row in exact.items()} == {"r0": "r30", "r30": "r0", "r4": "r34", "r34": "r4"}
    assert (exact["r0"][0], exact["r30"][0]) == (0.5, 1.0)
    assert (near["r33"][2], near["r0"][2]) == ("r0", "r33")  # and not r30, which is no other text
    assert {"r0", "r30", "r33"} <= set(near)


def test_the_same_text_with_two_tags_is_a_conflict(tmp_path: Path) -> None:
    frame = rows()
    data = dataset(tmp_path, changed(frame, r30={"title": frame["title"][1]}, r33={"title": frame["title"][27]}))
    told = detail(find(data), data, "conflicting-labels")
    assert told["r30"][1:3] == ("sailing", "r1")
    assert told["r1"][1:3] == ("cooking", "r30")
    assert not {"r27", "r33"} & set(told)


def test_leakage_names_the_held_out_row_and_its_copy_in_training(tmp_path: Path) -> None:
    frame = rows()
    data = dataset(tmp_path, changed(frame, r30={"title": frame["title"][0]}, r33={"title": frame["title"][27]}))
    splits = dict.fromkeys(frame["id"], "train") | {"r30": "test", "r31": "validation"}
    told = detail(find(data, splits=splits), data, "split-leakage")
    assert told["r30"][2] == "r0"
    assert "r0" not in told
    assert "r33" not in told


def test_a_test_row_may_leak_from_validation_and_training_weighs_as_much(tmp_path: Path) -> None:
    frame = rows()
    same = {"title": frame["title"][0]}
    data = dataset(
        tmp_path, changed(frame, r30=same, r27={"title": frame["title"][3]}, r36={"title": frame["title"][4]})
    )
    splits = dict.fromkeys(frame["id"], "train") | {"r0": "validation", "r30": "test", "r27": "test", "r36": "test"}
    del splits["r4"]  # of no split: the same text in it is no leak
    found = find(data, splits=splits)
    told = detail(found, data, "split-leakage")
    assert {name: row[2] for name, row in told.items() if row[0] == 1} == {"r30": "r0", "r27": "r3"}
    assert told["r30"][3] == "100% alike; a test row that validation has"
    assert "the most similar one of 1 is in validation" in found["split-leakage"].sentence


def test_a_row_like_no_other_is_far_from_everything(tmp_path: Path) -> None:
    data = dataset(tmp_path, changed(rows(), r10={"title": "zzz qqq www vvv jjj"}))
    found = find(data)
    assert "r10" in affected_ids(found, data, "outliers")
    assert detail(found, data, "outliers")["r10"][0] == 1.0


def test_tags_that_nobody_can_tell_apart_overlap(tmp_path: Path) -> None:
    frame = rows(40)
    random = np.random.default_rng(3)
    chess = frame["tag"].eq("chess")
    frame.loc[chess, "tag"] = random.choice(["chess", "draughts"], chess.sum())
    found = find(dataset(tmp_path, frame))
    assert [(entry["tag"], entry["other_tag"]) for entry in found["overlapping-tags"].table] == [("chess", "draughts")]


def test_small_tags_and_what_other_hides(tmp_path: Path) -> None:
    frame = rows()
    frame.loc[frame["id"].isin(["r2", "r5"]), "tag"] = "go"
    data = dataset(tmp_path, frame)
    found = find(data, options=Options(min_count=5))
    assert found["small-tags"].table == [{"tag": "go", "rows": 2}, {"tag": "chess", "rows": 18}]
    assert affected_ids(found, data, "mapped-tags") == ["r2", "r5"]
    hidden = find(data, options=Options(accepted=("chess",), min_count=1))["mapped-tags"]
    assert {entry["tag"] for entry in hidden.table} == {"cooking", "sailing", "go"}
    assert "cooking" in hidden.sentence


def test_a_tag_that_comes_late_drifts_and_its_word_too(tmp_path: Path) -> None:
    frame = rows(60)
    late = frame.index >= 90
    frame.loc[late & frame["tag"].eq("cooking"), "tag"] = "sailing"
    frame.loc[late | (frame.index == 0), "title"] += " sponsored"
    data = dataset(tmp_path, frame)
    found = find(data)
    assert found["tag-drift-over-time"].affected >= 20
    gone = [
        entry for entry in found["tag-drift-over-time"].table if entry["tag"] == "cooking" and entry["residual"] < 0
    ]
    assert gone
    assert all(entry["part"] >= "2024-03-31" for entry in gone)  # the day of row 90
    assert [entry["word"] for entry in found["word-drift-over-time"].table] == ["sponsored"]
    assert affected_ids(found, data, "word-drift-over-time") == sorted(frame["id"][late])


def test_splits_of_another_mix_are_reported_and_a_random_split_is_not(tmp_path: Path) -> None:
    frame = rows(60)
    data = dataset(tmp_path, frame)
    other = np.where(frame["tag"].eq("chess") & (frame.index > 60), "test", "train")
    random = np.random.default_rng(1).choice(["train", "test"], len(frame), p=[0.8, 0.2])
    assert find(data, splits=other)["tag-drift-between-splits"].affected > 10
    words = find(data, splits=other)
    assert words["word-drift-between-splits"].table
    assert set(other[words.affected("word-drift-between-splits")]) == {"test"}
    assert find(data, splits=random)["tag-drift-between-splits"].affected == 0
    assert find(data, splits=random)["word-drift-between-splits"].affected == 0


def test_short_foreign_and_damaged_texts(tmp_path: Path) -> None:
    data = dataset(tmp_path, changed(
        rows(),
        r1={"title": "boat"},
        r2={"title": "Der Springer und der Läufer stehen gut, aber die Dame des Gegners ist noch stärker"},
        r3={"title": "bread at the cafÃ© tastes like nothing else in town, really"},
        r4={"title": "sail \ufffd rope and the storm"},
        r5={"title": "pawn &amp; rook and a bishop"},
    ))  # fmt: skip
    found = find(data)
    assert affected_ids(found, data, "short-texts") == ["r1"]
    assert "r2" in affected_ids(found, data, "foreign-texts")
    told = detail(found, data, "encoding-damage")
    assert {name: row[3] for name, row in told.items()} == {
        "r3": "wrong encoding", "r4": "lost characters", "r5": "HTML entities",
    }  # fmt: skip
    assert [told[name][0] for name in ("r4", "r3", "r5")] == pytest.approx([1, 0.9, 0.2])


def test_cleaning_says_what_it_took_and_what_it_made_the_same(tmp_path: Path) -> None:
    url, text = "https://example.org/a/rather/long/address", sentence("sailing", 3) + " twice"
    data = dataset(tmp_path, changed(
        rows(), r1={"description": url}, r4={"title": text}, r7={"title": f"<b>{text}</b>", "tag": "chess"},
        r10={"title": f"{text} more"}, r13={"title": f"<i>{text} more</i>"},
        r16={"title": f"{text} again"}, r19={"title": f"{text} again"},
    ))  # fmt: skip
    found = find(data)
    steps = {entry["step"]: entry for entry in found["cleaning-steps"].table}
    assert (steps["urls"]["rows"], steps["urls"]["characters"], steps["urls"]["most_id"]) == (1, len(url) - 1, "r1")
    assert (steps["html"]["rows"], steps["html"]["most_id"]) == (2, "r7")
    assert steps["unicode"]["rows"] == 0
    assert affected_ids(found, data, "emptied-rows") == ["r1"]
    merged = detail(found, data, "merged-rows")
    assert (merged["r4"][0], merged["r4"][2], merged["r7"][2]) == (1.0, "r7", "r4")
    assert (merged["r10"][0], merged["r10"][2]) == (0.5, "r13")
    assert len(merged) == 4


def test_rows_without_text_stand_in_the_table(tmp_path: Path) -> None:
    found = find(dataset(tmp_path, changed(rows(), r9={"title": "<br>"})))
    assert [entry["id"] for entry in found["emptied-rows"].table] == ["r9"]


@pytest.mark.parametrize("model", ["ngram", "cnn"])
def test_a_run_tells_unknown_and_cut_tokens(demo_home: Path, tmp_path: Path, model: str) -> None:
    run = next(manifest.run_id for manifest in open_store().runs() if manifest.model == model)
    bundle = open_store().open(run)
    limit = bundle.manifest.tokenizer.max_tokens
    data = dataset(tmp_path, changed(rows(), r1={"title": "model data network " * limit}, r2={"title": "☃ ☄ ☃ ☄"},
                                     r3={"title": "zzqx " * 60}))  # fmt: skip
    found = find(data, bundle=bundle, kinds=["unknown-tokens", "truncated-texts"])
    assert affected_ids(found, data, "truncated-texts") == ["r1"]
    assert 0.4 < detail(found, data, "truncated-texts")["r1"][0] < 0.9
    if model == "ngram":
        assert detail(found, data, "truncated-texts")["r1"][0] == pytest.approx(2 / 3, abs=0.01)
        unknown = affected_ids(found, data, "unknown-tokens")
        assert {"r2", "r3"} <= set(unknown)
        assert "r1" not in unknown
        assert found["unknown-tokens"].table[0] == {"word": "zzqx", "times": 60}


def test_what_cannot_be_looked_for_says_why_and_hinders_nothing(tmp_path: Path) -> None:
    frame = rows(4).assign(tag="one").drop(columns="created_on")
    found = find(dataset(tmp_path, frame))
    said = {item.kind: item.sentence for item in found.items if not item.computed}
    assert set(said) == {"label-errors", "overlapping-tags", "split-leakage", "tag-drift-over-time",
                         "tag-drift-between-splits", "word-drift-over-time", "word-drift-between-splits",
                         "unknown-tokens", "truncated-texts"}  # fmt: skip
    assert all(sentence.endswith(".") and ";" in sentence for sentence in said.values())
    assert len(found.items) == len(specs())


@pytest.mark.parametrize("titles", [["one"], ["same"] * 3, ["a b", "c d"], ["!!!", "???", "…"]])
def test_the_smallest_data_sets_are_looked_at(tmp_path: Path, titles: list[str]) -> None:
    frame = pd.DataFrame({"id": range(len(titles)), "title": titles, "description": "", "tag": "t"})
    found = find(dataset(tmp_path, frame))
    assert len(found.items) == len(specs())


def test_unknown_subwords_are_named_as_they_stand_in_the_text() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "deep": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    counts = count_tokens(SubwordTokenizer(words, 3), ["deep Fish graph deep", "Fish"], lambda share: None)
    assert counts.unknown_words == (("Fish", 2), ("graph", 1))
    assert (counts.total.tolist(), counts.kept.tolist(), counts.unknown.tolist()) == ([4, 1], [3, 1], [2, 1])
