"""Check that PostgreSQL gets the same tables as SQLite; `serve` accepts only a migrated one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from deskwire import schema
from deskwire.accounts import people
from deskwire.events import log
from deskwire.kit.db import Database, acquire_advisory_lock
from deskwire.kit.errors import Conflict
from deskwire.kit.postgres import Postgres
from deskwire.kit.sqlite import SQLite
from deskwire.server.open_database import open_database
from tests.contracts.test_migrations import add_a_version, is_common
from tests.fixtures.postgres import get_server


@pytest.fixture
def db() -> Iterator[Postgres]:
    opened = Postgres(get_server().create_empty())
    yield opened
    opened.close()


@pytest.fixture
def migrated_db() -> Iterator[Postgres]:
    opened = Postgres(get_server().create_migrated())
    yield opened
    opened.close()


def test_a_migrated_database_equals_the_table_definitions(migrated_db: Postgres) -> None:
    differences = migrated_db.read_sync(
        lambda tx: compare_metadata(
            MigrationContext.configure(tx, opts={"include_name": is_common}), schema.metadata
        )
    )

    assert differences == [], "tables and versions differ on PostgreSQL"


def test_creating_and_migrating_give_the_same_database(db: Postgres, migrated_db: Postgres) -> None:
    db.write_sync(schema.metadata.create_all)

    assert migrated_db.read_sync(as_postgresql_sees_it) == db.read_sync(as_postgresql_sees_it)


def test_both_databases_have_the_same_tables(migrated_db: Postgres, tmp_path: Path) -> None:
    embedded = SQLite(tmp_path / "desk.db")
    schema.migrate(embedded)

    found, expected = shape_of(migrated_db), shape_of(embedded)
    embedded.close()

    assert found.keys() == expected.keys()
    for table in expected:
        assert found[table] == expected[table], f"{table} differs between the two"


def test_an_upgrade_keeps_the_rows(
    migrated_db: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrated_db.write_sync(people.create, name="Ada", email="ada@desk.test", at=1)
    epoch, head = migrated_db.read_sync(log.read_epoch), schema._read_newest_revision()
    add_a_version(tmp_path, monkeypatch)

    assert schema.migrate(migrated_db) == (head, "9999")

    found = migrated_db.read_sync(
        lambda tx: tx.exec_driver_sql("SELECT name, motto FROM people").all()
    )
    assert [tuple(row) for row in found] == [("Ada", None)]
    assert migrated_db.read_sync(log.read_epoch) == epoch


def test_a_failed_upgrade_changes_nothing(
    migrated_db: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (
        migrated_db.read_sync(as_postgresql_sees_it),
        migrated_db.read_sync(schema.read_revisions)[0],
    )
    add_a_version(tmp_path, monkeypatch)
    version = tmp_path / "migrations" / "versions" / "9999_next.py"
    version.write_text(version.read_text() + "    raise RuntimeError('half-way')\n")

    with pytest.raises(RuntimeError, match="half-way"):
        schema.migrate(migrated_db)

    after = (
        migrated_db.read_sync(as_postgresql_sees_it),
        migrated_db.read_sync(schema.read_revisions)[0],
    )
    assert after == before


async def test_of_two_concurrent_migrations_one_waits_and_does_nothing(db: Postgres) -> None:
    other = Postgres(get_server().url_of(db.name.rpartition("/")[2]))

    done = await asyncio.gather(
        asyncio.to_thread(schema.migrate, db), asyncio.to_thread(schema.migrate, other)
    )

    newest = schema._read_newest_revision()
    assert sorted(before or "" for before, _ in done) == ["", newest]
    assert {after for _, after in done} == {newest}
    assert db.read_sync(schema.read_revisions) == (newest, newest)
    other.close()


async def test_a_migration_waits_for_one_in_progress(db: Postgres) -> None:
    begun, over = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def migrating(tx: Connection) -> None:
        acquire_advisory_lock(tx, "schema")
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(over.wait(), loop).result(30)

    first = asyncio.create_task(db.write(migrating))
    await begun.wait()
    second = asyncio.create_task(asyncio.to_thread(schema.migrate, db))
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while not db.read_sync(lambda tx: tx.exec_driver_sql(waiting).scalar_one()):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert not second.done()

    over.set()

    await first
    assert (await second)[0] is None


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("DELETE FROM alembic_version", "belongs to another program"),
        ("UPDATE alembic_version SET version_num = '0001'", "deskwire migrate"),
        ("UPDATE alembic_version SET version_num = '9999'", "newer Deskwire"),
        ("INSERT INTO alembic_version VALUES ('0001x')", "several revisions"),
        ("DROP TABLE messages", "messages"),
        ("DELETE FROM log_state", "its epoch"),
    ],
)
def test_serving_an_unmigrated_database_is_refused(
    migrated_db: Postgres, damage: str, sentence: str
) -> None:
    migrated_db.write_sync(lambda tx: tx.exec_driver_sql(damage))

    with pytest.raises(Conflict, match=sentence):
        open_database(get_server().url_of(migrated_db.name.rpartition("/")[2]))


def test_serving_an_empty_database_says_how_to_create_one(db: Postgres) -> None:
    with pytest.raises(Conflict, match=r"is at nothing.*run `deskwire migrate`"):
        open_database(get_server().url_of(db.name.rpartition("/")[2]))


def test_another_programs_database_is_left_unchanged(db: Postgres) -> None:
    db.write_sync(lambda tx: tx.exec_driver_sql("CREATE TABLE places (name TEXT)"))

    with pytest.raises(Conflict, match="belongs to another program"):
        schema.migrate(db)


def as_postgresql_sees_it(tx: Connection) -> dict[str, list[Any]]:
    """Columns, defaults, keys, indexes and triggers of every table."""
    queries = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default "
        "FROM information_schema.columns WHERE table_schema = 'public' AND "
        "table_name <> 'alembic_version' ORDER BY table_name, column_name",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE "
        "schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY indexname",
        "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(pg_trigger.oid), "
        "pg_get_functiondef(tgfoid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname",
        "keys": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND "
        "conrelid::regclass::text <> 'alembic_version' ORDER BY conname, 1",
    }
    return {name: [tuple(r) for r in tx.exec_driver_sql(q)] for name, q in queries.items()}


def shape_of(db: Database) -> dict[str, Any]:
    """What both databases can say of a table in the same words."""

    def look(tx: Connection) -> dict[str, Any]:
        seen = inspect(tx)
        return {
            table: {
                "columns": {
                    (each["name"], each["nullable"])  # in any order: nothing is read by place
                    for each in seen.get_columns(table)
                    if is_common(each["name"])
                },
                "key": seen.get_pk_constraint(table)["constrained_columns"],
                "unique": {tuple(u["column_names"]) for u in seen.get_unique_constraints(table)},
                "indexes": {
                    (index["name"], tuple(index["column_names"]))
                    for index in seen.get_indexes(table)
                    if not index.get("duplicates_constraint") and is_common(index["name"])
                },
                "foreign": {
                    (tuple(f["constrained_columns"]), f["referred_table"], str(f["options"]))
                    for f in seen.get_foreign_keys(table)
                },
            }
            for table in seen.get_table_names()
            if is_common(table)
        }

    return db.read_sync(look)
