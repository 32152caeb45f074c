"""A believable `data` for each of the bot's sixteen events (wire formats, section 2).

For `deskwire webhook send`, the docs and the tests. What is not named is made up, always the same;
only the id of a message follows the time, because the same message twice is one message.
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
    """The `data` of one event of `type_`. Invalid where the bot has no such event.

    `owner` acts for the team and owns the guild; `user` writes, and joins and leaves the team.
    """
    moment = now() if at is None else at
    scene = _SampleValues(
        guild, guild_name, owner, user, username, role, role_name,
        ticket, number, subject, content, moment,
    )  # fmt: skip
    kind, _, what = type_.partition(".")
    if type_ not in EVENT_TYPES:
        raise Invalid(f"The bot has no event {type_!r}. It has: {', '.join(EVENT_TYPES)}.")
    if kind == "ticket":
        return _ticket_data(what, scene)
    return _guild_data(what, scene) if kind == "guild" else _team_data(what, scene)


def make_snowflake(at: Millis, step: int = 0) -> str:
    """An id as Discord makes them: it sorts by time. `step` tells apart those of one moment."""
    return str((at - DISCORD_EPOCH << 22) + step)


def _guild_data(action: str, values: _SampleValues) -> dict[str, Any]:
    here = {"guildId": values.guild}
    match action:
        case "joined":
            named = {"guildName": values.guild_name, "ownerId": values.owner}
            return here | named | {"memberCount": 1284}
        case "setup_complete":
            return here | {
                "supportCategoryId": "1046200000000000010",
                "transcriptsChannelId": "1046200000000000011",
                "logChannelId": "1046200000000000012",
                "defaultRoleId": values.role,
            }
        case _:
            return here


def _ticket_data(action: str, values: _SampleValues) -> dict[str, Any]:
    here = {"guildId": values.guild, "ticketId": values.ticket, "ticketNumber": values.number}
    match action:
        case "created":
            opener = {"openerId": values.user, "openerUsername": values.username}
            return here | {"subject": values.subject} | opener
        case "updated":
            changes = {
                "subject": {"old": values.subject, "new": f"{values.subject} (solved?)"},
                "priority": {"old": "normal", "new": "high"},
                "tags": {"added": ["login"], "removed": []},
            }
            return here | {"changes": changes, "actorId": values.owner}
        case "deleted":
            return here | {"deletedBy": values.owner, "reason": "Opened twice"}
        case "message_sent":
            return here | _message_data(values)
        case _:
            return here | _status_change_data(action, values)


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
    moved: dict[str, Any] = {"oldStatus": old, "newStatus": new, "actorId": values.owner}
    return moved | {"reason": "Solved"} if action == "closed" else moved


def _team_data(action: str, values: _SampleValues) -> dict[str, Any]:
    here = {"guildId": values.guild}
    who = {"userId": values.user, "username": values.username}
    role = {"roleId": values.role, "roleName": values.role_name}
    match action:
        case "left":
            return here | who | {"hadOpenTickets": True, "wasTeamMember": False}
        case "member_assigned" | "member_unassigned":
            return here | who | role | {"action": action.removeprefix("member_")}
        case "role_updated":
            changes = {"permissions": {"added": ["TICKET_CLOSE_ANY"], "removed": []}}
            return here | role | {"action": "updated", "changes": changes}
        case _:
            return here | role | {"action": action.removeprefix("role_")}
