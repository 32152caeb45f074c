"""Store which Discord users hold which team roles and individual permissions in a guild.

Members are Discord users (snowflakes), linked to a person or not. Each role membership is a
last-writer-wins register by the sender's signed time; leaving the server ends all older ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

from deskwire.accounts.identities import read_person_ids
from deskwire.events import channels, log
from deskwire.events.channels import Channel
from deskwire.events.types.registry import (
    MemberLeft,
    MemberRoleChanged,
    TeamMemberAssigned,
    TeamMemberUnassigned,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission, permission_names
from deskwire.workspaces.guilds.roles import RoleMemberRow, record_role_name, role_members, roles
from deskwire.workspaces.name_changes import record_discord_name
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Origin, Principal, discord_principal

guild_members = Table(
    "guild_members",
    metadata,
    Column("guild", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("left_at", BigInteger, nullable=False),  # ms; 0: never
    Column("permissions", BigInteger, nullable=False),  # individual, beside those of roles
    Column("permitted_at", BigInteger, nullable=False),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_guild_members_principal", "principal"),
)


class GuildMemberRow:
    """A row of `guild_members`."""

    guild: str
    principal: str
    left_at: int
    permissions: int
    permitted_at: int
    revision: int


def record_role_membership(
    tx: Connection,
    origin: Origin,
    *,
    guild_id: str,
    role_id: str,
    role_name: str,
    user_id: str,
    username: str,
    assigned: bool,
) -> None:
    """Record that a member was given a team role, or lost it (`assigned`)."""
    principal = discord_principal(user_id)
    guilds.ensure_guild(tx, origin, guild_id)
    access_changes = record_role_name(tx, guild_id, role_id, role_name, origin.at)
    record_discord_name(tx, principal, username, origin.at)
    revision, is_current = _merge_role_membership(
        tx, guild_id, role_id, principal, assigned, origin.at
    )
    event_type = TeamMemberAssigned if assigned else TeamMemberUnassigned
    event = event_type.model_validate(
        {
            **origin.wire_fields,
            "workspace": channels.guild(guild_id),
            "actor": origin.actor,
            "revision": revision,
        },
        by_alias=True,
        by_name=False,
    )
    record_guild_member_event(
        tx, event, principal, origin.cause, access_changes, is_current=is_current
    )


def record_member_left(
    tx: Connection, origin: Origin, *, guild_id: str, user_id: str, username: str
) -> None:
    """Record that a member left the server; their older roles and permissions there end."""
    principal = discord_principal(user_id)
    guilds.ensure_guild(tx, origin, guild_id)
    record_discord_name(tx, principal, username, origin.at)
    row = _ensure_member(tx, guild_id, principal)
    values: dict[str, object] = {"left_at": max(row.left_at, origin.at)}
    if row.permitted_at <= origin.at:
        values["permissions"] = 0
    _update_member(tx, row, values)
    tx.execute(
        update(role_members)
        .where(role_members.c.guild == guild_id, role_members.c.principal == principal)
        .where(role_members.c.changed_at <= origin.at, role_members.c.active)
        .values(active=False, revision=role_members.c.revision + 1)
    )
    event = MemberLeft.model_validate(
        {
            **origin.wire_fields,
            "workspace": channels.guild(guild_id),
            "actor": origin.actor,
            "revision": row.revision + 1,
        },
        by_alias=True,
        by_name=False,
    )
    record_guild_member_event(
        tx, event, principal, origin.cause, is_current=origin.at >= row.left_at
    )


def set_member_permissions(
    tx: Connection,
    origin: Origin,
    guild_id: str,
    principal: Principal,
    permissions: DiscordPermission,
) -> None:
    """Replace a member's individual permissions in a guild."""
    guilds.ensure_guild(tx, origin, guild_id)
    row = _ensure_member(tx, guild_id, principal)
    _update_member(tx, row, {"permissions": int(permissions), "permitted_at": origin.at})
    event = MemberRoleChanged(
        workspace=channels.guild(guild_id),
        actor=origin.actor,
        member=read_names(tx, [principal])[principal],
        permissions=permission_names(permissions),
        revision=row.revision + 1,
    )
    record_guild_member_event(tx, event, principal, origin.cause)


def list_roles_with_holders(tx: Connection, guild_id: str) -> list[tuple[str, list[Principal]]]:
    """List the active roles of a guild, by name, with their holders."""
    rows = tx.execute(
        select(roles.c.discord_role, roles.c.name, role_members.c.principal)
        .outerjoin(
            role_members,
            and_(
                role_members.c.guild == roles.c.guild,
                role_members.c.discord_role == roles.c.discord_role,
                role_members.c.active,
            ),
        )
        .where(roles.c.guild == guild_id, roles.c.active)
        .order_by(roles.c.name, roles.c.discord_role, role_members.c.principal)
    )
    holders_by_role: dict[str, tuple[str, list[Principal]]] = {}
    for role, name, principal in rows:
        holders = holders_by_role.setdefault(role, (name, []))[1]
        holders += [principal] if principal else []
    return list(holders_by_role.values())


def _merge_role_membership(
    tx: Connection, guild_id: str, role_id: str, principal: Principal, assigned: bool, at: Millis
) -> tuple[int, bool]:
    """Store a role membership. Returns its revision, and whether the change is current.

    It is current if no newer one is known and the member has not left since.
    """
    table = role_members
    where = and_(
        table.c.guild == guild_id, table.c.discord_role == role_id, table.c.principal == principal
    )
    row = fetch_first(tx, select(table).where(where), RoleMemberRow)
    is_member = at > _read_left_at(tx, guild_id, principal)
    values = {"assigned": assigned, "changed_at": at, "active": assigned and is_member}
    if row is None:
        key = {"guild": guild_id, "discord_role": role_id, "principal": principal}
        tx.execute(insert(table).values(**key, **values, revision=1))
        return 1, is_member
    # At the same time, removal wins: the order of arrival must not decide about permissions.
    is_newest = (at, not assigned) >= (row.changed_at, not row.assigned)
    changed = values if is_newest else {}
    revision = row.revision + 1
    tx.execute(update(table).where(where).values({**changed, "revision": revision}))
    return revision, is_newest and is_member


def _read_left_at(tx: Connection, guild_id: str, principal: Principal) -> Millis:
    query = select(guild_members.c.left_at).where(_where_member(guild_id, principal))
    return tx.execute(query).scalar_one_or_none() or 0


def _ensure_member(tx: Connection, guild_id: str, principal: Principal) -> GuildMemberRow:
    query = select(guild_members).where(_where_member(guild_id, principal))
    if (row := fetch_first(tx, query, GuildMemberRow)) is not None:
        return row
    key = {"guild": guild_id, "principal": principal}
    tx.execute(
        insert(guild_members).values(**key, left_at=0, permissions=0, permitted_at=0, revision=1)
    )
    return fetch_one(tx, query, GuildMemberRow)


def _update_member(tx: Connection, row: GuildMemberRow, values: dict[str, object]) -> None:
    tx.execute(
        update(guild_members)
        .where(_where_member(row.guild, row.principal))
        .values({**values, "revision": guild_members.c.revision + 1})
    )


def _where_member(guild_id: str, principal: Principal) -> ColumnElement[bool]:
    return and_(guild_members.c.guild == guild_id, guild_members.c.principal == principal)


def record_guild_member_event(
    tx: Connection,
    event: TeamMemberAssigned | TeamMemberUnassigned | MemberLeft | MemberRoleChanged,
    principal: Principal,
    cause: str | None,
    access_changes: Sequence[Channel] = (),
    *,
    is_current: bool = True,
) -> None:
    """Record an event about a member, for the guild and the person linked to them, if any.

    The person's streams authorize again. A change that is not current is not sent to the person:
    they may have lost access to the guild since.
    """
    person_ids = read_person_ids(tx, [principal]).values()
    own_channels = [channels.user(person_id) for person_id in person_ids]
    log.append(
        tx,
        event,
        channels=[*(own_channels if is_current else ()), str(event.workspace)],
        access_changes=[*own_channels, *access_changes],
        cause=cause,
    )
