"""Members: which Discord users hold which team roles, and single permissions beside them.

Everything is kept by snowflake, whether a person is linked to it yet or not. Each membership is
last-writer by the sender's signed time; leaving the server ends all that is older.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

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
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission, permission_names
from deskwire.workspaces.guilds.roles import record_role_name, role_members, roles
from deskwire.workspaces.names import read_names, read_person_ids, record_discord_name
from deskwire.workspaces.origin import Origin, Principal, discord_principal

guild_members = Table(
    "guild_members",
    metadata,
    Column("guild", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("left_at", BigInteger, nullable=False),  # ms; 0: never
    Column("permissions", BigInteger, nullable=False),  # individual, beside every role
    Column("permitted_at", BigInteger, nullable=False),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_guild_members_principal", "principal"),
)


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
    """A team role was given to somebody, or taken away."""
    principal = discord_principal(user_id)
    guilds.ensure_guild(tx, guild_id, origin.at)
    touched = record_role_name(tx, guild_id, role_id, role_name, origin.at)
    record_discord_name(tx, principal, username, origin.at)
    revision, counts = _merge_role_membership(tx, guild_id, role_id, principal, assigned, origin.at)
    kind = TeamMemberAssigned if assigned else TeamMemberUnassigned
    event = kind.model_validate(
        {
            **origin.wire_fields,
            "workspace": channels.guild(guild_id),
            "actor": origin.actor,
            "revision": revision,
        },
        by_alias=True,
        by_name=False,
    )
    record_guild_member_event(tx, event, principal, origin.cause, touched, is_current=counts)


def record_member_left(
    tx: Connection, origin: Origin, *, guild_id: str, user_id: str, username: str
) -> None:
    """Somebody left the server, and with it every role and permission they had there."""
    principal = discord_principal(user_id)
    guilds.ensure_guild(tx, guild_id, origin.at)
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
    """Give somebody exactly these individual permissions in a guild (none: take them away)."""
    guilds.ensure_guild(tx, guild_id, origin.at)
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
    """The active roles of a guild, by name, with who holds them."""
    held = tx.execute(
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
    team: dict[str, tuple[str, list[Principal]]] = {}
    for role, name, principal in held:
        holders = team.setdefault(role, (name, []))[1]
        holders += [principal] if principal else []
    return list(team.values())


def _merge_role_membership(
    tx: Connection, guild_id: str, role_id: str, principal: Principal, assigned: bool, at: Millis
) -> tuple[int, bool]:
    """The revision, and whether the fact counts: nothing newer is known, they are here."""
    table = role_members
    here = and_(
        table.c.guild == guild_id, table.c.discord_role == role_id, table.c.principal == principal
    )
    row = tx.execute(select(table).where(here)).one_or_none()
    is_here = at > _read_left_at(tx, guild_id, principal)
    values = {"assigned": assigned, "changed_at": at, "active": assigned and is_here}
    if row is None:
        key = {"guild": guild_id, "discord_role": role_id, "principal": principal}
        tx.execute(insert(table).values(**key, **values, revision=1))
        return 1, is_here
    # At the same time, taking away wins: the order of arrival must not decide over rights.
    newer = (at, not assigned) >= (row.changed_at, not row.assigned)
    revision = int(row.revision) + 1
    tx.execute(
        update(table).where(here).values({**(values if newer else {}), "revision": revision})
    )
    return revision, newer and is_here


def _read_left_at(tx: Connection, guild_id: str, principal: Principal) -> Millis:
    found = tx.execute(select(guild_members.c.left_at).where(_where_member(guild_id, principal)))
    return found.scalar_one_or_none() or 0


def _ensure_member(tx: Connection, guild_id: str, principal: Principal) -> Row[tuple[Any, ...]]:
    found = select(guild_members).where(_where_member(guild_id, principal))
    if (row := tx.execute(found).one_or_none()) is not None:
        return row
    key = {"guild": guild_id, "principal": principal}
    tx.execute(
        insert(guild_members).values(**key, left_at=0, permissions=0, permitted_at=0, revision=1)
    )
    return tx.execute(found).one()


def _update_member(tx: Connection, row: Row[tuple[Any, ...]], values: dict[str, object]) -> None:
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
    """To the guild and, if there is one and it is news, to the person: their access may change."""
    people: Sequence[str] = list(read_person_ids(tx, [principal]).values())
    personal = [channels.user(person) for person in people]
    # What comes late is not for somebody who has lost the place since.
    audience = [*(personal if is_current else ()), str(event.workspace)]
    log.append(
        tx, event, channels=audience, access_changes=[*personal, *access_changes], cause=cause
    )
