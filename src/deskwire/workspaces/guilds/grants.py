"""Who may hear a guild: its owner, holders of active roles, holders of single permissions.

`guild:ID` needs any of them; `tickets:guild:ID` needs to be the owner or hold TICKET_VIEW_ALL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, literal, null, select, true
from sqlalchemy import and_ as all_of

from deskwire.accounts.identities import identities
from deskwire.accounts.people import people
from deskwire.events.access import PeopleParameter
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.guilds.roles import role_members, roles

VIEW_ALL_BIT = int(DiscordPermission.TICKET_VIEW_ALL)


def personal_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Everybody hears their own channel; who is deactivated hears nothing at all."""
    channel = literal("user:", Text) + people.c.id
    is_here = all_of(people.c.id.in_(person_ids), people.c.deactivated_at.is_(None))
    return [select(people.c.id, channel, null(), literal("self")).where(is_here)]


def guild_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """The guild channels of `persons`: rows of person, channel, workspace, why."""
    by_role = roles.join(
        role_members,
        all_of(
            role_members.c.guild == roles.c.guild,
            role_members.c.discord_role == roles.c.discord_role,
        ),
    )
    in_role = all_of(role_members.c.active, roles.c.active)
    found: list[Select[Any]] = []
    for kind, owner_is, role_is, member_is in (
        ("guild:", true(), true(), guild_members.c.permissions != 0),
        (
            "tickets:guild:",
            true(),
            _allows_view_all(roles.c.permissions),
            _allows_view_all(guild_members.c.permissions),
        ),
    ):
        found += [
            _select_grant(person_ids, kind, guilds.c.id, guilds.c.owner, guilds, "owner", owner_is),
            _select_grant(
                person_ids,
                kind,
                roles.c.guild,
                role_members.c.principal,
                by_role,
                "role",
                all_of(in_role, role_is),
            ),
            _select_grant(
                person_ids,
                kind,
                guild_members.c.guild,
                guild_members.c.principal,
                guild_members,
                "permission",
                member_is,
            ),
        ]
    return found


def _allows_view_all(permissions: ColumnElement[int]) -> ColumnElement[bool]:
    return permissions.bitwise_and(VIEW_ALL_BIT) != 0


def _select_grant(
    person_ids: PeopleParameter,
    kind: str,
    guild: ColumnElement[str],
    principal: ColumnElement[str],
    source: FromClause,
    why: str,
    condition: ColumnElement[bool],
) -> Select[Any]:
    return (
        select(
            identities.c.person,
            literal(kind, Text) + guild,
            literal("guild:", Text) + guild,
            literal(why),
        )
        .select_from(source.join(identities, identities.c.principal == principal))
        .where(identities.c.person.in_(person_ids), condition)
    )
