"""Translate the bot's events into actions of the domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from deskwire.integrations.discord import payloads as bot
from deskwire.integrations.discord.payloads import PAYLOADS, Payload
from deskwire.kit.clock import Millis
from deskwire.tickets.actions import ingest
from deskwire.tickets.prepared_text import PreparedText, prepare_text
from deskwire.webhooks.source import Delivery, UnprocessableDelivery
from deskwire.workspaces.guilds import guilds, members, roles
from deskwire.workspaces.name_changes import record_discord_name
from deskwire.workspaces.origin import Origin, discord_principal

MAX_DEPTH = 64  # levels of objects and lists in an event; the serializer fails at some 250


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """A validated event, and the text of its message as prepared."""

    type: str
    payload: Payload
    text: PreparedText | None = None


def parse_event(delivery: Delivery) -> ParsedEvent:
    """Validate a delivery's event. Raises UnprocessableDelivery if it is unknown or invalid."""
    event = delivery.body["event"]
    payload = parse_payload(event["type"], event["data"])
    if isinstance(payload, bot.TicketMessageSent) and payload.content:
        return ParsedEvent(event["type"], payload, prepare_text(payload.content))
    return ParsedEvent(event["type"], payload)


def apply_delivery(tx: Connection, delivery: Delivery, event: ParsedEvent | None = None) -> bool:
    """Apply a delivery. `event` is what `parse_event` returned; None: it is parsed here.

    Returns False for a message that is there already. Raises UnprocessableDelivery if its event is
    unknown or invalid.
    """
    event = event or parse_event(delivery)
    type_, payload, wire = event.type, event.payload, delivery.body["event"]["data"]
    origin = Origin(_actor_of(payload), delivery.signed_at, delivery.cause, wire)
    _learn_names(tx, payload, delivery.signed_at)
    match payload:
        case bot.TicketMessageSent():
            return _record_message(tx, origin, payload, event.text)
        case bot.TicketPayload():
            ingest.ingest_fact(
                tx, origin, type_, payload.guild_id, payload.ticket_id, payload.ticket_number
            )
        case bot.MembershipPayload():
            _record_membership(tx, origin, payload)
        case bot.MemberLeft(guild_id=guild_id, user_id=user_id, username=username):
            members.record_member_left(
                tx, origin, guild_id=guild_id, user_id=user_id, username=username
            )
        case bot.RoleCreated() | bot.RoleUpdated() | bot.RoleDeleted():
            roles.record_role_change(
                tx, origin, payload.action, payload.guild_id, payload.role_id, payload.role_name
            )
        case _:
            _record_guild(tx, origin, payload)
    return True


def parse_payload(type_: str, data: Mapping[str, Any]) -> Payload:
    """Validate an event's data. Raises UnprocessableDelivery with a sentence for each problem."""
    if not isinstance(type_, str) or type_ not in PAYLOADS:
        raise UnprocessableDelivery(f"unknown event type {type_!r}")
    if not isinstance(data, dict):
        raise UnprocessableDelivery(f"data must be an object, not {type(data).__name__}")
    if _is_nested_deeper_than(data, MAX_DEPTH):
        raise UnprocessableDelivery(f"data is nested deeper than {MAX_DEPTH} levels")
    try:
        return PAYLOADS[type_].model_validate(data)
    except ValidationError as error:
        raise UnprocessableDelivery(
            *(_format_error(each) for each in error.errors(include_url=False))
        ) from None


def _is_nested_deeper_than(value: object, max_depth: int) -> bool:
    """Whether objects and lists are nested deeper than `max_depth` levels."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max_depth == 0 or any(_is_nested_deeper_than(each, max_depth - 1) for each in items)


def _record_guild(tx: Connection, origin: Origin, payload: Payload) -> None:
    match payload:
        case bot.GuildJoined():
            guilds.record_bot_joined(
                tx,
                origin,
                payload.guild_id,
                payload.guild_name,
                payload.owner_id,
                payload.member_count,
            )
        case bot.GuildLeft():
            guilds.record_bot_left(tx, origin, payload.guild_id)
        case bot.GuildSetupComplete():
            ids = payload.model_dump(include=_SETUP_FIELDS)
            guilds.record_bot_setup(tx, origin, payload.guild_id, ids)
        case _:
            raise TypeError(f"{type(payload).__name__} has no action")


_SETUP_FIELDS = {
    "support_category_id",
    "transcripts_channel_id",
    "log_channel_id",
    "default_role_id",
}


def _record_message(
    tx: Connection, origin: Origin, payload: bot.TicketMessageSent, text: PreparedText | None
) -> bool:
    return ingest.ingest_message(
        tx,
        origin,
        guild_id=payload.guild_id,
        sender_id=payload.ticket_id,
        number=payload.ticket_number,
        message_id=payload.message_id,
        side=payload.message_type,
        text=text,
    )


def _record_membership(tx: Connection, origin: Origin, payload: bot.MembershipPayload) -> None:
    members.record_role_membership(
        tx,
        origin,
        guild_id=payload.guild_id,
        role_id=payload.role_id,
        role_name=payload.role_name,
        user_id=payload.user_id,
        username=payload.username,
        assigned=isinstance(payload, bot.MemberAssigned),
    )


def _actor_of(payload: Payload) -> str:
    match payload:
        case bot.TicketCreated():
            return discord_principal(payload.opener_id)
        case bot.TicketUpdated() | bot.TicketStatusChanged():
            return discord_principal(payload.actor_id)
        case bot.TicketDeleted():
            return discord_principal(payload.deleted_by)
        case bot.TicketMessageSent():
            return discord_principal(payload.author_id)
        case bot.MemberLeft():
            return discord_principal(payload.user_id)
        case bot.GuildJoined():
            return discord_principal(payload.owner_id)
        case _:
            return "bot"


def _learn_names(tx: Connection, payload: Payload, at: Millis) -> None:
    match payload:
        case bot.TicketCreated():
            record_discord_name(
                tx, discord_principal(payload.opener_id), payload.opener_username, at
            )
        case bot.TicketMessageSent():
            record_discord_name(
                tx, discord_principal(payload.author_id), payload.author_username, at
            )
        case _:
            return


def _format_error(error: Mapping[str, Any]) -> str:
    field = ".".join(str(part) for part in error["loc"]) or "data"
    return f"{field}: {str(error['msg']).removeprefix('Value error, ')}"
