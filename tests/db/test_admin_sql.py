"""Test `deskwire sql`: what it shows, what it changes, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from deskwire.events import log
from deskwire.kit.db import Database, metadata
from deskwire.kit.errors import Invalid
from deskwire.server import admin_sql
from tests.fixtures.cast import BO, HARBOUR_GUILD, DeskFixture, create_desk
from tests.fixtures.command_line import CommandLine
from tests.fixtures.databases import create_database_url

sqlite = pytest.mark.database("sqlite")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskFixture]:
    built = create_desk(tmp_path)
    built.open_ticket(1, "The crane is stuck")
    built.post_message(1, BO, "It hurts")
    yield built
    built.db.close()


def run_sql(db: Database, text: str) -> dict[str, Any]:
    return db.write_sync(admin_sql.run_statement, text)


def render_sql(db: Database, text: str) -> list[str]:
    return list(admin_sql.format_result(run_sql(db, text)))


@sqlite
def test_a_query_prints_a_table(desk: DeskFixture) -> None:
    assert render_sql(desk.db, "SELECT number, subject, closed_at FROM tickets") == [
        "number  subject             closed_at",
        "------  ------------------  ---------",
        "1       The crane is stuck  NULL",
    ]


@sqlite
def test_a_query_plan_can_be_printed(desk: DeskFixture) -> None:
    asked = "-- slow\nEXPLAIN QUERY PLAN SELECT * FROM tickets WHERE number = 1"
    plan = render_sql(desk.db, asked)

    assert any("tickets" in line for line in plan[2:])


@sqlite
def test_changes_are_counted_and_announced_in_the_same_transaction(desk: DeskFixture) -> None:
    before = desk.db.read_sync(log.read_head)

    assert render_sql(desk.db, "UPDATE tickets SET priority = 'high'") == ["1 row changed"]

    [entry] = desk.db.read_sync(log.read_after, before, 10)
    assert (entry.type, b'"actor":"sql"' in entry.frame) == ("ticket.updated", True)
    assert render_sql(desk.db, "DELETE FROM outside_changes") == ["0 rows changed"]


@sqlite
def test_returning_prints_the_changed_rows(desk: DeskFixture) -> None:
    text = f"UPDATE guilds SET name = 'Pier' WHERE id = '{HARBOUR_GUILD}' RETURNING name"

    assert render_sql(desk.db, text) == ["name", "----", "Pier"]
    assert (
        render_sql(desk.db, f"SELECT name FROM guilds WHERE id = '{HARBOUR_GUILD}'")[-1] == "Pier"
    )


@sqlite
@pytest.mark.parametrize(
    "text",
    [
        "UPDATE tickets SET status = 'review'",
        "UPDATE tickets SET subject = 'The big crane'",
        "UPDATE messages SET text = 'Better' WHERE kind = 'reply'",
        "DELETE FROM messages WHERE kind = 'reply'",
        "DELETE FROM tickets",
    ],
)
def test_rows_written_by_triggers_are_not_counted(desk: DeskFixture, text: str) -> None:
    assert render_sql(desk.db, text) == ["1 row changed"]


REFUSED = {
    "SELECT 1; SELECT 2": "one statement",
    "PRAGMA journal_mode = DELETE": "must begin with one of",
    "ATTACH 'other.db' AS other": "must begin with one of",
    "VACUUM": "must begin with one of",
    "-- a comment\nDROP TABLE tickets": "not with 'DROP'",
    "": "must begin with one of",
    "BEGIN": "must begin with one of",
    "SELECT * FROM passwords": "passwords.hash is a secret",
    "WITH outside_x AS (SELECT hash FROM passwords) SELECT * FROM outside_x": "is a secret",
    "SELECT (SELECT token_hash FROM sessions)": "sessions.token_hash is a secret",
    "SELECT 1 FROM links WHERE token_hash > 'a'": "links.token_hash is a secret",
    "SELECT mailed_hash FROM invitations": "invitations.mailed_hash is a secret",
    "SELECT payload FROM dispatches": "dispatches.payload is a secret",
    "DELETE FROM log": "Only Deskwire itself may change log",
    "UPDATE deliveries SET state = 'done'": "Only Deskwire itself may change deliveries",
    "INSERT INTO outbox (type) VALUES ('x')": "Only Deskwire itself may change outbox",
    "UPDATE identities SET subject = 'eve'": "Only Deskwire itself may change identities",
    "UPDATE outside_changes SET problem = NULL": "Only Deskwire itself may change outside_changes",
    "DELETE FROM sqlite_master": "sqlite_master may not be modified",
    "INSERT INTO tickets SELECT * FROM pragma_table_info('log')": "may change sqlite_master",
    "WITH x AS (SELECT 1) DELETE FROM tickets": "must begin with one of INSERT",
    "EXPLAIN DELETE FROM tickets": "must begin with one of INSERT",
    "SELECT motto FROM tickets": "no such column: motto",
    "INSERT INTO tickets (id) VALUES ('t')": "NOT NULL constraint failed",
    "SELECT '\0'": "SQLite rejects the statement",
}


@sqlite
@pytest.mark.parametrize("text", REFUSED)
def test_a_forbidden_statement_is_refused_and_changes_nothing(desk: DeskFixture, text: str) -> None:
    before = desk.db.read_sync(dump_tables)

    with pytest.raises(Invalid, match=REFUSED[text]):
        run_sql(desk.db, text)

    assert desk.db.read_sync(dump_tables) == before
    desk.post_message(1, BO, "Our own statements are not looked at any more")


@sqlite
def test_a_long_result_is_truncated(desk: DeskFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_sql, "MAX_ROWS", 3)
    monkeypatch.setattr(admin_sql, "MAX_VALUE_LENGTH", 5)

    output = render_sql(desk.db, "VALUES ('a'), ('longer than that'), (3), (4), (5)")

    assert output[2:-1] == ["a", "longe…", "3"]
    assert output[-1].startswith("… only the first 3 rows")


@sqlite
def test_a_statement_that_never_ends_is_stopped(
    desk: DeskFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_sql, "READ_TIMEOUT", 0.05)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    with pytest.raises(Invalid, match="took longer than"):
        run_sql(desk.db, endless)

    assert render_sql(desk.db, "SELECT count(*) AS n FROM tickets")[-1] == "1"


@sqlite
def test_the_cli_runs_sql_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = CommandLine(monkeypatch, capsys, DATABASE_URL=create_database_url(tmp_path))
    shell.run_ok("people", "create", "ada@desk.test")

    assert shell.run_ok("sql", "SELECT email FROM people").splitlines()[-1] == "ada@desk.test"
    assert shell.run_ok("sql", "UPDATE guilds SET name = 'x'").strip() == "0 rows changed"


@sqlite
def test_without_a_database_none_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = CommandLine(monkeypatch, capsys, DATABASE_URL=create_database_url(tmp_path))

    assert "There is no database" in shell.run_refused("sql", "SELECT 1")

    assert not list(tmp_path.glob("*.db"))


@pytest.mark.database("postgresql")
def test_on_postgresql_the_command_names_psql(desk: DeskFixture) -> None:
    with pytest.raises(Invalid, match="psql"):
        run_sql(desk.db, "SELECT 1")


def dump_tables(tx: Connection) -> list[Any]:
    tables = ("tickets", "messages", "people", "log", "deliveries", "outside_changes", "guilds")
    return [tx.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables]


def test_every_column_with_a_digest_of_a_secret_is_refused() -> None:
    digests = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name == "hash" or column.name.endswith("_hash")
    }

    listed = {(table, name) for table, names in admin_sql.SECRET_COLUMNS.items() for name in names}

    assert digests <= listed, "add them to SECRET_COLUMNS in src/deskwire/server/admin_sql.py"
