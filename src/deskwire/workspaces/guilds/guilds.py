"""Store guilds: Discord servers that have or had the bot.

Events may arrive late and in any order. Presence (joined, left), details (name, owner, size) and
setup are last-writer-wins registers by the sender's signed time, so that every order of arrival
converges to the same state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    insert,
    select,
    text,
    update,
)

from deskwire.accounts.identities import read_person_ids
from deskwire.events import channels, log
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import (
    GuildEvent,
    GuildJoined,
    GuildLeft,
    GuildSetupComplete,
    GuildSnapshot,
    GuildUpdated,
)
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first, fetch_one
from deskwire.workspaces.key_events import reauthorize_bot_keys
from deskwire.workspaces.names import initials
from deskwire.workspaces.origin import Origin, Principal, discord_principal

PAGE_SIZE = 50  # rows of a page of the API

guilds = Table(
    "guilds",
    metadata,
    Column("id", Text, primary_key=True),  # snowflake
    Column("name", Text),  # None until an event names it
    Column("owner", Text),  # principal
    Column("member_count", Integer),
    Column("details_at", BigInteger, nullable=False),  # ms; newest event with name, owner and size
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


class GuildRow:
    """A row of `guilds`."""

    id: str
    name: str | None
    owner: str | None
    member_count: int | None
    details_at: int
    bot_installed: bool
    presence_at: int
    support_category_id: str | None
    transcripts_channel_id: str | None
    log_channel_id: str | None
    default_role_id: str | None
    setup_at: int
    created_at: int
    revision: int


@dataclass(frozen=True, slots=True)
class Guild:
    """A Discord server."""

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
        """The state shown in events and lists."""
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
    """Record that the bot joined, for the owner and everyone with access to the guild."""
    row = ensure_guild(tx, origin, guild_id)
    values: dict[str, object] = {}
    if origin.at >= row.details_at:
        values |= {"name": name, "owner": discord_principal(owner_id)}
        values |= {"member_count": member_count, "details_at": origin.at}
    if origin.at >= row.presence_at:
        values |= {"bot_installed": True, "presence_at": origin.at}
    guild = _update_guild(tx, row, values)
    person_ids = read_person_ids(tx, {p for p in (row.owner, guild.owner) if p})
    event = guild_event(GuildJoined, origin, guild)
    # A new owner gains the guild's channel by this event, and hears it on that.
    access_changes = [channels.user(person_id) for person_id in person_ids.values()]
    log.append(
        tx, event, channels=[guild.workspace], access_changes=access_changes, cause=origin.cause
    )


def record_bot_left(tx: Connection, origin: Origin, guild_id: str) -> None:
    """Record that the bot was removed. The guild's roles, members and tickets stay."""
    row = ensure_guild(tx, origin, guild_id)
    is_newest = origin.at >= row.presence_at
    values = {"bot_installed": False, "presence_at": origin.at} if is_newest else {}
    guild = _update_guild(tx, row, values)
    event = guild_event(GuildLeft, origin, guild)
    log.append(tx, event, channels=[guild.workspace], cause=origin.cause)


def record_bot_setup(
    tx: Connection, origin: Origin, guild_id: str, discord_ids: Mapping[str, object]
) -> None:
    """Record the bot's setup; `discord_ids` has all setup columns (None: not set)."""
    row = ensure_guild(tx, origin, guild_id)
    values = {**discord_ids, "setup_at": origin.at} if origin.at >= row.setup_at else {}
    guild = _update_guild(tx, row, values)
    event = guild_event(GuildSetupComplete, origin, guild)
    log.append(tx, event, channels=[guild.workspace], cause=origin.cause)


def ensure_guild(tx: Connection, origin: Origin, guild_id: str) -> GuildRow:
    """Return the guild's row, created if the guild is unknown, and lock the guild.

    The lock, held until the transaction ends, covers its roles and members too. If the row was
    deleted directly in the database, creating it again restores the permissions of its members,
    whose pages learn of it by a `guild.updated`, in addition to the event being recorded.
    """
    acquire_advisory_lock(tx, f"guild:{guild_id}")
    if (row := _find_row(tx, guild_id)) is not None:
        return row
    tx.execute(
        insert(guilds).values(
            id=guild_id,
            details_at=0,
            bot_installed=True,  # only an installed bot sends events
            presence_at=0,
            setup_at=0,
            created_at=origin.at,
            revision=1,
        )
    )
    reauthorize_bot_keys(tx, origin.actor, origin.at)
    row = fetch_one(tx, select(guilds).where(guilds.c.id == guild_id), GuildRow)
    if tx.execute(_HAS_MEMBERS, {"guild": guild_id}).first() is not None:
        guild = guild_from_row(row)
        event = guild_event(GuildUpdated, replace(origin, wire_fields={"guildId": guild_id}), guild)
        log.append(tx, event, channels=[guild.workspace], cause=origin.cause)
    return row


# As text: the tables are defined in modules that import this one.
_HAS_MEMBERS = text(
    "SELECT 1 FROM role_members WHERE guild = :guild "
    "UNION ALL SELECT 1 FROM guild_members WHERE guild = :guild LIMIT 1"
)


def list_visible_guilds(tx: Connection, viewer: Viewer) -> list[Guild]:
    """List the guilds the viewer may open (as owner, by a role or a permission), by name."""
    ids = [c.removeprefix("guild:") for c in viewer.channels if c.startswith("guild:")]
    rows = fetch_all(tx, select(guilds).where(guilds.c.id.in_(ids)), GuildRow)
    return sorted(map(guild_from_row, rows), key=lambda guild: (guild.name.casefold(), guild.id))


def list_visible_page(
    tx: Connection, viewer: Viewer, after: str = ""
) -> tuple[list[Guild], str | None]:
    """List the guilds the viewer may open, by id, and the last id if there are more.

    `after`: the id after which the page begins.
    """
    ids = {c.removeprefix("guild:") for c in viewer.channels if c.startswith("guild:")}
    later = sorted((each for each in ids if _age_key(each) > _age_key(after)), key=_age_key)
    page = later[:PAGE_SIZE]
    rows = fetch_all(tx, select(guilds).where(guilds.c.id.in_(page)), GuildRow)
    found = sorted(map(guild_from_row, rows), key=lambda guild: _age_key(guild.id))
    return found, page[-1] if len(later) > len(page) else None


def _age_key(guild_id: str) -> tuple[int, str]:
    """Order snowflakes as numbers, which is by age."""
    return len(guild_id), guild_id


def read_shared(tx: Connection, viewer: Viewer, guild_id: str) -> Guild:
    """Return a guild that the viewer may open, or takes part in a ticket of. Raises NotFound."""
    is_shared = any(grant.workspace == channels.guild(guild_id) for grant in viewer.grants)
    guild = read_guild_unfiltered(tx, guild_id) if is_shared else None
    if guild is None:
        raise NotFound(gettext("This server doesn’t exist, or you don’t have access to it."))
    return guild


def read_visible(tx: Connection, viewer: Viewer, guild_id: str) -> Guild:
    """Return a guild. Raises NotFound if the viewer may not open it, or it does not exist."""
    if channels.guild(guild_id) in viewer.channels and (row := _find_row(tx, guild_id)) is not None:
        return guild_from_row(row)
    raise NotFound(gettext("This server doesn’t exist, or you don’t have access to it."))


def read_guild_unfiltered(tx: Connection, guild_id: str) -> Guild | None:
    """Return a guild to label something that belongs to it, without an access check."""
    row = _find_row(tx, guild_id)
    return guild_from_row(row) if row is not None else None


def list_guilds_unfiltered(tx: Connection) -> list[Guild]:
    """List all guilds by name, for those who administer the desk, without an access check."""
    found = map(guild_from_row, fetch_all(tx, select(guilds), GuildRow))
    return sorted(found, key=lambda guild: (guild.name.casefold(), guild.id))


def read_guild_names(tx: Connection, guild_ids: Collection[str]) -> dict[str, str]:
    """Return the names of guilds, to label what belongs to them, without an access check."""
    if not guild_ids:
        return {}
    rows = fetch_all(tx, select(guilds).where(guilds.c.id.in_(guild_ids)), GuildRow)
    return {guild.id: guild.name for guild in map(guild_from_row, rows)}


def _find_row(tx: Connection, guild_id: str) -> GuildRow | None:
    return fetch_first(tx, select(guilds).where(guilds.c.id == guild_id), GuildRow)


def _update_guild(tx: Connection, row: GuildRow, values: Mapping[str, object]) -> Guild:
    statement = update(guilds).where(guilds.c.id == row.id)
    statement = statement.values({**values, "revision": guilds.c.revision + 1})
    return guild_from_row(fetch_one(tx, statement.returning(*guilds.c), GuildRow))


def guild_from_row(row: GuildRow) -> Guild:
    """Build a Guild from a row of `guilds`."""
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
    """Build an event of a guild: the sender's own fields, and the guild's state."""
    fields = {
        "workspace": guild.workspace,
        "actor": origin.actor,
        "revision": guild.revision,
        "now": guild.now,
    }
    return event_type.model_validate({**origin.wire_fields, **fields}, by_alias=True, by_name=False)
