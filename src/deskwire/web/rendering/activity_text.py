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
from deskwire.events.types.registry import Who
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import N_, find, find_form, gettext
from deskwire.tickets.messages import sentence
from deskwire.tickets.statuses import LABELS
from deskwire.tickets.timeline_text import UPDATED
from deskwire.workspaces.names import stand_in
from deskwire.workspaces.origin import Principal

Fields = Mapping[str, Any]

ACTORS = {"bot": N_("The bot"), "shell": N_("The operator")}
CHANGEABLE = ("subject", "category", "priority")
SLOT = re.compile(r"%\((who|what)\)s")


@dataclass(frozen=True, slots=True)
class Told:
    """What happened, without who did it and when."""

    text: str  # with its slots
    what: str = ""
    href: str = ""
    values: Mapping[str, object] = field(default_factory=dict)  # of its other places


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence, and the spaces around it."""

    kind: Literal["who", "what", "said"]
    text: str
    before: str = ""
    after: str = ""


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

    @property
    def parts(self) -> list[Part]:
        """The sentence, piece by piece."""
        return list(_parts(self.told, self.who))

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(part.before + part.text + part.after for part in self.parts)


def _parts(told: Told, who: str) -> Iterator[Part]:
    for at, piece in enumerate(SLOT.split(told.text)):
        if at % 2 == 0:
            text = piece % told.values
            if bare := text.strip():
                before, _, after = text.partition(bare)
                yield Part("said", bare, before, after)
            elif text:
                yield Part("said", "", text)
        elif piece == "who":
            yield Part("who", who)
        else:
            yield Part("what", told.what)


def deeds_of(
    entries: Iterable[Any], names: Mapping[Principal, Who], heard: frozenset[Channel]
) -> list[Deed]:
    """Entries as `log.read_of_workspace` gives them, newest first, as sentences.

    What a deleted ticket was about, or any ticket of a deleted organization, is not told any more,
    only that it is gone.
    """
    gone: set[str] = set()
    deeds = []
    for entry in entries:
        fields = _present(json.loads(entry.data), names)
        if entry.type == "ticket.deleted":
            gone.add(fields["ticket"])
        elif entry.type == "organization.deleted":
            gone.add(fields["workspace"])
        elif "ticket" in fields and gone & {fields["ticket"], fields.get("workspace")}:
            continue
        held = " ".join(sorted(heard.intersection(json.loads(entry.channels))))
        who = _name(fields["actor"], names)
        told, at = tell(entry.type, fields, who), (fields.get("line") or {}).get("at", entry.at)
        deeds.append(Deed(entry.position, entry.type, who, told, at, held, _place(fields)))
    return deeds


def people_of(data: str) -> list[Principal]:
    """Who did it and to whom, of an entry's data."""
    fields = json.loads(data)
    return [fields["actor"], *(who["id"] for who in _named_in(fields).values())]


def _present(fields: dict[str, Any], names: Mapping[Principal, Who]) -> dict[str, Any]:
    """An entry's data in which everybody has the name they have now."""
    for who in _named_in(fields).values():
        if who["id"] in names:
            who["name"] = names[who["id"]].name
    return fields


def _named_in(fields: Fields) -> dict[str, dict[str, Any]]:
    """The people an entry's data names, by their part in it."""
    parts = {
        "member": fields.get("member"),
        "participant": fields.get("participant"),
        "assignee": (fields.get("now") or {}).get("assignee"),
    }
    return {part: who for part, who in parts.items() if who}


def tell(type_: str, fields: Fields, who: str = "") -> Told:
    """An event as a sentence; one that has no row here says its own name."""
    say = SENTENCES.get(type_)
    if say is not None:
        return say(fields, who)
    return Told("%(who)s %(did)s", values={"did": re.sub(r"[._]", " ", type_)})


def _name(actor: Principal, names: Mapping[Principal, Who]) -> str:
    if actor in ACTORS:
        return gettext(ACTORS[actor])
    return names[actor].name if actor in names else stand_in(actor)


def _place(fields: Fields) -> str:
    place = (fields.get("now") or {}).get("place") or {}
    return str(place.get("name", ""))


# What is said of a ticket or request, which is linked; of what has a name; and of nothing else.
OF_TICKETS = {
    "ticket.created": N_("%(who)s opened %(what)s"),
    "ticket.message_edited": N_("%(who)s changed a message in %(what)s"),
    "ticket.message_deleted": N_("%(who)s deleted a message in %(what)s"),
    "ticket.claimed": N_("%(who)s claimed %(what)s"),
    "ticket.reopened": N_("%(who)s reopened %(what)s"),
    "ticket.unclaimed": N_("%(who)s gave back %(what)s"),
    "ticket.file_removed": N_("%(who)s deleted a file of %(what)s"),
}
OF_NAMES = {
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
ALONE = {
    "guild.left": N_("%(who)s left the server – everything is kept, read-only"),
    "guild.setup_complete": N_("%(who)s finished setting up"),
    "guild.updated": N_("%(who)s changed the server"),
    "guild.deleted": N_("%(who)s deleted the server here"),
    "ticket.read": N_("%(who)s read a ticket"),
    "session.revoked": N_("%(who)s ended a session"),
}


def _of_ticket(text: str, fields: Fields, _who: str = "", **values: object) -> Told:
    now = fields["now"]
    return Told(find(text), f"{_mark(now)} {now['subject']}", now["href"], values)


def _of_name(field_: str, text: str, fields: Fields, _who: str) -> Told:
    return Told(find(text), fields[field_])


def _alone(text: str, _fields: Fields, _who: str) -> Told:
    return Told(find(text))


def _mark(now: Fields) -> str:
    """What people call a ticket: a request has a reference, another a number."""
    return str(now.get("reference") or f"#{now['number']}")


def _guild_joined(fields: Fields, _who: str) -> Told:
    if not (members := fields.get("memberCount")):
        return Told(find(N_("%(who)s added the bot")))
    text = find_form(
        "%(who)s added the bot for %(num)s member",
        "%(who)s added the bot for %(num)s members",
        members,
    )
    return Told(text, values={"num": members})


def _ticket_updated(fields: Fields, _who: str) -> Told:
    is_request = bool(fields["now"].get("reference"))
    changes = sentence("ticket.updated", _as_fact(fields) if is_request else dict(fields))
    if changes == gettext(UPDATED[is_request]):
        return _of_ticket(N_("%(who)s changed %(what)s"), fields)
    return _of_ticket(N_("%(who)s changed %(what)s – %(changes)s"), fields, changes=changes)


def _as_fact(fields: Fields) -> dict[str, Any]:
    """What changed of a request, as its timeline keeps it: so it is said in the same words."""
    changes = fields.get("changes") or {}
    names = {word: (changes.get("tags") or {}).get(word) for word in ("added", "removed")}
    values = {each: changes[each].get("new") for each in CHANGEABLE if changes.get(each)}
    shown = {f"labels_{word}": labels for word, labels in names.items()}
    shown["category"] = values.get("category")
    return {"set": values, "shown": shown, "noun": "request"}


def _ticket_deleted(fields: Fields, _who: str) -> Told:
    mark, reason = _mark(fields["now"]), fields.get("reason")
    if not reason:
        return Told(find(N_("%(who)s deleted %(what)s")), mark)
    return Told(find(N_("%(who)s deleted %(what)s – %(reason)s")), mark, "", {"reason": reason})


def _ticket_message(fields: Fields, _who: str) -> Told:
    if (fields.get("line") or {}).get("kind") == "note":
        return _of_ticket(N_("%(who)s wrote a note in %(what)s"), fields)
    return _of_ticket(N_("%(who)s replied in %(what)s"), fields)


def _ticket_status(fields: Fields, _who: str) -> Told:
    now, reason = fields["now"], fields.get("reason")
    label = LABELS.get(now.get("status"))
    status = gettext(label) if label else now["statusLabel"]
    if not reason:
        return _of_ticket(N_("%(who)s moved %(what)s to %(status)s"), fields, status=status)
    text = N_("%(who)s moved %(what)s to %(status)s – %(reason)s")
    return _of_ticket(text, fields, status=status, reason=reason)


def _ticket_closed(fields: Fields, who: str) -> Told:
    if fields["now"].get("reference"):
        return _ticket_status(fields, who)  # completed is not canceled
    if not (reason := fields.get("reason")):
        return _of_ticket(N_("%(who)s closed %(what)s"), fields)
    return _of_ticket(N_("%(who)s closed %(what)s – %(reason)s"), fields, reason=reason)


def _ticket_assigned(fields: Fields, _who: str) -> Told:
    assignee = (fields["now"].get("assignee") or {}).get("name") or gettext("somebody")
    return _of_ticket(N_("%(who)s assigned %(what)s to %(assignee)s"), fields, assignee=assignee)


def _participant_added(fields: Fields, _who: str) -> Told:
    name = fields["participant"]["name"]
    return _of_ticket(N_("%(who)s added a watcher to %(what)s – %(name)s"), fields, name=name)


def _participant_removed(fields: Fields, _who: str) -> Told:
    name = fields["participant"]["name"]
    return _of_ticket(N_("%(who)s took a watcher off %(what)s – %(name)s"), fields, name=name)


def _file_added(fields: Fields, _who: str) -> Told:
    name = fields["file"]["name"]
    if not name:  # its message was deleted
        return _of_ticket(N_("%(who)s added a file to %(what)s"), fields)
    return _of_ticket(N_("%(who)s added a file to %(what)s – %(name)s"), fields, name=name)


def _assigned(fields: Fields, _who: str) -> Told:
    text = N_("%(who)s gave %(what)s the role %(role)s")
    return Told(find(text), fields["username"], "", {"role": fields["roleName"]})


def _unassigned(fields: Fields, _who: str) -> Told:
    text = N_("%(who)s took from %(what)s the role %(role)s")
    return Told(find(text), fields["username"], "", {"role": fields["roleName"]})


def _member_left(fields: Fields, who: str) -> Told:
    user = fields["username"]
    if who == user:
        return Told(find(N_("%(who)s left the server")))
    return Told(find(N_("%(who)s left the server as %(user)s")), values={"user": user})


def _permissions(fields: Fields, _who: str) -> Told:
    name = fields["member"]["name"]
    if role := fields.get("role"):
        text = N_("%(who)s changed the role of %(what)s to %(role)s")
        return Told(find(text), name, "", {"role": role})
    if not (count := len(fields["permissions"])):
        return Told(find(N_("%(who)s set the permissions of %(what)s none now")), name)
    text = find_form(
        "%(who)s set the permissions of %(what)s %(num)s permission of their own",
        "%(who)s set the permissions of %(what)s %(num)s permissions of their own",
        count,
    )
    return Told(text, name, "", {"num": count})


def _organization_renamed(fields: Fields, _who: str) -> Told:
    text = N_("%(who)s renamed the organization %(what)s to %(name)s")
    return Told(find(text), fields["oldName"], "", {"name": fields["name"]})


def _member_joined(fields: Fields, _who: str) -> Told:
    name, place = fields["member"]["name"], fields["place"]["name"]
    if _is_own(fields):
        return Told(find(N_("%(who)s joined %(what)s")), place)
    return Told(find(N_("%(who)s let in %(what)s to %(place)s")), name, "", {"place": place})


def _member_removed(fields: Fields, _who: str) -> Told:
    name, place = fields["member"]["name"], fields["place"]["name"]
    if _is_own(fields):
        return Told(find(N_("%(who)s left %(what)s")), place)
    return Told(find(N_("%(who)s removed %(what)s from %(place)s")), name, "", {"place": place})


def _is_own(fields: Fields) -> bool:
    """Whether somebody did it to themselves, whatever they are called."""
    return bool(fields["actor"] == fields["member"]["id"])


SENTENCES: Mapping[str, Callable[[Fields, str], Told]] = {
    **{type_: partial(_of_ticket, text) for type_, text in OF_TICKETS.items()},
    **{type_: partial(_of_name, name, text) for type_, (name, text) in OF_NAMES.items()},
    **{type_: partial(_alone, text) for type_, text in ALONE.items()},
    "guild.joined": _guild_joined,
    "ticket.updated": _ticket_updated,
    "ticket.deleted": _ticket_deleted,
    "ticket.message_sent": _ticket_message,
    "ticket.status_changed": _ticket_status,
    "ticket.closed": _ticket_closed,
    "ticket.assigned": _ticket_assigned,
    "ticket.participant_added": _participant_added,
    "ticket.participant_removed": _participant_removed,
    "ticket.file_added": _file_added,
    "team.member_assigned": _assigned,
    "team.member_unassigned": _unassigned,
    "member.left": _member_left,
    "member.role_changed": _permissions,
    "organization.renamed": _organization_renamed,
    "member.joined": _member_joined,
    "member.removed": _member_removed,
}
