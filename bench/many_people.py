"""Create thousands of people with sessions and permissions in the database before the start.

Every person has ten channels: their own, two of each of four guilds, and a ticket they take part
in. One guild is common to all; the other three follow from the person's number, so that there are
about a thousand different sets of channels. The first `QUIET_GUILD_PEOPLE` belong to one more
guild, whose events only they hear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from bench.guild_owner import COOKIE_NAME
from bench.servers import DATABASE_FILE
from bench.webhook_bodies import GUILD
from deskwire.accounts.identities import identities
from deskwire.accounts.people import people
from deskwire.accounts.sessions import LIFETIME, sessions
from deskwire.events.channels import guild
from deskwire.kit.clock import now
from deskwire.kit.ids import hash_secret, new_id, new_secret
from deskwire.server.open_database import open_database
from deskwire.tickets.statuses import Status
from deskwire.tickets.tables import participants, tickets
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.permissions import DiscordPermission

CHANNELS_PER_PERSON = 10  # per person
SIDE_GUILDS = 20  # guilds beside the common one; each person is in three of them
PEOPLE_PER_TICKET = 10  # participants of each ticket
QUIET_GUILD_PEOPLE = 10  # people in the quiet guild
QUIET_GUILD = "1046123456789019999"

PERMISSION_BITS = int(DiscordPermission.TICKET_VIEW_ALL)
FIRST_SIDE_GUILD = 1_046_123_456_789_100_000
FIRST_DISCORD_ID = 518_456_789_012_300_000
OPENED_AT = 1_700_000_000_000  # ms; opening time of the tickets


def create_people(folder: Path, count: int) -> list[str]:
    """Create a database in `folder` with `count` people; return the tokens of their sessions."""
    opened = open_database(f"sqlite:///{folder / DATABASE_FILE}")
    try:
        return opened.db.write_sync(_insert_people, count)
    finally:
        opened.close()


def write_request_heads(file: Path, tokens: Sequence[str], cursor: str | None = None) -> Path:
    """Write the headers of one stream per line, in the format of the readers in C."""
    more = "" if cursor is None else f"\tLast-Event-ID: {cursor}"
    lines = [
        f"Cookie: {COOKIE_NAME}={token}\tAccept: text/event-stream{more}\n" for token in tokens
    ]
    file.write_text("".join(lines))
    return file


def side_guilds_of(index: int) -> list[str]:
    """Return the ids of a person's three guilds beside the common one."""
    first, second, third = (
        index % SIDE_GUILDS,
        index // SIDE_GUILDS % (SIDE_GUILDS - 1),
        index // 380 % (SIDE_GUILDS - 2),
    )
    remaining = list(range(SIDE_GUILDS))
    return [str(FIRST_SIDE_GUILD + remaining.pop(index)) for index in (first, second, third)]


def _insert_people(tx: Connection, count: int) -> list[str]:
    at = now()
    ids = [new_id() for _ in range(count)]
    tokens = [new_secret() for _ in range(count)]
    rows: dict[Any, list[dict[str, Any]]] = {
        people: [_person_row(id_, index, at) for index, id_ in enumerate(ids)],
        identities: [_identity_row(id_, index, at) for index, id_ in enumerate(ids)],
        sessions: [_session_row(id_, tokens[index], at) for index, id_ in enumerate(ids)],
        guild_members: [row for index in range(count) for row in _membership_rows(index)],
        tickets: [_ticket_row(number) for number in range(-(-count // PEOPLE_PER_TICKET))],
        participants: [_participant_row(index) for index in range(count)],
    }
    for table, values in rows.items():
        tx.execute(insert(table), values)
    return tokens


def _person_row(id_: str, index: int, at: int) -> dict[str, Any]:
    return {"id": id_, "name": f"Member {index}", "revision": 1, "created_at": at}


def _identity_row(id_: str, index: int, at: int) -> dict[str, Any]:
    subject = str(FIRST_DISCORD_ID + index)
    return {
        "principal": f"discord:{subject}",
        "person": id_,
        "provider": "discord",
        "subject": subject,
        "created_at": at,
    }


def _session_row(id_: str, token: str, at: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "token_hash": hash_secret(token),
        "person": id_,
        "created_at": at,
        "expires_at": at + LIFETIME,
        "seen_at": at,
        "user_agent": "bench",
    }


def _membership_rows(index: int) -> list[dict[str, Any]]:
    quiet = [QUIET_GUILD] if index < QUIET_GUILD_PEOPLE else []
    return [
        {
            "guild": guild_id,
            "principal": _principal_of(index),
            "left_at": 0,
            "permissions": PERMISSION_BITS,
            "permitted_at": OPENED_AT,
            "revision": 1,
        }
        for guild_id in (GUILD, *side_guilds_of(index), *quiet)
    ]


def _ticket_row(number: int) -> dict[str, Any]:
    status: Status = "active"
    return {
        "id": f"bench-{number}",
        "workspace": guild(str(FIRST_SIDE_GUILD)),
        "number": number + 1,
        "status": status,
        "tags": "[]",
        "messages": 0,
        "opened_at": OPENED_AT,
        "active_at": OPENED_AT,
        "revision": 1,
    }


def _participant_row(index: int) -> dict[str, Any]:
    ticket = f"bench-{index // PEOPLE_PER_TICKET}"
    return {"ticket": ticket, "principal": _principal_of(index), "role": "added"}


def _principal_of(index: int) -> str:
    return f"discord:{FIRST_DISCORD_ID + index}"
