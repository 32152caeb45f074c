"""Define the events of a Discord server and its team."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from deskwire.events.types.aspects import Aspect
from deskwire.events.types.shapes import Event, GuildSnapshot


class GuildEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ("guild:ID",)
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.GUILD})
    guild_id: str
    revision: int = Field(description="revision of the guild's row")
    now: GuildSnapshot


class GuildJoined(GuildEvent):
    """The bot was added to a Discord server."""

    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.GUILD, Aspect.TEAM})  # its owner
    type: ClassVar[str] = "guild.joined"
    guild_name: str
    owner_id: str
    member_count: int


class GuildLeft(GuildEvent):
    """The bot was removed from a Discord server. Its data stays readable and no longer changes."""

    type: ClassVar[str] = "guild.left"


class GuildSetupComplete(GuildEvent):
    """The bot was set up in a Discord server."""

    type: ClassVar[str] = "guild.setup_complete"
    support_category_id: str | None = None
    transcripts_channel_id: str | None = None
    log_channel_id: str | None = None
    default_role_id: str | None = None


class GuildUpdated(GuildEvent):
    """Other details of a Discord server were changed directly in the database."""

    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.GUILD, Aspect.TEAM})  # its owner
    type: ClassVar[str] = "guild.updated"


class GuildDeleted(GuildEvent):
    """A Discord server was deleted directly in the database, and disappears from every list."""

    type: ClassVar[str] = "guild.deleted"


class TeamRoleEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ("guild:ID",)
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.TEAM})
    guild_id: str
    role_id: str
    role_name: str
    action: Literal["created", "updated", "deleted"]
    changes: dict[str, object] | None = None
    revision: int = Field(description="revision of the role's row")


class TeamRoleCreated(TeamRoleEvent):
    """A team role was created in a Discord server."""

    type: ClassVar[str] = "team.role_created"


class TeamRoleUpdated(TeamRoleEvent):
    """The name or permissions of a team role changed."""

    type: ClassVar[str] = "team.role_updated"


class TeamRoleDeleted(TeamRoleEvent):
    """A team role was deleted. From this event on it grants nothing."""

    type: ClassVar[str] = "team.role_deleted"


class TeamMemberEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.TEAM})
    guild_id: str
    user_id: str
    username: str
    role_id: str
    role_name: str
    action: Literal["assigned", "unassigned"]
    revision: int = Field(description="revision of the membership's row")


class TeamMemberAssigned(TeamMemberEvent):
    """A team role was assigned to a person."""

    type: ClassVar[str] = "team.member_assigned"


class TeamMemberUnassigned(TeamMemberEvent):
    """A team role was taken from a person."""

    type: ClassVar[str] = "team.member_unassigned"


class MemberLeft(Event):
    """A Discord user left the server and lost every role there."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID")
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.TEAM})
    type: ClassVar[str] = "member.left"
    guild_id: str
    user_id: str
    username: str
    had_open_tickets: bool
    was_team_member: bool
    revision: int = Field(description="revision of the Discord member's row")
