"""Define the events of a ticket, in a Discord server or in the portal."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from deskwire.events.types.aspects import Aspect
from deskwire.events.types.shapes import (
    AuthorKind,
    Event,
    FileShape,
    Line,
    PrincipalRef,
    TicketSnapshot,
)

# A guild's ticket reaches the people who see all of the guild's tickets, and its participants. A
# request reaches the people who see all of its organization's, its participants, and the staff.
TICKET_CHANNEL_KINDS = ("tickets:guild:ID", "ticket:ID", "org:ID:G", "staff")
TICKET = frozenset({Aspect.TICKET})
REQUEST_CHANNEL_KINDS = ("ticket:ID", "org:ID:G", "staff")


class TicketEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = TICKET_CHANNEL_KINDS
    aspects: ClassVar[frozenset[Aspect]] = TICKET
    guild_id: str | None = Field(default=None, description="absent for an organization's ticket")
    ticket_id: int | None = Field(default=None, description="id of the ticket at the sender")
    ticket_number: int | None = Field(
        default=None, description="number of the ticket at the sender"
    )
    ticket: str = Field(description="id of the ticket")
    revision: int = Field(description="revision of the ticket's row")
    now: TicketSnapshot
    line: Line | None = Field(default=None, description="the entry added to the timeline")
    held: list[str] | None = Field(
        default=None,
        description="the channels that show the ticket, if they do not follow from `workspace`",
    )


class TicketCreated(TicketEvent):
    """A ticket was opened."""

    type: ClassVar[str] = "ticket.created"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_STATUS,
        Aspect.TICKET_ASSIGNEE,
        Aspect.TICKET_FIELDS,
        Aspect.TICKET_PARTICIPANTS,
    }
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
    """The values a set gained and lost."""

    model_config = ConfigDict(frozen=True, extra="allow")
    added: list[str] = []
    removed: list[str] = []


class TicketChanges(BaseModel):
    """The fields that `ticket.updated` changed."""

    model_config = ConfigDict(frozen=True, extra="allow")
    subject: OldNew | None = None
    priority: OldNew | None = None
    tags: AddedRemoved | None = None


class TicketUpdated(TicketEvent):
    """The subject, priority or tags of a ticket changed."""

    type: ClassVar[str] = "ticket.updated"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_FIELDS,
        Aspect.TICKET_PARTICIPANTS,
    }
    changes: TicketChanges
    actor_id: str


class TicketDeleted(TicketEvent):
    """A ticket was deleted, and disappears from every list and page."""

    type: ClassVar[str] = "ticket.deleted"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_STATUS}
    deleted_by: str
    reason: str | None = None


class TicketMessageSent(TicketEvent):
    """A message was posted in a ticket. `content` is present if the sender included the text."""

    type: ClassVar[str] = "ticket.message_sent"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_MESSAGES,
        Aspect.TICKET_PARTICIPANTS,
    }
    message_id: str
    author_id: str
    author_username: str
    message_type: AuthorKind
    has_attachments: bool
    message_length: int
    content: str | None = None
    mentions: list[str] | None = Field(default=None, description="ids of the people mentioned")


class TicketMessageEdited(TicketEvent):
    """A message was edited. `line` is its new version."""

    type: ClassVar[str] = "ticket.message_edited"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_MESSAGES, Aspect.TICKET_EDITS}
    message: str = Field(description="id of the message")


class TicketMessageDeleted(TicketEvent):
    """A message was deleted, and disappears from the timeline."""

    type: ClassVar[str] = "ticket.message_deleted"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_MESSAGES,
        Aspect.TICKET_EDITS,
        Aspect.TICKET_FILES,
    }
    message: str = Field(description="id of the message")


class TicketStatusEvent(TicketEvent):
    old_status: str = Field(description="the status in the sender's terms")
    new_status: str = Field(description="the status in the sender's terms")
    actor_id: str
    reason: str | None = None


class TicketStatusChanged(TicketStatusEvent):
    """The status of a ticket changed."""

    type: ClassVar[str] = "ticket.status_changed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_STATUS}


class TicketClaimed(TicketStatusEvent):
    """A member of the team claimed a ticket."""

    type: ClassVar[str] = "ticket.claimed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_STATUS,
        Aspect.TICKET_ASSIGNEE,
        Aspect.TICKET_PARTICIPANTS,
    }


class TicketClosed(TicketStatusEvent):
    """A ticket was closed."""

    type: ClassVar[str] = "ticket.closed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_STATUS}


class TicketReopened(TicketStatusEvent):
    """A completed or canceled request was reopened."""

    channel_kinds: ClassVar[tuple[str, ...]] = REQUEST_CHANNEL_KINDS
    type: ClassVar[str] = "ticket.reopened"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_STATUS}


class TicketAssignmentEvent(TicketEvent):
    channel_kinds: ClassVar[tuple[str, ...]] = REQUEST_CHANNEL_KINDS
    actor_id: str
    before: PrincipalRef | None = Field(default=None, description="the previous assignee")


class TicketAssigned(TicketAssignmentEvent):
    """A request was assigned to another member of the team, who is named in `now`."""

    type: ClassVar[str] = "ticket.assigned"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_ASSIGNEE,
        Aspect.TICKET_STATUS,
        Aspect.TICKET_PARTICIPANTS,
    }


class TicketUnclaimed(TicketAssignmentEvent):
    """A request became unassigned."""

    type: ClassVar[str] = "ticket.unclaimed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {
        Aspect.TICKET_ASSIGNEE,
        Aspect.TICKET_PARTICIPANTS,
    }


class TicketParticipantEvent(TicketEvent):
    channel_kinds: ClassVar[tuple[str, ...]] = REQUEST_CHANNEL_KINDS
    participant: PrincipalRef
    role: Literal["added", "watcher"]


class TicketParticipantAdded(TicketParticipantEvent):
    """A person was added to a request as a participant or watcher."""

    type: ClassVar[str] = "ticket.participant_added"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_PARTICIPANTS}


class TicketParticipantRemoved(TicketParticipantEvent):
    """A person is no longer a participant or watcher of a request."""

    type: ClassVar[str] = "ticket.participant_removed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_PARTICIPANTS}


class TicketFileAdded(TicketEvent):
    """A file was added to a request, on its own or with a message."""

    channel_kinds: ClassVar[tuple[str, ...]] = REQUEST_CHANNEL_KINDS
    type: ClassVar[str] = "ticket.file_added"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_FILES}
    file: FileShape
    message: str | None = Field(default=None, description="id of the message it was sent with")


class TicketFileRemoved(TicketEvent):
    """A file of a request was deleted."""

    channel_kinds: ClassVar[tuple[str, ...]] = REQUEST_CHANNEL_KINDS
    type: ClassVar[str] = "ticket.file_removed"
    aspects: ClassVar[frozenset[Aspect]] = TICKET | {Aspect.TICKET_FILES, Aspect.TICKET_EDITS}
    file: str = Field(description="id of the file")


class TicketRead(Event):
    """A person has read a ticket up to a time. Their other devices mark it as read too."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID",)
    type: ClassVar[str] = "ticket.read"
    aspects: ClassVar[frozenset[Aspect]] = TICKET
    ticket: str = Field(description="id of the ticket")
    at: int = Field(description="ms; replies up to this time are read")
