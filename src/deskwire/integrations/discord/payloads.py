"""Define the `data` of each of the bot's sixteen events (wire formats, section 2).

Unknown fields are kept. Data that is invalid is not applied: its delivery is parked, with reasons.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic.alias_generators import to_camel

from deskwire.tickets.statuses import WireStatus


def _check_no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL characters")
    return text


def _check_snowflake(text: str) -> str:
    if SNOWFLAKE_PATTERN.fullmatch(text) is None:
        raise ValueError("must be a Discord id: 1 to 20 digits, as text")
    return text


SNOWFLAKE_PATTERN = re.compile(r"[0-9]{1,20}", re.ASCII)
Snowflake = Annotated[str, AfterValidator(_check_snowflake)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_check_no_nul)
]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_check_no_nul)]
SafeInteger = Annotated[int, Field(strict=True, ge=0, le=2**53)]
Int32 = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]


class Payload(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True)

    guild_id: Snowflake


class GuildJoined(Payload):
    guild_name: Name
    owner_id: Snowflake
    member_count: Int32


class GuildLeft(Payload):
    pass


class GuildSetupComplete(Payload):
    support_category_id: Snowflake | None = None
    transcripts_channel_id: Snowflake | None = None
    log_channel_id: Snowflake | None = None
    default_role_id: Snowflake | None = None


class TicketPayload(Payload):
    ticket_id: SafeInteger
    ticket_number: Int32


class TicketCreated(TicketPayload):
    subject: Text
    opener_id: Snowflake
    opener_username: Name
    panel_id: Text | None = None
    category_id: Text | None = None


class OldNew(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    old: Text | None = None
    new: Text | None = None


class AddedRemoved(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    added: list[Text] = []
    removed: list[Text] = []


class TicketChanges(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    subject: OldNew | None = None
    priority: OldNew | None = None
    tags: AddedRemoved | None = None


class TicketUpdated(TicketPayload):
    changes: TicketChanges
    actor_id: Snowflake


class TicketDeleted(TicketPayload):
    deleted_by: Snowflake
    reason: Text | None = None


class TicketMessageSent(TicketPayload):
    message_id: Snowflake
    author_id: Snowflake
    author_username: Name
    message_type: Literal["customer", "staff", "bot"]
    has_attachments: StrictBool
    message_length: Int32
    content: Text | None = None


class TicketStatusChanged(TicketPayload):
    old_status: Text
    new_status: WireStatus
    actor_id: Snowflake
    reason: Text | None = None


class TicketClaimed(TicketStatusChanged):
    new_status: Literal["CLAIMED"]


class TicketClosed(TicketStatusChanged):
    new_status: Literal["CLOSED"]


class RoleChanges(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: OldNew | None = None
    permissions: AddedRemoved | None = None


class RolePayload(Payload):
    role_id: Snowflake
    role_name: Name
    changes: RoleChanges | None = None


class RoleCreated(RolePayload):
    action: Literal["created"]


class RoleUpdated(RolePayload):
    action: Literal["updated"]


class RoleDeleted(RolePayload):
    action: Literal["deleted"]


class MembershipPayload(Payload):
    user_id: Snowflake
    username: Name
    role_id: Snowflake
    role_name: Name


class MemberAssigned(MembershipPayload):
    action: Literal["assigned"]


class MemberUnassigned(MembershipPayload):
    action: Literal["unassigned"]


class MemberLeft(Payload):
    user_id: Snowflake
    username: Name
    had_open_tickets: StrictBool
    was_team_member: StrictBool


PAYLOADS: dict[str, type[Payload]] = {
    "guild.joined": GuildJoined,
    "guild.left": GuildLeft,
    "guild.setup_complete": GuildSetupComplete,
    "ticket.created": TicketCreated,
    "ticket.updated": TicketUpdated,
    "ticket.deleted": TicketDeleted,
    "ticket.message_sent": TicketMessageSent,
    "ticket.status_changed": TicketStatusChanged,
    "ticket.claimed": TicketClaimed,
    "ticket.closed": TicketClosed,
    "team.role_created": RoleCreated,
    "team.role_updated": RoleUpdated,
    "team.role_deleted": RoleDeleted,
    "team.member_assigned": MemberAssigned,
    "team.member_unassigned": MemberUnassigned,
    "member.left": MemberLeft,
}
