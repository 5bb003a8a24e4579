"""The embedded data is what `data/README.md` says, and neither too easy nor too hard."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

DATA = Path(__file__).resolve().parents[2] / "data"
TAGS = {
    "computer-vision",
    "graph-learning",
    "mlops",
    "natural-language-processing",
    "reinforcement-learning",
    "time-series",
}


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return read("labeled_projects.csv")


def test_columns_rows_tags_and_dates(rows: pd.DataFrame) -> None:
    assert list(rows.columns) == ["id", "created_on", "title", "description", "tag"]
    assert len(rows) >= 800
    assert rows["id"].is_unique
    assert set(rows["tag"]) == TAGS
    dates = pd.to_datetime(rows["created_on"])
    assert pd.Timedelta(days=700) < dates.max() - dates.min() < pd.Timedelta(days=760)


def test_titles_and_descriptions_have_3_to_60_words_or_no_description(rows: pd.DataFrame) -> None:
    assert rows["title"].str.split().str.len().between(3, 60).all()
    lengths = rows["description"].str.split().str.len()
    assert (lengths.between(3, 60) | lengths.eq(0)).all()


def test_the_mess_of_real_data_is_there(rows: pd.DataFrame) -> None:
    texts = rows["title"] + " " + rows["description"]
    assert rows["description"].eq("").sum() >= 20
    assert texts.str.contains("https?://").sum() >= 20
    assert texts.str.contains(r"[^\x00-\x7f]").sum() >= 30
    assert texts.str.contains("[\u3040-\u30ff\u4e00-\u9fff\u0400-\u04ff]").sum() >= 5


def test_only_the_reserved_example_hosts_are_named(rows: pd.DataFrame) -> None:
    texts = " ".join(rows["title"] + " " + rows["description"])
    hosts = set(re.findall(r"https?://([^/\s)\]]+)", texts))
    assert {".".join(host.split(".")[-2:]) for host in hosts} <= {"example.com", "example.org", "example.net"}


def test_known_wrong_tags_are_about_4_percent_and_listed_in_the_readme(rows: pd.DataFrame) -> None:
    wrong = read("known_wrong_tags.csv")
    tags = rows.set_index("id")["tag"]
    assert 0.03 < len(wrong) / len(rows) < 0.05
    assert (tags[wrong["id"]].to_numpy() == wrong["tag"].to_numpy()).all()
    assert (wrong["tag"] != wrong["correct_tag"]).all()
    assert set(wrong["correct_tag"]) <= TAGS
    listed = re.search(r"Ids with a wrong tag: (.*)\.", (DATA / "README.md").read_text(encoding="utf-8"))
    assert listed is not None
    assert listed[1].split(", ") == wrong["id"].to_list()


def test_known_duplicates_share_most_of_their_words_and_are_listed_in_the_readme(rows: pd.DataFrame) -> None:
    pairs = read("known_duplicates.csv")
    texts = rows.set_index("id")["title"] + " " + rows.set_index("id")["description"]
    words = texts.str.lower().str.findall(r"\w+").map(set)
    for pair in pairs.itertuples():
        one, other = words[pair.id], words[pair.duplicate_id]
        assert len(one & other) / min(len(one), len(other)) > 0.5, pair
    listed = re.search(r"Duplicate pairs: (.*)\.", (DATA / "README.md").read_text(encoding="utf-8"))
    assert listed is not None
    assert listed[1].split(", ") == [f"{pair.id} = {pair.duplicate_id}" for pair in pairs.itertuples()]


def test_a_linear_model_scores_between_080_and_093(rows: pd.DataFrame) -> None:
    texts, tags = (rows["title"] + " " + rows["description"]).to_list(), rows["tag"].to_list()
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC())
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    assert 0.80 <= cross_val_score(model, texts, tags, cv=folds, scoring="f1_weighted").mean() <= 0.93
