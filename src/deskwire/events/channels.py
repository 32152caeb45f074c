"""Channels: who an event is for. A channel is as fine as the finest right (decision 0007).

    user:PERSON            one person
    guild:ID               owner, any active role, any individual permission
    tickets:guild:ID       owner, or TICKET_VIEW_ALL
    ticket:TICKET          opener, participants, watchers of one ticket
    org:ID                 members of an organization
    org:ID:G               who sees all of an organization's requests, in generation G of its mode
    staff                  members of the internal organization
    people                 those of them who may see everybody who has an account

Names are interned: ten thousand seats in ten channels share ten strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern

Channel = str
Workspace = str  # "guild:ID" or "org:ID"
PersonId = str
Channels = tuple[Channel, ...]  # sorted, each once; a set of ten is 600 bytes more, per stream

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


def person_of_channel(channel: Channel) -> PersonId | None:
    """Whose channel it is, where it belongs to one person: its audience is known by its name."""
    kind, _, person = channel.partition(":")
    return person if kind == "user" else None


@dataclass(frozen=True, slots=True)
class Grant:
    """A channel a viewer may hear, the workspace it belongs to (None: the person), and why."""

    channel: Channel
    workspace: Workspace | None
    reason: str


def is_organization(workspace: Workspace) -> bool:
    """Whether tickets there are requests: the workspace is an organization."""
    return workspace.startswith("org:")
