from __future__ import annotations

import hashlib
import random
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.dataset.splits import split_rows
from engine.errors import DataError

SHARES = st.sampled_from([(0.15, 0.15), (0.0, 0.2), (0.1, 0.0), (0.49, 0.49), (0.3, 0.6), (0.05, 0.9), (0.0, 0.0)])
ROWS = st.lists(st.sampled_from(["a", "a", "a", "b", "c"]), min_size=2, max_size=60).filter(
    lambda tags: len(set(tags)) > 1
)


def split(tags, seed=0, shares=(0.15, 0.15), **options):
    ids = options.pop("ids", [f"id{number}" for number in range(len(tags))])
    return split_rows(ids, tags, seed=seed, validation_share=shares[0], test_share=shares[1], **options)


@given(ROWS, st.integers(0, 5), SHARES)
@settings(deadline=None)
def test_stratified_within_one_row(tags: list[str], seed: int, shares: tuple[float, float]) -> None:
    splits = split(tags, seed, shares)
    assert len(splits) == len(tags)
    for tag in set(tags):
        own = [part for part, other in zip(splits, tags, strict=True) if other == tag]
        assert own.count("train") >= 1
        assert abs(own.count("validation") - shares[0] * len(own)) <= 1 + 1e-9
        assert abs(own.count("test") - shares[1] * len(own)) <= 1 + 1e-9
        assert own.count("train") + own.count("validation") + own.count("test") == len(own)


@given(ROWS, st.integers(0, 5), SHARES, st.randoms(use_true_random=False), st.data())
@settings(deadline=None)
def test_order_of_rows_does_not_matter(tags, seed, shares, shuffle, data) -> None:
    ids = [f"id{number}" for number in range(len(tags))]
    held = data.draw(st.sets(st.sampled_from(ids), max_size=1))
    previous = data.draw(
        st.dictionaries(st.sampled_from(ids), st.sampled_from(["train", "validation", "test"]), max_size=5)
    )

    def result(order: list[int]) -> dict[str, str]:
        names = [ids[number] for number in order]
        own = [tags[number] for number in order]
        return dict(zip(names, split(own, seed, shares, ids=names, holdout=held, previous=previous), strict=True))

    order = list(range(len(tags)))
    shuffled = shuffle.sample(order, len(order))
    try:
        expected = result(order)
    except DataError:
        with pytest.raises(DataError):
            result(shuffled)
    else:
        assert result(shuffled) == expected


@given(ROWS, ROWS, st.integers(0, 3), SHARES)
@settings(deadline=None)
def test_known_rows_keep_their_split(tags, more, seed, shares) -> None:
    ids = [f"id{number}" for number in range(len(tags))]
    previous = dict(zip(ids, split(tags, seed, shares, ids=ids), strict=True))
    new = [f"new{number}" for number in range(len(more))]
    assume(set(tags) >= set(more))  # then no new row needs to be moved to train
    after = dict(zip(ids + new, split(tags + more, seed, shares, ids=ids + new, previous=previous), strict=True))
    assert {name: after[name] for name in ids} == previous
    # A new row's split depends on nothing but itself: without its neighbours it is the same.
    half = new[::2]
    alone = split(tags + more[::2], seed, shares, ids=ids + half, previous=previous)
    assert list(alone[len(ids) :]) == [after[name] for name in half]


def test_new_rows_follow_the_shares() -> None:
    ids = ["x", "y", *(f"new{number}" for number in range(20_000))]
    tags = ["a", "b"] + ["a", "b"] * 10_000
    splits = split(tags, 0, (0.1, 0.2), ids=ids, previous={"x": "train", "y": "train"})
    shares = [(splits == name).mean() for name in ("train", "validation", "test")]
    assert np.abs(np.array(shares) - [0.7, 0.1, 0.2]).max() < 0.015  # five standard errors


def test_seed_matters_and_the_split_is_the_same_everywhere() -> None:
    tags = ["a", "b"] * 20
    assert list(split(tags, 1)) != list(split(tags, 2))
    # Written down once: if this changes, every run's test rows change, and no two runs can be compared.
    counts = "".join({"train": "-", "validation": "v", "test": "t"}[part] for part in split(tags, 7))
    assert counts == "--t--vt-t--------t----vt--v----t-v---vv-"


def test_split_is_the_documented_one() -> None:
    ids = [f"id{number}" for number in range(20)]
    splits = dict(zip(ids, split(["a", "b"] * 10, 3, (0.2, 0.3), ids=ids), strict=True))
    order = sorted(ids[::2], key=lambda name: hashlib.sha256(f"3\0{name}".encode()).digest())
    assert [splits[name] for name in order] == ["test"] * 3 + ["validation"] * 2 + ["train"] * 5


def test_holdout_is_the_test_split() -> None:
    tags = ["a", "b"] * 50
    held = {f"id{number}" for number in range(30)}
    previous = {"id0": "train", "id50": "train", "id51": "test"}
    splits = split(tags, holdout=held)
    assert [part == "test" for part in splits] == [f"id{number}" in held for number in range(100)]
    assert (splits == "validation").sum() == pytest.approx(70 * 0.15, abs=2)
    splits = split(tags, holdout=held, previous=previous)
    assert splits[0] == "test"
    assert splits[50] == "train"
    assert splits[51] == "test"


def test_every_tag_is_in_train_or_training_is_refused() -> None:
    tags = ["a"] * 10 + ["b"] * 3
    with pytest.raises(DataError, match=r'tag "b" are held out'):
        split(tags, holdout={"id10", "id11", "id12"})
    with pytest.raises(DataError, match=r'tag "b" are held out'):
        split(tags, previous={"id10": "test", "id11": "test", "id12": "validation"})
    for seed in range(20):  # all new rows of a tag may hash to test: then one is moved
        splits = split(tags, seed, (0.05, 0.9), previous={"id0": "train"})
        assert "train" in splits[10:]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.2, -0.1), (0, 1), (float("nan"), 0.1)])
def test_impossible_shares(shares: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="less than 1 together"):
        split(["a", "b"] * 5, 0, shares)


def test_what_cannot_be_split() -> None:
    with pytest.raises(DataError, match="twice"):
        split(["a", "b"], ids=["x", "x"])
    with pytest.raises(DataError, match="1 different tags"):
        split(["a", "a"])
    with pytest.raises(DataError, match="0 different tags"):
        split([])
    with pytest.raises(ValueError, match="unknown split"):
        split(["a", "b"], previous={"id0": "dev"})


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(), min_size=4, max_size=10, unique=True))
def test_any_text_is_an_id(ids: list[str]) -> None:
    tags = ["a", "b"] * 2 + ["a"] * (len(ids) - 4)
    assert len(split(tags, ids=ids)) == len(ids)


def test_hundred_thousand_rows() -> None:
    ids = [f"{number}" for number in range(100_000)]
    tags = random.Random(0).choices("abcdefgh", k=100_000)
    start = time.perf_counter()
    split([*tags, "a"], ids=[*ids, "x" * 100_000])  # one huge id must not make all ids huge
    assert time.perf_counter() - start < 5
