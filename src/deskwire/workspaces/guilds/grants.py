"""Grant the channels of guilds to their owners, role holders and members with permissions.

Any of these grants `guild:ID`; `tickets:guild:ID` takes the owner, or TICKET_VIEW_ALL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, and_, literal, select, true

from deskwire.accounts.identities import identities
from deskwire.events.access import PeopleParameter
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.guilds.roles import role_members, roles

VIEW_ALL_BIT = int(DiscordPermission.TICKET_VIEW_ALL)


def guild_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Select the guild channels of people: rows of (person, channel, workspace, reason)."""
    by_role = roles.join(
        role_members,
        and_(
            role_members.c.guild == roles.c.guild,
            role_members.c.discord_role == roles.c.discord_role,
        ),
    )
    in_role = and_(role_members.c.active, roles.c.active)
    grants: list[Select[Any]] = []
    for prefix, owner_is, role_is, member_is in (
        ("guild:", true(), true(), guild_members.c.permissions != 0),
        (
            "tickets:guild:",
            true(),
            _allows_view_all(roles.c.permissions),
            _allows_view_all(guild_members.c.permissions),
        ),
    ):
        grants += [
            _select_grant(
                person_ids, prefix, guilds.c.id, guilds.c.owner, guilds, "owner", owner_is
            ),
            _select_grant(
                person_ids,
                prefix,
                roles.c.guild,
                role_members.c.principal,
                by_role,
                "role",
                and_(in_role, role_is),
            ),
            _select_grant(
                person_ids,
                prefix,
                guild_members.c.guild,
                guild_members.c.principal,
                guild_members,
                "permission",
                member_is,
            ),
        ]
    return grants


def _allows_view_all(permissions: ColumnElement[int]) -> ColumnElement[bool]:
    return permissions.bitwise_and(VIEW_ALL_BIT) != 0


def _select_grant(
    person_ids: PeopleParameter,
    prefix: str,
    guild: ColumnElement[str],
    principal: ColumnElement[str],
    source: FromClause,
    reason: str,
    condition: ColumnElement[bool],
) -> Select[Any]:
    return (
        select(
            identities.c.person,
            literal(prefix, Text) + guild,
            literal("guild:", Text) + guild,
            literal(reason),
        )
        .select_from(source.join(identities, identities.c.principal == principal))
        .where(identities.c.person.in_(person_ids), condition)
    )
