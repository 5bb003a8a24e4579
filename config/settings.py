"""Settings: defaults from `settings.toml`, overridden by the home's own file and by `TAGSCOPE_...` variables.

In: environment, two TOML files. Out: one frozen `Settings`.
"""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from engine.errors import SettingsError as TagscopeSettingsError

PACKAGED_SETTINGS = Path(__file__).with_name("settings.toml")


def default_home() -> Path:
    """Folder under which everything is read and written.

    `TAGSCOPE_HOME` where it is set, else the current folder: never the folder of an installed package.
    """
    return Path(os.environ.get("TAGSCOPE_HOME") or Path.cwd()).expanduser().resolve()


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSettings(_Section):
    """Which table is shown or trained on, and what its columns mean."""

    file: Path | None = None
    text: tuple[str, ...] = Field(("title", "description"), min_length=1)
    label: str = "tag"
    id: str | None = "id"
    created: str | None = "created_on"
    version: str = ""
    max_cell_characters: int = Field(100_000, ge=1)


class TrainingSettings(_Section):
    """How a model is trained and on which rows it is judged."""

    model: Literal["ngram", "cnn"] = "ngram"
    seed: int = Field(0, ge=0, lt=2**31)
    accepted: tuple[str, ...] = ()
    min_count: int = Field(5, ge=1)
    validation_share: float = Field(0.15, ge=0, lt=0.5)
    test_share: float = Field(0.15, ge=0, lt=0.5)
    max_tokens: int = Field(512, ge=2, le=8192)
    holdout: Path | None = None
    parent: str | None = None


class InferenceSettings(_Section):
    """Bounds of the predictor - memory, loaded runs, length of a text, queue - and how models are computed."""

    cache_bytes: int = Field(64 * 2**20, ge=0)
    cache_seconds: float = Field(0, ge=0)
    loaded_runs: int = Field(4, ge=1)
    max_text_characters: int = Field(100_000, ge=1)
    backend: str = ""
    precision: str = ""
    threads: int = Field(0, ge=0, le=256)
    queue_texts: int = Field(512, ge=1)


class ApiSettings(_Section):
    """Where the HTTP service listens, who may do what, and what it does under overload."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    processes: int = Field(0, ge=0, le=256)
    ready_processes: int = Field(0, ge=0, le=256)
    key: str = ""
    open_predict: bool = True
    max_body_bytes: int = Field(4 * 2**20, ge=1024)
    max_texts: int = Field(256, ge=1)
    deadline_seconds: float = Field(10, gt=0)
    body_seconds: float = Field(10, gt=0)
    drain_seconds: float = Field(30, ge=0)

    @field_validator("key")
    @classmethod
    def _fits_a_header(cls, key: str) -> str:
        if key != key.strip() or not key.isascii() or not key.isprintable():
            raise ValueError("a key has visible ASCII characters only, and no space at its ends")
        return key


class DashboardSettings(_Section):
    """What the page is called, where `tagscope dashboard` serves it, and what its visitors may change."""

    title: str = "Tagscope"
    port: int = Field(5006, ge=0, le=65535)
    save_slices: bool = True


class Settings(BaseSettings):
    """Every setting of Tagscope; see `config/settings.toml` for what each one means."""

    model_config = SettingsConfigDict(
        env_prefix="TAGSCOPE_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(default_factory=default_home)
    performance_file: Path | None = None
    engine_url: str = ""
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    inference: InferenceSettings = InferenceSettings()
    api: ApiSettings = ApiSettings()
    dashboard: DashboardSettings = DashboardSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: environment, the home's settings.toml, the packaged settings.toml."""
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, default_home() / "config" / "settings.toml"),
            TomlConfigSettingsSource(settings_cls, PACKAGED_SETTINGS),
        )

    @field_validator("home")
    @classmethod
    def _whole_path(cls, home: Path) -> Path:
        return home.expanduser().resolve()

    @model_validator(mode="after")
    def _shares_leave_rows_to_train_on(self) -> Settings:
        if self.training.validation_share + self.training.test_share > 0.8:
            raise ValueError("validation_share and test_share together leave less than 20 % to train on")
        return self

    @model_validator(mode="after")
    def _somebody_may_predict(self) -> Settings:
        if not self.api.open_predict and not self.api.key:
            raise ValueError("api.open_predict is false and api.key is empty, so nobody could predict; set a key")
        return self

    @model_validator(mode="after")
    def _a_request_fits_the_queue(self) -> Settings:
        if self.api.max_texts > self.inference.queue_texts:
            raise ValueError(
                f"api.max_texts ({self.api.max_texts}) is more than inference.queue_texts "
                f"({self.inference.queue_texts}), so the largest request would never be taken"
            )
        return self

    @property
    def runs_dir(self) -> Path:
        """Folder of the run bundles."""
        return self.home / "data" / "runs"

    @property
    def datasets_dir(self) -> Path:
        """Folder of the data set snapshots."""
        return self.home / "data" / "datasets"

    @property
    def config_dir(self) -> Path:
        """Folder of the pointer to the promoted run: `run_id.txt` and `performance.json`."""
        return self.home / "config"

    def resolve(self, path: Path) -> Path:
        """Make a path from the settings absolute; relative ones start at `home`."""
        path = path.expanduser()
        return path if path.is_absolute() else self.home / path


def load_settings(**overrides: Any) -> Settings:
    """Read the settings anew.

    Raises
    ------
    engine.errors.SettingsError
        A file is not TOML, or a value cannot be used; the message names the setting.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise TagscopeSettingsError(
            f"Setting `{name}` cannot be used: {reason}; mend it in settings.toml or in the environment "
            f"variable {environment_name(name)}."
            if first["loc"]
            else f"The settings cannot be used: {reason}; mend them in settings.toml or in the environment."
        ) from None
    except SettingsError as error:
        raise TagscopeSettingsError(
            f"The environment has a TAGSCOPE_ variable that cannot be read ({error}); lists are written as "
            "JSON, such as '[\"title\"]'."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise TagscopeSettingsError(
            f"config/settings.toml under {default_home()} cannot be read as TOML in UTF-8 ({error}); mend it."
        ) from None


def environment_name(setting: str) -> str:
    """Name of the environment variable of a setting, such as `TAGSCOPE_TRAINING__SEED`."""
    return "TAGSCOPE_" + setting.upper().replace(".", "__")


@functools.cache
def get_settings() -> Settings:
    """Return the settings of this process, read once; `get_settings.cache_clear()` reads them again.

    Raises
    ------
    engine.errors.SettingsError
        See `load_settings`.
    """
    return load_settings()
