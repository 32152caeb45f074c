"""Store a guild's team roles, mirrored from Discord, and their permissions.

Name, presence and every permission bit are last-writer-wins registers by the sender's signed time.
A role starts with the preset of its exact name, or with no permissions; bits that were changed
since override the preset.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    TeamRoleCreated,
    TeamRoleDeleted,
    TeamRoleEvent,
    TeamRoleUpdated,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission, parse_known_names, preset_for
from deskwire.workspaces.origin import Origin

roles = Table(
    "roles",
    metadata,
    Column("guild", Text, primary_key=True),
    Column("discord_role", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("named_at", BigInteger, nullable=False),  # ms
    Column("made_at", BigInteger, nullable=False),  # ms; newest "created", 0: never received
    Column("deleted_at", BigInteger, nullable=False),  # ms; newest "deleted", 0: never
    Column("bits", Text, nullable=False),  # JSON {permission: [ms, off]}: overrides of the preset
    Column("active", Boolean, nullable=False),  # derived: deleted roles grant nothing
    Column("permissions", BigInteger, nullable=False),  # derived from name and bits
    Column("revision", Integer, nullable=False, server_default="0"),
)

role_members = Table(
    "role_members",
    metadata,
    Column("guild", Text, primary_key=True),
    Column("discord_role", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("assigned", Boolean, nullable=False),
    Column("changed_at", BigInteger, nullable=False),  # ms
    Column("active", Boolean, nullable=False),  # derived: assigned since the member last left
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_role_members_principal", "principal"),
)


class RoleRow:
    """A row of `roles`."""

    guild: str
    discord_role: str
    name: str
    named_at: int
    made_at: int
    deleted_at: int
    bits: str
    active: bool
    permissions: int
    revision: int


class RoleMemberRow:
    """A row of `role_members`."""

    guild: str
    discord_role: str
    principal: str
    assigned: bool
    changed_at: int
    active: bool
    revision: int


ROLE_EVENT_TYPES: dict[str, type[TeamRoleEvent]] = {
    "created": TeamRoleCreated,
    "updated": TeamRoleUpdated,
    "deleted": TeamRoleDeleted,
}


def record_role_change(
    tx: Connection, origin: Origin, action: str, guild_id: str, role_id: str, name: str
) -> None:
    """Record that a role was created, updated or deleted (`action`).

    `origin.wire_fields` are the fields of the sender's event, with all changes.
    """
    guilds.ensure_guild(tx, origin, guild_id)
    row = ensure_role(tx, guild_id, role_id, name, origin.at)
    values = _merge_role_change(
        row, origin.at, action, name, origin.wire_fields.get("changes") or {}
    )
    tx.execute(
        update(roles)
        .where(where_role(guild_id, role_id))
        .values(**values, revision=roles.c.revision + 1)
    )
    workspace = channels.guild(guild_id)
    event = ROLE_EVENT_TYPES[action].model_validate(
        {
            **origin.wire_fields,
            "workspace": workspace,
            "actor": origin.actor,
            "revision": row.revision + 1,
        },
        by_alias=True,
        by_name=False,
    )
    access_changes = [workspace, *read_holder_channels(tx, guild_id, role_id)]
    log.append(tx, event, channels=[workspace], access_changes=access_changes, cause=origin.cause)


def record_role_name(
    tx: Connection, guild_id: str, role_id: str, name: str, at: Millis
) -> list[Channel]:
    """Store the name an event gives a role. Returns the channels whose access it changes.

    Another name may mean another preset of permissions, for everyone who holds the role.
    """
    before = tx.execute(select(roles.c.permissions).where(where_role(guild_id, role_id))).scalar()
    row = ensure_role(tx, guild_id, role_id, name, at)
    if before is None or before == row.permissions:
        return []
    return [channels.guild(guild_id), *read_holder_channels(tx, guild_id, role_id)]


def ensure_role(tx: Connection, guild_id: str, role_id: str, name: str, at: Millis) -> RoleRow:
    """Return the role's row, created if the role is unknown, renamed if `at` is newer."""
    query = select(roles).where(where_role(guild_id, role_id))
    row = fetch_first(tx, query, RoleRow)
    if row is None:
        tx.execute(insert(roles).values(_new_role_row(guild_id, role_id, name, at)))
    elif at >= row.named_at:
        values = {
            "name": name,
            "named_at": at,
            "permissions": effective_permissions(name, row.bits),
        }
        values["revision"] = row.revision + 1
        tx.execute(update(roles).where(where_role(guild_id, role_id)).values(values))
    else:
        return row
    return fetch_one(tx, query, RoleRow)


def read_holder_channels(tx: Connection, guild_id: str, role_id: str) -> list[Channel]:
    """Return the channels of all people assigned to the role, active or not.

    A deleted role that is created again gives them their access back.
    """
    table = role_members
    assigned = tx.execute(
        select(table.c.principal).where(
            table.c.guild == guild_id, table.c.discord_role == role_id, table.c.assigned
        )
    ).scalars()
    person_ids = read_person_ids(tx, list(assigned)).values()
    return [channels.user(person_id) for person_id in person_ids]


def _new_role_row(guild_id: str, role_id: str, name: str, at: Millis) -> dict[str, object]:
    return {
        "guild": guild_id,
        "discord_role": role_id,
        "name": name,
        "named_at": at,
        "made_at": 0,
        "deleted_at": 0,
        "bits": "{}",
        "active": True,
        "permissions": int(preset_for(name)),
        "revision": 1,
    }


def _merge_role_change(
    row: RoleRow, at: Millis, action: str, name: str, changes: dict[str, Any]
) -> dict[str, object]:
    """Merge a change into a role's columns; every order of arrival gives the same result."""
    made_at = max(row.made_at, at) if action == "created" else row.made_at
    deleted_at = max(row.deleted_at, at) if action == "deleted" else row.deleted_at
    bits = json.loads(row.bits)
    permissions = changes.get("permissions") or {}
    _set_bits(bits, parse_known_names(permissions.get("added") or ()), at, on=True)
    _set_bits(bits, parse_known_names(permissions.get("removed") or ()), at, on=False)
    return {
        "made_at": made_at,
        "deleted_at": deleted_at,
        "active": deleted_at == 0 or made_at > deleted_at,
        "bits": json.dumps(bits, sort_keys=True),
        "permissions": effective_permissions(row.name, json.dumps(bits)),
    }


def _set_bits(
    bits: dict[str, list[int]], changed: Iterable[DiscordPermission], at: Millis, *, on: bool
) -> None:
    for bit in changed:
        name = str(bit.name)
        # At the same time, removal wins: the order of arrival must not decide about permissions.
        if [at, not on] >= bits.get(name, [-1, 0]):
            bits[name] = [at, not on]


def effective_permissions(name: str, bits: str) -> int:
    """Return a role's permissions: the preset of its name, with the bits changed since."""
    permissions = preset_for(name)
    for bit, (_at, off) in json.loads(bits).items():
        if off:
            permissions &= ~DiscordPermission[bit]
        else:
            permissions |= DiscordPermission[bit]
    return int(permissions)


def where_role(guild_id: str, role_id: str) -> ColumnElement[bool]:
    return and_(roles.c.guild == guild_id, roles.c.discord_role == role_id)
