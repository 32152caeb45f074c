"""Recent activity: entries of the log as sentences. Pure; one row per event type.

A deed reads: WHO did · OBJECT · more. The object may be a link.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deskwire.events.catalogue import Who
from deskwire.events.channels import Channel
from deskwire.kit.clock import Millis
from deskwire.tickets.messages import sentence
from deskwire.workspaces.names import stand_in
from deskwire.workspaces.origin import Principal

Fields = Mapping[str, Any]

ACTORS = {"bot": "The bot", "shell": "The operator"}


@dataclass(frozen=True, slots=True)
class Told:
    """What happened, without who did it and when."""

    did: str
    object: str = ""
    href: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry, as a sentence."""

    position: int
    type: str
    who: str
    told: Told
    at: Millis  # when it was done, which may be before it was told here
    held: str  # the channels the viewer heard it by, separated by spaces
    place: str = ""  # the organization's name, of what happened to a request


def deeds_of(
    entries: Iterable[Any], names: Mapping[Principal, Who], heard: frozenset[Channel]
) -> list[Deed]:
    """Entries as `log.read_of_workspace` gives them, newest first, as sentences.

    What a deleted ticket was about is not told any more, only that it is gone.
    """
    gone: set[str] = set()
    deeds = []
    for entry in entries:
        fields = json.loads(entry.data)
        if entry.type == "ticket.deleted":
            gone.add(fields["ticket"])
        elif fields.get("ticket") in gone:
            continue
        held = " ".join(sorted(heard.intersection(json.loads(entry.channels))))
        who = _name(fields["actor"], names)
        told, at = tell(entry.type, fields, who), (fields.get("line") or {}).get("at", entry.at)
        deeds.append(Deed(entry.position, entry.type, who, told, at, held, _place(fields)))
    return deeds


def actor_of(data: str) -> Principal:
    """Who did it, of an entry's data."""
    return str(json.loads(data)["actor"])


def tell(type_: str, fields: Fields, who: str = "") -> Told:
    """An event as a sentence; one that has no row here says its own name."""
    say = SENTENCES.get(type_)
    return say(fields, who) if say is not None else Told(type_.replace(".", " ").replace("_", " "))


def _name(actor: Principal, names: Mapping[Principal, Who]) -> str:
    if actor in ACTORS:
        return ACTORS[actor]
    return names[actor].name if actor in names else stand_in(actor)


def _place(fields: Fields) -> str:
    place = (fields.get("now") or {}).get("place") or {}
    return str(place.get("name", ""))


def _guild_joined(fields: Fields, _who: str) -> Told:
    members = fields.get("memberCount")
    return Told("added the bot", more=f"for {members} members" if members else "")


def _guild_left(_fields: Fields, _who: str) -> Told:
    return Told("left the server", more="– everything is kept, read-only")


def _guild_setup(_fields: Fields, _who: str) -> Told:
    return Told("finished setting up")


def _guild_updated(_fields: Fields, _who: str) -> Told:
    return Told("changed the server")


def _guild_deleted(_fields: Fields, _who: str) -> Told:
    return Told("deleted the server here")


def _ticket(did: str, fields: Fields, more: str = "") -> Told:
    now = fields["now"]
    return Told(did, f"{_mark(now)} {now['subject']}", now["href"], more)


def _mark(now: Fields) -> str:
    """What people call a ticket: a request has a reference, another a number."""
    return str(now.get("reference") or f"#{now['number']}")


def _ticket_created(fields: Fields, _who: str) -> Told:
    return _ticket("opened", fields)


def _ticket_updated(fields: Fields, _who: str) -> Told:
    changes = sentence("ticket.updated", dict(fields))
    return _ticket("changed", fields, "" if changes == "updated the ticket" else f"– {changes}")


def _ticket_deleted(fields: Fields, _who: str) -> Told:
    return Told("deleted", _mark(fields["now"]), more=_reason(fields))


def _ticket_message(fields: Fields, _who: str) -> Told:
    is_note = (fields.get("line") or {}).get("kind") == "note"
    return _ticket("wrote a note in" if is_note else "replied in", fields)


def _message_edited(fields: Fields, _who: str) -> Told:
    return _ticket("changed a message in", fields)


def _message_deleted(fields: Fields, _who: str) -> Told:
    return _ticket("deleted a message in", fields)


def _ticket_status(fields: Fields, _who: str) -> Told:
    return _ticket("moved", fields, f"to {fields['now']['statusLabel']} {_reason(fields)}")


def _ticket_claimed(fields: Fields, _who: str) -> Told:
    return _ticket("claimed", fields)


def _ticket_closed(fields: Fields, _who: str) -> Told:
    return _ticket("closed", fields, _reason(fields))


def _ticket_reopened(fields: Fields, _who: str) -> Told:
    return _ticket("reopened", fields)


def _ticket_assigned(fields: Fields, _who: str) -> Told:
    to = (fields["now"].get("assignee") or {}).get("name", "somebody")
    return _ticket("assigned", fields, f"to {to}")


def _ticket_unclaimed(fields: Fields, _who: str) -> Told:
    return _ticket("gave back", fields)


def _participant_added(fields: Fields, _who: str) -> Told:
    return _ticket("added a watcher to", fields, f"– {fields['participant']['name']}")


def _participant_removed(fields: Fields, _who: str) -> Told:
    return _ticket("took a watcher off", fields, f"– {fields['participant']['name']}")


def _file_added(fields: Fields, _who: str) -> Told:
    name = fields["file"]["name"]  # nothing where its message was deleted
    return _ticket("added a file to", fields, f"– {name}" if name else "")


def _file_removed(fields: Fields, _who: str) -> Told:
    return _ticket("deleted a file of", fields)


def _ticket_read(_fields: Fields, _who: str) -> Told:
    return Told("read a ticket")


def _reason(fields: Fields) -> str:
    return f"– {fields['reason']}" if fields.get("reason") else ""


def _role_created(fields: Fields, _who: str) -> Told:
    return Told("created the role", fields["roleName"])


def _role_updated(fields: Fields, _who: str) -> Told:
    return Told("changed the role", fields["roleName"])


def _role_deleted(fields: Fields, _who: str) -> Told:
    return Told("deleted the role", fields["roleName"])


def _assigned(fields: Fields, _who: str) -> Told:
    return Told("gave", fields["username"], more=f"the role {fields['roleName']}")


def _unassigned(fields: Fields, _who: str) -> Told:
    return Told("took from", fields["username"], more=f"the role {fields['roleName']}")


def _member_left(fields: Fields, who: str) -> Told:
    user = fields["username"]
    return Told("left the server") if who == user else Told("left the server", more=f"as {user}")


def _permissions(fields: Fields, _who: str) -> Told:
    if role := fields.get("role"):
        return Told("changed the role of", fields["member"]["name"], more=f"to {role}")
    count = len(fields["permissions"])
    what = f"{count} permission{'' if count == 1 else 's'} of their own" if count else "none now"
    return Told("set the permissions of", fields["member"]["name"], more=what)


def _organization_created(fields: Fields, _who: str) -> Told:
    return Told("created the organization", fields["name"])


def _organization_renamed(fields: Fields, _who: str) -> Told:
    return Told("renamed the organization", fields["oldName"], more=f"to {fields['name']}")


def _organization_updated(fields: Fields, _who: str) -> Told:
    return Told("changed the settings of", fields["name"])


def _visibility_changed(fields: Fields, _who: str) -> Told:
    return Told("changed who sees the requests of", fields["name"])


def _organization_deleted(fields: Fields, _who: str) -> Told:
    return Told("deleted the organization", fields["name"])


def _member_joined(fields: Fields, who: str) -> Told:
    name, place = fields["member"]["name"], fields["place"]["name"]
    return Told("joined", place) if who == name else Told("let in", name, more=f"to {place}")


def _member_removed(fields: Fields, who: str) -> Told:
    name, place = fields["member"]["name"], fields["place"]["name"]
    return Told("left", place) if who == name else Told("removed", name, more=f"from {place}")


def _invited(fields: Fields, _who: str) -> Told:
    return Told("invited", fields["email"])


def _invitation_accepted(fields: Fields, _who: str) -> Told:
    return Told("accepted an invitation", fields["email"])


def _invitation_revoked(fields: Fields, _who: str) -> Told:
    return Told("took back the invitation of", fields["email"])


def _person(fields: Fields, _who: str) -> Told:
    return Told("updated the account of", fields["name"])


def _session(_fields: Fields, _who: str) -> Told:
    return Told("ended a session")


SENTENCES: Mapping[str, Callable[[Fields, str], Told]] = {
    "guild.joined": _guild_joined,
    "guild.left": _guild_left,
    "guild.setup_complete": _guild_setup,
    "guild.updated": _guild_updated,
    "guild.deleted": _guild_deleted,
    "ticket.created": _ticket_created,
    "ticket.updated": _ticket_updated,
    "ticket.deleted": _ticket_deleted,
    "ticket.message_sent": _ticket_message,
    "ticket.message_edited": _message_edited,
    "ticket.message_deleted": _message_deleted,
    "ticket.status_changed": _ticket_status,
    "ticket.claimed": _ticket_claimed,
    "ticket.closed": _ticket_closed,
    "team.role_created": _role_created,
    "team.role_updated": _role_updated,
    "team.role_deleted": _role_deleted,
    "team.member_assigned": _assigned,
    "team.member_unassigned": _unassigned,
    "member.left": _member_left,
    "member.role_changed": _permissions,
    "person.changed": _person,
    "session.revoked": _session,
    "ticket.reopened": _ticket_reopened,
    "ticket.assigned": _ticket_assigned,
    "ticket.unclaimed": _ticket_unclaimed,
    "ticket.participant_added": _participant_added,
    "ticket.participant_removed": _participant_removed,
    "ticket.file_added": _file_added,
    "ticket.file_removed": _file_removed,
    "ticket.read": _ticket_read,
    "organization.created": _organization_created,
    "organization.renamed": _organization_renamed,
    "organization.updated": _organization_updated,
    "organization.visibility_changed": _visibility_changed,
    "organization.deleted": _organization_deleted,
    "member.joined": _member_joined,
    "member.removed": _member_removed,
    "invitation.created": _invited,
    "invitation.accepted": _invitation_accepted,
    "invitation.revoked": _invitation_revoked,
}
