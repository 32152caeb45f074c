"""Grant the channels of guilds to their owners, role holders and members with permissions.

Any of these grants `guild:ID`; `tickets:guild:ID` takes the owner, or TICKET_VIEW_ALL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Text, and_, literal, select, true

from deskwire.accounts.identities import identities
from deskwire.accounts.people import people
from deskwire.events.access import PeopleParameter
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.guilds.roles import role_members, roles

VIEW_ALL_BIT = int(DiscordPermission.TICKET_VIEW_ALL)


def guild_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Select the guild channels of people: rows of (person, channel, workspace, reason)."""
    return _select_grants(person_ids, by_identity=True)


def select_guild_grants_of_principals(principals: PeopleParameter) -> list[Select[Any]]:
    """Select the guild channels of Discord users: rows of (principal, channel, workspace, reason).

    They need no account; one whose account is deactivated has none.
    """
    return _select_grants(principals, by_identity=False)


def is_deactivated(principal: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition of principals whose account is deactivated."""
    accounts = identities.join(people, people.c.id == identities.c.person)
    query = select(identities.c.principal).select_from(accounts)
    return principal.in_(query.where(people.c.deactivated_at.is_not(None)))


def _select_grants(subjects: PeopleParameter, *, by_identity: bool) -> list[Select[Any]]:
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
                by_identity,
                subjects,
                prefix,
                guilds.c.id,
                guilds.c.owner,
                guilds,
                "owner",
                owner_is,
            ),
            _select_grant(
                by_identity,
                subjects,
                prefix,
                roles.c.guild,
                role_members.c.principal,
                by_role,
                "role",
                and_(in_role, role_is),
            ),
            _select_grant(
                by_identity,
                subjects,
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
    by_identity: bool,
    subjects: PeopleParameter,
    prefix: str,
    guild: ColumnElement[str],
    principal: ColumnElement[str],
    source: FromClause,
    reason: str,
    condition: ColumnElement[bool],
) -> Select[Any]:
    workspace = literal("guild:", Text) + guild
    granted: list[ColumnElement[Any]] = [
        literal(prefix, Text) + guild,
        workspace,
        literal(reason),
    ]
    if by_identity:
        joined = source.join(identities, identities.c.principal == principal)
        by_person = select(identities.c.person, *granted).select_from(joined)
        return by_person.where(identities.c.person.in_(subjects), condition)
    direct = select(principal, *granted).select_from(source)
    return direct.where(principal.in_(subjects), ~is_deactivated(principal), condition)
