"""Phrase the change of one field, to be read after the name of the person who made it.

A `describe_*` function takes the new value and the names behind ids (`display_values` of the
fact), and returns "" where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deskwire.kit.i18n import N_, gettext, ngettext
from deskwire.tickets.priorities import find_priority_label
from deskwire.tickets.statuses import STATUS_LABELS, Status

# A field that was set, and one that was cleared: in a server's ticket, and in direct edits.
FIELD_SENTENCES = {
    "subject": (N_("set the subject to “%(value)s”"), N_("removed the subject")),
    "priority": (N_("set the priority to “%(value)s”"), N_("removed the priority")),
}


def describe_subject(title: str | None, _names: Mapping[str, Any]) -> str:
    """Phrase a new title of a request."""
    return gettext("changed the title to “%(title)s”", title=title)


def describe_category(_category: str | None, names: Mapping[str, Any]) -> str:
    """Phrase a new category of a request."""
    name = names.get("category")
    if not name:
        return gettext("removed the category")
    return gettext("set the category to %(category)s", category=name)


def describe_labels(_labels: Iterable[str] | None, names: Mapping[str, Any]) -> str:
    """Phrase the labels that a request gained and lost."""
    parts = []
    if added := names.get("labels_added"):
        parts.append(
            ngettext(
                "added the label %(labels)s",
                "added the labels %(labels)s",
                len(added),
                labels=quote_names(added),
            )
        )
    if removed := names.get("labels_removed"):
        parts.append(
            ngettext(
                "removed the label %(labels)s",
                "removed the labels %(labels)s",
                len(removed),
                labels=quote_names(removed),
            )
        )
    return ", ".join(parts)


def describe_choice(
    column: str, labels: Mapping[Any, str], set_text: str, cleared_text: str
) -> Callable[[str | None, Mapping[str, Any]], str]:
    """Return the `describe_*` function of a field that holds a key of `labels`, or None.

    `set_text` is a msgid with the label as a placeholder named like the column.
    """

    def describe(value: str | None, _names: Mapping[str, Any]) -> str:
        if not value:
            return gettext(cleared_text)
        label = labels.get(value)
        return gettext(set_text, **{column: gettext(label) if label else value})

    return describe


def describe_tags(added: list[str] | None, removed: list[str] | None) -> Iterable[str]:
    """Phrase the tags that a server's ticket gained and lost."""
    if added:
        yield ngettext(
            "added the label %(tags)s",
            "added the labels %(tags)s",
            len(added),
            tags=quote_names(added),
        )
    if removed:
        yield ngettext(
            "removed the label %(tags)s",
            "removed the labels %(tags)s",
            len(removed),
            tags=quote_names(removed),
        )


def describe_status(status: Status) -> str:
    """Phrase a new status of a server's ticket."""
    return gettext("moved the ticket to %(status)s", status=gettext(STATUS_LABELS[status]))


def describe_plain_field(field: str, value: str | None) -> str:
    """Phrase a new subject or priority of a server's ticket."""
    set_text, cleared_text = FIELD_SENTENCES[field]
    if field == "priority" and (label := find_priority_label(value)):
        value = gettext(label)
    return gettext(set_text, value=value) if value else gettext(cleared_text)


def describe_edited_assignee(assignee: str | None) -> str:
    """Phrase an assignee that was edited directly in the database."""
    return gettext("assigned the ticket") if assignee else gettext("removed the assignee")


def describe_edited_tags(tags: list[str]) -> str:
    """Phrase tags that were edited directly in the database."""
    names = quote_names(tags)
    return (
        gettext("set the labels to %(tags)s", tags=names)
        if names
        else gettext("removed all labels")
    )


def quote_names(names: Iterable[str]) -> str:
    """Join names in quotes: `“pump”, “night”`."""
    return ", ".join(gettext("“%(name)s”", name=name) for name in names)
