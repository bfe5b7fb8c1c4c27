"""The sources file: TOML or YAML, one entry for each source. Described in docs/knowledge-base.md."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from knowledge_base.catalogue import systems as known_systems
from knowledge_base.errors import SourcesFileError
from knowledge_base.passage import Access

READERS = 3
"""Raised when the readers change so that unchanged documents have to be read again."""


class Source(BaseModel):
    """What all kinds have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """Empty for our own articles, which no entry names."""
    systems: tuple[str, ...] = ()
    """Ids of the systems that all of it is about; without them each section is taken by what its headings name."""
    access: Access = Access.PUBLIC
    site_url: str | None = Field(None, pattern=r"^https?://")
    paths: tuple[str, ...] = ()
    """Folders or files that are read, relative to the source; empty means all."""

    @field_validator("systems")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = set(value) - {system.id for system in known_systems()}
        if unknown:
            raise ValueError(f"no system of the facts: {', '.join(sorted(unknown))}")
        return value

    @property
    def settings_hash(self) -> str:
        """Changes when the entry in the file changes: then everything is read again."""
        return hashlib.sha256(f"{READERS}{self.model_dump_json()}".encode()).hexdigest()[:16]


class FolderSource(Source):
    kind: Literal["folder"] = "folder"
    path: Path


class GitSource(Source):
    kind: Literal["git"]
    url: str = Field(pattern=r"^(?:https?://|ssh://|git://|file://|/|\w[\w.-]*@)\S+$")
    branch: str = Field("main", pattern=r"^\w[\w./-]*$")


class SiteSource(Source):
    kind: Literal["site"]
    url: str = Field(pattern=r"^https?://\S+$")
    """Of the site, whose robots.txt names its sitemap, or of the sitemap itself."""
    delay_s: float = Field(1.0, ge=0)
    """Pause between two requests; robots.txt may ask for a longer one."""
    max_pages: int = Field(5000, ge=1)


AnySource = Annotated[FolderSource | GitSource | SiteSource, Field(discriminator="kind")]


def articles_source(folder: Path) -> FolderSource:
    """Our own articles: the source with the empty name, whose citations open on the desk."""
    return FolderSource.model_construct(name="", kind="folder", path=folder)


class SourcesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    articles: bool = True
    """Whether our own articles are part of the index."""
    source: tuple[AnySource, ...] = ()


def read_sources(file: Path) -> SourcesFile:
    """Paths in it are relative to the file.

    Raises:
        SourcesFileError: with every problem, one a line, each naming its entry.
    """
    try:
        text = file.read_text(encoding="utf-8")
        values = yaml.safe_load(text) if file.suffix in {".yaml", ".yml"} else tomllib.loads(text)
        parsed = SourcesFile.model_validate(values or {})
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SourcesFileError(file, _problems(error)) from error
    names = [source.name for source in parsed.source]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourcesFileError(file, [f"two sources are called {name}" for name in twice])
    return parsed.model_copy(update={"source": tuple(_placed(source, file.parent) for source in parsed.source)})


def _placed(source: AnySource, folder: Path) -> AnySource:
    if isinstance(source, FolderSource):
        return source.model_copy(update={"path": (folder / source.path).resolve()})
    return source


def _problems(error: Exception) -> list[str]:
    if not isinstance(error, ValidationError):
        return [str(error)]
    return [f"{_place(item['loc'])}: {item['msg']}" for item in error.errors()]


def _place(location: tuple[Any, ...]) -> str:
    """`source 2, branch`; sources are counted from 1."""
    parts = [str(part + 1) if isinstance(part, int) else str(part) for part in location]
    return ", ".join(parts).replace("source, ", "source ")
