"""Make realistic `data` for each of the bot's sixteen events (wire formats, section 2).

For `deskwire webhook send`, the docs and the tests. Values that the caller does not give are
constant; only a message's id depends on the time, because a repeated id is the same message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.kit.clock import Millis, now
from deskwire.kit.errors import Invalid

DISCORD_EPOCH = 1_420_070_400_000  # ms; https://discord.com/developers/docs/reference#snowflakes

EVENT_TYPES = (
    "guild.joined",
    "guild.left",
    "guild.setup_complete",
    "ticket.created",
    "ticket.updated",
    "ticket.deleted",
    "ticket.message_sent",
    "ticket.status_changed",
    "ticket.claimed",
    "ticket.closed",
    "team.role_created",
    "team.role_updated",
    "team.role_deleted",
    "team.member_assigned",
    "team.member_unassigned",
    "member.left",
)


@dataclass(frozen=True, slots=True)
class _SampleValues:
    guild: str
    guild_name: str
    owner: str
    user: str
    username: str
    role: str
    role_name: str
    ticket: int
    number: int
    subject: str
    content: str
    at: Millis


def build_sample_data(
    type_: str,
    *,
    guild: str = "1046123456789012345",
    guild_name: str = "Northwind Community",
    owner: str = "182345678901234567",
    user: str = "318456789012345678",
    username: str = "mira.codes",
    role: str = "1046200000000000003",
    role_name: str = "Tickets Support",
    ticket: int = 4711,
    number: int = 42,
    subject: str = "Cannot sign in on my new phone",
    content: str = "The code never arrives. I tried **three times** now.",
    at: Millis | None = None,
) -> dict[str, Any]:
    """Return the `data` of one event. Raises Invalid if the bot has no event of `type_`.

    `owner` owns the guild and acts for the team; `user` writes, and joins and leaves the team. `at`
    defaults to now.
    """
    values = _SampleValues(
        guild, guild_name, owner, user, username, role, role_name,
        ticket, number, subject, content, now() if at is None else at,
    )  # fmt: skip
    kind, _, action = type_.partition(".")
    if type_ not in EVENT_TYPES:
        raise Invalid(f"The bot has no event {type_!r}. It has: {', '.join(EVENT_TYPES)}.")
    if kind == "ticket":
        return _ticket_data(action, values)
    return _guild_data(action, values) if kind == "guild" else _team_data(action, values)


def make_snowflake(at: Millis, step: int = 0) -> str:
    """Return a Discord id, which sorts by time; `step` distinguishes ids of the same ms."""
    return str((at - DISCORD_EPOCH << 22) + step)


def _guild_data(action: str, values: _SampleValues) -> dict[str, Any]:
    guild = {"guildId": values.guild}
    match action:
        case "joined":
            owned = {"guildName": values.guild_name, "ownerId": values.owner}
            return guild | owned | {"memberCount": 1284}
        case "setup_complete":
            return guild | {
                "supportCategoryId": "1046200000000000010",
                "transcriptsChannelId": "1046200000000000011",
                "logChannelId": "1046200000000000012",
                "defaultRoleId": values.role,
            }
        case _:
            return guild


def _ticket_data(action: str, values: _SampleValues) -> dict[str, Any]:
    ticket = {"guildId": values.guild, "ticketId": values.ticket, "ticketNumber": values.number}
    match action:
        case "created":
            opener = {"openerId": values.user, "openerUsername": values.username}
            return ticket | {"subject": values.subject} | opener
        case "updated":
            changes = {
                "subject": {"old": values.subject, "new": f"{values.subject} (solved?)"},
                "priority": {"old": "normal", "new": "high"},
                "tags": {"added": ["login"], "removed": []},
            }
            return ticket | {"changes": changes, "actorId": values.owner}
        case "deleted":
            return ticket | {"deletedBy": values.owner, "reason": "Opened twice"}
        case "message_sent":
            return ticket | _message_data(values)
        case _:
            return ticket | _status_change_data(action, values)


def _message_data(values: _SampleValues) -> dict[str, Any]:
    return {
        "messageId": make_snowflake(values.at),
        "authorId": values.user,
        "authorUsername": values.username,
        "messageType": "customer",
        "hasAttachments": False,
        "messageLength": len(values.content),
        "content": values.content,
    }


def _status_change_data(action: str, values: _SampleValues) -> dict[str, Any]:
    old, new = {
        "claimed": ("OPEN", "CLAIMED"),
        "closed": ("CLAIMED", "CLOSED"),
        "status_changed": ("CLAIMED", "PENDING"),
    }[action]
    change: dict[str, Any] = {"oldStatus": old, "newStatus": new, "actorId": values.owner}
    return change | {"reason": "Solved"} if action == "closed" else change


def _team_data(action: str, values: _SampleValues) -> dict[str, Any]:
    guild = {"guildId": values.guild}
    user = {"userId": values.user, "username": values.username}
    role = {"roleId": values.role, "roleName": values.role_name}
    match action:
        case "left":
            return guild | user | {"hadOpenTickets": True, "wasTeamMember": False}
        case "member_assigned" | "member_unassigned":
            return guild | user | role | {"action": action.removeprefix("member_")}
        case "role_updated":
            changes = {"permissions": {"added": ["TICKET_CLOSE_ANY"], "removed": []}}
            return guild | role | {"action": "updated", "changes": changes}
        case _:
            return guild | role | {"action": action.removeprefix("role_")}
