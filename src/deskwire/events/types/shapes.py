"""The parts events are made of, and what every event has: names on the wire are camelCase."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

StatusName = Literal["new", "active", "waiting", "review", "done", "canceled"]
LineKind = Literal["reply", "note", "system"]
AuthorKind = Literal["customer", "staff", "bot"]


class Shape(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class PrincipalRef(Shape):
    """Somebody, as a screen names them."""

    id: str = Field(description="a person's id, or `discord:ID`")
    name: str
    picture: str | None = Field(default=None, description="where a picture of them is")


class NamedRef(Shape):
    """Something with a name: an organization, a category."""

    id: str
    name: str


class FileShape(Shape):
    """A file of a ticket, as a screen shows it."""

    id: str
    name: str
    type: str = Field(description="media type, by its content")
    size: int = Field(description="bytes")
    size_text: str = Field(description="for people, as `1.4 MB`")
    href: str = Field(description="where it is downloaded")
    preview: str | None = Field(default=None, description="where a small picture of it is")


class TicketSnapshot(Shape):
    """A ticket's state after the event: all a row or a header shows."""

    id: str
    number: int
    subject: str
    status: StatusName
    status_label: str
    opener: PrincipalRef | None = None
    assignee: PrincipalRef | None = None
    priority: str | None = None
    tags: list[str] = []
    messages: int = Field(description="public replies so far")
    opened_at: int = Field(description="ms")
    active_at: int = Field(description="ms; the newest thing that happened to it")
    href: str
    reference: str | None = Field(default=None, description="of a request, as `2026-R-000001`")
    category: NamedRef | None = None
    place: NamedRef | None = Field(default=None, description="the organization a request is of")
    closed_at: int | None = Field(default=None, description="ms; when it was completed or canceled")


class Line(Shape):
    """One entry of a ticket's timeline."""

    id: str
    kind: LineKind
    side: AuthorKind | None = None
    author: PrincipalRef | None = None
    html: str = Field(description="sanitised; safe to insert")
    at: int = Field(description="ms")
    edited_at: int | None = Field(default=None, description="ms; when its author changed it")
    href: str | None = Field(default=None, description="where its author changes or deletes it")
    files: list[FileShape] | None = Field(default=None, description="sent with it")


class GuildSnapshot(Shape):
    """A guild's state after the event: all a row shows."""

    id: str
    name: str
    initials: str
    members: int | None = None
    bot_installed: bool
    href: str


class Event(BaseModel):
    """What every stored event has beside its own fields."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="allow"
    )
    type: ClassVar[str]
    audience: ClassVar[tuple[str, ...]]  # the kinds of channels it is sent to

    workspace: str | None = Field(default=None, description="`guild:ID` or `org:ID`")
    actor: str = Field(description="a person's id, or `discord:ID`, `bot`, `shell`, `sql`")
