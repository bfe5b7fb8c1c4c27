"""What the engine and the services hand each other. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Button = Literal["helpful", "unhelpful", "more", "measure", "person"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Where something is said."""

    place: str
    """Channel or room."""
    thread: str
    """Id of the thread's first message; empty for the place itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedFile:
    name: str
    address: str
    """For `Channel.fetch`."""
    size: int = 0
    """In bytes; 0 where the service does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """Something that a person said, changed or deleted."""

    kind: Literal["said", "edited", "deleted"]
    spot: Spot
    id: str
    """Of the message."""
    sender: str
    text: str = ""
    """Markdown; mentions of us are taken out."""
    files: tuple[SharedFile, ...] = ()
    version: str = ""
    """Of the edit; sorts by time."""
    event: str = ""
    """Id of the event that told it: another one about the same is left to the first."""
    direct: bool = False
    """Nobody else reads it."""
    addressed: bool = False
    """We are mentioned, or it is direct."""
    to_others: bool = False
    """It begins with the name of somebody else."""

    @property
    def is_first(self) -> bool:
        return self.id == self.spot.thread


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A message of a thread as the service has it."""

    id: str
    sender: str
    name: str
    text: str
    ours: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    number: int
    title: str
    system: str
    """Names of the systems that it is about; empty for a general one."""
    date: str | None
    """When it was last changed or reviewed, ISO 8601 day."""
    url: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplyFile:
    filename: str
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A message of ours. Texts are Markdown; the service makes its own form of it."""

    paragraphs: tuple[str, ...]
    folded: tuple[str, ...] = ()
    """Shown when somebody asks for more."""
    sources: tuple[Source, ...] = ()
    note: str = ""
    """Set apart: how sure we are, what is missing."""
    buttons: tuple[Button, ...] = ()
    language: str = "en"
    expanded: bool = False
    files: tuple[ReplyFile, ...] = ()
    to: str = ""
    """Whom it answers; a stream wants to know."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What only one service understands: a card for its engineers, say."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def shown(self) -> tuple[str, ...]:
        return (*self.paragraphs, *self.folded) if self.expanded else self.paragraphs


def reply_of(content: Mapping[str, Any]) -> Reply:
    """From what `Reply.as_json` gave."""
    return Reply(
        **{
            **content,
            "paragraphs": tuple(content["paragraphs"]),
            "folded": tuple(content["folded"]),
            "buttons": tuple(content["buttons"]),
            "sources": tuple(Source(**item) for item in content["sources"]),
            "files": tuple(ReplyFile(**item) for item in content["files"]),
        }
    )


class Channel(Protocol):
    """A chat service. What goes wrong is raised as `agent.errors.ChatError`.

    Methods with a body here are for services that have nothing of the kind.
    """

    name: str

    def heard(self, kind: str, body: Mapping[str, Any]) -> Heard | None:
        """What a person said; None for every other event, and for what machines and we ourselves say."""
        ...

    def name_of(self, sender: str) -> str:
        """As others see it; the id itself when the service does not say."""
        ...

    def fetch(self, file: SharedFile) -> bytes: ...

    def history(self, spot: Spot) -> Sequence[Said]:
        """The thread, oldest first."""
        ...

    def put(self, spot: Spot, key: str, reply: Reply, standing: str | None) -> str:
        """Post a reply, or change the `standing` one into it; its id."""
        ...

    def attach(self, spot: Spot, files: Sequence[ReplyFile]) -> None:
        """Files behind a reply."""
        ...

    def take_back(self, spot: Spot, standing: str) -> None: ...

    def grow(self, spot: Spot, reply: Reply, standing: str | None) -> str | None:
        """Begin a message that grows, or add what the reply says more to the `standing` one; `put` ends it.

        Its id, or None where no message can grow: then `put` changes it.
        """
        return None

    def find(self, spot: Spot, key: str, known: set[str]) -> str | None:
        """The message with this key that was perhaps posted before; `known` are those that it cannot be.

        None as well where posting again with the same key is answered with the same message.
        """
        return None

    def whisper(self, spot: Spot, sender: str, reply: Reply) -> None:
        """Something for one person's eyes only."""
        ...

    def busy(self, spot: Spot, text: str) -> bool:
        """Show that an answer is being looked for; False where that cannot be shown."""
        return False
