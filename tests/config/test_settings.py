"""Settings: files below the environment, and sentences that name the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.settings import environment_name, load_settings
from engine.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_home_is_the_current_folder_unless_it_is_set(home: Path, tmp_path: Path, monkeypatch) -> None:
    assert load_settings().home == home
    monkeypatch.delenv("TAGSCOPE_HOME")
    monkeypatch.chdir(tmp_path)
    assert load_settings().runs_dir == tmp_path / "data" / "runs"


def test_a_tilde_in_the_home_is_the_persons_own_folder(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TAGSCOPE_HOME", "~/tags")
    assert load_settings().runs_dir == home / "tags" / "data" / "runs"


def test_the_environment_wins_over_the_home_and_the_home_over_the_package(home: Path, monkeypatch) -> None:
    (home / "config").mkdir()
    (home / "config" / "settings.toml").write_text("[training]\nseed = 3\nmin_count = 9\n[data]\ntext = ['body']\n")
    monkeypatch.setenv("TAGSCOPE_TRAINING__SEED", "7")
    settings = load_settings()
    assert (settings.training.seed, settings.training.min_count, settings.training.model) == (7, 9, "ngram")
    assert settings.data.text == ("body",)


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("TAGSCOPE_TRAINING__SEED", "many", "training.seed"),
        ("TAGSCOPE_TRAINING__MODEL", "svm", "training.model"),
        ("TAGSCOPE_TRAINING__TEST_SHARE", "0.9", "training.test_share"),
        ("TAGSCOPE_DATA__TEXT", "[]", "data.text"),
        ("TAGSCOPE_TRAINING__SEAD", "1", "training.sead"),
    ],
)
def test_a_bad_value_names_setting_and_variable(home: Path, monkeypatch, name: str, value: str, setting: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"`{setting}` cannot be used") as caught:
        load_settings()
    assert environment_name(setting) in str(caught.value)


def test_shares_that_leave_nothing_to_train_on_are_refused(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("TAGSCOPE_TRAINING__TEST_SHARE", "0.45")
    monkeypatch.setenv("TAGSCOPE_TRAINING__VALIDATION_SHARE", "0.45")
    with pytest.raises(SettingsError, match="less than 20 % to train on"):
        load_settings()


def test_a_list_that_is_not_json_and_a_file_that_is_not_toml_are_explained(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("TAGSCOPE_DATA__TEXT", "title,description")
    with pytest.raises(SettingsError, match="written as JSON"):
        load_settings()
    monkeypatch.delenv("TAGSCOPE_DATA__TEXT")
    (home / "config").mkdir()
    (home / "config" / "settings.toml").write_text("[training\n")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        load_settings()


@pytest.mark.parametrize("key", ["schlüssel", " edge", "two\nlines"])
def test_a_key_that_no_header_could_carry_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TAGSCOPE_API__KEY", key)
    with pytest.raises(SettingsError, match=r"api\.key.*visible ASCII"):
        load_settings()


def test_a_service_that_nobody_may_ask_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGSCOPE_API__OPEN_PREDICT", "false")
    with pytest.raises(SettingsError, match="set a key"):
        load_settings()


def test_a_request_may_not_be_larger_than_the_queue(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGSCOPE_API__MAX_TEXTS", "600")
    with pytest.raises(SettingsError, match="never be taken"):
        load_settings()
