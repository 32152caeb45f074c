"""Test that an upgraded desk is searched like one that had the search index from the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection, column, insert, inspect, select, table

from deskwire import schema
from deskwire.events import channels, log
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database
from deskwire.tickets.queries.counts import ticket_counts
from deskwire.tickets.queries.list_tickets import parse_ticket_filter, read_ticket_results
from deskwire.tickets.search_index import ticket_words
from deskwire.workspaces.name_index import name_words
from tests.fixtures.cast import ADA, BO, CY, HARBOUR_GUILD, DeskFixture, Persona, create_desk
from tests.fixtures.database_kind import current_kind
from tests.fixtures.postgres import get_server

BEFORE = "0002"
DROPPED = {"tickets": "subject_folded", "discord_users": "name_folded"}
KEPT = {ticket_words.name, name_words.name, ticket_counts.name}
NOBODY_YET = Persona("Nobody Yet", "900000000000001337")


def test_an_upgraded_search_index_equals_one_built_from_the_start(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    live(desk)
    with before(tmp_path) as old:
        old.write_sync(fill, desk.db.read_sync(everything))

        schema.migrate(old)

        assert kept(old) == kept(desk.db)
        ticket_filter = parse_ticket_filter({"q": "crane okafor greas"})
        found = old.read_sync(
            read_ticket_results, desk.read_viewer(ADA), channels.guild(HARBOUR_GUILD), ticket_filter
        )
        assert [ticket.now.number for ticket in found.tickets] == [7]
    desk.db.close()


def live(desk: DeskFixture) -> None:
    """More tickets than are read at a time."""
    for number in range(1, 451):
        desk.open_ticket(number, f"The crane №{number}, 起重機", (BO, CY)[number % 2])
    desk.post_message(7, BO, "It is stuck. It was greased!")
    desk.update_ticket(7, subject={"old": "-", "new": "Ærø crane"})
    desk.post_message(7, Persona("Bo Castellanos", BO.discord_id), None)
    desk.post_message(8, ADA, "Harbour master’s email: quay@desk.test")
    desk.claim_ticket(10, NOBODY_YET)
    desk.set_ticket_status(999, "PENDING", ADA)
    desk.close_ticket(11)
    desk.delete_ticket(12)


@contextmanager
def before(folder: Path) -> Iterator[Database]:
    """A database as it was before there were words."""
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{folder / 'old.db'}" if is_file else get_server().create_empty()
    )

    def upgrade(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, BEFORE)
        log.begin_epoch(tx)

    db.write_sync(upgrade)
    yield db
    db.close()


def everything(tx: Connection) -> dict[str, list[dict[str, Any]]]:
    tables = [t for t in schema.metadata.sorted_tables if t.name not in {*KEPT, "log_state"}]
    return {each.name: [dict(row._mapping) for row in tx.execute(select(each))] for each in tables}


def fill(tx: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """What of `rows` the tables of that time had a column for."""
    for name, found in rows.items():
        if not found:
            continue
        there = [each["name"] for each in inspect(tx).get_columns(name)]
        more = {DROPPED[name]: "-"} if name in DROPPED else {}
        rows_then = [{key: row[key] for key in there if key in row} | more for row in found]
        tx.execute(insert(table(name, *map(column, rows_then[0]))), rows_then)


def kept(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What is kept for searching; a count of none is as good as no count."""

    def read(tx: Connection) -> dict[str, list[tuple[Any, ...]]]:
        found = ticket_words.c
        talk = select(found.ticket, found.head, found.talk).order_by(found.ticket)
        words = select(name_words).order_by(*name_words.c)
        numbers = select(ticket_counts).where(ticket_counts.c.tickets > 0)
        return {
            "words": [tuple(row) for row in tx.execute(talk)],
            "names": [tuple(row) for row in tx.execute(words)],
            "counts": sorted(tuple(row) for row in tx.execute(numbers)),
        }

    return db.read_sync(read)
