"""Define the permissions of a guild: named bits of a 64-bit number.

The bits are the bot's (wire formats, section 5) and never change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

from deskwire.kit.errors import Invalid


class DiscordPermission(IntFlag):
    """A permission in a guild."""

    PANEL_CREATE = 1 << 0
    PANEL_EDIT = 1 << 1
    PANEL_DELETE = 1 << 2
    PANEL_DEPLOY = 1 << 3
    TICKET_VIEW_ALL = 1 << 4
    TICKET_CLAIM = 1 << 5
    TICKET_CLOSE_ANY = 1 << 6
    TICKET_ASSIGN = 1 << 7
    TICKET_DELETE = 1 << 8
    TICKET_EXPORT = 1 << 9
    ROLE_CREATE = 1 << 10
    ROLE_EDIT = 1 << 11
    ROLE_DELETE = 1 << 12
    ROLE_ASSIGN = 1 << 13
    MEMBER_VIEW = 1 << 14
    MEMBER_BLACKLIST = 1 << 15
    FORM_CREATE = 1 << 16
    FORM_EDIT = 1 << 17
    FORM_DELETE = 1 << 18
    TAG_CREATE = 1 << 19
    TAG_EDIT = 1 << 20
    TAG_DELETE = 1 << 21
    TAG_USE = 1 << 22
    GUILD_SETTINGS_VIEW = 1 << 23
    GUILD_SETTINGS_EDIT = 1 << 24
    ANALYTICS_VIEW = 1 << 25
    FEEDBACK_VIEW = 1 << 26
    FEEDBACK_MANAGE = 1 << 27
    MEMBER_UNBLACKLIST = 1 << 28


NO_PERMISSIONS = DiscordPermission(0)
ALL_PERMISSIONS = ~NO_PERMISSIONS

ROLE_PRESETS: dict[str, DiscordPermission] = {
    "Tickets Admin": ALL_PERMISSIONS,
    "Tickets Support": (
        DiscordPermission.TICKET_VIEW_ALL
        | DiscordPermission.TICKET_CLAIM
        | DiscordPermission.TICKET_ASSIGN
        | DiscordPermission.TAG_USE
        | DiscordPermission.MEMBER_VIEW
    ),
    "Tickets Viewer": (
        DiscordPermission.ANALYTICS_VIEW
        | DiscordPermission.TICKET_VIEW_ALL
        | DiscordPermission.MEMBER_VIEW
        | DiscordPermission.GUILD_SETTINGS_VIEW
    ),
}


def preset_for(role_name: str) -> DiscordPermission:
    """Return the initial permissions of a role with this exact name; none for other names."""
    return ROLE_PRESETS.get(role_name, NO_PERMISSIONS)


def parse_names(names: Iterable[str]) -> DiscordPermission:
    """Return the permissions with these names. Raises Invalid for an unknown name."""
    permissions = NO_PERMISSIONS
    for name in names:
        if name not in DiscordPermission.__members__:
            known = ", ".join(DiscordPermission.__members__)
            raise Invalid(f"There is no permission {name!r}. Choose from: {known}.")
        permissions |= DiscordPermission[name]
    return permissions


def parse_known_names(names: Iterable[str]) -> Iterable[DiscordPermission]:
    """Yield the permissions among `names`; unknown names are skipped."""
    return (DiscordPermission[name] for name in names if name in DiscordPermission.__members__)


def permission_names(permissions: int) -> list[str]:
    """Return the names of the bits set in `permissions`, lowest first."""
    return [bit.name or "" for bit in DiscordPermission if bit & permissions]
