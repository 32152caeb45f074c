"""Define the parts that events consist of, and their base class. Wire names are camelCase."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from deskwire.events.types.aspects import Aspect

StatusName = Literal["new", "active", "waiting", "review", "done", "canceled"]
LineKind = Literal["reply", "note", "system"]
AuthorKind = Literal["customer", "staff", "bot"]


class Shape(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class PrincipalRef(Shape):
    """A person or a Discord user, as shown on screen."""

    id: str = Field(description="a person's id, `discord:ID`, or `key:ID` of an API key")
    name: str
    picture: str | None = Field(default=None, description="URL of a picture")


class NamedRef(Shape):
    """A named object: an organization or a category."""

    id: str
    name: str


class FileShape(Shape):
    """A file of a ticket, as shown on screen."""

    id: str
    name: str
    type: str = Field(description="media type, detected from the content")
    size: int = Field(description="bytes")
    size_text: str = Field(description="the size as text, e.g. `1.4 MB`")
    href: str = Field(description="URL of the download")
    preview: str | None = Field(default=None, description="URL of a thumbnail")


class TicketSnapshot(Shape):
    """The state of a ticket after the event: everything its row and its header show."""

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
    active_at: int = Field(description="ms; time of the latest activity")
    href: str
    reference: str | None = Field(
        default=None, description="reference of a request, e.g. `2026-R-000001`"
    )
    category: NamedRef | None = None
    place: NamedRef | None = Field(default=None, description="the organization of a request")
    closed_at: int | None = Field(default=None, description="ms; when it was completed or canceled")


class Line(Shape):
    """One entry of a ticket's timeline."""

    id: str
    kind: LineKind
    side: AuthorKind | None = None
    author: PrincipalRef | None = None
    html: str = Field(description="sanitized; safe to insert")
    at: int = Field(description="ms")
    edited_at: int | None = Field(default=None, description="ms; time of the author's latest edit")
    href: str | None = Field(
        default=None, description="URL at which its author edits or deletes it"
    )
    files: list[FileShape] | None = Field(default=None, description="files sent with it")


class GuildSnapshot(Shape):
    """The state of a Discord server after the event: everything its row shows."""

    id: str
    name: str
    initials: str
    members: int | None = None
    bot_installed: bool
    href: str


class Event(BaseModel):
    """The fields of every stored event."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="allow"
    )
    type: ClassVar[str]
    channel_kinds: ClassVar[tuple[str, ...]]  # the kinds of channels it is sent on
    aspects: ClassVar[frozenset[Aspect]]  # what it changes on pages

    workspace: str | None = Field(default=None, description="`guild:ID` or `org:ID`")
    actor: str = Field(description="a person's id, or `discord:ID`, `bot`, `shell`, `sql`, `desk`")
