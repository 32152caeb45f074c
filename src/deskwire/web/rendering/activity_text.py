"""Describe events of the log as sentences, for lists of recent activity. Pure.

EVENT_DESCRIBERS has one row per event type. A sentence has the placeholder `%(who)s`, and mostly
`%(what)s`, which may be a link; a translation puts them where its grammar needs them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from deskwire.events.channels import Channel
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import N_, find_plural, find_text, gettext
from deskwire.tickets.request_fields import read_event_changes
from deskwire.tickets.statuses import STATUS_LABELS
from deskwire.tickets.timeline_text import UPDATED_SENTENCES, describe_event
from deskwire.workspaces.names import placeholder_name
from deskwire.workspaces.origin import DESK_ACTOR, Principal

Fields = Mapping[str, Any]

SYSTEM_ACTORS = {"bot": N_("The bot"), "shell": N_("The operator"), DESK_ACTOR: N_("Deskwire")}
PLACEHOLDER = re.compile(r"%\((who|what)\)s")


@dataclass(frozen=True, slots=True)
class EventText:
    """What happened, without the actor and the time."""

    text: str  # with its placeholders
    what: str = ""
    href: str = ""
    values: Mapping[str, object] = field(default_factory=dict)  # of the other placeholders


@dataclass(frozen=True, slots=True)
class TextSegment:
    """A segment of a sentence, with the spaces around it."""

    kind: Literal["who", "what", "text"]
    text: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One entry of the log as a sentence."""

    position: int
    type: str
    who: str
    event_text: EventText
    at: Millis  # when it happened; may be earlier than the log entry
    channels: str  # the channels the viewer received it on, separated by spaces
    organization_name: str = ""  # of an event about a request

    @property
    def segments(self) -> list[TextSegment]:
        """The sentence, split at its placeholders."""
        return list(_split_segments(self.event_text, self.who))

    @property
    def text(self) -> str:
        """The whole sentence."""
        return "".join(each.before + each.text + each.after for each in self.segments)


def _split_segments(event_text: EventText, who: str) -> Iterator[TextSegment]:
    for index, piece in enumerate(PLACEHOLDER.split(event_text.text)):
        if index % 2 == 0:
            text = piece % event_text.values
            if stripped := text.strip():
                before, _, after = text.partition(stripped)
                yield TextSegment("text", stripped, before, after)
            elif text:
                yield TextSegment("text", "", text)
        elif piece == "who":
            yield TextSegment("who", who)
        else:
            yield TextSegment("what", event_text.what)


def build_activity(
    entries: Iterable[Any], names: Mapping[Principal, PrincipalRef], channels: frozenset[Channel]
) -> list[ActivityEntry]:
    """Describe `list_workspace_entries`, newest first, to a viewer of `channels`.

    Earlier entries about a deleted ticket, or about any ticket of a deleted organization, are left
    out: only the deletion itself is shown.
    """
    deleted: set[str] = set()
    activity = []
    for entry in entries:
        fields = _apply_current_names(json.loads(entry.data), names)
        if entry.type == "ticket.deleted":
            deleted.add(fields["ticket"])
        elif entry.type == "organization.deleted":
            deleted.add(fields["workspace"])
        elif "ticket" in fields and deleted & {fields["ticket"], fields.get("workspace")}:
            continue
        who = _actor_name(fields["actor"], names)
        activity.append(
            ActivityEntry(
                entry.position,
                entry.type,
                who,
                describe_activity(entry.type, fields, who),
                (fields.get("line") or {}).get("at", entry.at),
                " ".join(sorted(channels.intersection(json.loads(entry.channels)))),
                _organization_name(fields),
            )
        )
    return activity


def principals_in(data: str) -> list[Principal]:
    """Return the principals that an entry's data names: the actor first."""
    fields = json.loads(data)
    return [fields["actor"], *(who["id"] for who in _people_in(fields).values())]


def _apply_current_names(
    fields: dict[str, Any], names: Mapping[Principal, PrincipalRef]
) -> dict[str, Any]:
    """Replace the names in an entry's data by the people's current ones."""
    for who in _people_in(fields).values():
        if who["id"] in names:
            who["name"] = names[who["id"]].name
    return fields


def _people_in(fields: Fields) -> dict[str, dict[str, Any]]:
    """Return the people in an entry's data, by their role in the event."""
    people = {
        "member": fields.get("member"),
        "participant": fields.get("participant"),
        "assignee": (fields.get("now") or {}).get("assignee"),
    }
    return {role: person for role, person in people.items() if person}


def describe_activity(type_: str, fields: Fields, who: str = "") -> EventText:
    """Describe an event; one without a row in EVENT_DESCRIBERS is shown as its type."""
    describe = EVENT_DESCRIBERS.get(type_)
    if describe is not None:
        return describe(fields, who)
    return EventText("%(who)s %(did)s", values={"did": re.sub(r"[._]", " ", type_)})


def _actor_name(actor: Principal, names: Mapping[Principal, PrincipalRef]) -> str:
    if actor in SYSTEM_ACTORS:
        return gettext(SYSTEM_ACTORS[actor])
    return names[actor].name if actor in names else placeholder_name(actor)


def _organization_name(fields: Fields) -> str:
    organization = (fields.get("now") or {}).get("place") or {}
    return str(organization.get("name", ""))


# Sentences that link a ticket, that name an object, and that have the actor as their only value.
TICKET_TEXTS = {
    "ticket.created": N_("%(who)s opened %(what)s"),
    "ticket.message_edited": N_("%(who)s edited a message in %(what)s"),
    "ticket.message_deleted": N_("%(who)s deleted a message in %(what)s"),
    "ticket.claimed": N_("%(who)s claimed %(what)s"),
    "ticket.reopened": N_("%(who)s reopened %(what)s"),
    "ticket.unclaimed": N_("%(who)s unassigned %(what)s"),
    "ticket.file_removed": N_("%(who)s deleted a file from %(what)s"),
}
NAMED_TEXTS = {
    "team.role_created": ("roleName", N_("%(who)s created the role %(what)s")),
    "team.role_updated": ("roleName", N_("%(who)s updated the role %(what)s")),
    "team.role_deleted": ("roleName", N_("%(who)s deleted the role %(what)s")),
    "person.changed": ("name", N_("%(who)s updated the account of %(what)s")),
    "organization.created": ("name", N_("%(who)s created the organization %(what)s")),
    "organization.updated": ("name", N_("%(who)s updated the settings of %(what)s")),
    "organization.visibility_changed": (
        "name",
        N_("%(who)s changed who can see the requests of %(what)s"),
    ),
    "organization.deleted": ("name", N_("%(who)s deleted the organization %(what)s")),
    "invitation.created": ("email", N_("%(who)s invited %(what)s")),
    "invitation.accepted": ("email", N_("%(who)s accepted the invitation for %(what)s")),
    "invitation.revoked": ("email", N_("%(who)s revoked the invitation for %(what)s")),
    "invitation.expired": ("email", N_("The invitation for %(what)s expired")),
    "invitation.undeliverable": (
        "email",
        N_("The email with the invitation for %(what)s was refused"),
    ),
}
PLAIN_TEXTS = {
    "guild.left": N_("%(who)s left the server – all data is kept, read-only"),
    "guild.setup_complete": N_("%(who)s completed the setup"),
    "guild.updated": N_("%(who)s updated the server"),
    "guild.deleted": N_("%(who)s deleted the server from Deskwire"),
    "ticket.read": N_("%(who)s read a ticket"),
    "session.created": N_("%(who)s signed in"),
    "session.revoked": N_("%(who)s ended a session"),
    "key.created": N_("%(who)s created an API key"),
    "key.changed": N_("%(who)s changed an API key"),
    "key.revoked": N_("%(who)s revoked an API key"),
}


def _describe_ticket(text: str, fields: Fields, _who: str = "", **values: object) -> EventText:
    now = fields["now"]
    return EventText(find_text(text), f"{_ticket_label(now)} {now['subject']}", now["href"], values)


def _describe_named(name_field: str, text: str, fields: Fields, _who: str) -> EventText:
    return EventText(find_text(text), fields[name_field])


def _describe_plain(text: str, _fields: Fields, _who: str) -> EventText:
    return EventText(find_text(text))


def _ticket_label(now: Fields) -> str:
    """Return what people call a ticket: a request's reference, or a number such as `#12`."""
    return str(now.get("reference") or f"#{now['number']}")


def _describe_guild_joined(fields: Fields, _who: str) -> EventText:
    if not (members := fields.get("memberCount")):
        return EventText(find_text(N_("%(who)s added the bot")))
    text = find_plural(
        "%(who)s added the bot to a server with %(num)s member",
        "%(who)s added the bot to a server with %(num)s members",
        members,
    )
    return EventText(text, values={"num": members})


def _describe_ticket_updated(fields: Fields, _who: str) -> EventText:
    is_request = bool(fields["now"].get("reference"))
    changes = describe_event(
        "ticket.updated", _request_changes(fields) if is_request else dict(fields)
    )
    if changes == gettext(UPDATED_SENTENCES[is_request]):
        return _describe_ticket(N_("%(who)s updated %(what)s"), fields)
    return _describe_ticket(N_("%(who)s updated %(what)s – %(changes)s"), fields, changes=changes)


def _request_changes(event: Fields) -> dict[str, Any]:
    """Return the changes of a request as its timeline stores them, to be phrased alike."""
    values, names = read_event_changes(event.get("changes") or {})
    return {"set": values, "shown": names, "noun": "request"}


def _describe_ticket_deleted(fields: Fields, _who: str) -> EventText:
    label, reason = _ticket_label(fields["now"]), fields.get("reason")
    if not reason:
        return EventText(find_text(N_("%(who)s deleted %(what)s")), label)
    return EventText(
        find_text(N_("%(who)s deleted %(what)s – %(reason)s")), label, "", {"reason": reason}
    )


def _describe_ticket_message(fields: Fields, _who: str) -> EventText:
    if (fields.get("line") or {}).get("kind") == "note":
        return _describe_ticket(N_("%(who)s wrote a note in %(what)s"), fields)
    return _describe_ticket(N_("%(who)s replied in %(what)s"), fields)


def _describe_ticket_status(fields: Fields, _who: str) -> EventText:
    now, reason = fields["now"], fields.get("reason")
    label = STATUS_LABELS.get(now.get("status"))
    status = gettext(label) if label else now["statusLabel"]
    if not reason:
        return _describe_ticket(N_("%(who)s moved %(what)s to %(status)s"), fields, status=status)
    text = N_("%(who)s moved %(what)s to %(status)s – %(reason)s")
    return _describe_ticket(text, fields, status=status, reason=reason)


def _describe_ticket_closed(fields: Fields, who: str) -> EventText:
    if fields["now"].get("reference"):
        return _describe_ticket_status(fields, who)  # says whether completed or canceled
    if not (reason := fields.get("reason")):
        return _describe_ticket(N_("%(who)s closed %(what)s"), fields)
    return _describe_ticket(N_("%(who)s closed %(what)s – %(reason)s"), fields, reason=reason)


def _describe_ticket_assigned(fields: Fields, _who: str) -> EventText:
    assignee = (fields["now"].get("assignee") or {}).get("name") or gettext("someone")
    return _describe_ticket(
        N_("%(who)s assigned %(what)s to %(assignee)s"), fields, assignee=assignee
    )


def _describe_participant_added(fields: Fields, _who: str) -> EventText:
    name = fields["participant"]["name"]
    return _describe_ticket(
        N_("%(who)s added %(name)s as a watcher to %(what)s"), fields, name=name
    )


def _describe_participant_removed(fields: Fields, _who: str) -> EventText:
    name = fields["participant"]["name"]
    return _describe_ticket(
        N_("%(who)s removed %(name)s as a watcher from %(what)s"), fields, name=name
    )


def _describe_file_added(fields: Fields, _who: str) -> EventText:
    name = fields["file"]["name"]
    if not name:  # the name was erased when its message was deleted
        return _describe_ticket(N_("%(who)s added a file to %(what)s"), fields)
    return _describe_ticket(N_("%(who)s added the file %(name)s to %(what)s"), fields, name=name)


def _describe_role_assigned(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s gave %(what)s the role %(role)s")
    return EventText(find_text(text), fields["username"], "", {"role": fields["roleName"]})


def _describe_role_unassigned(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s removed the role %(role)s from %(what)s")
    return EventText(find_text(text), fields["username"], "", {"role": fields["roleName"]})


def _describe_member_left(fields: Fields, who: str) -> EventText:
    user = fields["username"]
    if who == user:
        return EventText(find_text(N_("%(who)s left the server")))
    return EventText(find_text(N_("%(who)s left the server as %(user)s")), values={"user": user})


def _describe_member_role_changed(fields: Fields, _who: str) -> EventText:
    name = fields["member"]["name"]
    if role := fields.get("role"):
        text = N_("%(who)s changed the role of %(what)s to %(role)s")
        return EventText(find_text(text), name, "", {"role": role})
    if not (count := len(fields["permissions"])):
        return EventText(
            find_text(N_("%(who)s removed all individual permissions of %(what)s")), name
        )
    text = find_plural(
        "%(who)s gave %(what)s %(num)s individual permission",
        "%(who)s gave %(what)s %(num)s individual permissions",
        count,
    )
    return EventText(text, name, "", {"num": count})


def _describe_organization_renamed(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s renamed the organization %(what)s to %(name)s")
    return EventText(find_text(text), fields["oldName"], "", {"name": fields["name"]})


def _describe_member_joined(fields: Fields, _who: str) -> EventText:
    name, organization = fields["member"]["name"], fields["place"]["name"]
    if _is_own_action(fields):
        return EventText(find_text(N_("%(who)s joined %(what)s")), organization)
    text = N_("%(who)s added %(what)s to %(place)s")
    return EventText(find_text(text), name, "", {"place": organization})


def _describe_member_removed(fields: Fields, _who: str) -> EventText:
    name, organization = fields["member"]["name"], fields["place"]["name"]
    if _is_own_action(fields):
        return EventText(find_text(N_("%(who)s left %(what)s")), organization)
    text = N_("%(who)s removed %(what)s from %(place)s")
    return EventText(find_text(text), name, "", {"place": organization})


def _is_own_action(fields: Fields) -> bool:
    """Whether the member acted themselves; compares ids, because names are not unique."""
    return bool(fields["actor"] == fields["member"]["id"])


EVENT_DESCRIBERS: Mapping[str, Callable[[Fields, str], EventText]] = {
    **{type_: partial(_describe_ticket, text) for type_, text in TICKET_TEXTS.items()},
    **{type_: partial(_describe_named, name, text) for type_, (name, text) in NAMED_TEXTS.items()},
    **{type_: partial(_describe_plain, text) for type_, text in PLAIN_TEXTS.items()},
    "guild.joined": _describe_guild_joined,
    "ticket.updated": _describe_ticket_updated,
    "ticket.deleted": _describe_ticket_deleted,
    "ticket.message_sent": _describe_ticket_message,
    "ticket.status_changed": _describe_ticket_status,
    "ticket.closed": _describe_ticket_closed,
    "ticket.assigned": _describe_ticket_assigned,
    "ticket.participant_added": _describe_participant_added,
    "ticket.participant_removed": _describe_participant_removed,
    "ticket.file_added": _describe_file_added,
    "team.member_assigned": _describe_role_assigned,
    "team.member_unassigned": _describe_role_unassigned,
    "member.left": _describe_member_left,
    "member.role_changed": _describe_member_role_changed,
    "organization.renamed": _describe_organization_renamed,
    "member.joined": _describe_member_joined,
    "member.removed": _describe_member_removed,
}
