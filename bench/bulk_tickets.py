"""Fill a database with an archive: a guild, or an organization, with very many tickets.

The rows are written to the schema from before the search index, and the migration does the rest, so
that searches run on what an upgraded desk has. Word frequencies follow Zipf's law: a few words are
in nearly every ticket, and thousands in a handful. `RARE_WORD` is in `RARE_WORD_TICKETS` tickets,
whatever the size.
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
from deskwire.kit.connect import connect_database
from deskwire.kit.sqlite import SQLite, parse_sqlite_path
from deskwire.tickets.statuses import Status
from deskwire.tickets.tables import tickets
from deskwire.workspaces.organizations.categories import categories

OLD_REVISION = "0002"  # the migration whose tables the rows are written to

RARE_WORD, COMMON_PREFIX = "zephyrine", "ba"  # very many words begin with the second
RARE_WORD_TICKETS = 20  # tickets
WORDS_PER_MESSAGE = 12  # words of a message on average; two messages in each ticket
VOCABULARY_SIZE = 20_000  # words
PHRASE_COUNT = 50_000  # of three words each
TEAM_SIZE = 12  # people who are assigned tickets
BATCH_SIZE = 5_000  # tickets in memory at a time
FIRST_TICKET_AT = 1_700_000_000_000  # ms
TICKET_INTERVAL = 60_000  # ms between two tickets

STATUSES: tuple[Status, ...] = ("done", "canceled", "new", "active", "waiting", "review")
STATUS_WEIGHTS = (90, 4, 2, 2, 1, 1)  # % of the tickets, once there are enough

COLUMNS_BY_TABLE = {
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

RowsByTable = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class TicketSource:
    """The workspace of the tickets, and the people who write them."""

    workspace: str
    author_prefix: str  # of a principal, without its number
    author_count: int  # people who open tickets
    origin: str


GUILD_SOURCE = TicketSource(f"guild:{GUILD}", "discord:3184567890123", 3_000, "discord")
ORGANIZATION_SOURCE = TicketSource("org:0193-company", "0193-person-", 50, "web")
ORGANIZATION_SLUG = "archive"  # of the company
INTERNAL_ORGANIZATION = "0193-team"


def fill_database(url: str, size: int, source: TicketSource = GUILD_SOURCE) -> None:
    """Create a database with `size` tickets, at the schema of this tree."""
    db = connect_database(url)
    try:
        if isinstance(db, SQLite):
            db.path.parent.mkdir(parents=True, exist_ok=True)
        db.write_sync(_create_old_schema)
        _insert_batches(url, _generate_batches(size, source))
        db.write_sync(schema._migrate_locked, db.name)
        if source is ORGANIZATION_SOURCE:
            db.write_sync(_fill_new_columns)
        if not isinstance(db, SQLite):  # autovacuum would analyze only a minute later
            db.write_sync(lambda tx: tx.exec_driver_sql("ANALYZE"))
    finally:
        db.close()


def _create_old_schema(tx: Connection) -> None:
    config = schema._create_alembic_config()
    config.attributes["connection"] = tx
    command.upgrade(config, OLD_REVISION)
    log.begin_epoch(tx)


def _fill_new_columns(tx: Connection) -> None:
    """Fill what the old schema did not have: the last author, and categories."""
    spoken = {"spoken_at": tickets.c.active_at, "spoken_by": tickets.c.assignee}
    # A new revision marks the write as Deskwire's own, not as a direct edit to be processed.
    tx.execute(update(tickets).values(spoken | {"revision": tickets.c.revision + 1}))
    organization = ORGANIZATION_SOURCE.workspace.removeprefix("org:")
    rows = [
        {
            "id": f"0193-{name}",
            "organization": organization,
            "name": name,
            "place": position,
            "revision": 1,
        }
        for position, name in enumerate(("Access", "Billing", "Other", "Site"))
    ]
    tx.execute(insert(categories), rows)


def _insert_batches(url: str, batches: Iterable[RowsByTable]) -> None:
    if not url.startswith("sqlite"):
        _copy_batches(url, batches)
        return
    with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
        for chunk in batches:
            for table, rows in chunk.items():
                names = COLUMNS_BY_TABLE[table].split()
                values = ", ".join("?" * len(names))
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})", rows
                )
            connection.commit()


def _copy_batches(url: str, batches: Iterable[RowsByTable]) -> None:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for chunk in batches:
            for table, rows in chunk.items():
                names = ", ".join(COLUMNS_BY_TABLE[table].split())
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                    for row in rows:
                        copy.write_row(row)


def _generate_batches(size: int, source: TicketSource) -> Iterator[RowsByTable]:
    rng = random.Random(size)
    yield _generate_guild(rng) if source is GUILD_SOURCE else _generate_organization(rng)
    tickets_rows = _generate_tickets(size, rng, source)
    while chunk := list(islice(tickets_rows, BATCH_SIZE)):
        yield {
            table: [row for rows in chunk for row in rows[table]]
            for table in ("tickets", "participants", "messages")
        }


def _generate_guild(rng: random.Random) -> RowsByTable:
    words = _ZipfText(rng)
    users = [
        (
            _author_id(GUILD_SOURCE, index),
            name := words.text(3).title(),
            name.lower(),
            FIRST_TICKET_AT,
        )
        for index in range(GUILD_SOURCE.author_count + TEAM_SIZE)
    ]
    guild = (
        GUILD,
        "The Archive",
        f"discord:{OWNER}",
        FIRST_TICKET_AT,
        True,
        FIRST_TICKET_AT,
        FIRST_TICKET_AT,
        FIRST_TICKET_AT,
        1,
    )
    return {"guilds": [guild], "discord_users": users}


def _generate_organization(rng: random.Random) -> RowsByTable:
    words, id_ = _ZipfText(rng), ORGANIZATION_SOURCE.workspace.removeprefix("org:")
    persons = [
        _author_id(ORGANIZATION_SOURCE, index)
        for index in range(ORGANIZATION_SOURCE.author_count + TEAM_SIZE)
    ]
    return {
        "people": [(person, words.text(3).title(), 1, FIRST_TICKET_AT) for person in persons],
        "organizations": [
            (id_, ORGANIZATION_SLUG, "The Archive", False, FIRST_TICKET_AT, 1),
            (INTERNAL_ORGANIZATION, "team", "Team", True, FIRST_TICKET_AT, 1),
        ],
        "organization_members": [
            (id_, person, "member", 1)
            if index < ORGANIZATION_SOURCE.author_count
            else (INTERNAL_ORGANIZATION, person, "support_analyst", 1)
            for index, person in enumerate(persons)
        ],
    }


class _ZipfText:
    """Random text with the word frequencies of a language: the n-th word has a share of 1 / n."""

    def __init__(self, rng: random.Random) -> None:
        letters = random.Random(1)
        syllables = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]
        pairs = [a + b for a in syllables for b in syllables]
        vocabulary = letters.sample(
            [a + b for a in pairs for b in ("", *syllables)], VOCABULARY_SIZE
        )
        shares = list(accumulate(1 / rank for rank in range(1, VOCABULARY_SIZE + 1)))
        drawn = letters.choices(vocabulary, cum_weights=shares, k=3 * PHRASE_COUNT)
        self._phrases = [" ".join(drawn[at : at + 3]) for at in range(0, len(drawn), 3)]
        self._rng = rng

    def text(self, count: int) -> str:
        """Return `count` words in phrases of three: drawing single words is slower than storing."""
        phrases, phrase_count = self._phrases, len(self._phrases)
        return " ".join(phrases[int(self._rng.random() * phrase_count)] for _ in range(count // 3))


def _generate_tickets(size: int, rng: random.Random, source: TicketSource) -> Iterator[RowsByTable]:
    words, rare_interval = _ZipfText(rng), size // RARE_WORD_TICKETS
    for number in range(1, size + 1):
        at = FIRST_TICKET_AT + number * TICKET_INTERVAL
        id_, opener = f"0193-{number:012}", _author_id(source, rng.randrange(source.author_count))
        [status] = rng.choices(STATUSES, STATUS_WEIGHTS)
        agent = _author_id(source, source.author_count + rng.randrange(TEAM_SIZE))
        assignee = None if status == "new" else agent
        subject = words.text(6) + (f" {RARE_WORD}" if number % rare_interval == 0 else "")
        active = at + rng.randrange(100 * TICKET_INTERVAL)
        ticket = (id_, source.workspace, number, number, subject, subject, status)
        times = (at, active, active if status in ("done", "canceled") else None)
        authors = [(f"{id_}-0", opener, "customer"), (f"{id_}-1", assignee or opener, "staff")]
        yield {
            "tickets": [(*ticket, opener, assignee, "[]", 2, *times, 3)],
            "participants": [(id_, opener, "opener")],
            "messages": [
                _message_row(source, id_, *each, at, words.text(WORDS_PER_MESSAGE))
                for each in authors
            ],
        }


def _message_row(
    source: TicketSource, ticket: str, id_: str, author: str, side: str, at: int, text: str
) -> tuple[Any, ...]:
    kind = ("reply", "ticket.message_sent", source.origin)
    return (id_, ticket, *kind, id_, author, side, at, "{}", text, f"<p>{text}</p>", 1)


def _author_id(source: TicketSource, index: int) -> str:
    return f"{source.author_prefix}{45_000 + index}"
