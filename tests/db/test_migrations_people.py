"""A desk from before edits of people were noted keeps everybody, and what points at them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import Connection

from deskwire import schema
from deskwire.direct_edits.change_log import is_anything
from deskwire.events import log
from deskwire.kit.connect import connect
from tests.fixtures.databases import chosen
from tests.fixtures.postgres import cluster

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


def test_nobody_is_lost_and_the_next_edit_is_noticed(tmp_path: Path) -> None:
    is_file = chosen() == "sqlite"
    db = connect(f"sqlite:///{tmp_path / 'old.db'}" if is_file else cluster().empty())

    def begin(tx: Connection) -> None:
        config = schema._config()
        config.attributes["connection"] = tx
        command.upgrade(config, BEFORE)
        log.begin_epoch(tx)
        for row in ROWS:
            tx.exec_driver_sql(row)

    db.write_here(begin)
    schema.migrate(db)

    assert tuple(db.read_here(lambda tx: tx.exec_driver_sql(COUNT).one())) == (2, 7, 1)
    assert not db.read_here(is_anything)
    db.write_here(lambda tx: tx.exec_driver_sql("UPDATE people SET name = 'Bob'"))
    assert db.read_here(is_anything)
    assert tuple(db.read_here(lambda tx: tx.exec_driver_sql(COUNT).one()))[1] == 8
    db.close()
