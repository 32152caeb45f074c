"""Recent activity: entries of the log as sentences. Pure; one row per event type.

A sentence has a place for `%(who)s`, and mostly one for `%(what)s`, which may be a link; a
translation puts them where its language wants them.
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
from deskwire.workspaces.origin import Principal

Fields = Mapping[str, Any]

SYSTEM_ACTORS = {"bot": N_("The bot"), "shell": N_("The operator")}
PLACEHOLDER = re.compile(r"%\((who|what)\)s")


@dataclass(frozen=True, slots=True)
class EventText:
    """What happened, without who did it and when."""

    text: str  # with its slots
    what: str = ""
    href: str = ""
    values: Mapping[str, object] = field(default_factory=dict)  # of its other places


@dataclass(frozen=True, slots=True)
class TextSegment:
    """A piece of a sentence, and the spaces around it."""

    kind: Literal["who", "what", "said"]
    text: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """One entry, as a sentence."""

    position: int
    type: str
    who: str
    event_text: EventText
    at: Millis  # when it was done, which may be before it was told here
    channels: str  # the channels the viewer heard it by, separated by spaces
    organization_name: str = ""  # the organization's name, of what happened to a request

    @property
    def segments(self) -> list[TextSegment]:
        """The sentence, piece by piece."""
        return list(_split_segments(self.event_text, self.who))

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(part.before + part.text + part.after for part in self.segments)


def _split_segments(event_text: EventText, who: str) -> Iterator[TextSegment]:
    for at, piece in enumerate(PLACEHOLDER.split(event_text.text)):
        if at % 2 == 0:
            text = piece % event_text.values
            if bare := text.strip():
                before, _, after = text.partition(bare)
                yield TextSegment("said", bare, before, after)
            elif text:
                yield TextSegment("said", "", text)
        elif piece == "who":
            yield TextSegment("who", who)
        else:
            yield TextSegment("what", event_text.what)


def build_activity(
    entries: Iterable[Any], names: Mapping[Principal, PrincipalRef], channels: frozenset[Channel]
) -> list[ActivityEntry]:
    """Entries as `log.read_of_workspace` gives them, newest first, as sentences.

    What a deleted ticket was about, or any ticket of a deleted organization, is not told any more,
    only that it is gone.
    """
    gone: set[str] = set()
    deeds = []
    for entry in entries:
        fields = _apply_current_names(json.loads(entry.data), names)
        if entry.type == "ticket.deleted":
            gone.add(fields["ticket"])
        elif entry.type == "organization.deleted":
            gone.add(fields["workspace"])
        elif "ticket" in fields and gone & {fields["ticket"], fields.get("workspace")}:
            continue
        held = " ".join(sorted(channels.intersection(json.loads(entry.channels))))
        who = _actor_name(fields["actor"], names)
        told, at = (
            describe_activity(entry.type, fields, who),
            (fields.get("line") or {}).get("at", entry.at),
        )
        deeds.append(
            ActivityEntry(
                entry.position, entry.type, who, told, at, held, _organization_name(fields)
            )
        )
    return deeds


def principals_in(data: str) -> list[Principal]:
    """Who did it and to whom, of an entry's data."""
    fields = json.loads(data)
    return [fields["actor"], *(who["id"] for who in _people_in(fields).values())]


def _apply_current_names(
    fields: dict[str, Any], names: Mapping[Principal, PrincipalRef]
) -> dict[str, Any]:
    """An entry's data in which everybody has the name they have now."""
    for who in _people_in(fields).values():
        if who["id"] in names:
            who["name"] = names[who["id"]].name
    return fields


def _people_in(fields: Fields) -> dict[str, dict[str, Any]]:
    """The people an entry's data names, by their part in it."""
    parts = {
        "member": fields.get("member"),
        "participant": fields.get("participant"),
        "assignee": (fields.get("now") or {}).get("assignee"),
    }
    return {part: who for part, who in parts.items() if who}


def describe_activity(type_: str, fields: Fields, who: str = "") -> EventText:
    """An event as a sentence; one that has no row here says its own name."""
    say = EVENT_DESCRIBERS.get(type_)
    if say is not None:
        return say(fields, who)
    return EventText("%(who)s %(did)s", values={"did": re.sub(r"[._]", " ", type_)})


def _actor_name(actor: Principal, names: Mapping[Principal, PrincipalRef]) -> str:
    if actor in SYSTEM_ACTORS:
        return gettext(SYSTEM_ACTORS[actor])
    return names[actor].name if actor in names else placeholder_name(actor)


def _organization_name(fields: Fields) -> str:
    place = (fields.get("now") or {}).get("place") or {}
    return str(place.get("name", ""))


# What is said of a ticket or request, which is linked; of what has a name; and of nothing else.
TICKET_TEXTS = {
    "ticket.created": N_("%(who)s opened %(what)s"),
    "ticket.message_edited": N_("%(who)s changed a message in %(what)s"),
    "ticket.message_deleted": N_("%(who)s deleted a message in %(what)s"),
    "ticket.claimed": N_("%(who)s claimed %(what)s"),
    "ticket.reopened": N_("%(who)s reopened %(what)s"),
    "ticket.unclaimed": N_("%(who)s gave back %(what)s"),
    "ticket.file_removed": N_("%(who)s deleted a file of %(what)s"),
}
NAMED_TEXTS = {
    "team.role_created": ("roleName", N_("%(who)s created the role %(what)s")),
    "team.role_updated": ("roleName", N_("%(who)s changed the role %(what)s")),
    "team.role_deleted": ("roleName", N_("%(who)s deleted the role %(what)s")),
    "person.changed": ("name", N_("%(who)s updated the account of %(what)s")),
    "organization.created": ("name", N_("%(who)s created the organization %(what)s")),
    "organization.updated": ("name", N_("%(who)s changed the settings of %(what)s")),
    "organization.visibility_changed": (
        "name",
        N_("%(who)s changed who sees the requests of %(what)s"),
    ),
    "organization.deleted": ("name", N_("%(who)s deleted the organization %(what)s")),
    "invitation.created": ("email", N_("%(who)s invited %(what)s")),
    "invitation.accepted": ("email", N_("%(who)s accepted an invitation %(what)s")),
    "invitation.revoked": ("email", N_("%(who)s took back the invitation of %(what)s")),
}
PLAIN_TEXTS = {
    "guild.left": N_("%(who)s left the server – everything is kept, read-only"),
    "guild.setup_complete": N_("%(who)s finished setting up"),
    "guild.updated": N_("%(who)s changed the server"),
    "guild.deleted": N_("%(who)s deleted the server here"),
    "ticket.read": N_("%(who)s read a ticket"),
    "session.revoked": N_("%(who)s ended a session"),
}


def _describe_ticket(text: str, fields: Fields, _who: str = "", **values: object) -> EventText:
    now = fields["now"]
    return EventText(find_text(text), f"{_ticket_label(now)} {now['subject']}", now["href"], values)


def _describe_named(field_: str, text: str, fields: Fields, _who: str) -> EventText:
    return EventText(find_text(text), fields[field_])


def _describe_plain(text: str, _fields: Fields, _who: str) -> EventText:
    return EventText(find_text(text))


def _ticket_label(now: Fields) -> str:
    """What people call a ticket: a request has a reference, another a number."""
    return str(now.get("reference") or f"#{now['number']}")


def _describe_guild_joined(fields: Fields, _who: str) -> EventText:
    if not (members := fields.get("memberCount")):
        return EventText(find_text(N_("%(who)s added the bot")))
    text = find_plural(
        "%(who)s added the bot for %(num)s member",
        "%(who)s added the bot for %(num)s members",
        members,
    )
    return EventText(text, values={"num": members})


def _describe_ticket_updated(fields: Fields, _who: str) -> EventText:
    is_request = bool(fields["now"].get("reference"))
    changes = describe_event(
        "ticket.updated", _request_changes(fields) if is_request else dict(fields)
    )
    if changes == gettext(UPDATED_SENTENCES[is_request]):
        return _describe_ticket(N_("%(who)s changed %(what)s"), fields)
    return _describe_ticket(N_("%(who)s changed %(what)s – %(changes)s"), fields, changes=changes)


def _request_changes(event: Fields) -> dict[str, Any]:
    """Return the changes of a request as its timeline stores them, to be phrased alike."""
    values, names = read_event_changes(event.get("changes") or {})
    return {"set": values, "shown": names, "noun": "request"}


def _describe_ticket_deleted(fields: Fields, _who: str) -> EventText:
    mark, reason = _ticket_label(fields["now"]), fields.get("reason")
    if not reason:
        return EventText(find_text(N_("%(who)s deleted %(what)s")), mark)
    return EventText(
        find_text(N_("%(who)s deleted %(what)s – %(reason)s")), mark, "", {"reason": reason}
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
        return _describe_ticket_status(fields, who)  # completed is not canceled
    if not (reason := fields.get("reason")):
        return _describe_ticket(N_("%(who)s closed %(what)s"), fields)
    return _describe_ticket(N_("%(who)s closed %(what)s – %(reason)s"), fields, reason=reason)


def _describe_ticket_assigned(fields: Fields, _who: str) -> EventText:
    assignee = (fields["now"].get("assignee") or {}).get("name") or gettext("somebody")
    return _describe_ticket(
        N_("%(who)s assigned %(what)s to %(assignee)s"), fields, assignee=assignee
    )


def _describe_participant_added(fields: Fields, _who: str) -> EventText:
    name = fields["participant"]["name"]
    return _describe_ticket(N_("%(who)s added a watcher to %(what)s – %(name)s"), fields, name=name)


def _describe_participant_removed(fields: Fields, _who: str) -> EventText:
    name = fields["participant"]["name"]
    return _describe_ticket(N_("%(who)s took a watcher off %(what)s – %(name)s"), fields, name=name)


def _describe_file_added(fields: Fields, _who: str) -> EventText:
    name = fields["file"]["name"]
    if not name:  # its message was deleted
        return _describe_ticket(N_("%(who)s added a file to %(what)s"), fields)
    return _describe_ticket(N_("%(who)s added a file to %(what)s – %(name)s"), fields, name=name)


def _describe_role_assigned(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s gave %(what)s the role %(role)s")
    return EventText(find_text(text), fields["username"], "", {"role": fields["roleName"]})


def _describe_role_unassigned(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s took from %(what)s the role %(role)s")
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
        return EventText(find_text(N_("%(who)s set the permissions of %(what)s none now")), name)
    text = find_plural(
        "%(who)s set the permissions of %(what)s %(num)s permission of their own",
        "%(who)s set the permissions of %(what)s %(num)s permissions of their own",
        count,
    )
    return EventText(text, name, "", {"num": count})


def _describe_organization_renamed(fields: Fields, _who: str) -> EventText:
    text = N_("%(who)s renamed the organization %(what)s to %(name)s")
    return EventText(find_text(text), fields["oldName"], "", {"name": fields["name"]})


def _describe_member_joined(fields: Fields, _who: str) -> EventText:
    name, place = fields["member"]["name"], fields["place"]["name"]
    if _is_self_inflicted(fields):
        return EventText(find_text(N_("%(who)s joined %(what)s")), place)
    return EventText(
        find_text(N_("%(who)s let in %(what)s to %(place)s")), name, "", {"place": place}
    )


def _describe_member_removed(fields: Fields, _who: str) -> EventText:
    name, place = fields["member"]["name"], fields["place"]["name"]
    if _is_self_inflicted(fields):
        return EventText(find_text(N_("%(who)s left %(what)s")), place)
    return EventText(
        find_text(N_("%(who)s removed %(what)s from %(place)s")), name, "", {"place": place}
    )


def _is_self_inflicted(fields: Fields) -> bool:
    """Whether somebody did it to themselves, whatever they are called."""
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
