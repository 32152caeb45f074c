"""Test what operators see of dispatches, and what they may do with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from deskwire.dispatches import admin
from deskwire.dispatches.claims import Wanted, claim_due
from deskwire.dispatches.store import dispatches, hold_unfinished, queue
from deskwire.dispatches.target import Refused
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict, NotFound
from tests.fixtures.accounts import NOON
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import (
    ToyTarget,
    list_states,
    make_dispatcher,
    queue_toy,
    read_dispatches,
    send_due_dispatches,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


async def test_held_dispatches_are_sent_only_once_they_are_released(db: Database) -> None:
    target = ToyTarget()
    for say in ("a1", "a2"):
        queue_toy(db, "a", say)
    db.write_sync(hold_unfinished)
    sender = make_dispatcher(db, target)
    await send_due_dispatches(sender)
    assert target.sent == []

    assert db.write_sync(admin.release_dispatches, target="other") == 0
    assert db.write_sync(admin.release_dispatches) == 2
    await send_due_dispatches(sender)
    assert target.sent == ["a1", "a2"]

    queue_toy(db, "a", "a3")
    db.write_sync(hold_unfinished)
    assert db.write_sync(admin.dismiss_held, NOON) == 1
    await send_due_dispatches(sender)
    assert list_states(db) == ["done", "done", "dismissed"]


async def test_what_cannot_be_retried_or_dismissed_says_why(db: Database) -> None:
    target = ToyTarget(has_secrets=True)
    sent = queue_toy(db, "a", "a")
    await send_due_dispatches(make_dispatcher(db, target))
    with pytest.raises(Conflict, match="is done"):
        db.write_sync(admin.retry_dispatch, sent, NOON)
    with pytest.raises(Conflict, match="already finished"):
        db.write_sync(admin.dismiss_dispatch, sent, NOON)
    with pytest.raises(NotFound, match="no dispatch 77"):
        db.write_sync(admin.retry_dispatch, 77, NOON)

    target.answers["b"] = [Refused("never", permanent=True)]
    refused = queue_toy(db, "b", "b")
    await send_due_dispatches(make_dispatcher(db, target))
    with pytest.raises(Conflict, match="one-time link"):
        db.write_sync(admin.retry_dispatch, refused, NOON)

    running = queue_toy(db, "c", "c")
    db.write_sync(claim_due, target, NOON, [Wanted(1)])
    with pytest.raises(Conflict, match="being sent right now"):
        db.write_sync(admin.dismiss_dispatch, running, NOON)


def test_what_is_dismissed_keeps_no_secret_and_may_else_be_retried(db: Database) -> None:
    mail = db.write_sync(queue, "mail", "m", "link", {"text": "a secret link"}, at=NOON)
    toy = queue_toy(db, "a", "a")
    for id_ in (mail, toy):
        db.write_sync(admin.dismiss_dispatch, id_, NOON)
    assert [row.payload for row in read_dispatches(db)] == ["{}", '{"say": "a"}']
    assert db.read_sync(admin.read_dispatch, mail).is_emptied
    with pytest.raises(Conflict, match="one-time link"):
        db.write_sync(admin.retry_dispatch, mail, NOON)
    db.write_sync(admin.retry_dispatch, toy, NOON)

    later = db.write_sync(queue, "mail", "m", "link", {"text": "a secret link"}, at=NOON)
    db.write_sync(hold_unfinished)
    with pytest.raises(Conflict, match="has been held"):
        db.write_sync(admin.retry_dispatch, later, NOON)
    db.write_sync(admin.dismiss_held, NOON)
    assert [row.payload for row in read_dispatches(db)] == ["{}", '{"say": "a"}', "{}"]


async def test_finished_dispatches_are_deleted_after_a_while(db: Database) -> None:
    queue_toy(db, "a", "a")
    await send_due_dispatches(make_dispatcher(db, ToyTarget()))
    queue_toy(db, "b", "b")
    assert db.write_sync(admin.delete_finished, NOON, 10) == 0
    assert db.write_sync(admin.delete_finished, NOON + 1, 10) == 1
    assert list_states(db) == ["new"]


def test_operators_see_counts_and_the_oldest(db: Database) -> None:
    queue_toy(db, "a", "a")
    queue_toy(db, "a", "b", at=NOON + 1)
    db.write_sync(queue, "mail", "m", "link", {}, at=NOON)
    counts = db.read_sync(admin.count_by_target_and_state)
    assert counts == {("toy", "new"): 2, ("mail", "new"): 1}
    assert db.read_sync(admin.find_oldest_due) == {"toy": NOON, "mail": NOON}
    listed = db.read_sync(admin.list_dispatches, 10, target="toy", before=3)
    assert [json.dumps(each.payload) for each in listed] == ['{"say": "b"}', '{"say": "a"}']
    assert "say" not in repr(listed)


def test_a_retry_by_an_operator_is_due_at_once(db: Database) -> None:
    id_ = queue_toy(db, "a", "a")
    db.write_sync(lambda tx: tx.execute(update(dispatches).values(due_at=NOON + 9)))
    db.write_sync(admin.retry_dispatch, id_, NOON)
    assert read_dispatches(db)[0].due_at == NOON
