"""What a bot's event means: which action of which domain it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from deskwire.integrations.discord import payloads as bot
from deskwire.integrations.discord.payloads import PAYLOADS, Payload
from deskwire.kit.clock import Millis
from deskwire.tickets.actions import ingest
from deskwire.webhooks.source import Delivery, Unfit
from deskwire.workspaces.guilds import guilds, members, roles
from deskwire.workspaces.names import learn
from deskwire.workspaces.origin import Origin, discord

MAX_DEPTH = 64  # of objects and lists in an event; the serialiser gives up at some 250


def apply(tx: Connection, delivery: Delivery) -> None:
    """Do what the delivery says. Raises Unfit where it is not understood."""
    event = delivery.body["event"]
    type_, wire = event["type"], event["data"]
    payload = parse_payload(type_, wire)
    origin = Origin(_actor(payload), delivery.signed_at, delivery.cause, wire)
    _learn_names(tx, payload, delivery.signed_at)
    match payload:
        case bot.TicketMessageSent():
            _message(tx, origin, payload)
        case bot.TicketPayload():
            ingest.record_fact(
                tx, origin, type_, payload.guild_id, payload.ticket_id, payload.ticket_number
            )
        case bot.MembershipPayload():
            _membership(tx, origin, payload)
        case bot.MemberLeft(guild_id=guild_id, user_id=user_id, username=username):
            members.record_member_left(
                tx, origin, guild_id=guild_id, user_id=user_id, username=username
            )
        case bot.RoleCreated() | bot.RoleUpdated() | bot.RoleDeleted():
            roles.record_role(
                tx, origin, payload.action, payload.guild_id, payload.role_id, payload.role_name
            )
        case _:
            _guild(tx, origin, payload)


def parse_payload(type_: str, wire: Mapping[str, Any]) -> Payload:
    """The event's data, checked. Raises Unfit with a sentence for each thing that is wrong."""
    if not isinstance(type_, str) or type_ not in PAYLOADS:
        raise Unfit(f"unknown event type {type_!r}")
    if not isinstance(wire, dict):
        raise Unfit(f"data must be an object, not {type(wire).__name__}")
    if _is_deeper(wire, MAX_DEPTH):
        raise Unfit(f"data is nested deeper than {MAX_DEPTH} levels")
    try:
        return PAYLOADS[type_].model_validate(wire)
    except ValidationError as error:
        raise Unfit(*(_sentence(each) for each in error.errors(include_url=False))) from None


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists lie in each other deeper than so many levels."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in held)


def _guild(tx: Connection, origin: Origin, payload: Payload) -> None:
    match payload:
        case bot.GuildJoined():
            guilds.record_joined(
                tx,
                origin,
                payload.guild_id,
                payload.guild_name,
                payload.owner_id,
                payload.member_count,
            )
        case bot.GuildLeft():
            guilds.record_left(tx, origin, payload.guild_id)
        case bot.GuildSetupComplete():
            ids = payload.model_dump(include=_SETUP)
            guilds.record_setup(tx, origin, payload.guild_id, ids)
        case _:
            raise TypeError(f"{type(payload).__name__} has no action")


_SETUP = {"support_category_id", "transcripts_channel_id", "log_channel_id", "default_role_id"}


def _message(tx: Connection, origin: Origin, payload: bot.TicketMessageSent) -> None:
    ingest.record_message(
        tx,
        origin,
        guild_id=payload.guild_id,
        sender_id=payload.ticket_id,
        number=payload.ticket_number,
        message_id=payload.message_id,
        side=payload.message_type,
        text=payload.content or None,
    )


def _membership(tx: Connection, origin: Origin, payload: bot.MembershipPayload) -> None:
    members.record_membership(
        tx,
        origin,
        guild_id=payload.guild_id,
        role_id=payload.role_id,
        role_name=payload.role_name,
        user_id=payload.user_id,
        username=payload.username,
        assigned=isinstance(payload, bot.MemberAssigned),
    )


def _actor(payload: Payload) -> str:
    match payload:
        case bot.TicketCreated():
            return discord(payload.opener_id)
        case bot.TicketUpdated() | bot.TicketMoved():
            return discord(payload.actor_id)
        case bot.TicketDeleted():
            return discord(payload.deleted_by)
        case bot.TicketMessageSent():
            return discord(payload.author_id)
        case bot.MemberLeft():
            return discord(payload.user_id)
        case bot.GuildJoined():
            return discord(payload.owner_id)
        case _:
            return "bot"


def _learn_names(tx: Connection, payload: Payload, at: Millis) -> None:
    match payload:
        case bot.TicketCreated():
            learn(tx, discord(payload.opener_id), payload.opener_username, at)
        case bot.TicketMessageSent():
            learn(tx, discord(payload.author_id), payload.author_username, at)
        case _:
            return


def _sentence(error: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "data"
    return f"{where}: {str(error['msg']).removeprefix('Value error, ')}"
