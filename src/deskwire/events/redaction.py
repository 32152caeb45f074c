"""Redaction: an entry that held what was edited or deleted keeps its place and loses the text, and
one that names whoever deleted their account names a former member.

What a whole organization held loses its channels too: nobody is left whom it may be sent to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

from deskwire.kit.i18n import N_, gettext

RedactionRule = Callable[
    [str, str], str | None
]  # (data, id) → data without it; None: it tells nothing
FORMER_MEMBER = N_("Former member")  # who has left for good
# The fields that hold an id, and those beside them that hold its name.
NAME_FIELDS = {
    "id": "name",
    "person": "name",
    "authorId": "authorUsername",
    "openerId": "openerUsername",
}


def redact_message(data: str, message_id: str) -> str | None:
    """The data of an entry without what it tells of a message; None where it tells nothing of it.

    Its line, the text and the names of its files go; that there was a message stays, as
    `"redacted": true`.
    """
    if message_id not in data:
        return None
    told = json.loads(data)
    line, file = told.get("line"), told.get("file")
    is_its_file = isinstance(file, dict) and told.get("message") == message_id
    is_of_it = told.get("messageId") == message_id or (line or {}).get("id") == message_id
    if not (is_of_it or is_its_file) or told.get("redacted"):
        return None
    if is_its_file:
        told["file"] = {**file, "name": ""}
    for field in ("line", "content", "mentions"):
        told.pop(field, None)
    told["redacted"] = True
    return _to_json(told)


def redact_file(data: str, file_id: str) -> str | None:
    """The data of an entry without what it tells of a file; None where it tells nothing of it.

    The message it came with stays, without it.
    """
    if file_id not in data:
        return None
    told = json.loads(data)
    line, added = told.get("line") or {}, told.get("file")
    sent = line.get("files") or []
    kept = [each for each in sent if each["id"] != file_id]
    is_added = isinstance(added, dict) and added.get("id") == file_id and added["name"] != ""
    if not is_added and len(kept) == len(sent):
        return None
    if is_added:
        told["file"] = {**added, "name": ""}
    if len(kept) < len(sent):
        told["line"] = {**line, "files": kept}
    return _to_json(told)


def anonymize_person(data: str, person_id: str) -> str | None:
    """The data of an entry that calls somebody a former member; None where it does so already.

    What people wrote stays as they wrote it.
    """
    if person_id not in data:
        return None
    told, former = json.loads(data), gettext(FORMER_MEMBER)
    names = {name for name in _rename_person(told, person_id, former) if name != former}
    line = told.get("line") or {}
    if line.get("kind") == "system":
        for name in filter(None, names):
            whole = rf"(?<!\w){re.escape(escape(name))}(?!\w)"
            line["html"] = re.sub(whole, lambda _: escape(former), line["html"])
    return _to_json(told) if names else None


def _rename_person(node: object, person: str, name: str) -> Iterator[str]:
    """Give somebody another name wherever `part` names them; the names they had there."""
    if isinstance(node, list):
        for each in node:
            yield from _rename_person(each, person, name)
    if isinstance(node, dict):
        yield from _rename_person_in(node, person, name)
        for each in node.values():
            yield from _rename_person(each, person, name)


def _rename_person_in(node: dict[str, Any], person: str, name: str) -> Iterator[str]:
    for id_, named in NAME_FIELDS.items():
        if node.get(id_) == person and isinstance(node.get(named), str):
            yield node[named]
            node[named] = name
            node.pop("picture", None)


class Redaction(NamedTuple):
    """What an event asks for where it has a field: that names what goes; how it is taken out."""

    field: str
    rule: RedactionRule


REDACTIONS: Mapping[str, Redaction] = {
    "ticket.message_edited": Redaction("message", redact_message),
    "ticket.message_deleted": Redaction("message", redact_message),
    "ticket.file_removed": Redaction("file", redact_file),
    "person.changed": Redaction("erased", anonymize_person),
}


WORKSPACE_REDACTING_TYPES = frozenset(
    {"organization.deleted"}
)  # types that ask for more than that: of the
WORKSPACE_REDACTED_PREFIX = "ticket."  # entries of a deleted workspace that are never sent


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
