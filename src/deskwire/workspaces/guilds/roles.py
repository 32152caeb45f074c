"""Team roles of a guild, mirrored from Discord, and what each allows.

Name, presence and each permission bit are last-writer by the sender's signed time. The name
decides what a role starts with (a preset by exact name, else nothing); bits changed since stand
above it.
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
    TeamRoleCreated,
    TeamRoleDeleted,
    TeamRoleEvent,
    TeamRoleUpdated,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission, parse_known_names, preset_for
from deskwire.workspaces.names import read_person_ids
from deskwire.workspaces.origin import Origin

roles = Table(
    "roles",
    metadata,
    Column("guild", Text, primary_key=True),
    Column("discord_role", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("named_at", BigInteger, nullable=False),  # ms
    Column("made_at", BigInteger, nullable=False),  # ms; newest "created", 0: never told
    Column("deleted_at", BigInteger, nullable=False),  # ms; newest "deleted", 0: never
    Column("bits", Text, nullable=False),  # JSON {permission: [ms, off]}: changed since the preset
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
    Column("active", Boolean, nullable=False),  # derived: assigned since they last left
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_role_members_principal", "principal"),
)

ROLE_EVENT_TYPES: dict[str, type[TeamRoleEvent]] = {
    "created": TeamRoleCreated,
    "updated": TeamRoleUpdated,
    "deleted": TeamRoleDeleted,
}


def record_role_change(
    tx: Connection, origin: Origin, action: str, guild_id: str, role_id: str, name: str
) -> None:
    """A role was created, updated or deleted (`action`), as `origin.wire` tells in full."""
    guilds.ensure_guild(tx, guild_id, origin.at)
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
    touched = [workspace, *read_holder_channels(tx, guild_id, role_id)]
    log.append(tx, event, channels=[workspace], access_changes=touched, cause=origin.cause)


def record_role_name(
    tx: Connection, guild_id: str, role_id: str, name: str, at: Millis
) -> list[Channel]:
    """Know a role by the name an event gave it; the channels of those whose access that changes.

    A new name may carry other rights, for everybody who holds the role.
    """
    before = tx.execute(select(roles.c.permissions).where(where_role(guild_id, role_id))).scalar()
    row = ensure_role(tx, guild_id, role_id, name, at)
    if before is None or before == row.permissions:
        return []
    return [channels.guild(guild_id), *read_holder_channels(tx, guild_id, role_id)]


def ensure_role(
    tx: Connection, guild_id: str, role_id: str, name: str, at: Millis
) -> Row[tuple[Any, ...]]:
    """The role's row; made from its name if this is the first we hear of it, renamed if newer."""
    found = select(roles).where(where_role(guild_id, role_id))
    row = tx.execute(found).one_or_none()
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
    return tx.execute(found).one()


def read_holder_channels(tx: Connection, guild_id: str, role_id: str) -> list[Channel]:
    """The persons assigned to the role; a role that comes back gives them what they lost."""
    table = role_members
    assigned = tx.execute(
        select(table.c.principal).where(
            table.c.guild == guild_id, table.c.discord_role == role_id, table.c.assigned
        )
    ).scalars()
    return [channels.user(person) for person in read_person_ids(tx, list(assigned)).values()]


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
    row: Row[tuple[Any, ...]], at: Millis, action: str, name: str, changes: dict[str, Any]
) -> dict[str, object]:
    """The role's columns after one more fact, whatever order facts come in."""
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
        # At the same time, taking away wins: the order of arrival must not decide over rights.
        if [at, not on] >= bits.get(name, [-1, 0]):
            bits[name] = [at, not on]


def effective_permissions(name: str, bits: str) -> int:
    """What a role may do by its name, and by what was changed since."""
    allowed = preset_for(name)
    for bit, (_at, off) in json.loads(bits).items():
        allowed = allowed & ~DiscordPermission[bit] if off else allowed | DiscordPermission[bit]
    return int(allowed)


def where_role(guild_id: str, role_id: str) -> ColumnElement[bool]:
    return and_(roles.c.guild == guild_id, roles.c.discord_role == role_id)
