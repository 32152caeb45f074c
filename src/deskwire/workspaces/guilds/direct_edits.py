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
from deskwire.workspaces.guilds.guilds import event_of, guild_of, guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import ALL, Permission, names_of
from deskwire.workspaces.guilds.roles import (
    KINDS,
    allowed_by,
    holders,
    is_role,
    role_members,
    roles,
)
from deskwire.workspaces.names import read_names, read_people
from deskwire.workspaces.origin import BY_HAND, Edit, Principal, discord

DETAILS = ("name", "owner", "member_count")
SETUP = ("support_category_id", "transcripts_channel_id", "log_channel_id", "default_role_id")


def tell_of_guild(tx: Connection, edit: Edit) -> None:
    """A guild's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    owners = [each.owner for each in (before, now) if each is not None]
    people = [channels.user(person) for person in _people(tx, *owners)]
    if now is None:
        gone = guild_of(before)
        event = event_of(GuildDeleted, edit.origin(guildId=gone.id), gone)
        told = event.model_copy(update={"revision": gone.revision + 1})
        touched = [*people, gone.workspace]
        log.append(tx, told, channels=[gone.workspace], touches=touched, cause=edit.cause)
        return
    times = {
        stamp: max(getattr(now, stamp), edit.at)
        for stamp, columns in (
            ("details_at", DETAILS),
            ("presence_at", ("bot_installed",)),
            ("setup_at", SETUP),
        )
        if before is not None and edit.is_changed(*columns)
    }
    row = _change(tx, guilds, now, times)
    guild = guild_of(row)
    audience: list[Channel] = [guild.workspace]
    if edit.is_changed("owner"):
        audience += [channels.user(person) for person in _people(tx, row.owner)]
    kind = _kind_of_guild(before, row)
    event = event_of(kind, edit.origin(**_wire_of_guild(kind, row)), guild)
    log.append(tx, event, channels=audience, touches=people, cause=edit.cause)


def _kind_of_guild(before: Any, now: Row[Any]) -> type[GuildEvent]:  # noqa: ANN401
    had_bot = before is not None and before.bot_installed
    if now.bot_installed and not had_bot:
        return GuildJoined
    return GuildLeft if had_bot and not now.bot_installed else GuildUpdated


def _wire_of_guild(kind: type[GuildEvent], row: Row[Any]) -> dict[str, Any]:
    """What the bot tells with an event of this kind."""
    if kind is not GuildJoined:
        return {"guildId": row.id}
    return {
        "guildId": row.id,
        "guildName": row.name or "",
        "ownerId": (row.owner or "").removeprefix("discord:"),
        "memberCount": row.member_count or 0,
    }


def tell_of_role(tx: Connection, edit: Edit) -> None:
    """A role's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    if now is None and not before.active:
        return
    if now is None:
        now = _put_back(tx, roles, before, {"active": False, "deleted_at": edit.at})
    else:
        now = _change(tx, roles, now, _settled_role(edit))
    touched = [channels.guild(now.guild), *holders(tx, now.guild, now.discord_role)]
    action = _action_on_role(before, now)
    event = KINDS[action](
        guild_id=now.guild,
        role_id=now.discord_role,
        role_name=now.name,
        action=action,
        workspace=channels.guild(now.guild),
        actor=BY_HAND,
        revision=now.revision,
    )
    log.append(tx, event, channels=[touched[0]], touches=touched, cause=edit.cause)


def _action_on_role(before: Any, now: Row[Any]) -> Any:  # noqa: ANN401
    was_active = before is not None and before.active
    if now.active == was_active:
        return "updated"
    return "created" if now.active else "deleted"


def _settled_role(edit: Edit) -> dict[str, object]:
    """The columns of an edited role that later facts are compared with."""
    before, now, at = edit.before, edit.now, edit.at
    values: dict[str, object] = {}
    if edit.is_changed("name"):
        values["named_at"] = max(now.named_at, at)
    wanted = now.permissions if edit.is_changed("permissions") else allowed_by(now.name, now.bits)
    values |= {"permissions": wanted, "bits": _bits_for(wanted, now.name, now.bits, at)}
    if before is None or edit.is_changed("active"):
        values["made_at" if now.active else "deleted_at"] = max(at, now.made_at, now.deleted_at)
    elif edit.is_changed("made_at", "deleted_at"):
        values["active"] = now.deleted_at == 0 or now.made_at > now.deleted_at
    return values


def _bits_for(wanted: int, name: str, bits: str, at: int) -> str:
    """`bits` with as many changes, told at `at`, as make a role of this name allow `wanted`."""
    held, changed = json.loads(bits), allowed_by(name, bits) ^ wanted
    for bit in Permission:
        if bit & changed & ALL:
            held[str(bit.name)] = [at, not bit & wanted]
    return json.dumps(held, sort_keys=True)


def tell_of_membership(tx: Connection, edit: Edit) -> None:
    """Who holds a role was written, changed or deleted."""
    before, now = edit.before, edit.now
    if now is None and not before.active:
        return
    taken = {"assigned": False, "active": False, "changed_at": edit.at}
    if now is None:
        now = _put_back(tx, role_members, before, taken)
    elif edit.is_changed("active", "assigned"):
        active = now.active if edit.is_changed("active") else now.assigned
        at = max(now.changed_at, edit.at)
        now = _change(
            tx, role_members, now, {"assigned": active, "active": active, "changed_at": at}
        )
    name = select(roles.c.name).where(is_role(now.guild, now.discord_role))
    kind = TeamMemberAssigned if now.active else TeamMemberUnassigned
    event = kind(
        guild_id=now.guild,
        user_id=_subject(now.principal),
        username=read_names(tx, [now.principal])[now.principal].name,
        role_id=now.discord_role,
        role_name=tx.execute(name).scalar() or now.discord_role,
        action="assigned" if now.active else "unassigned",
        workspace=channels.guild(now.guild),
        actor=BY_HAND,
        revision=now.revision,
    )
    members.tell(tx, event, now.principal, edit.cause)


def tell_of_member(tx: Connection, edit: Edit) -> None:
    """A member's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    if now is not None:
        permitted = before is not None and edit.is_changed("permissions")
        times = {"permitted_at": max(now.permitted_at, edit.at)} if permitted else {}
        now = _change(tx, guild_members, now, times)
    row = now if now is not None else before
    who = read_names(tx, [row.principal])[row.principal]
    told: dict[str, Any] = {"workspace": channels.guild(row.guild), "actor": BY_HAND}
    revision = now.revision if now is not None else before.revision + 1
    left_at = now.left_at if now is not None else 0
    had_left_at = before.left_at if before is not None else 0
    if left_at != had_left_at:
        _seat_again(tx, row.guild, row.principal, left_at)
    if left_at > had_left_at:
        left = MemberLeft(
            guild_id=row.guild,
            user_id=_subject(row.principal),
            username=who.name,
            had_open_tickets=False,
            was_team_member=False,
            revision=revision,
            **told,
        )
        members.tell(tx, left, row.principal, edit.cause)
        return
    changed = MemberRoleChanged(
        member=who,
        permissions=names_of(now.permissions if now is not None else 0),
        revision=revision,
        **told,
    )
    members.tell(tx, changed, row.principal, edit.cause)


def _seat_again(tx: Connection, guild: str, principal: Principal, left_at: int) -> None:
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


def _change(tx: Connection, table: Table, row: Any, values: dict[str, Any]) -> Row[Any]:  # noqa: ANN401
    here = and_(*(column == getattr(row, column.name) for column in table.primary_key))
    changed = update(table).where(here).values({**values, "revision": table.c.revision + 1})
    return tx.execute(changed.returning(table)).one()


def _put_back(tx: Connection, table: Table, before: Any, values: dict[str, Any]) -> Row[Any]:  # noqa: ANN401
    row = {**vars(before), **values, "revision": before.revision + 1}
    return tx.execute(insert(table).values(row).returning(table)).one()


def _people(tx: Connection, *principals: Principal | None) -> list[str]:
    return list(read_people(tx, [each for each in principals if each]).values())


def _subject(principal: Principal) -> str:
    return principal.removeprefix(discord(""))
