"""What people did to a ticket here, as sentences to be read after their name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from deskwire.kit.i18n import N_, gettext, ngettext
from deskwire.tickets.statuses import STATUS_LABELS

Priority = Literal["low", "normal", "high", "urgent"]
PRIORITY_LABELS: Mapping[Priority, str] = {
    "low": N_("Low"),
    "normal": N_("Normal"),
    "high": N_("High"),
    "urgent": N_("Urgent"),
}
# What happened, by the type of its event; of a server's ticket, and of a request.
SENTENCES: Mapping[str, tuple[str, str]] = {
    "ticket.created": (N_("opened the ticket"), N_("opened the request")),
    "ticket.claimed": (N_("claimed the ticket"), N_("claimed the request")),
    "ticket.unclaimed": (N_("gave the ticket back"), N_("gave the request back")),
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


def describe_portal_event(type_: str, data: Mapping[str, Any]) -> str:
    """What a fact with `set` says; `shown` holds the names of what ids in it stand for."""
    values, shown = data["set"], data.get("shown") or {}
    is_request = data.get("noun") == "request"
    if type_ not in SENTENCES:
        return _describe_changes(values, shown) or gettext(UPDATED_SENTENCES[is_request])
    assignee = shown.get("assignee") or gettext("somebody")
    status = gettext(STATUS_LABELS[values["status"]]) if "status" in values else ""
    return gettext(SENTENCES[type_][is_request], assignee=assignee, status=status)


def quote_names(names: Iterable[str]) -> str:
    """`“pump”, “night”`."""
    return ", ".join(gettext("“%(name)s”", name=name) for name in names)


def find_priority_label(priority: str | None) -> str | None:
    """What screens call a priority; None for a word that is none of ours."""
    return next((label for word, label in PRIORITY_LABELS.items() if word == priority), None)


def _describe_changes(values: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    parts = []
    if "subject" in values:
        parts.append(gettext("changed the title to “%(title)s”", title=values["subject"]))
    if "category" in values:
        name = shown.get("category")
        parts.append(
            gettext("set the category to %(category)s", category=name)
            if name
            else gettext("cleared the category")
        )
    if "priority" in values:
        parts.append(_describe_priority(values["priority"]))
    if names := shown.get("labels_added"):
        parts.append(
            ngettext(
                "added the label %(labels)s",
                "added the labels %(labels)s",
                len(names),
                labels=quote_names(names),
            )
        )
    if names := shown.get("labels_removed"):
        parts.append(
            ngettext(
                "removed the label %(labels)s",
                "removed the labels %(labels)s",
                len(names),
                labels=quote_names(names),
            )
        )
    return ", ".join(parts)


def _describe_priority(word: Priority | None) -> str:
    if not word:
        return gettext("cleared the priority")
    label = find_priority_label(word)
    return gettext("set the priority to %(priority)s", priority=gettext(label) if label else word)
