"""Build the bot's events about a guild and its team."""

from __future__ import annotations

from deskwire.demo.cast import DiscordUser, Guild, TeamRole
from deskwire.demo.discord_ticket import EventStep
from deskwire.integrations.discord.samples import build_sample_data


def guild_joined(guild: Guild) -> EventStep:
    """The bot was added to the server."""
    data = build_sample_data(
        "guild.joined", guild=guild.id, guild_name=guild.name, owner=guild.owner.id
    )
    return EventStep("guild.joined", data | {"memberCount": guild.member_count})


def guild_left(guild: Guild) -> EventStep:
    """The bot was removed from the server."""
    return EventStep("guild.left", build_sample_data("guild.left", guild=guild.id))


def guild_set_up(guild: Guild) -> EventStep:
    """The bot created its Discord channels there."""
    data = {
        "guildId": guild.id,
        "supportCategoryId": guild.category_id,
        "transcriptsChannelId": guild.transcripts_channel_id,
        "logChannelId": guild.log_channel_id,
    }
    return EventStep("guild.setup_complete", data)


def team_role_changed(action: str, guild: Guild, role: TeamRole) -> EventStep:
    """A team role was `created`, `updated` or `deleted`."""
    type_ = f"team.role_{action}"
    return EventStep(
        type_, build_sample_data(type_, guild=guild.id, role=role.id, role_name=role.name)
    )


def team_member_changed(action: str, guild: Guild, role: TeamRole, user: DiscordUser) -> EventStep:
    """A team role was `assigned` to a user, or `unassigned`."""
    type_ = f"team.member_{action}"
    data = build_sample_data(
        type_,
        guild=guild.id,
        role=role.id,
        role_name=role.name,
        user=user.id,
        username=user.name,
    )
    return EventStep(type_, data)


def member_left(guild: Guild, user: DiscordUser, *, was_team_member: bool) -> EventStep:
    """A user left the server."""
    data = build_sample_data("member.left", guild=guild.id, user=user.id, username=user.name)
    return EventStep(
        "member.left", data | {"hadOpenTickets": False, "wasTeamMember": was_team_member}
    )
