from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from engine.dataset.loading import load_table
from engine.errors import DataError
from engine.exploration import layout, map_store, vectors
from engine.exploration.categories import Categories
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Filter, FilterError
from engine.exploration.map_store import MapStore
from engine.exploration.table import Table
from engine.exploration.text_map import PLACE, MapInfo, TextMap
from engine.exploration.vectors import Embeddings, shorter_vectors, word_vectors
from engine.exploration.words import read_words
from tests.exploration.made import make_dataset

ROOT = Path(__file__).resolve().parents[2]


def words_of(texts):
    return read_words(pa.array(texts, pa.large_string()))


def embeddings_of(count: int, width: int = 100, digest: str = "e") -> Embeddings:
    """Return three bundles of directions."""
    random = np.random.default_rng(0)
    middles = random.standard_normal((3, width)) * 3
    noise = random.standard_normal((count, width))
    return Embeddings((middles[np.arange(count) % 3] + noise).astype(np.float32), digest, "an encoder")


def no_words():
    raise AssertionError("nobody needs the words")


def agreement(points, tags, count: int = 10) -> float:
    """Return the share of the nearest points that have the tag of their point."""
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    near = np.argsort(distances, axis=1)[:, :count]
    return float((tags[near] == tags[:, None]).mean())


def test_the_map_of_real_texts_keeps_what_belongs_together(tmp_path: Path) -> None:
    frame = load_table(ROOT / "data" / "labeled_projects.csv").frame.head(400)
    tags = pd.factorize(frame["tag"])[0]
    drawn = MapStore(tmp_path).draw("d", lambda: words_of(frame["text"].tolist()))
    assert drawn.info.rows == drawn.info.placed == drawn.info.anchors == 400
    assert drawn.info.method == "TF-IDF of words, 64 main directions; t-SNE"
    assert agreement(drawn.points, tags) >= 0.45  # 0.52 seen; chance 0.22, the two main directions 0.34


def test_a_map_is_drawn_once(tmp_path: Path) -> None:
    store, shares = MapStore(tmp_path), []
    first = store.draw("d", no_words, embeddings_of(60), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    again = MapStore(tmp_path).draw("d", no_words, Embeddings(np.zeros((0, 0), np.float32), "e", "never looked at"))
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.vectors, again.vectors)
    assert again.info == first.info
    assert [path.name for path in tmp_path.iterdir()] == [first.info.key]
    assert store.open("other") is None
    assert store.open("d", "other") is None


def test_the_same_data_gives_the_same_map(tmp_path: Path) -> None:
    one, other = (MapStore(tmp_path / name).draw("d", no_words, embeddings_of(60)) for name in "ab")
    assert np.array_equal(one.points, other.points)


@pytest.mark.parametrize("name", ["points.npy", "vectors.npy", "map.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_map_is_drawn_again(tmp_path: Path, name: str, damage: str) -> None:
    store = MapStore(tmp_path)
    first = store.draw("d", no_words, embeddings_of(20))
    path = tmp_path / first.info.key / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "cut" else content.replace(b"0", b"1"))
    assert store.open("d", "e") is None
    assert np.array_equal(store.draw("d", no_words, embeddings_of(20)).points, first.points)


def test_a_home_that_takes_nothing_still_gets_a_map(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert MapStore(tmp_path / "file").draw("d", no_words, embeddings_of(20)).info.placed == 20


def test_maps_are_kept_under_the_home(home: Path) -> None:
    drawn = MapStore().draw("d", no_words, embeddings_of(20))
    record = json.loads((home / "data" / "maps" / drawn.info.key / "map.json").read_text())
    assert record["info"]["method"] == "the embeddings of an encoder, 20 main directions of 100; t-SNE"


def test_what_a_killed_process_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".left").mkdir()
    MapStore(tmp_path).draw("d", no_words, embeddings_of(20))
    assert (tmp_path / ".left").exists()
    monkeypatch.setattr(map_store, "_STALE_SECONDS", -1)
    MapStore(tmp_path).draw("e", no_words, embeddings_of(20))
    assert not (tmp_path / ".left").exists()


def test_many_rows_are_placed_beside_those_that_are_laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ANCHORS", 60)
    monkeypatch.setattr(map_store, "ANCHORS", 60)
    monkeypatch.setattr(layout, "_PROJECTED_AT_ONCE", 50)
    monkeypatch.setattr(vectors, "_FITTED_ROWS", 100)
    monkeypatch.setattr(vectors, "_ROWS_AT_ONCE", 70)
    drawn = MapStore(tmp_path).draw("d", no_words, embeddings_of(300))
    assert "t-SNE of 60 rows drawn at random, each other row beside" in drawn.info.method
    assert (drawn.info.placed, drawn.info.anchors) == (300, 60)
    assert agreement(drawn.points, np.arange(300) % 3) >= 0.9
    assert len(np.unique(drawn.points, axis=0)) == 300


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["a"],
        ["a b", "a b"],
        ["a b c"] * 12,
        ["", "x y", "y x", "only here"],
        [f"w{i} w{i + 1}" for i in range(9)],
    ],
)
def test_few_texts_and_texts_that_are_the_same(tmp_path: Path, texts: list[str]) -> None:
    drawn = MapStore(tmp_path).draw("d", lambda: words_of(texts))
    assert drawn.points.shape == (len(texts), 2)
    placed = np.isfinite(drawn.points).all(axis=1)
    assert drawn.info.placed == placed.sum()
    assert np.array_equal(placed, drawn.vectors.any(axis=1))


def test_vectors_are_of_length_one_or_nothing() -> None:
    made = word_vectors(words_of(["deep learning", "deep sea", "", "sea learning deep", "???"]))
    assert np.linalg.norm(made, axis=1) == pytest.approx([1, 1, 0, 1, 0], abs=1e-5)
    made = shorter_vectors(Embeddings(np.array([[3, 4], [0, 0]], np.float32), "", ""))
    assert made.tolist() == [pytest.approx([0.6, 0.8]), [0, 0]]


@pytest.mark.parametrize(("values", "message"), [(np.zeros(3), "no table"), (np.full((3, 2), np.nan), "not finite")])
def test_embeddings_that_cannot_be_used(values, message: str) -> None:
    with pytest.raises(DataError, match=message):
        shorter_vectors(Embeddings(values.astype(np.float32), "", "an encoder"))


def map_of(directions) -> TextMap:
    own = np.asarray(directions, np.float32)
    return TextMap(np.zeros((len(own), 2), np.float32), own, MapInfo("", "", len(own), len(own), len(own), 0.0))


def test_neighbours_are_the_most_similar_rows() -> None:
    random = np.random.default_rng(0)
    directions = random.standard_normal((200, 5))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[7] = 0
    tags = Categories.of([str(number % 3) for number in range(200)])
    found = map_of(directions).neighbours(3, 12, tags)
    similar = directions @ directions[3]
    expected = [row for row in np.argsort(-similar) if row not in (3, 7)][:12]
    assert [neighbour.position for neighbour in found] == expected
    assert [neighbour.tag for neighbour in found] == [str(row % 3) for row in expected]
    assert [neighbour.similarity for neighbour in found] == pytest.approx(similar[expected], abs=1e-5)


def test_neighbours_at_the_ends() -> None:
    small = map_of([[1, 0], [1, 0], [0, 1], [0, 0], [1, 0]])
    assert [neighbour.position for neighbour in small.neighbours(1, 99)] == [0, 4, 2]
    assert [neighbour.position for neighbour in small.neighbours(1, 1)] == [0]
    assert small.neighbours(3) == []
    assert small.neighbours(0, 0) == []
    for position in (-1, 5):
        with pytest.raises(FilterError, match="There is no row"):
            small.neighbours(position)


def test_a_lasso_selects_rows(tmp_path: Path) -> None:
    explorer = Explorer(Table.of(make_dataset(["a"] * 30)))
    drawn = MapStore(tmp_path).draw("d", no_words, embeddings_of(30))
    explorer.attach_map(drawn)
    low, high = drawn.points.min(axis=0) - 1, np.median(drawn.points, axis=0)
    box = tuple((float(x), float(y)) for x, y in [low, (high[0], low[1]), high, (low[0], high[1])])
    inside = np.flatnonzero((drawn.points < high).all(axis=1))
    assert explorer.select(Filter(polygon=box)).positions.tolist() == inside.tolist() == drawn.points_in(box).tolist()
    explorer.attach_map(map_of(np.ones((30, 2))))  # all points at 0: another map, another answer
    assert explorer.select(Filter(polygon=((-1.0, -1.0), (1.0, -1.0), (0.0, 2.0)))).count == 30


def test_the_map_of_other_data_is_refused(explorer: Explorer) -> None:
    with pytest.raises(FilterError, match="map has 3 points, but the data set 8 rows"):
        explorer.attach_map(map_of(np.ones((3, 2))))


def test_the_method_says_what_comes_from_a_part_of_rows_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_FITTED_ROWS", 20)
    monkeypatch.setattr(vectors, "_FEATURES", 6)
    texts = [" ".join(f"w{(row * 7 + place) % 12}" for place in range(5)) for row in range(40)]
    said = MapStore(tmp_path).draw("d", lambda: words_of(texts)).info.method
    assert said.startswith("TF-IDF of the 6 most frequent words, 6 main directions found from 20 rows drawn at random;")
    said = MapStore(tmp_path).draw("d", no_words, embeddings_of(40)).info.method
    assert said.startswith(
        "the embeddings of an encoder, 20 main directions of 100 found from 20 rows drawn at random;"
    )


def test_rows_without_a_point_are_nowhere() -> None:
    points = np.array([[0, 0], [np.nan, np.nan], [1, 1]], np.float32)
    text_map = TextMap(points, np.zeros((3, 2), np.float32), MapInfo("0" * 32, "by hand", 3, 2, 2, 0.0))
    assert text_map.nowhere().tolist() == [False, True, False]
    explorer = Explorer(Table.of(make_dataset(["a"] * 3)))
    lost = Filter(missing=(PLACE,))
    with pytest.raises(FilterError, match="map"):
        explorer.select(lost)
    explorer.attach_map(text_map)
    assert explorer.select(lost).positions.tolist() == [1]
    explorer.attach_map(map_of(np.ones((3, 2))))
    assert explorer.select(lost).count == 0
