"""What can happen to a ticket, in a Discord server or in the portal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from deskwire.events.types.shapes import (
    AuthorKind,
    Event,
    FileShape,
    Line,
    PrincipalRef,
    TicketSnapshot,
)

# A guild's ticket: who sees all of them, and who takes part. A request: who sees all of its
# organization's, who takes part, and the team.
TICKET_AUDIENCE = ("tickets:guild:ID", "ticket:ID", "org:ID:G", "staff")
REQUEST_AUDIENCE = ("ticket:ID", "org:ID:G", "staff")


class TicketEvent(Event):
    audience: ClassVar[tuple[str, ...]] = TICKET_AUDIENCE
    guild_id: str | None = Field(default=None, description="absent for an organization's ticket")
    ticket_id: int | None = Field(default=None, description="the sender's own id")
    ticket_number: int | None = Field(default=None, description="the sender's own number")
    ticket: str = Field(description="our id")
    revision: int = Field(description="of the ticket's row")
    now: TicketSnapshot
    line: Line | None = Field(default=None, description="what the timeline gains")
    held: list[str] | None = Field(
        default=None,
        description="the channels that show it, where they do not follow from `workspace`",
    )


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
    message_type: AuthorKind
    has_attachments: bool
    message_length: int
    content: str | None = None
    mentions: list[str] | None = Field(default=None, description="ids of the people it mentions")


class TicketMessageEdited(TicketEvent):
    """A message was changed; `line` is what it shows now."""

    type: ClassVar[str] = "ticket.message_edited"
    message: str = Field(description="our id")


class TicketMessageDeleted(TicketEvent):
    """A message is gone from the timeline."""

    type: ClassVar[str] = "ticket.message_deleted"
    message: str = Field(description="our id")


class TicketStatusEvent(TicketEvent):
    old_status: str = Field(description="the sender's word")
    new_status: str = Field(description="the sender's word")
    actor_id: str
    reason: str | None = None


class TicketStatusChanged(TicketStatusEvent):
    """A ticket's status changed."""

    type: ClassVar[str] = "ticket.status_changed"


class TicketClaimed(TicketStatusEvent):
    """Somebody of the team took the ticket on."""

    type: ClassVar[str] = "ticket.claimed"


class TicketClosed(TicketStatusEvent):
    """A ticket was closed."""

    type: ClassVar[str] = "ticket.closed"


class TicketReopened(TicketStatusEvent):
    """A ticket that had ended goes on."""

    audience: ClassVar[tuple[str, ...]] = REQUEST_AUDIENCE
    type: ClassVar[str] = "ticket.reopened"


class TicketAssignmentEvent(TicketEvent):
    audience: ClassVar[tuple[str, ...]] = REQUEST_AUDIENCE
    actor_id: str
    before: PrincipalRef | None = Field(default=None, description="who had it")


class TicketAssigned(TicketAssignmentEvent):
    """Somebody gave the ticket to another one of the team, as `now` tells."""

    type: ClassVar[str] = "ticket.assigned"


class TicketUnclaimed(TicketAssignmentEvent):
    """Nobody has the ticket any more."""

    type: ClassVar[str] = "ticket.unclaimed"


class TicketParticipantEvent(TicketEvent):
    audience: ClassVar[tuple[str, ...]] = ("user:ID", *REQUEST_AUDIENCE)
    participant: PrincipalRef
    role: Literal["added", "watcher"]


class TicketParticipantAdded(TicketParticipantEvent):
    """Somebody takes part in a ticket from now on, or watches it."""

    type: ClassVar[str] = "ticket.participant_added"


class TicketParticipantRemoved(TicketParticipantEvent):
    """Somebody takes no part in a ticket any more."""

    type: ClassVar[str] = "ticket.participant_removed"


class TicketFileAdded(TicketEvent):
    """A file was added to a ticket, or came with a message."""

    audience: ClassVar[tuple[str, ...]] = REQUEST_AUDIENCE
    type: ClassVar[str] = "ticket.file_added"
    file: FileShape
    message: str | None = Field(default=None, description="our id of the message it came with")


class TicketFileRemoved(TicketEvent):
    """A file of a ticket was deleted."""

    audience: ClassVar[tuple[str, ...]] = REQUEST_AUDIENCE
    type: ClassVar[str] = "ticket.file_removed"
    file: str = Field(description="its id")


class TicketRead(Event):
    """Somebody has read a ticket up to a moment; their other screens follow."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID",)
    type: ClassVar[str] = "ticket.read"
    ticket: str = Field(description="our id")
    at: int = Field(description="ms; replies up to here are read")
