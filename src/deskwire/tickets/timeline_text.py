"""Phrase what happened to a ticket, to be read after the name of the person who did it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskwire.kit.i18n import N_, gettext, ngettext
from deskwire.tickets import field_text
from deskwire.tickets.request_fields import FIELDS, describe_changes, describe_edited_columns
from deskwire.tickets.statuses import STATUS_LABELS, apply_wire_status

# By the type of the event: of a server's ticket, and of a request.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "ticket.created": (N_("opened the ticket"), N_("opened the request")),
    "ticket.claimed": (N_("claimed the ticket"), N_("claimed the request")),
    "ticket.unclaimed": (N_("unassigned the ticket"), N_("unassigned the request")),
    "ticket.assigned": (
        N_("assigned the ticket to %(assignee)s"),
        N_("assigned the request to %(assignee)s"),
    ),
    "ticket.closed": (N_("moved the ticket to %(status)s"), N_("moved the request to %(status)s")),
    "ticket.status_changed": (
        N_("moved the ticket to %(status)s"),
        N_("moved the request to %(status)s"),
    ),
    "ticket.reopened": (N_("reopened the ticket"), N_("reopened the request")),
    "ticket.deleted": (N_("deleted the ticket"), N_("deleted the request")),
}
UPDATED_SENTENCES = (N_("updated the ticket"), N_("updated the request"))


def describe_event(type_: str, data: dict[str, Any]) -> str:
    """Phrase an event from its own fields. Raises KeyError or TypeError if they do not fit."""
    if "set" in data:
        return _describe_portal_event(type_, data)
    match type_:
        case "ticket.created":
            return gettext("opened the ticket")
        case "ticket.updated":
            return _describe_sender_changes(data.get("changes") or {})
        case "ticket.claimed":
            return _append_reason(gettext("claimed the ticket"), data)
        case "ticket.closed":
            return _append_reason(gettext("closed the ticket"), data)
        case "ticket.deleted":
            return _append_reason(gettext("deleted the ticket"), data)
        case "ticket.edited":
            return _describe_direct_edit(data.get("edit") or {})
        case "ticket.status_changed":
            status, _ = apply_wire_status(
                data["newStatus"], status="active", assignee=None, was_claimed=True, actor=""
            )
            return _append_reason(field_text.describe_status(status), data)
        case _:
            return type_.partition(".")[2].replace("_", " ")


def describe_withheld_text(data: Mapping[str, Any]) -> str:
    """Phrase a message whose text the sender does not pass on."""
    length = data.get("messageLength", 0)
    if data.get("hasAttachments"):
        return ngettext(
            "wrote %(num)s character with attachments in Discord",
            "wrote %(num)s characters with attachments in Discord",
            length,
        )
    return ngettext(
        "wrote %(num)s character in Discord", "wrote %(num)s characters in Discord", length
    )


def _describe_portal_event(type_: str, data: Mapping[str, Any]) -> str:
    """Phrase a fact of the portal: `set` has the values, `shown` the names behind its ids."""
    values, names = data["set"], data.get("shown") or {}
    is_request = data.get("noun") == "request"
    if type_ not in SENTENCES:
        return describe_changes(values, names) or gettext(UPDATED_SENTENCES[is_request])
    assignee = names.get("assignee") or gettext("someone")
    status = gettext(STATUS_LABELS[values["status"]]) if "status" in values else ""
    return gettext(SENTENCES[type_][is_request], assignee=assignee, status=status)


def _describe_sender_changes(changes: Mapping[str, Any]) -> str:
    parts = [
        field_text.describe_plain_field(name, changes[name].get("new"))
        for name in field_text.FIELD_SENTENCES
        if changes.get(name)
    ]
    tags = changes.get("tags") or {}
    parts += field_text.describe_tags(tags.get("added"), tags.get("removed"))
    return ", ".join(parts) or gettext("updated the ticket")


def _describe_direct_edit(edit: Mapping[str, Any]) -> str:
    """Phrase the columns that a direct edit set: status, fields, people, tags, and the rest."""
    framed = ("status", "assignee", "tags")
    others = [field.column for field in FIELDS.values() if field.column not in framed]
    parts = describe_edited_columns(edit, ["status", *others, "assignee"])
    if "opener" in edit:
        parts.append(gettext("changed who opened the ticket"))
    parts += describe_edited_columns(edit, ["tags"])
    if "deleted_at" in edit:
        is_deleted = bool(edit["deleted_at"])
        parts.append(
            gettext("deleted the ticket") if is_deleted else gettext("restored the ticket")
        )
    return ", ".join(parts) or gettext("edited the ticket")


def _append_reason(sentence: str, data: Mapping[str, Any]) -> str:
    if not data.get("reason"):
        return sentence
    return gettext("%(what)s: %(reason)s", what=sentence, reason=data["reason"])
