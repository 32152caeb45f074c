"""What somebody changed of a guild, a role or a member by hand, told in their events.

An edit is a fact of the moment it was made: what senders signed before cannot undo it, what they
sign later can. A role or a membership that was deleted stays as one that was taken away, or an
older event could give it again.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, insert, select, update

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
from deskwire.workspaces.guilds import members
from deskwire.workspaces.guilds.guilds import guild_event, guild_from_row, guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import (
    ALL_PERMISSIONS,
    DiscordPermission,
    permission_names,
)
from deskwire.workspaces.guilds.roles import (
    ROLE_EVENT_TYPES,
    effective_permissions,
    read_holder_channels,
    role_members,
    roles,
    where_role,
)
from deskwire.workspaces.names import read_names, read_person_ids
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit, Principal, discord_principal

DETAIL_COLUMNS = ("name", "owner", "member_count")
SETUP_COLUMNS = (
    "support_category_id",
    "transcripts_channel_id",
    "log_channel_id",
    "default_role_id",
)


def record_guild_edit(tx: Connection, edit: DirectEdit) -> None:
    """A guild's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    owners = [each.owner for each in (before, now) if each is not None]
    people = [channels.user(person) for person in _person_ids_of(tx, *owners)]
    if now is None:
        gone = guild_from_row(before)
        event = guild_event(GuildDeleted, edit.origin(guildId=gone.id), gone)
        told = event.model_copy(update={"revision": gone.revision + 1})
        touched = [*people, gone.workspace]
        log.append(tx, told, channels=[gone.workspace], access_changes=touched, cause=edit.cause)
        return
    times = {
        stamp: max(getattr(now, stamp), edit.at)
        for stamp, columns in (
            ("details_at", DETAIL_COLUMNS),
            ("presence_at", ("bot_installed",)),
            ("setup_at", SETUP_COLUMNS),
        )
        if before is not None and edit.is_changed(*columns)
    }
    row = _update_row(tx, guilds, now, times)
    guild = guild_from_row(row)
    audience: list[Channel] = [guild.workspace]
    if edit.is_changed("owner"):
        audience += [channels.user(person) for person in _person_ids_of(tx, row.owner)]
    kind = _guild_event_type(before, row)
    event = guild_event(kind, edit.origin(**_guild_wire_fields(kind, row)), guild)
    log.append(tx, event, channels=audience, access_changes=people, cause=edit.cause)


def _guild_event_type(before: Any, after: Row[Any]) -> type[GuildEvent]:  # noqa: ANN401
    had_bot = before is not None and before.bot_installed
    if after.bot_installed and not had_bot:
        return GuildJoined
    return GuildLeft if had_bot and not after.bot_installed else GuildUpdated


def _guild_wire_fields(event_type: type[GuildEvent], row: Row[Any]) -> dict[str, Any]:
    """What the bot tells with an event of this kind."""
    if event_type is not GuildJoined:
        return {"guildId": row.id}
    return {
        "guildId": row.id,
        "guildName": row.name or "",
        "ownerId": (row.owner or "").removeprefix("discord:"),
        "memberCount": row.member_count or 0,
    }


def record_role_edit(tx: Connection, edit: DirectEdit) -> None:
    """A role's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    if now is None and not before.active:
        return
    if now is None:
        now = _reinsert_row(tx, roles, before, {"active": False, "deleted_at": edit.at})
    else:
        now = _update_row(tx, roles, now, _merge_role_edit(edit))
    touched = [channels.guild(now.guild), *read_holder_channels(tx, now.guild, now.discord_role)]
    action = _role_action(before, now)
    event = ROLE_EVENT_TYPES[action](
        guild_id=now.guild,
        role_id=now.discord_role,
        role_name=now.name,
        action=action,
        workspace=channels.guild(now.guild),
        actor=DIRECT_EDIT_ACTOR,
        revision=now.revision,
    )
    log.append(tx, event, channels=[touched[0]], access_changes=touched, cause=edit.cause)


def _role_action(before: Any, after: Row[Any]) -> Any:  # noqa: ANN401
    was_active = before is not None and before.active
    if after.active == was_active:
        return "updated"
    return "created" if after.active else "deleted"


def _merge_role_edit(edit: DirectEdit) -> dict[str, object]:
    """The columns of an edited role that later facts are compared with."""
    before, now, at = edit.before, edit.after, edit.at
    values: dict[str, object] = {}
    if edit.is_changed("name"):
        values["named_at"] = max(now.named_at, at)
    wanted = (
        now.permissions
        if edit.is_changed("permissions")
        else effective_permissions(now.name, now.bits)
    )
    values |= {"permissions": wanted, "bits": _bits_after(wanted, now.name, now.bits, at)}
    if before is None or edit.is_changed("active"):
        values["made_at" if now.active else "deleted_at"] = max(at, now.made_at, now.deleted_at)
    elif edit.is_changed("made_at", "deleted_at"):
        values["active"] = now.deleted_at == 0 or now.made_at > now.deleted_at
    return values


def _bits_after(target: int, name: str, bits: str, at: int) -> str:
    """`bits` with as many changes, told at `at`, as make a role of this name allow `wanted`."""
    held, changed = json.loads(bits), effective_permissions(name, bits) ^ target
    for bit in DiscordPermission:
        if bit & changed & ALL_PERMISSIONS:
            held[str(bit.name)] = [at, not bit & target]
    return json.dumps(held, sort_keys=True)


def record_role_membership_edit(tx: Connection, edit: DirectEdit) -> None:
    """Who holds a role was written, changed or deleted."""
    before, now = edit.before, edit.after
    if now is None and not before.active:
        return
    taken = {"assigned": False, "active": False, "changed_at": edit.at}
    if now is None:
        now = _reinsert_row(tx, role_members, before, taken)
    elif edit.is_changed("active", "assigned"):
        active = now.active if edit.is_changed("active") else now.assigned
        at = max(now.changed_at, edit.at)
        now = _update_row(
            tx, role_members, now, {"assigned": active, "active": active, "changed_at": at}
        )
    name = select(roles.c.name).where(where_role(now.guild, now.discord_role))
    kind = TeamMemberAssigned if now.active else TeamMemberUnassigned
    event = kind(
        guild_id=now.guild,
        user_id=_discord_id_of(now.principal),
        username=read_names(tx, [now.principal])[now.principal].name,
        role_id=now.discord_role,
        role_name=tx.execute(name).scalar() or now.discord_role,
        action="assigned" if now.active else "unassigned",
        workspace=channels.guild(now.guild),
        actor=DIRECT_EDIT_ACTOR,
        revision=now.revision,
    )
    members.record_guild_member_event(tx, event, now.principal, edit.cause)


def record_guild_member_edit(tx: Connection, edit: DirectEdit) -> None:
    """A member's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    if now is not None:
        permitted = before is not None and edit.is_changed("permissions")
        times = {"permitted_at": max(now.permitted_at, edit.at)} if permitted else {}
        now = _update_row(tx, guild_members, now, times)
    row = now if now is not None else before
    who = read_names(tx, [row.principal])[row.principal]
    told: dict[str, Any] = {"workspace": channels.guild(row.guild), "actor": DIRECT_EDIT_ACTOR}
    revision = now.revision if now is not None else before.revision + 1
    left_at = now.left_at if now is not None else 0
    had_left_at = before.left_at if before is not None else 0
    if left_at != had_left_at:
        _restore_roles(tx, row.guild, row.principal, left_at)
    if left_at > had_left_at:
        left = MemberLeft(
            guild_id=row.guild,
            user_id=_discord_id_of(row.principal),
            username=who.name,
            had_open_tickets=False,
            was_team_member=False,
            revision=revision,
            **told,
        )
        members.record_guild_member_event(tx, left, row.principal, edit.cause)
        return
    changed = MemberRoleChanged(
        member=who,
        permissions=permission_names(now.permissions if now is not None else 0),
        revision=revision,
        **told,
    )
    members.record_guild_member_event(tx, changed, row.principal, edit.cause)


def _restore_roles(tx: Connection, guild: str, principal: Principal, left_at: int) -> None:
    """Somebody holds what was given to them since they last left."""
    table = role_members
    tx.execute(
        update(table)
        .where(table.c.guild == guild, table.c.principal == principal)
        .values(
            active=and_(table.c.assigned, table.c.changed_at > left_at),
            revision=table.c.revision + 1,
        )
    )


def _update_row(tx: Connection, table: Table, row: Any, values: dict[str, Any]) -> Row[Any]:  # noqa: ANN401
    here = and_(*(column == getattr(row, column.name) for column in table.primary_key))
    changed = update(table).where(here).values({**values, "revision": table.c.revision + 1})
    return tx.execute(changed.returning(table)).one()


def _reinsert_row(tx: Connection, table: Table, before: Any, values: dict[str, Any]) -> Row[Any]:  # noqa: ANN401
    row = {**vars(before), **values, "revision": before.revision + 1}
    return tx.execute(insert(table).values(row).returning(table)).one()


def _person_ids_of(tx: Connection, *principals: Principal | None) -> list[str]:
    return list(read_person_ids(tx, [each for each in principals if each]).values())


def _discord_id_of(principal: Principal) -> str:
    return principal.removeprefix(discord_principal(""))
