"""Name what events change, so that a page states what it shows instead of listing event types.

Every event class declares its `aspects`; a part of a page passes those it shows to `live_events`
in its `data-live` attribute. Templates use the values of the enum.
"""

from __future__ import annotations

from enum import StrEnum


class Aspect(StrEnum):
    """Something that events change and pages show."""

    TICKET = "ticket"  # anything of a ticket: every ticket event changes it
    TICKET_STATUS = "ticket status"
    TICKET_ASSIGNEE = "ticket assignee"
    TICKET_FIELDS = "ticket fields"  # subject, priority, category, labels
    TICKET_MESSAGES = "ticket messages"
    TICKET_EDITS = "ticket edits"  # of messages that are on the page: they change or disappear
    TICKET_FILES = "ticket files"
    TICKET_PARTICIPANTS = "ticket participants"
    GUILD = "guild"
    TEAM = "team"  # of a Discord server: its roles, and the people who have them
    ORGANIZATION = "organization"  # its name, URL, description, categories and visibility
    MEMBERS = "members"  # of an organization, with their roles
    INVITATIONS = "invitations"
    KEYS = "keys"  # API keys, in the lists of those who manage them
    PERSON = "person"
    SESSIONS = "sessions"
