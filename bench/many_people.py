"""A crowd: thousands of people with sessions and rights, put into the database before the start.

Everybody holds ten channels: their own, two of each of four Discord servers, and a ticket they
take part in. One server is common to all; the other three follow from the person's number, so that
a thousand different sets of channels are held. The first `FEW` belong to one more server, where
something can happen that nobody else hears.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from bench.guild_owner import COOKIE
from bench.servers import DATABASE
from bench.webhook_bodies import GUILD
from deskwire.accounts.identities import identities
from deskwire.accounts.people import people
from deskwire.accounts.sessions import LIFETIME, sessions
from deskwire.events.channels import guild
from deskwire.kit.clock import now
from deskwire.kit.ids import digest, new_id, new_secret
from deskwire.server.services import open_database
from deskwire.tickets.statuses import Status
from deskwire.tickets.tables import participants, tickets
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import Permission

CHANNELS = 10  # of each person
SIDES = 20  # Discord servers beside the common one; everybody is in three of them
TOGETHER = 10  # people who take part in the same ticket
FEW = 10  # people in the quiet server
QUIET = "1046123456789019999"

RIGHTS = int(Permission.TICKET_VIEW_ALL)
FIRST_SIDE = 1_046_123_456_789_100_000
FIRST_USER = 518_456_789_012_300_000
OPENED_AT = 1_700_000_000_000  # ms; when the tickets were opened


def gather(folder: Path, count: int) -> list[str]:
    """Make a database in `folder` with so many people; the secrets of their sessions."""
    opened = open_database(f"sqlite:///{folder / DATABASE}")
    try:
        return opened.db.write_here(_insert, count)
    finally:
        opened.close()


def write_heads(file: Path, tokens: Sequence[str], cursor: str | None = None) -> Path:
    """The headers of one stream per line, as the listeners read them."""
    more = "" if cursor is None else f"\tLast-Event-ID: {cursor}"
    lines = [f"Cookie: {COOKIE}={token}\tAccept: text/event-stream{more}\n" for token in tokens]
    file.write_text("".join(lines))
    return file


def sides_of(index: int) -> list[str]:
    """The three Discord servers, beside the common one, of a person."""
    first, second, third = index % SIDES, index // SIDES % (SIDES - 1), index // 380 % (SIDES - 2)
    left = list(range(SIDES))
    return [str(FIRST_SIDE + left.pop(place)) for place in (first, second, third)]


def _insert(tx: Connection, count: int) -> list[str]:
    at = now()
    ids = [new_id() for _ in range(count)]
    tokens = [new_secret() for _ in range(count)]
    rows: dict[Any, list[dict[str, Any]]] = {
        people: [_person(id_, index, at) for index, id_ in enumerate(ids)],
        identities: [_identity(id_, index, at) for index, id_ in enumerate(ids)],
        sessions: [_session(id_, tokens[index], at) for index, id_ in enumerate(ids)],
        guild_members: [row for index in range(count) for row in _memberships(index)],
        tickets: [_ticket(number) for number in range(-(-count // TOGETHER))],
        participants: [_participant(index) for index in range(count)],
    }
    for table, values in rows.items():
        tx.execute(insert(table), values)
    return tokens


def _person(id_: str, index: int, at: int) -> dict[str, Any]:
    return {"id": id_, "name": f"Member {index}", "revision": 1, "created_at": at}


def _identity(id_: str, index: int, at: int) -> dict[str, Any]:
    subject = str(FIRST_USER + index)
    return {
        "principal": f"discord:{subject}",
        "person": id_,
        "provider": "discord",
        "subject": subject,
        "created_at": at,
    }


def _session(id_: str, token: str, at: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "token_hash": digest(token),
        "person": id_,
        "created_at": at,
        "expires_at": at + LIFETIME,
        "seen_at": at,
        "user_agent": "bench",
    }


def _memberships(index: int) -> list[dict[str, Any]]:
    quiet = [QUIET] if index < FEW else []
    return [
        {
            "guild": guild_id,
            "principal": _principal(index),
            "left_at": 0,
            "permissions": RIGHTS,
            "permitted_at": OPENED_AT,
            "revision": 1,
        }
        for guild_id in (GUILD, *sides_of(index), *quiet)
    ]


def _ticket(number: int) -> dict[str, Any]:
    status: Status = "active"
    return {
        "id": f"bench-{number}",
        "workspace": guild(str(FIRST_SIDE)),
        "number": number + 1,
        "status": status,
        "tags": "[]",
        "messages": 0,
        "opened_at": OPENED_AT,
        "active_at": OPENED_AT,
        "revision": 1,
    }


def _participant(index: int) -> dict[str, Any]:
    ticket = f"bench-{index // TOGETHER}"
    return {"ticket": ticket, "principal": _principal(index), "role": "added"}


def _principal(index: int) -> str:
    return f"discord:{FIRST_USER + index}"
