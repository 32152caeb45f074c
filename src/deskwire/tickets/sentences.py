"""What people did to a ticket here, as sentences to be read after their name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from deskwire.tickets.statuses import LABELS

Priority = Literal["low", "normal", "high", "urgent"]
PRIORITY_LABELS: Mapping[Priority, str] = {
    "low": "Low",
    "normal": "Normal",
    "high": "High",
    "urgent": "Urgent",
}


def told_here(type_: str, data: Mapping[str, Any]) -> str:
    """What a fact with `set` says; `shown` holds the names of what ids in it stand for."""
    noun, values, shown = data.get("noun", "ticket"), data["set"], data.get("shown") or {}
    match type_:
        case "ticket.created":
            return f"opened the {noun}"
        case "ticket.claimed":
            return f"claimed the {noun}"
        case "ticket.unclaimed":
            return f"gave the {noun} back"
        case "ticket.assigned":
            return f"assigned the {noun} to {shown.get('assignee') or 'somebody'}"
        case "ticket.closed" | "ticket.status_changed":
            return f"moved the {noun} to {LABELS[values['status']]}"
        case "ticket.reopened":
            return f"reopened the {noun}"
        case "ticket.deleted":
            return f"deleted the {noun}"
        case _:
            return _changed(values, shown) or f"updated the {noun}"


def _changed(values: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    parts = []
    if "subject" in values:
        parts.append(f"changed the title to “{values['subject']}”")
    if "category" in values:
        name = shown.get("category")
        parts.append(f"set the category to {name}" if name else "cleared the category")
    if "priority" in values:
        word = PRIORITY_LABELS.get(values["priority"], values["priority"])
        parts.append(f"set the priority to {word}" if word else "cleared the priority")
    for word in ("added", "removed"):
        if names := shown.get(f"labels_{word}"):
            quoted = ", ".join(f"“{name}”" for name in names)
            parts.append(f"{word} the label{'' if len(names) == 1 else 's'} {quoted}")
    return ", ".join(parts)
