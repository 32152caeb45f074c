"""Serve Discord servers, their tickets and messages over the API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.types.registry import NamedRef
from deskwire.kit.pagination import PageKey, parse_page_key
from deskwire.tickets.queries import counts
from deskwire.tickets.queries.detail import read_participants
from deskwire.tickets.queries.list_tickets import read_newest_tickets
from deskwire.tickets.request_fields import read_plain_values
from deskwire.tickets.statuses import Status
from deskwire.tickets.ticket import Ticket, build_tickets
from deskwire.tickets.validation import parse_ticket_number
from deskwire.tickets.visibility import read_visible_ticket_row
from deskwire.web.api.guild_shapes import (
    GuildNow,
    GuildPage,
    TicketInFull,
    TicketNow,
    TicketPage,
    TicketQuery,
)
from deskwire.web.api.messages import read_ticket_messages
from deskwire.web.api.operations import Call, add_next_link, invalid_after_error
from deskwire.web.api.request_shapes import MessageNow, MessagePage, Participant
from deskwire.web.api.shapes import PageQuery
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names


async def list_guilds(call: Call, query: PageQuery) -> GuildPage:
    """List Discord servers.

    Those you may open, by id: the order of their creation at Discord, which never changes.
    """
    if query.after and re.fullmatch("[0-9]{1,20}", query.after) is None:
        raise invalid_after_error()
    items, next_key = await call.read(_read_guild_page, query.after)
    add_next_link(call, next_key)
    return GuildPage(items=items, next=next_key, cursor=call.cursor)


async def show_guild(call: Call) -> GuildNow:
    """Get a Discord server."""
    return await call.read(_read_guild, _guild_in_path(call))


async def list_tickets(call: Call, query: TicketQuery) -> TicketPage:
    """List the tickets of a Discord server.

    Those you may see, newest first by the time of creation, which never changes: every ticket that
    exists when the first page is read is on exactly one page, unless its status no longer matches.
    """
    after = _parse_after(query)
    items, by_status, next_key = await call.read(
        _read_ticket_page, _guild_in_path(call), query.status, after
    )
    add_next_link(call, next_key)
    return TicketPage(items=items, counts=by_status, next=next_key, cursor=call.cursor)


async def show_ticket(call: Call) -> TicketInFull:
    """Get a ticket of a Discord server."""
    return await call.read(_read_ticket, _guild_in_path(call), _number_in_path(call))


async def list_ticket_messages(call: Call, query: PageQuery) -> MessagePage:
    """List the messages of a ticket of a Discord server.

    Oldest first. A message whose text the bot did not send has no `text`.
    """
    items, next_key = await call.read(
        _read_messages, _guild_in_path(call), _number_in_path(call), _parse_after(query)
    )
    add_next_link(call, next_key)
    return MessagePage(items=items, next=next_key, cursor=call.cursor)


def _guild_in_path(call: Call) -> str:
    return str(call.request.path_params["guild"])


def _number_in_path(call: Call) -> str:
    return str(call.request.path_params["number"])


def _parse_after(query: PageQuery) -> PageKey | None:
    after = parse_page_key(query.after)
    if query.after and after is None:
        raise invalid_after_error()
    return after


def _read_guild_page(
    tx: Connection, viewer: Viewer, after: str
) -> tuple[list[GuildNow], str | None]:
    page, next_id = guilds.list_visible_page(tx, viewer, after)
    open_counts = counts.count_open_by_workspace(tx, viewer)
    return [_to_guild_now(each, open_counts) for each in page], next_id


def _read_guild(tx: Connection, viewer: Viewer, guild_id: str) -> GuildNow:
    guild = guilds.read_visible(tx, viewer, guild_id)
    return _to_guild_now(guild, counts.count_open_by_workspace(tx, viewer))


def _read_ticket_page(
    tx: Connection, viewer: Viewer, guild_id: str, status: Status | None, after: PageKey | None
) -> tuple[list[TicketNow], dict[Status, int], str | None]:
    guild = guilds.read_shared(tx, viewer, guild_id)
    page, next_key = read_newest_tickets(tx, viewer, guild.workspace, status, after)
    by_status = counts.count_by_status(tx, viewer, guild.workspace)
    return [_to_ticket_now(each, guild) for each in page], by_status, next_key


def _read_ticket(tx: Connection, viewer: Viewer, guild_id: str, number: str) -> TicketInFull:
    guild = guilds.read_shared(tx, viewer, guild_id)
    row = read_visible_ticket_row(tx, viewer, guild.workspace, parse_ticket_number(number))
    people = read_participants(tx, row.id)
    names = read_names(tx, [row.opener, row.assignee, *(each.principal for each in people)])
    participants = [
        Participant(id=each.principal, name=names[each.principal].name, role=each.role)
        for each in people
    ]
    [ticket] = build_tickets([row], names)
    return TicketInFull(**dict(_to_ticket_now(ticket, guild)), participants=participants)


def _read_messages(
    tx: Connection, viewer: Viewer, guild_id: str, number: str, after: PageKey | None
) -> tuple[list[MessageNow], str | None]:
    workspace = guilds.read_shared(tx, viewer, guild_id).workspace
    row = read_visible_ticket_row(tx, viewer, workspace, parse_ticket_number(number))
    return read_ticket_messages(tx, row.id, after, include_notes=False)  # as on its page


def _to_guild_now(guild: Guild, open_counts: Mapping[str, int]) -> GuildNow:
    return GuildNow(
        id=guild.id,
        name=guild.name,
        members=guild.members,
        bot_installed=guild.bot_installed,
        set_up=guild.is_set_up,
        open_tickets=open_counts.get(guild.workspace, 0),
        revision=guild.revision,
        href=guild.now.href,
    )


def _to_ticket_now(ticket: Ticket, guild: Guild) -> TicketNow:
    now = ticket.now
    return TicketNow(
        id=ticket.id,
        number=now.number,
        guild=NamedRef(id=guild.id, name=guild.name),
        subject=now.subject,
        status=now.status,
        status_label=now.status_label,
        requester=now.opener,
        assignee=now.assignee,
        **read_plain_values(now, TicketNow),
        labels=now.tags,
        messages=now.messages,
        opened_at=now.opened_at,
        active_at=now.active_at,
        closed_at=ticket.closed_at,
        revision=ticket.revision,
        href=now.href,
    )
