"""Name channels: who an event is for. Each is as narrow as a permission can be (decision 0007).

    user:PERSON            one person
    key:ID                 one API key
    guild:ID               owner, any active role, any individual permission
    tickets:guild:ID       owner, or TICKET_VIEW_ALL
    ticket:TICKET          opener, participants, watchers of one ticket
    org:ID                 members of an organization
    org:ID:G               those who see all of an organization's requests, in generation G of its
                           visibility
    staff                  members of the internal organization
    people                 those of them who may see every account

Names are interned: ten thousand streams on ten channels share ten strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern

Channel = str
Workspace = str  # "guild:ID" or "org:ID"
PersonId = str
SubjectId = str  # whose access is asked: a person's id, or "key:ID" of an API key
Channels = tuple[Channel, ...]  # sorted, each once; a set of ten is 600 bytes more, per stream

KEY_PREFIX = "key:"
STAFF_CHANNEL: Channel = "staff"
PEOPLE_CHANNEL: Channel = "people"


def user(person: PersonId) -> Channel:
    return intern(f"user:{person}")


def guild(guild_id: str) -> Channel:
    return intern(f"guild:{guild_id}")


def tickets(workspace: Workspace) -> Channel:
    return intern(f"tickets:{workspace}")


def ticket(ticket_id: str) -> Channel:
    return intern(f"ticket:{ticket_id}")


def organization(organization_id: str) -> Channel:
    return intern(f"org:{organization_id}")


def all_requests(organization_id: str, generation: int) -> Channel:
    return intern(f"org:{organization_id}:{generation}")


def key(key_id: str) -> Channel:
    return intern(f"{KEY_PREFIX}{key_id}")


def is_key(subject: str) -> bool:
    """Whether a subject is an API key."""
    return subject.startswith(KEY_PREFIX)


def own_channel(subject: SubjectId) -> Channel:
    """Return the channel of one subject alone: `user:ID` of a person, `key:ID` of an API key."""
    return intern(subject) if is_key(subject) else user(subject)


def subject_of_channel(channel: Channel) -> SubjectId | None:
    """Return the subject whose own channel this is, or None for any other channel."""
    kind, _, person = channel.partition(":")
    if kind == "key":
        return channel
    return person if kind == "user" else None


@dataclass(frozen=True, slots=True)
class Grant:
    """A channel a viewer may hear, its workspace (None: a personal channel), and the reason."""

    channel: Channel
    workspace: Workspace | None
    reason: str


def is_organization(workspace: Workspace) -> bool:
    """Whether the workspace is an organization, whose tickets are called requests."""
    return workspace.startswith("org:")
