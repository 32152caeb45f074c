"""Check that the migrations make exactly the declared tables, and that an upgrade loses nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from deskwire import schema
from deskwire.accounts import people
from deskwire.direct_edits.change_log import WATCHED_TABLES
from deskwire.events import log
from deskwire.kit.errors import Conflict
from deskwire.kit.sqlite import SQLite
from tests.contracts.source_files import list_modules

NEXT = '''
"""A version that adds a column, as the next one might."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("motto", sa.Text()))
'''


def test_a_migrated_database_equals_the_table_definitions(tmp_path: Path) -> None:
    db = migrated(tmp_path / "desk.db")

    differences = db.read_sync(
        lambda tx: compare_metadata(
            MigrationContext.configure(tx, opts={"include_name": is_common}), schema.metadata
        )
    )
    db.close()

    assert differences == [], (
        "tables and versions differ: add a version to src/deskwire/migrations/versions"
    )


def test_creating_and_migrating_give_the_same_database(tmp_path: Path) -> None:
    """`compare_metadata` does not see all: AUTOINCREMENT, what foreign keys do, key order."""
    made = SQLite(f"sqlite:///{tmp_path / 'made.db'}")
    made.write_sync(schema.metadata.create_all)
    db = migrated(tmp_path / "desk.db")

    expected, found = made.read_sync(as_sqlite_sees_it), db.read_sync(as_sqlite_sees_it)
    made.close()
    db.close()

    for thing in expected:
        assert found[thing] == expected[thing], f"{thing}: correct its version"


def test_creating_and_migrating_give_the_same_triggers(tmp_path: Path) -> None:
    made = SQLite(f"sqlite:///{tmp_path / 'made.db'}")
    made.write_sync(schema.metadata.create_all)
    db = migrated(tmp_path / "desk.db")

    expected, found = made.read_sync(triggers), db.read_sync(triggers)
    made.close()
    db.close()

    assert found == expected, "direct_edits/triggers.py and the versions differ: add a version"
    assert sum(name.startswith("outside_") for name in found) == 4 * len(WATCHED_TABLES)


def test_every_watched_table_has_a_default_revision() -> None:
    for table in WATCHED_TABLES:
        default = table.c.revision.server_default
        assert default is not None, f"{table.name}: an INSERT by hand would not be noticed"


def test_every_table_with_a_revision_is_watched() -> None:
    revised = {each.name for each in schema.metadata.tables.values() if "revision" in each.c}

    assert {table.name for table in WATCHED_TABLES} == revised, "add it to WATCHED, and a version"


def test_the_schema_imports_every_module_with_a_table() -> None:
    known = {module.__name__.removeprefix("deskwire.") for module in schema.TABLE_MODULES}
    declaring = {module.name for module in list_modules() if re.search(r"= Table\(", module.text)}

    assert known == declaring, "src/deskwire/schema.py: TABLES is not complete"


def test_the_migrations_form_one_line() -> None:
    script = ScriptDirectory.from_config(schema._create_alembic_config())

    assert len(script.get_heads()) == 1, "two versions claim to be the newest: merge them"
    assert len(script.get_bases()) == 1


def test_an_upgrade_keeps_the_rows_and_a_copy_of_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = migrated(tmp_path / "desk.db")
    db.write_sync(people.create, name="Ada", email="ada@desk.test", at=1)
    epoch, head = db.read_sync(log.read_epoch), schema._read_newest_revision()
    add_a_version(tmp_path, monkeypatch)

    assert schema.migrate(db) == (head, "9999")

    assert names_in(db) == ["Ada"]
    assert db.read_sync(lambda tx: columns(tx)) >= {"motto", "name"}
    assert db.read_sync(log.read_epoch) == epoch, "cursors must live through an upgrade"
    [copy] = tmp_path.glob("desk.db.before-9999-*")
    before = SQLite(f"sqlite:///{copy}")
    assert (before.read_sync(schema.read_revisions)[0], names_in(before)) == (head, ["Ada"])
    before.close()
    db.close()


def test_a_second_start_neither_migrates_nor_copies(tmp_path: Path) -> None:
    db = migrated(tmp_path / "desk.db")

    before, after = schema.migrate(db)
    db.close()

    assert before == after
    assert not list(tmp_path.glob("*.before-*"))


def test_a_database_of_a_newer_version_is_left_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        add_a_version(tmp_path, newer)
        db = migrated(tmp_path / "desk.db")

    with pytest.raises(Conflict, match="newer Deskwire"):
        schema.migrate(db)

    db.close()


def migrated(path: Path) -> SQLite:
    db = SQLite(f"sqlite:///{path}")
    schema.migrate(db)
    return db


def add_a_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code of this test know one version more than there is."""
    head = schema._read_newest_revision()
    copy = folder / "migrations"
    shutil.copytree(schema._MIGRATIONS_FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "9999_next.py").write_text(NEXT.format(head=head))
    monkeypatch.setattr(schema, "_MIGRATIONS_FOLDER", copy)


def as_sqlite_sees_it(tx: Connection) -> dict[str, list[object]]:
    """Columns, keys, indexes and AUTOINCREMENT of every table; triggers and virtual tables."""
    found: dict[str, list[object]] = {}
    for table in schema.metadata.tables:
        made = "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = ?"
        found[table] = [tx.exec_driver_sql(made, (table,)).scalar_one()]
        for pragma in ("table_info", "foreign_key_list"):
            rows = tx.exec_driver_sql(f"PRAGMA {pragma}({table})").all()
            found[table] += sorted(str(tuple(row)[1:]) for row in rows)
        for _, index, unique, origin, *_ in tx.exec_driver_sql(f"PRAGMA index_list({table})").all():
            parts = [row[2] for row in tx.exec_driver_sql(f"PRAGMA index_info({index})")]
            name = index if origin == "c" else ""
            found[table].append(str((name, unique, origin, parts)))
        found[table][1:] = sorted(str(each) for each in found[table][1:])
    made = "WHERE type = 'trigger' OR sql LIKE 'CREATE VIRTUAL%' OR sql LIKE '% WHERE %'"
    for name, text in tx.exec_driver_sql(f"SELECT name, sql FROM sqlite_master {made}"):
        found[name] = [" ".join(text.split())]
    return found


def triggers(tx: Connection) -> dict[str, str]:
    rows = tx.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    return {row[0]: row[1] for row in rows}


def is_common(name: str | None, *_: object) -> bool:
    """Whether both databases have it: each keeps an index of words of its own kind."""
    own = ("tokens", "ix_ticket_words_tokens")
    return name not in own and not (name or "").startswith("ticket_words_index")


def names_in(db: SQLite) -> list[str]:
    rows = db.read_sync(lambda tx: tx.exec_driver_sql("SELECT name FROM people").all())
    return [row[0] for row in rows]


def columns(tx: Connection) -> set[str]:
    return {row[1] for row in tx.exec_driver_sql("PRAGMA table_info(people)")}
