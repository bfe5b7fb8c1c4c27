"""What goes over the wire. Times are ISO 8601, UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agent.store.views import View

_ADDRESS = r"^[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}$"
Address = Annotated[str, StringConstraints(max_length=320, pattern=_ADDRESS)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\r\n\x00]*[^\s\x00][^\r\n\x00]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000, pattern=r"^[^\x00]*$")]


class Person(BaseModel):
    name: str
    address: str


class TicketOut(BaseModel):
    number: str
    subject: str
    status: str
    level: str | None = Field(description="L1 to L5, `none` for what is no request, null before it is placed.")
    type: str | None = Field(description="T1 to T4, `none`, or null.")
    urgency: str | None
    language: str
    requester: Person
    assignee: str | None = Field(description="E-mail address of the engineer.")
    tags: list[str]
    merged_into: str | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime | None


class MessageOut(BaseModel):
    id: int
    direction: Literal["in", "out", "note", "partner"]
    sender: Person
    subject: str
    text: str
    trust: str
    at: datetime
    attachments: list[str] = Field(description="File names.")


class TicketQuery(BaseModel):
    view: View = View.ALL
    level: Annotated[str, StringConstraints(max_length=10)] = ""
    type: Annotated[str, StringConstraints(max_length=10)] = ""
    tag: Annotated[str, StringConstraints(max_length=40)] = ""
    q: Annotated[str, StringConstraints(max_length=200)] = ""
    limit: int = Field(default=50, ge=1, le=100)
    start: int = Field(default=0, ge=0, le=10_000_000, alias="from")


class TicketPage(BaseModel):
    tickets: list[TicketOut]
    next: int | None = Field(description="`from` of the next page; null on the last.")


class TicketWithMessages(TicketOut):
    messages: list[MessageOut]


class RequestIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    address: Address = Field(description="Of the requester; whoever holds the token vouches for it.")
    name: Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\r\n\x00]*$")] = ""
    subject: Line
    text: Text


class Accepted(BaseModel):
    id: int = Field(description="Ask `/requests/{id}` for its ticket.")


class RequestOut(Accepted):
    ticket: str | None = Field(description="Number of the ticket; null for the moment until it is filed.")


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, StringConstraints(min_length=1, max_length=50_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


class ChangeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    assignee: Address | Literal[""] | None = Field(None, description="E-mail address of an engineer; empty for nobody.")
    add_tags: list[Line] = Field(default_factory=list, max_length=20)
    remove_tags: list[Line] = Field(default_factory=list, max_length=20)
    status: Literal["resolved", "open"] | None = None


class Problem(BaseModel):
    detail: str
