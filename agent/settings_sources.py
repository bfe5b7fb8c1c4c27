"""Where settings are read from besides the environment, and what is said of those that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "MINERVA_"
CONFIG_VARIABLE = "MINERVA_CONFIG"


class SecretFiles(PydanticBaseSettingsSource):
    """Reads `MINERVA_<NAME>_FILE` for every secret; unreadable ones are reported by `secret_file_problems`."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002  # the base's form
        path = Path(os.environ.get(_file_variable(field_name), ""))
        return (path.read_text(encoding="utf-8").rstrip("\n") if path.is_file() else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(fields[name], name)[0] for name in _secrets(self.settings_cls)}
        return {name: value for name, value in values.items() if value is not None}


def config_file() -> Path | None:
    """The TOML file: what MINERVA_CONFIG names, else `minerva.toml` here when there is one."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return Path("minerva.toml") if Path("minerva.toml").is_file() else None


def secret_file_problems(settings: type[BaseSettings]) -> list[str]:
    given = [(name, os.environ[name]) for name in map(_file_variable, _secrets(settings)) if name in os.environ]
    return [f"{variable}: no readable file at {path}" for variable, path in given if not os.access(path, os.R_OK)]


def unknown_variables(settings: type[BaseSettings]) -> list[str]:
    known = {f"{PREFIX}{name.upper()}" for name in settings.model_fields} | {CONFIG_VARIABLE}
    known |= {_file_variable(name) for name in _secrets(settings)}
    return [
        f"{name}: there is no such setting (see docs/settings.md)"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known
    ]


def problem_of(settings: type[BaseSettings], item: Any) -> str:
    """One of pydantic's errors in words; a secret's value is not repeated."""
    where = ".".join(str(part) for part in item["loc"])
    name = f"{PREFIX}{where.upper()}" if where else "settings"
    given = f" (given: {item['input']!r})" if where and where not in _secrets(settings) else ""
    return f"{name}: {item['msg'].removeprefix('Value error, ')}{given}"


def _secrets(settings: type[BaseSettings]) -> list[str]:
    return [name for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)]


def _file_variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}_FILE"
