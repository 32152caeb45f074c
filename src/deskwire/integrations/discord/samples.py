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

TYPES = (
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
class _Scene:
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


def sample(
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
    scene = _Scene(
        guild, guild_name, owner, user, username, role, role_name,
        ticket, number, subject, content, moment,
    )  # fmt: skip
    kind, _, what = type_.partition(".")
    if type_ not in TYPES:
        raise Invalid(f"The bot has no event {type_!r}. It has: {', '.join(TYPES)}.")
    if kind == "ticket":
        return _ticket(what, scene)
    return _guild(what, scene) if kind == "guild" else _team(what, scene)


def snowflake(at: Millis, step: int = 0) -> str:
    """An id as Discord makes them: it sorts by time. `step` tells apart those of one moment."""
    return str((at - DISCORD_EPOCH << 22) + step)


def _guild(what: str, scene: _Scene) -> dict[str, Any]:
    here = {"guildId": scene.guild}
    match what:
        case "joined":
            named = {"guildName": scene.guild_name, "ownerId": scene.owner}
            return here | named | {"memberCount": 1284}
        case "setup_complete":
            return here | {
                "supportCategoryId": "1046200000000000010",
                "transcriptsChannelId": "1046200000000000011",
                "logChannelId": "1046200000000000012",
                "defaultRoleId": scene.role,
            }
        case _:
            return here


def _ticket(what: str, scene: _Scene) -> dict[str, Any]:
    here = {"guildId": scene.guild, "ticketId": scene.ticket, "ticketNumber": scene.number}
    match what:
        case "created":
            opener = {"openerId": scene.user, "openerUsername": scene.username}
            return here | {"subject": scene.subject} | opener
        case "updated":
            changes = {
                "subject": {"old": scene.subject, "new": f"{scene.subject} (solved?)"},
                "priority": {"old": "normal", "new": "high"},
                "tags": {"added": ["login"], "removed": []},
            }
            return here | {"changes": changes, "actorId": scene.owner}
        case "deleted":
            return here | {"deletedBy": scene.owner, "reason": "Opened twice"}
        case "message_sent":
            return here | _message(scene)
        case _:
            return here | _move(what, scene)


def _message(scene: _Scene) -> dict[str, Any]:
    return {
        "messageId": snowflake(scene.at),
        "authorId": scene.user,
        "authorUsername": scene.username,
        "messageType": "customer",
        "hasAttachments": False,
        "messageLength": len(scene.content),
        "content": scene.content,
    }


def _move(what: str, scene: _Scene) -> dict[str, Any]:
    old, new = {
        "claimed": ("OPEN", "CLAIMED"),
        "closed": ("CLAIMED", "CLOSED"),
        "status_changed": ("CLAIMED", "PENDING"),
    }[what]
    moved: dict[str, Any] = {"oldStatus": old, "newStatus": new, "actorId": scene.owner}
    return moved | {"reason": "Solved"} if what == "closed" else moved


def _team(what: str, scene: _Scene) -> dict[str, Any]:
    here = {"guildId": scene.guild}
    who = {"userId": scene.user, "username": scene.username}
    role = {"roleId": scene.role, "roleName": scene.role_name}
    match what:
        case "left":
            return here | who | {"hadOpenTickets": True, "wasTeamMember": False}
        case "member_assigned" | "member_unassigned":
            return here | who | role | {"action": what.removeprefix("member_")}
        case "role_updated":
            changes = {"permissions": {"added": ["TICKET_CLOSE_ANY"], "removed": []}}
            return here | role | {"action": "updated", "changes": changes}
        case _:
            return here | role | {"action": what.removeprefix("role_")}
