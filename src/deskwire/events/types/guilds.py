"""What can happen to a Discord server and its team."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from deskwire.events.types.shapes import Event, GuildSnapshot


class GuildEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("guild:ID",)
    guild_id: str
    revision: int = Field(description="of the guild's row")
    now: GuildSnapshot


class GuildJoined(GuildEvent):
    """The bot was added to a Discord server."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "guild.joined"
    guild_name: str
    owner_id: str
    member_count: int


class GuildLeft(GuildEvent):
    """The bot was removed from a Discord server. Everything is kept, read-only."""

    type: ClassVar[str] = "guild.left"


class GuildSetupComplete(GuildEvent):
    """The bot was set up in a Discord server."""

    type: ClassVar[str] = "guild.setup_complete"
    support_category_id: str | None = None
    transcripts_channel_id: str | None = None
    log_channel_id: str | None = None
    default_role_id: str | None = None


class GuildUpdated(GuildEvent):
    """Something else about a Discord server changed, by hand in the database."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "guild.updated"


class GuildDeleted(GuildEvent):
    """A Discord server was deleted here, by hand in the database; it is gone from every list."""

    type: ClassVar[str] = "guild.deleted"


class TeamRoleEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("guild:ID",)
    guild_id: str
    role_id: str
    role_name: str
    action: Literal["created", "updated", "deleted"]
    changes: dict[str, object] | None = None
    revision: int = Field(description="of the role's row")


class TeamRoleCreated(TeamRoleEvent):
    """A team role appeared in a Discord server."""

    type: ClassVar[str] = "team.role_created"


class TeamRoleUpdated(TeamRoleEvent):
    """A team role's name or permissions changed."""

    type: ClassVar[str] = "team.role_updated"


class TeamRoleDeleted(TeamRoleEvent):
    """A team role was deleted; it grants nothing from this event on."""

    type: ClassVar[str] = "team.role_deleted"


class TeamMemberEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    guild_id: str
    user_id: str
    username: str
    role_id: str
    role_name: str
    action: Literal["assigned", "unassigned"]
    revision: int = Field(description="of the membership's row")


class TeamMemberAssigned(TeamMemberEvent):
    """Somebody was given a team role."""

    type: ClassVar[str] = "team.member_assigned"


class TeamMemberUnassigned(TeamMemberEvent):
    """A team role was taken from somebody."""

    type: ClassVar[str] = "team.member_unassigned"


class MemberLeft(Event):
    """A Discord user left the server, and with it every role there."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    type: ClassVar[str] = "member.left"
    guild_id: str
    user_id: str
    username: str
    had_open_tickets: bool
    was_team_member: bool
    revision: int = Field(description="of the Discord member's row")
