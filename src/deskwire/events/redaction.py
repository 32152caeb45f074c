"""Redact entries of the log when a message, file, account or organization is edited or deleted.

An entry keeps its position and loses the text; one that names the owner of a deleted account names
a former member instead. The entries of a deleted organization lose their channels too, so that
they are sent to no one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

from deskwire.kit.i18n import N_, gettext

RedactionRule = Callable[[str, str], str | None]  # (data, id) → redacted data; None: unchanged
FORMER_MEMBER = N_("Former member")  # stands for the owner of a deleted account
# The fields that hold a person's id, with the field beside each that holds the name.
NAME_FIELDS = {
    "id": "name",
    "person": "name",
    "authorId": "authorUsername",
    "openerId": "openerUsername",
}


def redact_message(data: str, message_id: str) -> str | None:
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


def redact_file(data: str, file_id: str) -> str | None:
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


def anonymize_person(data: str, person_id: str) -> str | None:
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


class Redaction(NamedTuple):
    """How an event redacts older entries: its field with the target's id, and the rule."""

    field: str
    rule: RedactionRule


REDACTIONS: Mapping[str, Redaction] = {
    "ticket.message_edited": Redaction("message", redact_message),
    "ticket.message_deleted": Redaction("message", redact_message),
    "ticket.file_removed": Redaction("file", redact_file),
    "person.changed": Redaction("erased", anonymize_person),
}


WORKSPACE_REDACTING_TYPES = frozenset({"organization.deleted"})  # redact a whole workspace:
WORKSPACE_REDACTED_PREFIX = "ticket."  # its events of these types are never sent again


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
