"""Channel rules: where we speak unasked, where only when mentioned, where never; from one TOML file.

[default]
answer = "mentioned"          # all, mentioned or never
[channels.C0123ABC]
answer = "all"
quiet_hours = "18:00-08:00"   # in the centre's time zone; then only when mentioned
language = "fr"               # of our own words; the asker's without it
"""

from __future__ import annotations

import tomllib
from datetime import datetime, time
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.errors import SettingsError

Mode = Literal["all", "mentioned", "never"]


class Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Mode = "mentioned"
    quiet_hours: str = ""
    language: str = Field("", pattern="^(|en|fr|de|it|es)$")

    @field_validator("quiet_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        _hours(value)
        return value

    def is_quiet(self, at: datetime, zone: str) -> bool:
        if not self.quiet_hours:
            return False
        begins, ends = _hours(self.quiet_hours)
        clock = at.astimezone(ZoneInfo(zone)).time()
        return begins <= clock < ends if begins < ends else clock >= begins or clock < ends


class Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Rule = Rule()
    channels: dict[str, Rule] = {}

    def of(self, place: str) -> Rule:
        return self.channels.get(place, self.default)


def load_rules(path: Path | None) -> Rules:
    """Raises SettingsError, which names the file and what is wrong."""
    if path is None:
        return Rules()
    try:
        return Rules.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read the channel rules {path}: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"the channel rules {path} cannot be used: {wrong}") from error


def _hours(value: str) -> tuple[time, time]:
    if not value:
        return time(), time()
    begins, _, ends = value.partition("-")
    try:
        return time.fromisoformat(begins), time.fromisoformat(ends)
    except ValueError as error:
        raise ValueError("are no hours: write them as 18:00-08:00") from error
