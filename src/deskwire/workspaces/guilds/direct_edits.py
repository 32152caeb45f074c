"""Record direct edits of guilds, roles and members as events.

A direct edit is a write at the time it was made: events signed earlier cannot undo it, later ones
can. A deleted role or role membership is inserted again as a removed one; otherwise an older event
that arrives late could restore it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, Table, and_, insert, select, update

from deskwire.accounts.identities import read_person_ids
from deskwire.events import channels, log
from deskwire.events.channels import Channel
from deskwire.events.types.registry import (
    GuildDeleted,
    GuildEvent,
    GuildJoined,
    GuildLeft,
    GuildUpdated,
    MemberLeft,
    MemberRoleChanged,
    TeamMemberAssigned,
    TeamMemberUnassigned,
)
from deskwire.kit.rows import RowView, fetch_one
from deskwire.workspaces.guilds import members
from deskwire.workspaces.guilds.guilds import GuildRow, guild_event, guild_from_row, guilds
from deskwire.workspaces.guilds.members import GuildMemberRow, guild_members
from deskwire.workspaces.guilds.permissions import (
    ALL_PERMISSIONS,
    DiscordPermission,
    permission_names,
)
from deskwire.workspaces.guilds.roles import (
    ROLE_EVENT_TYPES,
    RoleMemberRow,
    RoleRow,
    effective_permissions,
    read_holder_channels,
    role_members,
    roles,
    where_role,
)
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit, Principal, discord_principal

DETAIL_COLUMNS = ("name", "owner", "member_count")
SETUP_COLUMNS = (
    "support_category_id",
    "transcripts_channel_id",
    "log_channel_id",
    "default_role_id",
)


def record_guild_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a guild's row was inserted, changed or deleted."""
    before: GuildRow | None = edit.before
    after: GuildRow | None = edit.after
    owners = [row.owner for row in (before, after) if row is not None]
    owner_channels = [channels.user(person_id) for person_id in _person_ids_of(tx, *owners)]
    if after is None:
        _record_guild_deleted(tx, edit, owner_channels)
        return
    times = {
        time_column: max(getattr(after, time_column), edit.at)
        for time_column, columns in (
            ("details_at", DETAIL_COLUMNS),
            ("presence_at", ("bot_installed",)),
            ("setup_at", SETUP_COLUMNS),
        )
        if before is not None and edit.is_changed(*columns)
    }
    row = _update_row(tx, guilds, GuildRow, after, times)
    guild = guild_from_row(row)
    event_type = _guild_event_type(before, row)
    event = guild_event(event_type, edit.origin(**_guild_wire_fields(event_type, row)), guild)
    log.append(
        tx, event, channels=[guild.workspace], access_changes=owner_channels, cause=edit.cause
    )


def _record_guild_deleted(tx: Connection, edit: DirectEdit, owner_channels: list[Channel]) -> None:
    guild = guild_from_row(edit.before)
    event = guild_event(GuildDeleted, edit.origin(guildId=guild.id), guild)
    log.append(
        tx,
        event.model_copy(update={"revision": guild.revision + 1}),
        channels=[guild.workspace],
        access_changes=[*owner_channels, guild.workspace],
        cause=edit.cause,
    )


def _guild_event_type(before: GuildRow | None, after: GuildRow) -> type[GuildEvent]:
    had_bot = before is not None and before.bot_installed
    if after.bot_installed and not had_bot:
        return GuildJoined
    return GuildLeft if had_bot and not after.bot_installed else GuildUpdated


def _guild_wire_fields(event_type: type[GuildEvent], row: GuildRow) -> dict[str, Any]:
    """Return the fields the bot sends with an event of this type."""
    if event_type is not GuildJoined:
        return {"guildId": row.id}
    return {
        "guildId": row.id,
        "guildName": row.name or "",
        "ownerId": (row.owner or "").removeprefix("discord:"),
        "memberCount": row.member_count or 0,
    }


def record_role_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a role's row was inserted, changed or deleted."""
    before: RoleRow | None = edit.before
    after: RoleRow | None = edit.after
    if after is not None:
        row = _update_row(tx, roles, RoleRow, after, _merge_role_edit(edit))
    elif before is not None and before.active:
        values = {"active": False, "deleted_at": edit.at}
        row = _reinsert_row(tx, roles, RoleRow, before, values)
    else:
        return  # a removed role was deleted
    workspace = channels.guild(row.guild)
    action = _role_action(before, row)
    event = ROLE_EVENT_TYPES[action](
        guild_id=row.guild,
        role_id=row.discord_role,
        role_name=row.name,
        action=action,
        workspace=workspace,
        actor=DIRECT_EDIT_ACTOR,
        revision=row.revision,
    )
    log.append(
        tx,
        event,
        channels=[workspace],
        access_changes=[workspace, *read_holder_channels(tx, row.guild, row.discord_role)],
        cause=edit.cause,
    )


def _role_action(
    before: RoleRow | None, after: RoleRow
) -> Literal["created", "updated", "deleted"]:
    was_active = before is not None and before.active
    if after.active == was_active:
        return "updated"
    return "created" if after.active else "deleted"


def _merge_role_edit(edit: DirectEdit) -> dict[str, object]:
    """Return the columns of an edited role that later events are compared with."""
    row: RoleRow = edit.after
    values: dict[str, object] = {}
    if edit.is_changed("name"):
        values["named_at"] = max(row.named_at, edit.at)
    permissions = effective_permissions(row.name, row.bits)
    if edit.is_changed("permissions"):
        permissions = row.permissions
    bits = _bits_for(permissions, row.name, row.bits, edit.at)
    values |= {"permissions": permissions, "bits": bits}
    if edit.is_changed("active"):
        changed_at = max(edit.at, row.made_at, row.deleted_at)
        values["made_at" if row.active else "deleted_at"] = changed_at
    elif edit.is_changed("made_at", "deleted_at"):
        values["active"] = row.deleted_at == 0 or row.made_at > row.deleted_at
    return values


def _bits_for(permissions: int, name: str, bits: str, at: int) -> str:
    """Return `bits`, changed at `at` so that a role with this name has `permissions`."""
    changed = effective_permissions(name, bits) ^ permissions
    changed_bits = json.loads(bits)
    for bit in DiscordPermission:
        if bit & changed & ALL_PERMISSIONS:
            changed_bits[str(bit.name)] = [at, not bit & permissions]
    return json.dumps(changed_bits, sort_keys=True)


def record_role_membership_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a role membership's row was inserted, changed or deleted."""
    row = _write_role_membership(tx, edit)
    if row is None:
        return
    role_name = select(roles.c.name).where(where_role(row.guild, row.discord_role))
    event_type = TeamMemberAssigned if row.active else TeamMemberUnassigned
    event = event_type(
        guild_id=row.guild,
        user_id=_discord_id_of(row.principal),
        username=read_names(tx, [row.principal])[row.principal].name,
        role_id=row.discord_role,
        role_name=tx.execute(role_name).scalar() or row.discord_role,
        action="assigned" if row.active else "unassigned",
        workspace=channels.guild(row.guild),
        actor=DIRECT_EDIT_ACTOR,
        revision=row.revision,
    )
    members.record_guild_member_event(tx, event, row.principal, edit.cause)


def _write_role_membership(tx: Connection, edit: DirectEdit) -> RoleMemberRow | None:
    """Complete an edited row, or insert a deleted one again as removed; None: nothing changed."""
    before: RoleMemberRow | None = edit.before
    after: RoleMemberRow | None = edit.after
    if after is None:
        if before is None or not before.active:
            return None
        removed = {"assigned": False, "active": False, "changed_at": edit.at}
        return _reinsert_row(tx, role_members, RoleMemberRow, before, removed)
    if not edit.is_changed("active", "assigned"):
        return after
    is_active = after.active if edit.is_changed("active") else after.assigned
    changed_at = max(after.changed_at, edit.at)
    values = {"assigned": is_active, "active": is_active, "changed_at": changed_at}
    return _update_row(tx, role_members, RoleMemberRow, after, values)


def record_guild_member_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a member's row was inserted, changed or deleted."""
    before: GuildMemberRow | None = edit.before
    after: GuildMemberRow | None = edit.after
    if after is not None:
        is_permitted = before is not None and edit.is_changed("permissions")
        times = {"permitted_at": max(after.permitted_at, edit.at)} if is_permitted else {}
        after = _update_row(tx, guild_members, GuildMemberRow, after, times)
    row: GuildMemberRow = edit.before if after is None else after
    member = read_names(tx, [row.principal])[row.principal]
    left_at = 0 if after is None else after.left_at
    left_before = 0 if before is None else before.left_at
    if left_at != left_before:
        _update_active_roles(tx, row.guild, row.principal, left_at)
    fields: dict[str, Any] = {
        "workspace": channels.guild(row.guild),
        "actor": DIRECT_EDIT_ACTOR,
        "revision": row.revision + (after is None),
    }
    event: MemberLeft | MemberRoleChanged
    if left_at > left_before:
        event = MemberLeft(
            guild_id=row.guild,
            user_id=_discord_id_of(row.principal),
            username=member.name,
            had_open_tickets=False,
            was_team_member=False,
            **fields,
        )
    else:
        permissions = permission_names(0 if after is None else after.permissions)
        event = MemberRoleChanged(member=member, permissions=permissions, **fields)
    members.record_guild_member_event(tx, event, row.principal, edit.cause)


def _update_active_roles(tx: Connection, guild: str, principal: Principal, left_at: int) -> None:
    """Make active the role memberships that were assigned after the member last left."""
    table = role_members
    tx.execute(
        update(table)
        .where(table.c.guild == guild, table.c.principal == principal)
        .values(
            active=and_(table.c.assigned, table.c.changed_at > left_at),
            revision=table.c.revision + 1,
        )
    )


def _update_row(
    tx: Connection, table: Table, view: type[RowView], row: RowView, values: Mapping[str, object]
) -> RowView:
    where = and_(*(column == getattr(row, column.name) for column in table.primary_key))
    statement = update(table).where(where).values({**values, "revision": table.c.revision + 1})
    return fetch_one(tx, statement.returning(table), view)


def _reinsert_row(
    tx: Connection, table: Table, view: type[RowView], before: RowView, values: Mapping[str, object]
) -> RowView:
    row = {**vars(before), **values}
    row["revision"] += 1
    return fetch_one(tx, insert(table).values(row).returning(table), view)


def _person_ids_of(tx: Connection, *principals: Principal | None) -> list[str]:
    return list(read_person_ids(tx, [principal for principal in principals if principal]).values())


def _discord_id_of(principal: Principal) -> str:
    return principal.removeprefix(discord_principal(""))
