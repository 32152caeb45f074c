"""Test that texts edited with SQL are rendered before the transaction that records the edits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import select

from deskwire.direct_edits import processor
from deskwire.direct_edits.change_log import has_pending_changes
from deskwire.direct_edits.processor import prepare_edited_texts, record_edits
from deskwire.direct_edits.watcher import Watcher
from deskwire.tickets import messages as messages_module
from deskwire.tickets import prepared_text
from deskwire.tickets.markdown import render_markdown
from deskwire.tickets.messages import messages
from tests.fixtures.cast import BO, create_desk
from tests.fixtures.databases import sqlite_file
from tests.fixtures.portal import PortalFixture, create_portal

pytestmark = pytest.mark.database("sqlite")

LONG = "A *long* text. " * 100


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path)
    yield create_portal(desk)
    desk.db.close()


def edit_with_sql(portal: PortalFixture, text: str, *ids: str) -> None:
    with closing(sqlite3.connect(sqlite_file(portal.desk.db))) as connection:
        for id_ in ids:
            connection.execute("UPDATE messages SET text = ? WHERE id = ?", (text, id_))
        connection.commit()


def read_html(portal: PortalFixture, id_: str) -> str:
    query = select(messages.c.html).where(messages.c.id == id_)
    return portal.desk.db.read_sync(lambda tx: str(tx.execute(query).scalar_one()))


async def test_no_transaction_renders_an_edited_text(
    portal: PortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def render_noted(text: str) -> str:
        threads.append(threading.current_thread().name.rpartition("_")[0])
        return render_markdown(text)

    monkeypatch.setattr(prepared_text, "render_markdown", render_noted)
    ticket = portal.create_request(BO, "The crane")
    ids = [portal.post_message(BO, ticket, f"reply {n}") for n in range(3)]
    edit_with_sql(portal, LONG, *ids)
    threads.clear()

    await Watcher(portal.desk.db).record_pending_edits()

    assert threads == ["db-reader"]
    assert all("<em>long</em>" in read_html(portal, id_) for id_ in ids)


def test_a_text_changed_since_it_was_rendered_is_left_for_later(
    portal: PortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, ticket = portal.desk.db, portal.create_request(BO, "The crane")
    id_ = portal.post_message(BO, ticket, "reply")
    edit_with_sql(portal, LONG, id_)
    texts = db.read_sync(prepare_edited_texts)
    assert texts is not None
    edit_with_sql(portal, LONG + "More.", id_)
    monkeypatch.setattr(messages_module, "prepare_text", lambda _: pytest.fail("rendered"))

    db.write_sync(record_edits, texts)
    assert db.read_sync(has_pending_changes)

    db.write_sync(record_edits, db.read_sync(prepare_edited_texts))
    assert not db.read_sync(has_pending_changes)
    assert read_html(portal, id_).endswith("More.</p>")


def test_a_transaction_starts_no_edit_after_its_time_limit(portal: PortalFixture) -> None:
    db, ticket = portal.desk.db, portal.create_request(BO, "The crane")
    ids = [portal.post_message(BO, ticket, f"reply {n}") for n in range(5)]
    edit_with_sql(portal, LONG, *ids)
    texts, times = db.read_sync(prepare_edited_texts), count(0, processor.BATCH_TIME / 2)

    assert db.write_sync(record_edits, texts, lambda: next(times))

    rendered = ["<em>" in read_html(portal, id_) for id_ in ids]
    assert rendered == [True, True, False, False, False]
