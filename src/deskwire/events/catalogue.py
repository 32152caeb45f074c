"""Everything that can happen: the one list of events.

Each class is a fact in the past tense; its docstring is its public documentation. The TypeScript
types, the JSON Schema and docs/events.md are generated from this file (`make generate`); toasts,
reducers and senders are compared with it by tests. Names on the wire are camelCase.

The bot's sixteen keep their wire fields untouched (`ticketId` and `ticketNumber` are the sender's
own, fields we do not know are passed on); what Deskwire adds stands beside them.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

StatusWord = Literal["new", "active", "waiting", "review", "done", "canceled"]
LineKind = Literal["reply", "note", "system"]
Side = Literal["customer", "staff", "bot"]


class Shape(BaseModel):
    """A part of an event."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class Who(Shape):
    """Somebody, as a screen names them."""

    id: str = Field(description="a person's id, or `discord:ID`")
    name: str


class TicketNow(Shape):
    """A ticket's state after the event: all a row or a header shows."""

    id: str
    number: int
    subject: str
    status: StatusWord
    status_label: str
    opener: Who | None = None
    assignee: Who | None = None
    priority: str | None = None
    tags: list[str] = []
    messages: int = Field(description="public replies so far")
    opened_at: int = Field(description="ms")
    active_at: int = Field(description="ms; the newest thing that happened to it")
    href: str


class Line(Shape):
    """One entry of a ticket's timeline."""

    id: str
    kind: LineKind
    side: Side | None = None
    author: Who | None = None
    html: str = Field(description="sanitised; safe to insert")
    at: int = Field(description="ms")


class GuildNow(Shape):
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


class GuildEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("guild:ID",)
    guild_id: str
    revision: int = Field(description="of the guild's row")
    now: GuildNow


class GuildJoined(GuildEvent):
    """The bot was added to a Discord server."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "guild.joined"
    guild_name: str
    owner_id: str
    member_count: int


class GuildLeft(GuildEvent):
    """The bot was removed from a Discord server. Everything is kept, read-only."""

    type: ClassVar[str] = "guild.left"


class GuildSetupComplete(GuildEvent):
    """The bot was set up in a Discord server."""

    type: ClassVar[str] = "guild.setup_complete"
    support_category_id: str | None = None
    transcripts_channel_id: str | None = None
    log_channel_id: str | None = None
    default_role_id: str | None = None


class GuildUpdated(GuildEvent):
    """Something else about a Discord server changed, by hand in the database."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "guild.updated"


class GuildDeleted(GuildEvent):
    """A Discord server was deleted here, by hand in the database; it is gone from every list."""

    type: ClassVar[str] = "guild.deleted"


class TicketEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("tickets:guild:ID", "ticket:ID")
    guild_id: str | None = Field(default=None, description="absent for an organization's ticket")
    ticket_id: int | None = Field(default=None, description="the sender's own id")
    ticket_number: int | None = Field(default=None, description="the sender's own number")
    ticket: str = Field(description="our id")
    revision: int = Field(description="of the ticket's row")
    now: TicketNow
    line: Line | None = Field(default=None, description="what the timeline gains")


class TicketCreated(TicketEvent):
    """A ticket was opened."""

    type: ClassVar[str] = "ticket.created"
    subject: str
    opener_id: str
    opener_username: str
    panel_id: str | None = None
    category_id: str | None = None


class OldNew(BaseModel):
    """A value before and after."""

    model_config = ConfigDict(frozen=True, extra="allow")
    old: str | None = None
    new: str | None = None


class AddedRemoved(BaseModel):
    """What a set gained and lost."""

    model_config = ConfigDict(frozen=True, extra="allow")
    added: list[str] = []
    removed: list[str] = []


class TicketChanges(BaseModel):
    """What `ticket.updated` changed."""

    model_config = ConfigDict(frozen=True, extra="allow")
    subject: OldNew | None = None
    priority: OldNew | None = None
    tags: AddedRemoved | None = None


class TicketUpdated(TicketEvent):
    """A ticket's subject, priority or tags changed."""

    type: ClassVar[str] = "ticket.updated"
    changes: TicketChanges
    actor_id: str


class TicketDeleted(TicketEvent):
    """A ticket was deleted; it is gone from every list and page."""

    type: ClassVar[str] = "ticket.deleted"
    deleted_by: str
    reason: str | None = None


class TicketMessageSent(TicketEvent):
    """Somebody wrote in a ticket. `content` is there if the sender sent the text."""

    type: ClassVar[str] = "ticket.message_sent"
    message_id: str
    author_id: str
    author_username: str
    message_type: Side
    has_attachments: bool
    message_length: int
    content: str | None = None


class TicketMessageEdited(TicketEvent):
    """A message was changed; `line` is what it shows now."""

    type: ClassVar[str] = "ticket.message_edited"
    message: str = Field(description="our id")


class TicketMessageDeleted(TicketEvent):
    """A message is gone from the timeline."""

    type: ClassVar[str] = "ticket.message_deleted"
    message: str = Field(description="our id")


class TicketMoved(TicketEvent):
    old_status: str = Field(description="the sender's word")
    new_status: str = Field(description="the sender's word")
    actor_id: str
    reason: str | None = None


class TicketStatusChanged(TicketMoved):
    """A ticket's status changed."""

    type: ClassVar[str] = "ticket.status_changed"


class TicketClaimed(TicketMoved):
    """Somebody of the team took the ticket on."""

    type: ClassVar[str] = "ticket.claimed"


class TicketClosed(TicketMoved):
    """A ticket was closed."""

    type: ClassVar[str] = "ticket.closed"


class TeamRoleEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("guild:ID",)
    guild_id: str
    role_id: str
    role_name: str
    action: Literal["created", "updated", "deleted"]
    changes: dict[str, object] | None = None
    revision: int = Field(description="of the role's row")


class TeamRoleCreated(TeamRoleEvent):
    """A team role appeared in a Discord server."""

    type: ClassVar[str] = "team.role_created"


class TeamRoleUpdated(TeamRoleEvent):
    """A team role's name or permissions changed."""

    type: ClassVar[str] = "team.role_updated"


class TeamRoleDeleted(TeamRoleEvent):
    """A team role was deleted; it grants nothing from this event on."""

    type: ClassVar[str] = "team.role_deleted"


class TeamMemberEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    guild_id: str
    user_id: str
    username: str
    role_id: str
    role_name: str
    action: Literal["assigned", "unassigned"]
    revision: int = Field(description="of the membership's row")


class TeamMemberAssigned(TeamMemberEvent):
    """Somebody was given a team role."""

    type: ClassVar[str] = "team.member_assigned"


class TeamMemberUnassigned(TeamMemberEvent):
    """A team role was taken from somebody."""

    type: ClassVar[str] = "team.member_unassigned"


class MemberLeft(Event):
    """A Discord user left the server, and with it every role there."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "member.left"
    guild_id: str
    user_id: str
    username: str
    had_open_tickets: bool
    was_team_member: bool
    revision: int = Field(description="of the Discord member's row")


class MemberRoleChanged(Event):
    """What one person may do in a workspace changed (an individual permission)."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "member.role_changed"
    member: Who
    permissions: list[str]
    revision: int = Field(description="of the member's row")


class PersonChanged(Event):
    """A person's name or identities changed (a Discord account was linked, say)."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID",)
    type: ClassVar[str] = "person.changed"
    person: str
    name: str
    linked: str | None = Field(default=None, description="where an identity was gained: `discord`")
    unlinked: str | None = Field(default=None, description="where an identity was lost")
    revision: int = Field(description="of the person's row")


class SessionRevoked(Event):
    """A session ended: by sign-out, by a new password, or from afar. Its streams end with it."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID",)
    type: ClassVar[str] = "session.revoked"
    session: str = Field(description="the session's public id")


CATALOGUE: tuple[type[Event], ...] = (
    GuildJoined,
    GuildLeft,
    GuildSetupComplete,
    GuildUpdated,
    GuildDeleted,
    TicketCreated,
    TicketUpdated,
    TicketDeleted,
    TicketMessageSent,
    TicketMessageEdited,
    TicketMessageDeleted,
    TicketStatusChanged,
    TicketClaimed,
    TicketClosed,
    TeamRoleCreated,
    TeamRoleUpdated,
    TeamRoleDeleted,
    TeamMemberAssigned,
    TeamMemberUnassigned,
    MemberLeft,
    MemberRoleChanged,
    PersonChanged,
    SessionRevoked,
)

EVENTS: dict[str, type[Event]] = {event.type: event for event in CATALOGUE}
