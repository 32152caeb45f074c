"""Redaction: an entry that held what was edited or deleted keeps its place and loses the text.

What a whole organization held loses its channels too: nobody is left whom it may be sent to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

Rule = Callable[[str, str], str | None]  # (data, id) → data without it; None: it tells nothing


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
    for field in ("line", "content"):
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


class Redaction(NamedTuple):
    """What an event asks for: the field that names what goes, and how it is taken out."""

    field: str
    rule: Rule


REDACTING: Mapping[str, Redaction] = {
    "ticket.message_edited": Redaction("message", redacted),
    "ticket.message_deleted": Redaction("message", redacted),
    "ticket.file_removed": Redaction("file", without_file),
}


SILENCING = frozenset({"organization.deleted"})  # types that ask for more than that: of the
SILENCED = "ticket."  # types that begin so, in their workspace, nobody is sent what came before


def _dump(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
