"""Test that the migration of people keeps every person and every reference to them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from deskwire import schema
from deskwire.direct_edits.change_log import has_pending_changes
from deskwire.events import log
from deskwire.kit.connect import connect_database
from tests.fixtures.database_kind import current_kind
from tests.fixtures.postgres import get_server

BEFORE = "0008"
ROWS = (
    "INSERT INTO people (id, name, revision, created_at) VALUES ('p', 'Bo', 7, 1)",
    "INSERT INTO identities (provider, subject, person, principal, created_at) "
    "VALUES ('discord', '1', 'p', 'discord:1', 1)",
    "INSERT INTO organizations (id, slug, name, internal, created_at, revision) "
    "VALUES ('o', 'quay', 'Quay', FALSE, 1, 1)",
    "INSERT INTO organization_members (organization, person, role, revision) "
    "VALUES ('o', 'p', 'admin', 1)",
    "INSERT INTO categories (id, organization, name, place) VALUES ('c', 'o', 'Cranes', 0)",
)
COUNT = (
    "SELECT (SELECT count(*) FROM identities) + (SELECT count(*) FROM organization_members), "
    "(SELECT revision FROM people), (SELECT revision FROM categories)"
)


def test_every_person_is_kept_and_the_next_direct_edit_is_noticed(tmp_path: Path) -> None:
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{tmp_path / 'old.db'}" if is_file else get_server().create_empty()
    )

    def begin(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, BEFORE)
        log.begin_epoch(tx)
        for row in ROWS:
            tx.exec_driver_sql(row)

    db.write_sync(begin)
    schema.migrate(db)

    assert tuple(db.read_sync(lambda tx: tx.exec_driver_sql(COUNT).one())) == (2, 7, 1)
    assert not db.read_sync(has_pending_changes)
    db.write_sync(lambda tx: tx.exec_driver_sql("UPDATE people SET name = 'Bob'"))
    assert db.read_sync(has_pending_changes)
    assert tuple(db.read_sync(lambda tx: tx.exec_driver_sql(COUNT).one()))[1] == 8
    db.close()
