"""Redaction: an entry that held what was edited or deleted keeps its place and loses the text."""

from __future__ import annotations

import json

REDACTING = frozenset({"ticket.message_edited", "ticket.message_deleted"})  # types that ask for it


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
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
