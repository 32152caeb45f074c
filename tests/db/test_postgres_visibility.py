"""Test a change of an organization's visibility beside other writes, on PostgreSQL."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from deskwire.events.log import log
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import settings
from tests.fixtures.cast import BO, UNA, create_desk
from tests.fixtures.portal import create_portal
from tests.fixtures.stream_server import wait_until

pytestmark = pytest.mark.database("postgresql")

BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def test_a_reply_is_never_sent_to_those_who_saw_it_before_the_change(tmp_path: Path) -> None:
    portal = create_portal(create_desk(tmp_path))
    quay, db = portal.organization_ids["quay"], portal.desk.db
    request = portal.create_request(BO, "The mast is dark")

    with ThreadPoolExecutor(1) as threads:

        def reply_while_it_changes(tx: Connection, actor: Actor) -> None:
            reply = MessageInput(new_id(), "It blinks.", "reply")
            post_message.post_message(tx, actor, request, reply)
            change = threads.submit(
                portal.act_as, BO, settings.set_visibility, quay, "participants"
            )
            wait_until(lambda: change.done() or db.read_sync(count_blocked) > 0)

        portal.act_as(UNA, reply_while_it_changes)

    events = db.read_sync(lambda tx: tx.execute(select(log).order_by(log.c.position)).all())
    last_two = [(each.type, f"org:{quay}:1" in json.loads(each.channels)) for each in events[-2:]]
    assert last_two == [("ticket.message_sent", True), ("organization.visibility_changed", False)]
    portal.desk.db.close()


def count_blocked(tx: Connection) -> int:
    return int(tx.execute(BLOCKED).scalar_one())
