"""Test that an upgrade finds the tickets of old log entries, and what was deleted before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, text

from deskwire import schema
from deskwire.events import log
from deskwire.kit.connect import connect_database
from tests.fixtures.database_kind import current_kind
from tests.fixtures.erasure import find_marker, sweep_erasures
from tests.fixtures.postgres import get_server

BEFORE, MARKER = "0009", "zauberkran"
INSERT = (
    "INSERT INTO log (position, type, at, workspace, actor, channels, touches, data) "
    "VALUES (:position, :type, 1, 'org:o', 'p', '[\"staff\"]', '[]', :data)"
)
ENTRIES = (
    ("ticket.created", {"ticket": "t", "subject": MARKER}),
    ("ticket.created", {"ticket": "u", "subject": "kept"}),
    ("member.joined", {"member": {"id": "p", "name": "Bo"}}),
    ("ticket.deleted", {"ticket": "t", "now": {"number": 1, "subject": MARKER}}),
    ("ticket.updated", {"ticket": "u", "subject": "kept"}),
)


def test_old_entries_get_their_ticket_and_old_deletions_are_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{tmp_path / 'old.db'}" if is_file else get_server().create_empty()
    )

    def begin(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, BEFORE)
        log.begin_epoch(tx)
        for number, (type_, data) in enumerate(ENTRIES):
            # Positions far apart: they are filled in steps, and a step may find none.
            row = {"position": 1 + number * 7_000, "type": type_, "data": json.dumps(data)}
            tx.execute(text(INSERT), row)

    db.write_sync(begin)
    schema.migrate(db)

    filled = text("SELECT ticket, erased_to FROM log ORDER BY position")
    rows = db.read_sync(lambda tx: [tuple(row) for row in tx.execute(filled)])
    assert rows == [("t", None), ("u", None), (None, None), ("t", 0), ("u", None)]
    entries = db.read_sync(log.read_after, 0, 10)
    assert MARKER.encode() not in b"".join(each.frame for each in entries[:-2])
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []
    assert "kept" in "".join(db.read_sync(lambda tx: tx.execute(text(DATA)).scalars().all()))
    db.close()


DATA = "SELECT data FROM log"
