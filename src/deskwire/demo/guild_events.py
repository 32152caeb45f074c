"""What happens to a server and its team, as the bot would tell it."""

from __future__ import annotations

from deskwire.demo.cast import Place, TeamRole, User
from deskwire.demo.discord_ticket import Step
from deskwire.integrations.discord.samples import sample


def joined(place: Place) -> Step:
    """The bot was added to the server."""
    data = sample("guild.joined", guild=place.id, guild_name=place.name, owner=place.owner.id)
    return Step("guild.joined", data | {"memberCount": place.members})


def left(place: Place) -> Step:
    """The bot was removed from the server."""
    return Step("guild.left", sample("guild.left", guild=place.id))


def set_up(place: Place) -> Step:
    """The bot made its Discord channels there."""
    data = {
        "guildId": place.id,
        "supportCategoryId": place.category,
        "transcriptsChannelId": place.transcripts,
        "logChannelId": place.log,
    }
    return Step("guild.setup_complete", data)


def role(what: str, place: Place, role: TeamRole) -> Step:
    """A team role was `created`, `updated` or `deleted`."""
    type_ = f"team.role_{what}"
    return Step(type_, sample(type_, guild=place.id, role=role.id, role_name=role.name))


def member(what: str, place: Place, role: TeamRole, user: User) -> Step:
    """A team role was `assigned` to somebody, or `unassigned`."""
    type_ = f"team.member_{what}"
    data = sample(
        type_,
        guild=place.id,
        role=role.id,
        role_name=role.name,
        user=user.id,
        username=user.name,
    )
    return Step(type_, data)


def gone(place: Place, user: User, *, of_team: bool) -> Step:
    """Somebody left the server."""
    data = sample("member.left", guild=place.id, user=user.id, username=user.name)
    return Step("member.left", data | {"hadOpenTickets": False, "wasTeamMember": of_team})
