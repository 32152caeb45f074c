"""Tell whether a delivery that could not be applied is about a deleted ticket.

Its body names a server and a ticket by the bot's ids. Where one of them cannot be read, which is
why the delivery could not be applied, every number in the body may be it: such a delivery can never
be applied, so that emptying it loses nothing but its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection

from deskwire.events import channels
from deskwire.events.channels import Workspace
from deskwire.integrations.discord.payloads import PAYLOADS, SNOWFLAKE_PATTERN, TicketPayload
from deskwire.kit.errors import Invalid
from deskwire.kit.strict_json import parse_json
from deskwire.tickets.actions.erase import has_deleted_ticket
from deskwire.webhooks.source import DeletedTicket

MAX_NUMBERS = 200  # of one body that are looked up; an event of the bot has about ten
MAX_TICKET_ID = 2**53  # no id of the bot is higher (payloads.py)
MAX_TICKET_NUMBER = 2**31 - 1  # the column `number` holds no higher one

_NUMBER = re.compile(r"(?<![0-9])[0-9]{1,20}(?![0-9])")


class TicketKeys(NamedTuple):
    """What a body may name its ticket by, in one of the workspaces."""

    workspaces: frozenset[Workspace]
    ids: frozenset[int]  # at the bot
    numbers: frozenset[int] = frozenset()


def is_about_deleted_ticket(tx: Connection, body: bytes, gone: Collection[DeletedTicket]) -> bool:
    """Whether a body is about a deleted ticket, or one of `gone`, as far as can be known."""
    keys = find_ticket_keys(body)
    if keys is None:
        return False
    if any(each.workspace in keys.workspaces and each.sender_id in keys.ids for each in gone):
        return True
    return has_deleted_ticket(tx, keys.workspaces, keys.ids, keys.numbers)


def find_ticket_keys(body: bytes) -> TicketKeys | None:
    """Return what a body may name its ticket by, or None if it is about no ticket."""
    try:
        event = parse_json(body)["event"]
        type_, data = event["type"], event["data"]
    except (Invalid, TypeError, KeyError):
        return _guess_keys({}, body.decode("utf-8", "replace"))
    if not isinstance(data, dict):
        return _guess_keys({}, json.dumps(data)) if _may_have_ticket(type_) else None
    if "ticketId" not in data and not _may_have_ticket(type_):
        return None
    return _guess_keys(data, json.dumps(data, ensure_ascii=False))


def _may_have_ticket(type_: object) -> bool:
    if isinstance(type_, str) and type_ in PAYLOADS:
        return issubclass(PAYLOADS[type_], TicketPayload)
    return not isinstance(type_, str) or type_.startswith("ticket")


def _guess_keys(data: dict[str, Any], text: str) -> TicketKeys:
    guild_id, ticket_id = str(data.get("guildId")), _parse_number(data.get("ticketId"))
    has_guild = SNOWFLAKE_PATTERN.fullmatch(guild_id) is not None
    guesses = list[str]()
    if not has_guild or ticket_id is None:
        guesses = list(dict.fromkeys(_NUMBER.findall(text)))[:MAX_NUMBERS]
    guild_ids = [guild_id] if has_guild else guesses
    ids = map(int, guesses) if ticket_id is None else [ticket_id]
    number = _parse_number(data.get("ticketNumber")) if ticket_id is None else None
    return TicketKeys(
        frozenset(map(channels.guild, guild_ids)),
        frozenset(id_ for id_ in ids if id_ <= MAX_TICKET_ID),
        frozenset([number] if number is not None and number <= MAX_TICKET_NUMBER else []),
    )


def _parse_number(value: object) -> int | None:
    """Return a number as the bot may have written it, e.g. `7` or `"7"`; None if it is none."""
    text = str(value)
    return int(text) if _NUMBER.fullmatch(text) else None
