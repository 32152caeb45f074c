"""Guilds: the Discord servers we know, with or without the bot in them.

What senders tell may come late and in any order. Presence (joined, left), details (name, owner,
size) and setup are each last-writer by the sender's signed time, so every order ends alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)

from deskwire.events import channels, log
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import (
    GuildEvent,
    GuildJoined,
    GuildLeft,
    GuildSetupComplete,
    GuildSnapshot,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.workspaces.names import initials, read_person_ids
from deskwire.workspaces.origin import Origin, Principal, discord_principal

guilds = Table(
    "guilds",
    metadata,
    Column("id", Text, primary_key=True),  # snowflake
    Column("name", Text),  # None until an event names it
    Column("owner", Text),  # principal
    Column("member_count", Integer),
    Column("details_at", BigInteger, nullable=False),  # ms; newest event that told the above
    Column("bot_installed", Boolean, nullable=False),
    Column("presence_at", BigInteger, nullable=False),  # ms; newest joined or left
    Column("support_category_id", Text),
    Column("transcripts_channel_id", Text),
    Column("log_channel_id", Text),
    Column("default_role_id", Text),
    Column("setup_at", BigInteger, nullable=False),  # ms; 0: not set up
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_guilds_owner", "owner"),
)


@dataclass(frozen=True, slots=True)
class Guild:
    """One Discord server."""

    id: str
    name: str
    owner: Principal | None
    members: int | None
    bot_installed: bool
    is_set_up: bool
    revision: int

    @property
    def workspace(self) -> Workspace:
        return channels.guild(self.id)

    @property
    def now(self) -> GuildSnapshot:
        """The state events and rows show."""
        return GuildSnapshot(
            id=self.id,
            name=self.name,
            initials=initials(self.name),
            members=self.members,
            bot_installed=self.bot_installed,
            href=f"/guilds/{self.id}",
        )


def record_bot_joined(
    tx: Connection, origin: Origin, guild_id: str, name: str, owner_id: str, member_count: int
) -> None:
    """The bot was added: its owner hears it, and whoever has a right in the server already."""
    row = ensure_guild(tx, guild_id, origin.at)
    values: dict[str, object] = {}
    is_newest = origin.at >= row.details_at
    if is_newest:
        values |= {"name": name, "owner": discord_principal(owner_id), "member_count": member_count}
        values["details_at"] = origin.at
    if origin.at >= row.presence_at:
        values |= {"bot_installed": True, "presence_at": origin.at}
    guild = _update_guild(tx, row, values)
    people = read_person_ids(
        tx, {p for p in (row.owner, guild.owner, discord_principal(owner_id)) if p}
    )
    # A late delivery may name somebody who owns it no more: the state is not theirs to hear.
    owners = [
        channels.user(people[p]) for p in [discord_principal(owner_id)] if p in people and is_newest
    ]
    audience = [*owners, guild.workspace]
    event = guild_event(GuildJoined, origin, guild)
    touched = [channels.user(person) for person in people.values()]
    log.append(tx, event, channels=audience, access_changes=touched, cause=origin.cause)


def record_bot_left(tx: Connection, origin: Origin, guild_id: str) -> None:
    """The bot was removed. Nothing is forgotten."""
    row = ensure_guild(tx, guild_id, origin.at)
    newest = origin.at >= row.presence_at
    values = {"bot_installed": False, "presence_at": origin.at} if newest else {}
    guild = _update_guild(tx, row, values)
    event = guild_event(GuildLeft, origin, guild)
    log.append(tx, event, channels=[guild.workspace], cause=origin.cause)


def record_bot_setup(
    tx: Connection, origin: Origin, guild_id: str, discord_ids: Mapping[str, object]
) -> None:
    """The bot was set up; `ids` are all its Discord channels and roles (None: it has none)."""
    row = ensure_guild(tx, guild_id, origin.at)
    values = {**discord_ids, "setup_at": origin.at} if origin.at >= row.setup_at else {}
    guild = _update_guild(tx, row, values)
    event = guild_event(GuildSetupComplete, origin, guild)
    log.append(tx, event, channels=[guild.workspace], cause=origin.cause)


def ensure_guild(tx: Connection, guild_id: str, at: Millis) -> Row[tuple[object, ...]]:
    """The guild's row, made from the little we know if this is the first we hear of it.

    Until the transaction ends nobody else changes anything of this guild.
    """
    acquire_advisory_lock(tx, f"guild:{guild_id}")
    if (row := _find_row(tx, guild_id)) is not None:
        return row
    tx.execute(
        insert(guilds).values(
            id=guild_id,
            details_at=0,
            bot_installed=True,  # only a bot inside can have told us
            presence_at=0,
            setup_at=0,
            created_at=at,
            revision=1,
        )
    )
    return tx.execute(select(guilds).where(guilds.c.id == guild_id)).one()


def list_visible_guilds(tx: Connection, viewer: Viewer) -> list[Guild]:
    """The guilds the viewer may open, by name: owned, with a role, or with a permission."""
    ids = [c.removeprefix("guild:") for c in viewer.channels if c.startswith("guild:")]
    rows = tx.execute(select(guilds).where(guilds.c.id.in_(ids)))
    return sorted(map(guild_from_row, rows), key=lambda guild: (guild.name.casefold(), guild.id))


def read_visible(tx: Connection, viewer: Viewer, guild_id: str) -> Guild:
    """One guild the viewer may open; NotFound otherwise, whether it exists or not."""
    if channels.guild(guild_id) in viewer.channels and (row := _find_row(tx, guild_id)) is not None:
        return guild_from_row(row)
    raise NotFound(gettext("There is no such server, or it is not shared with you."))


def read_guild_unfiltered(tx: Connection, guild_id: str) -> Guild | None:
    """A guild for showing where something belongs; says nothing about who may see it."""
    row = _find_row(tx, guild_id)
    return guild_from_row(row) if row is not None else None


def read_guild_names(tx: Connection, guild_ids: Collection[str]) -> dict[str, str]:
    """Names of guilds for showing where something belongs, as `read_place`."""
    if not guild_ids:
        return {}
    rows = tx.execute(select(guilds).where(guilds.c.id.in_(guild_ids)))
    return {guild.id: guild.name for guild in map(guild_from_row, rows)}


def _find_row(tx: Connection, guild_id: str) -> Row[tuple[object, ...]] | None:
    return tx.execute(_SELECT_BY_ID, {"guild": guild_id}).one_or_none()


_SELECT_BY_ID = select(guilds).where(guilds.c.id == bindparam("guild"))


def _update_guild(
    tx: Connection, row: Row[tuple[object, ...]], values: Mapping[str, object]
) -> Guild:
    tx.execute(
        update(guilds)
        .where(guilds.c.id == row.id)
        .values({**values, "revision": guilds.c.revision + 1})
    )
    return guild_from_row(tx.execute(select(guilds).where(guilds.c.id == row.id)).one())


def guild_from_row(row: Any) -> Guild:  # noqa: ANN401 - a row, or what is remembered of one
    """A row of `guilds` as a guild."""
    return Guild(
        id=row.id,
        name=row.name or gettext("Discord server …%(id)s", id=row.id[-4:]),
        owner=row.owner,
        members=row.member_count,
        bot_installed=row.bot_installed,
        is_set_up=row.setup_at > 0,
        revision=row.revision,
    )


def guild_event(event_type: type[GuildEvent], origin: Origin, guild: Guild) -> GuildEvent:
    """An event of a guild: the sender's own fields, and the state beside them."""
    ours = {
        "workspace": guild.workspace,
        "actor": origin.actor,
        "revision": guild.revision,
        "now": guild.now,
    }
    return event_type.model_validate({**origin.wire_fields, **ours}, by_alias=True, by_name=False)
