"""What every finding promises, the cache, and what a person can get wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.findings.contract import GROUPS, ROW_COLUMNS, FindingError, rows_frame
from engine.findings.export import safe_cell
from engine.findings.finder import find, findings_dir
from engine.findings.neighbours import nearest
from engine.findings.registry import finding, specs
from engine.findings.statistics import association

from .made import EMBEDDED, dataset, rows

if TYPE_CHECKING:
    from pathlib import Path

    from engine.findings.context import Context
    from engine.findings.contract import Result

ALL = [spec.kind for spec in specs()]


@pytest.fixture(scope="module")
def embedded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def embedded(embedded_home: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> tuple[object, object]:
    from config.settings import get_settings
    from engine.dataset.content import Dataset
    from engine.dataset.loading import load_table

    monkeypatch.setenv("TAGSCOPE_HOME", str(embedded_home))
    get_settings.cache_clear()
    data = Dataset.from_table(load_table(EMBEDDED), "embedded")
    splits = np.where(np.arange(len(data.frame)) % 5 == 0, "test", "train")
    return data, find(data, splits=splits)


@pytest.mark.parametrize("kind", ALL)
def test_every_finding_keeps_the_contract(embedded, kind: str) -> None:
    data, found = embedded
    item, table = found[kind], found.rows(kind)
    assert item.group in GROUPS
    assert item.sentence.endswith(".")
    assert item.advice.endswith(".")
    assert tuple(table.columns) == ROW_COLUMNS
    assert table["score"].between(0, 1).all()
    assert table["position"].between(0, len(data.frame) - 1).all()
    assert table["position"].is_unique
    assert table["affected"].sum() == item.affected
    assert set(table["proposed_tag"].dropna()) <= set(data.frame["tag"])
    assert set(table["other_id"].dropna()) <= set(data.frame["id"])


def test_known_wrong_tags_and_duplicates_are_found(embedded) -> None:
    data, found = embedded
    wrong = pd.read_csv(EMBEDDED.with_name("known_wrong_tags.csv"), dtype=str)["id"]
    worst = np.argsort(-found.scores("label-errors"), kind="stable")[: round(0.08 * len(data.frame))]
    assert data.frame["id"].iloc[worst].isin(wrong).sum() >= 0.75 * len(wrong)
    listed = pd.read_csv(EMBEDDED.with_name("known_duplicates.csv"), dtype=str)
    known = {frozenset(pair) for pair in listed.itertuples(index=False)}
    ids = data.frame["id"].to_numpy()
    pairs = {
        frozenset(pair)
        for kind in ("exact-duplicates", "near-duplicates")
        for pair in zip(ids[found.rows(kind)["position"]], found.rows(kind)["other_id"], strict=True)
    }
    assert len(pairs & known) >= 0.95 * len(known)
    assert len(pairs & known) >= 0.8 * len(pairs)


def test_findings_are_opened_again_as_they_were(home: Path, tmp_path: Path) -> None:
    data = dataset(tmp_path, rows())
    told: list[tuple[str, float]] = []
    first = find(data, progress=lambda name, share: told.append((name, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert {"Neighbours", "Exact duplicates"} <= {name for name, _ in told}
    again: list[str] = []
    second = find(data, progress=lambda name, share: again.append(name))
    assert again == ["Open"]
    assert second.items == first.items
    for kind in ALL:
        pd.testing.assert_frame_equal(second.rows(kind), first.rows(kind))
    assert [item.kind for item in find(data, kinds=["outliers"]).items] == ["outliers"]
    assert len(list(findings_dir().iterdir())) == 1


def test_other_splits_or_rows_are_other_findings(home: Path, tmp_path: Path) -> None:
    data = dataset(tmp_path, rows(6))
    find(data)
    find(data, splits=["train", "test"] * 9)
    find(dataset(tmp_path, rows(7)))
    assert len(list(findings_dir().iterdir())) == 3


def test_damaged_findings_are_computed_again(home: Path, tmp_path: Path) -> None:
    data = dataset(tmp_path, rows(6))
    first = find(data)
    (folder,) = findings_dir().iterdir()
    (folder / "outliers.parquet").unlink()
    pd.testing.assert_frame_equal(find(data).rows("outliers"), first.rows("outliers"))
    assert (folder / "outliers.parquet").is_file()
    (folder / "findings.json").write_text("{}")
    assert find(data).items == first.items
    (folder / "outliers.parquet").write_bytes(b"PAR1")
    with pytest.raises(FindingError, match="damaged"):
        find(data).rows("outliers")


def test_only_some_kinds_leave_nothing_on_the_disk(home: Path, tmp_path: Path) -> None:
    found = find(dataset(tmp_path, rows(6)), kinds=["short-texts"])
    assert [item.kind for item in found.items] == ["short-texts"]
    assert not findings_dir().exists()
    with pytest.raises(FindingError, match="not looked for"):
        found.rows("outliers")


def test_mistakes_are_one_sentence(home: Path, tmp_path: Path) -> None:
    data = dataset(tmp_path, rows(6))
    with pytest.raises(FindingError, match=r'no finding "spelling"; choose among "conflicting-labels"'):
        find(data, kinds=["spelling"])
    with pytest.raises(FindingError, match="3 splits for 18 rows"):
        find(data, splits=["train"] * 3)
    with pytest.raises(FindingError, match="no split 'dev'"):
        find(data, splits=["dev"] * 18)


def test_a_kind_is_there_once() -> None:
    with pytest.raises(ValueError, match="two findings"):

        @finding("outliers", "data", "Again", advice="Do nothing.", harm=0.1)
        def again(context: Context) -> Result:
            raise AssertionError


def test_a_score_outside_of_its_range_is_refused() -> None:
    for score in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="outside"):
            rows_frame(np.array([0]), np.array([score]))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 300), st.integers(1, 12), st.integers(1, 6), st.integers(0, 10**6), st.booleans())
def test_nearest_is_what_a_full_sort_gives(count: int, k: int, width: int, seed: int, sampled: bool) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(size=(count, width)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    reference = np.sort(random.choice(count, max(2, count // 2), replace=False)) if sampled else np.arange(count)
    positions, similarities = nearest(points, k, reference)
    products = points @ points.T
    np.fill_diagonal(products, -np.inf)
    expected = -np.sort(-products[:, reference], axis=1)[:, : min(k, len(reference) - 1)]
    np.testing.assert_allclose(similarities, expected, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(products, positions.astype(int), axis=1), expected, atol=1e-5)
    assert (positions != np.arange(count)[:, None]).all()


@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.lists(st.integers(1, 20), min_size=2, max_size=4))
def test_independent_counts_have_no_effect(one: list[int], other: list[int]) -> None:
    tested = association(np.outer(one, other))
    assert tested.effect == pytest.approx(0, abs=1e-9)
    assert np.abs(tested.residuals).max() == pytest.approx(0, abs=1e-6)


@given(st.text(max_size=12))
def test_no_cell_is_a_formula_and_none_is_lost(text: str) -> None:
    cell = safe_cell(text)
    assert cell.removeprefix("'") == text or cell == text
    assert cell.lstrip()[:1] not in tuple("=+-@") or cell.lstrip("+-").replace(".", "").isdigit()
