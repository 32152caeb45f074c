"""Decide what an event about a deletion or an edit leaves of the entries before it.

An entry keeps its position and loses the text; one that names the owner of a deleted account names
a former member instead. Entries about a deleted ticket, or a ticket that left the workspace, keep
nothing and are sent to no one. The events of `REDACTIONS` demand it of every reader at once: of the
log until `events/erasure.py` has rewritten it, and of the buffers in memory.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, NamedTuple

from deskwire.kit.i18n import N_, gettext

# (type, data, id of the target) → redacted data; None: unchanged
RedactionRule = Callable[[str, str, str], str | None]
Scope = Literal["ticket", "workspace", "log"]  # which entries may mention the target

ERASED = '{"redacted":true}'  # the data of an entry that no one may see any more
FORMER_MEMBER = N_("Former member")  # stands for the owner of a deleted account
DELETED_ORGANIZATION = N_("Deleted organization")  # stands for its name
# The fields that hold a person's id, with the field beside each that holds the name.
NAME_FIELDS = {
    "id": "name",
    "person": "name",
    "authorId": "authorUsername",
    "openerId": "openerUsername",
}


def redact_message(_type: str, data: str, message_id: str) -> str | None:
    """Return an entry's data without the content of a message, or None if it has none.

    The line, the text and the names of the message's files are removed; `"redacted": true` remains.
    """
    if message_id not in data:
        return None
    fields = json.loads(data)
    line, file = fields.get("line"), fields.get("file")
    is_its_file = isinstance(file, dict) and fields.get("message") == message_id
    is_of_it = fields.get("messageId") == message_id or (line or {}).get("id") == message_id
    if not (is_of_it or is_its_file) or fields.get("redacted"):
        return None
    if is_its_file:
        fields["file"] = {**file, "name": ""}
    for field in ("line", "content", "mentions"):
        fields.pop(field, None)
    fields["redacted"] = True
    return _to_json(fields)


def redact_file(_type: str, data: str, file_id: str) -> str | None:
    """Return an entry's data without a file, or None if it does not mention the file.

    The message that the file was sent with remains.
    """
    if file_id not in data:
        return None
    fields = json.loads(data)
    line, added = fields.get("line") or {}, fields.get("file")
    files = line.get("files") or []
    remaining = [file for file in files if file["id"] != file_id]
    is_added = isinstance(added, dict) and added.get("id") == file_id and added["name"] != ""
    if not is_added and len(remaining) == len(files):
        return None
    if is_added:
        fields["file"] = {**added, "name": ""}
    if len(remaining) < len(files):
        fields["line"] = {**line, "files": remaining}
    return _to_json(fields)


def anonymize_person(_type: str, data: str, person_id: str) -> str | None:
    """Return an entry's data that names a person as a former member, or None if none names them.

    Text written by people is not changed.
    """
    if person_id not in data:
        return None
    fields, former = json.loads(data), gettext(FORMER_MEMBER)
    names = {name for name in _rename_person(fields, person_id, former) if name != former}
    line = fields.get("line") or {}
    if line.get("kind") == "system":
        for name in filter(None, names):
            pattern = rf"(?<!\w){re.escape(escape(name))}(?!\w)"
            line["html"] = re.sub(pattern, lambda _: escape(former), line["html"])
    return _to_json(fields) if names else None


def _rename_person(node: object, person: str, name: str) -> Iterator[str]:
    """Replace a person's name wherever `node` has it; yield the names that were replaced."""
    if isinstance(node, list):
        for each in node:
            yield from _rename_person(each, person, name)
    if isinstance(node, dict):
        yield from _rename_person_in(node, person, name)
        for each in node.values():
            yield from _rename_person(each, person, name)


def _rename_person_in(node: dict[str, Any], person: str, name: str) -> Iterator[str]:
    for id_field, name_field in NAME_FIELDS.items():
        if node.get(id_field) == person and isinstance(node.get(name_field), str):
            yield node[name_field]
            node[name_field] = name
            node.pop("picture", None)


def erase_ticket(type_: str, data: str, _ticket_id: str) -> str | None:
    """Return the data of an entry about a ticket that was deleted or left the workspace."""
    if data == ERASED:
        return None
    return _strip_deletion(data) if type_ == "ticket.deleted" else ERASED


def _strip_deletion(data: str) -> str | None:
    """Remove from an event that says that a ticket was deleted all that people wrote."""
    fields = json.loads(data)
    now = fields.get("now") or {}
    withheld: dict[str, Any] = dict.fromkeys(("opener", "assignee", "priority", "category"))
    withheld |= {"tags": [], "subject": f"#{now.get('number')}"}
    fields["now"] = {**now, **{name: withheld[name] for name in withheld if name in now}}
    for field in ("line", "reason"):
        fields.pop(field, None)
    stripped = _to_json(fields)
    return None if stripped == data else stripped


def erase_organization(type_: str, data: str, _organization_id: str) -> str | None:
    """Return the data of an entry of a deleted organization: its tickets' keep nothing."""
    if data == ERASED:
        return None
    if type_.startswith("ticket."):
        return ERASED
    fields = json.loads(data)
    for field in _ORGANIZATION_FIELDS & fields.keys():
        fields[field] = ""
    if "name" in fields:
        fields["name"] = gettext(DELETED_ORGANIZATION)
    if isinstance(fields.get("place"), dict):
        fields["place"] = {**fields["place"], "name": gettext(DELETED_ORGANIZATION)}
    stripped = _to_json(fields)
    return None if stripped == data else stripped


_ORGANIZATION_FIELDS = {"name", "slug", "oldName", "oldSlug", "email"}


class Rule(NamedTuple):
    """How an event redacts older entries: its field with the target's id, and which entries."""

    field: str
    scope: Scope
    redact: RedactionRule
    is_of_itself: bool = False  # whether the event loses its own text, too, once it is in the log


_ERASE_TICKET = Rule("ticket", "ticket", erase_ticket, is_of_itself=True)

REDACTIONS: Mapping[str, Rule] = {
    "ticket.message_edited": Rule("message", "ticket", redact_message),
    "ticket.message_deleted": Rule("message", "ticket", redact_message),
    "ticket.file_removed": Rule("file", "ticket", redact_file),
    "ticket.deleted": _ERASE_TICKET,
    "person.changed": Rule("erased", "log", anonymize_person),
    "organization.deleted": Rule(
        "organization", "workspace", erase_organization, is_of_itself=True
    ),
}


@dataclass(frozen=True, slots=True)
class Redaction:
    """What an event demands of the entries before its position."""

    position: int
    workspace: str | None
    ticket: str | None
    target: str
    rule: Rule

    def redact(
        self, position: int, type_: str, workspace: str | None, ticket: str | None, data: str
    ) -> str | None:
        """Return the redacted data of an entry; None if it stays as it is."""
        if not self.covers(position, workspace, ticket):
            return None
        return self.rule.redact(type_, data, self.target)

    def covers(self, position: int, workspace: str | None, ticket: str | None) -> bool:
        """Whether an entry is among those that may mention the target."""
        if position >= self.position:
            return False
        match self.rule.scope:
            case "ticket":
                return ticket == self.ticket and workspace == self.workspace
            case "workspace":
                return workspace == self.workspace
            case "log":
                return True


def find_redaction(
    position: int, type_: str, workspace: str | None, ticket: str | None, data: str
) -> Redaction | None:
    """Return what an event demands of the entries before it, or None.

    An event without data is about a ticket that is deleted already.
    """
    if data == ERASED:
        target, rule = ticket, _ERASE_TICKET
    elif type_ in REDACTIONS:
        rule = REDACTIONS[type_]
        target = ticket if rule is _ERASE_TICKET else json.loads(data).get(rule.field)
    else:
        return None
    return Redaction(position, workspace, ticket, target, rule) if target else None


class Redactions:
    """Several redactions, found by what they are about."""

    def __init__(self, redactions: Iterable[Redaction] = ()) -> None:
        self._by_subject: dict[str | None, list[Redaction]] = defaultdict(list)
        for each in redactions:
            self._by_subject[_subject_of(each)].append(each)

    def redact(
        self, position: int, type_: str, workspace: str | None, ticket: str | None, data: str
    ) -> str:
        """Return the data of an entry as far as it may still be seen."""
        if not self._by_subject:
            return data
        for subject in {ticket, workspace, None}:
            for redaction in self._by_subject.get(subject, ()):
                redacted = redaction.redact(position, type_, workspace, ticket, data)
                data = data if redacted is None else redacted
        return data


def _subject_of(redaction: Redaction) -> str | None:
    match redaction.rule.scope:
        case "ticket":
            return redaction.ticket
        case "workspace":
            return redaction.workspace
        case "log":
            return None


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
