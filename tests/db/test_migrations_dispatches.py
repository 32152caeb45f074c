"""Test that an upgrade carries waiting mails over, with the numbers of their Message-IDs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import Connection, text

from deskwire import schema
from deskwire.dispatches import mail
from deskwire.dispatches.smtp import build_message
from deskwire.events import log
from deskwire.kit.connect import connect_database
from tests.fixtures.database_kind import current_kind
from tests.fixtures.postgres import get_server

INSERT = (
    "INSERT INTO mails (id, recipient, subject, text, html, created_at, tries, due_at, sent_at) "
    "VALUES (:id, :to, 'Hello', 'text', 'html', :at, 1, :at, :sent_at)"
)


def test_waiting_mails_become_dispatches_with_the_same_message_id(tmp_path: Path) -> None:
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{tmp_path / 'old.db'}" if is_file else get_server().create_empty()
    )

    def fill(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, "0010")
        log.begin_epoch(tx)
        for id_, sent_at in ((7, 5), (8, None), (9, None)):
            row = {"id": id_, "to": f"n{id_}@desk.test", "at": 1000 + id_, "sent_at": sent_at}
            tx.execute(text(INSERT), row)

    db.write_sync(fill)
    schema.migrate(db)

    newest_first = db.read_sync(mail.read_newest)
    db.close()
    assert [each.recipient for each in newest_first] == ["n9@desk.test", "n8@desk.test"]
    message = build_message(newest_first[1], "desk@desk.test")
    assert message["Message-ID"] == "<deskwire.8.1008@desk.test>"
