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

Rule = Callable[[str, str], str | None]  # (data, id) → data without it; None: it tells nothing
FORMER = N_("Former member")  # who has left for good
# The fields that hold an id, and those beside them that hold its name.
NAMING = {
    "id": "name",
    "person": "name",
    "authorId": "authorUsername",
    "openerId": "openerUsername",
}


def redacted(data: str, message: str) -> str | None:
    """The data of an entry without what it tells of a message; None where it tells nothing of it.

    Its line, the text and the names of its files go; that there was a message stays, as
    `"redacted": true`.
    """
    if message not in data:
        return None
    told = json.loads(data)
    line, file = told.get("line"), told.get("file")
    is_its_file = isinstance(file, dict) and told.get("message") == message
    is_of_it = told.get("messageId") == message or (line or {}).get("id") == message
    if not (is_of_it or is_its_file) or told.get("redacted"):
        return None
    if is_its_file:
        told["file"] = {**file, "name": ""}
    for field in ("line", "content", "mentions"):
        told.pop(field, None)
    told["redacted"] = True
    return _dump(told)


def without_file(data: str, file: str) -> str | None:
    """The data of an entry without what it tells of a file; None where it tells nothing of it.

    The message it came with stays, without it.
    """
    if file not in data:
        return None
    told = json.loads(data)
    line, added = told.get("line") or {}, told.get("file")
    sent = line.get("files") or []
    kept = [each for each in sent if each["id"] != file]
    is_added = isinstance(added, dict) and added.get("id") == file and added["name"] != ""
    if not is_added and len(kept) == len(sent):
        return None
    if is_added:
        told["file"] = {**added, "name": ""}
    if len(kept) < len(sent):
        told["line"] = {**line, "files": kept}
    return _dump(told)


def unnamed(data: str, person: str) -> str | None:
    """The data of an entry that calls somebody a former member; None where it does so already.

    What people wrote stays as they wrote it.
    """
    if person not in data:
        return None
    told, former = json.loads(data), gettext(FORMER)
    names = {name for name in _call(told, person, former) if name != former}
    line = told.get("line") or {}
    if line.get("kind") == "system":
        for name in filter(None, names):
            whole = rf"(?<!\w){re.escape(escape(name))}(?!\w)"
            line["html"] = re.sub(whole, lambda _: escape(former), line["html"])
    return _dump(told) if names else None


def _call(part: object, person: str, name: str) -> Iterator[str]:
    """Give somebody another name wherever `part` names them; the names they had there."""
    if isinstance(part, list):
        for each in part:
            yield from _call(each, person, name)
    if isinstance(part, dict):
        yield from _call_here(part, person, name)
        for each in part.values():
            yield from _call(each, person, name)


def _call_here(part: dict[str, Any], person: str, name: str) -> Iterator[str]:
    for id_, named in NAMING.items():
        if part.get(id_) == person and isinstance(part.get(named), str):
            yield part[named]
            part[named] = name
            part.pop("picture", None)


class Redaction(NamedTuple):
    """What an event asks for where it has a field: that names what goes; how it is taken out."""

    field: str
    rule: Rule


REDACTING: Mapping[str, Redaction] = {
    "ticket.message_edited": Redaction("message", redacted),
    "ticket.message_deleted": Redaction("message", redacted),
    "ticket.file_removed": Redaction("file", without_file),
    "person.changed": Redaction("erased", unnamed),
}


SILENCING = frozenset({"organization.deleted"})  # types that ask for more than that: of the
SILENCED = "ticket."  # types that begin so, in their workspace, nobody is sent what came before


def _dump(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
