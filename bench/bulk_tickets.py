"""An archive: a Discord server, or an organization, with very many tickets, put into a database in
bulk.

The rows are written as they were before words were kept, and the migration does the rest: what is
searched is what an upgraded desk has. Words come as often as they do in a language (Zipf), so that
there are a few in nearly every ticket and thousands in a handful. `RARE` is in `MANY_RARE` tickets,
however many there are.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any

from alembic import command
from sqlalchemy import Connection, insert, update

from bench.webhook_bodies import GUILD, OWNER
from deskwire import schema
from deskwire.events import log
from deskwire.kit.connect import connect
from deskwire.kit.sqlite import SQLite, path_of
from deskwire.tickets.statuses import Status
from deskwire.tickets.tables import tickets
from deskwire.workspaces.organizations.organizations import categories

BEFORE = "0002"  # the version whose tables the rows are written to

RARE, COMMON = "zephyrine", "ba"  # the second begins a great many words
MANY_RARE = 20  # tickets
TALK = 12  # words of a message on average; two messages in each ticket
VOCABULARY = 20_000  # words
PHRASES = 50_000  # of three words each
TEAM = 12  # people who take them on
AT_ONCE = 5_000  # tickets in memory at a time
BEGAN = 1_700_000_000_000  # ms
MINUTE = 60_000  # ms between two tickets

STATUSES: tuple[Status, ...] = ("done", "canceled", "new", "active", "waiting", "review")
SHARES = (90, 4, 2, 2, 1, 1)  # % of the tickets, once there are enough

COLUMNS = {
    "tickets": "id workspace number sender_id subject subject_folded status opener assignee tags "
    "messages opened_at active_at closed_at revision",
    "participants": "ticket principal role",
    "messages": "id ticket kind type origin sender_id author side at data text html revision",
    "discord_users": "principal name name_folded named_at",
    "people": "id name revision created_at",
    "organizations": "id slug name internal created_at revision",
    "organization_members": "organization person role revision",
    "guilds": "id name owner details_at bot_installed presence_at setup_at created_at revision",
}

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tickets are, and who writes them."""

    workspace: str
    author: str  # of a principal, all but its number
    authors: int  # people who open tickets
    origin: str


SERVER = Place(f"guild:{GUILD}", "discord:3184567890123", 3_000, "discord")
COMPANY = Place("org:0193-company", "0193-person-", 50, "web")
SLUG = "archive"  # of the company
INTERNAL = "0193-team"


def fill(url: str, size: int, place: Place = SERVER) -> None:
    """Make a database with `size` tickets, as a server that is started now would find it."""
    db = connect(url)
    try:
        if isinstance(db, SQLite):
            db.path.parent.mkdir(parents=True, exist_ok=True)
        db.write_here(_make)
        _insert(url, _chunks(size, place))
        db.write_here(schema._migrate, db.name)
        if place is COMPANY:
            db.write_here(_bring_up_to_date)
        if not isinstance(db, SQLite):  # which learns of what it holds by itself, a minute later
            db.write_here(lambda tx: tx.exec_driver_sql("ANALYZE"))
    finally:
        db.close()


def _make(tx: Connection) -> None:
    config = schema._config()
    config.attributes["connection"] = tx
    command.upgrade(config, BEFORE)
    log.begin_epoch(tx)


def _bring_up_to_date(tx: Connection) -> None:
    """What an older version knew nothing of: who spoke last, and categories."""
    spoken = {"spoken_at": tickets.c.active_at, "spoken_by": tickets.c.assignee}
    # With a revision of its own it is Deskwire's write, not an edit by hand to be told of.
    tx.execute(update(tickets).values(spoken | {"revision": tickets.c.revision + 1}))
    organization = COMPANY.workspace.removeprefix("org:")
    rows = [
        {
            "id": f"0193-{name}",
            "organization": organization,
            "name": name,
            "place": place,
            "revision": 1,
        }
        for place, name in enumerate(("Access", "Billing", "Other", "Site"))
    ]
    tx.execute(insert(categories), rows)


def _insert(url: str, chunks: Iterable[Rows]) -> None:
    if not url.startswith("sqlite"):
        _copy(url, chunks)
        return
    with closing(sqlite3.connect(path_of(url))) as connection:
        for chunk in chunks:
            for table, rows in chunk.items():
                names = COLUMNS[table].split()
                values = ", ".join("?" * len(names))
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", rows
                )
            connection.commit()


def _copy(url: str, chunks: Iterable[Rows]) -> None:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for chunk in chunks:
            for table, rows in chunk.items():
                names = ", ".join(COLUMNS[table].split())
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)


def _chunks(size: int, place: Place) -> Iterator[Rows]:
    chance = random.Random(size)
    yield _server(chance) if place is SERVER else _company(chance)
    made = _tickets(size, chance, place)
    while chunk := list(islice(made, AT_ONCE)):
        yield {
            table: [row for rows in chunk for row in rows[table]]
            for table in ("tickets", "participants", "messages")
        }


def _server(chance: random.Random) -> Rows:
    words = _Words(chance)
    named = [
        (_author(SERVER, index), name := words.text(3).title(), name.lower(), BEGAN)
        for index in range(SERVER.authors + TEAM)
    ]
    guild = (GUILD, "The Archive", f"discord:{OWNER}", BEGAN, True, BEGAN, BEGAN, BEGAN, 1)
    return {"guilds": [guild], "discord_users": named}


def _company(chance: random.Random) -> Rows:
    words, id_ = _Words(chance), COMPANY.workspace.removeprefix("org:")
    persons = [_author(COMPANY, index) for index in range(COMPANY.authors + TEAM)]
    return {
        "people": [(person, words.text(3).title(), 1, BEGAN) for person in persons],
        "organizations": [
            (id_, SLUG, "The Archive", False, BEGAN, 1),
            (INTERNAL, "team", "Team", True, BEGAN, 1),
        ],
        "organization_members": [
            (id_, person, "member", 1)
            if index < COMPANY.authors
            else (INTERNAL, person, "support_analyst", 1)
            for index, person in enumerate(persons)
        ],
    }


class _Words:
    """A language whose words come as often as in others: the n-th has a share of 1 / n."""

    def __init__(self, chance: random.Random) -> None:
        letters = random.Random(1)
        syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
        pairs = [a + b for a in syllables for b in syllables]
        known = letters.sample([a + b for a in pairs for b in ("", *syllables)], VOCABULARY)
        shares = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
        drawn = letters.choices(known, cum_weights=shares, k=3 * PHRASES)
        self._phrases = [" ".join(drawn[at : at + 3]) for at in range(0, len(drawn), 3)]
        self._chance = chance

    def text(self, count: int) -> str:
        """So many words, in phrases of three: to draw each by itself takes longer than to store."""
        phrases, most = self._phrases, len(self._phrases)
        return " ".join(phrases[int(self._chance.random() * most)] for _ in range(count // 3))


def _tickets(size: int, chance: random.Random, place: Place) -> Iterator[Rows]:
    words, every = _Words(chance), size // MANY_RARE
    for number in range(1, size + 1):
        at = BEGAN + number * MINUTE
        id_, opener = f"0193-{number:012}", _author(place, chance.randrange(place.authors))
        [status] = chance.choices(STATUSES, SHARES)
        taken = _author(place, place.authors + chance.randrange(TEAM))
        assignee = None if status == "new" else taken
        subject = words.text(6) + (f" {RARE}" if number % every == 0 else "")
        active = at + chance.randrange(100 * MINUTE)
        ticket = (id_, place.workspace, number, number, subject, subject, status)
        times = (at, active, active if status in ("done", "canceled") else None)
        said = [(f"{id_}-0", opener, "customer"), (f"{id_}-1", assignee or opener, "staff")]
        yield {
            "tickets": [(*ticket, opener, assignee, "[]", 2, *times, 3)],
            "participants": [(id_, opener, "opener")],
            "messages": [_message(place, id_, *each, at, words.text(TALK)) for each in said],
        }


def _message(
    place: Place, ticket: str, id_: str, author: str, side: str, at: int, text: str
) -> tuple[Any, ...]:
    kind = ("reply", "ticket.message_sent", place.origin)
    return (id_, ticket, *kind, id_, author, side, at, "{}", text, f"<p>{text}</p>", 1)


def _author(place: Place, index: int) -> str:
    return f"{place.author}{45_000 + index}"
