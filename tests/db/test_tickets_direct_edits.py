"""Test direct edits of requests: they become events, and actions are never taken for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from deskwire.direct_edits.change_log import has_pending_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.events.log import log
from deskwire.tickets.actions import post_message, update
from deskwire.tickets.tables import tickets
from tests.fixtures.cast import ADA, BO, create_desk
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path)
    yield create_portal(desk)
    desk.db.close()


def read_row(portal: PortalFixture, ticket: str) -> Any:
    chosen = select(tickets).where(tickets.c.id == ticket)
    return portal.desk.db.read_sync(lambda tx: tx.execute(chosen).one())


def read_entries(portal: PortalFixture, type_: str) -> list[tuple[list[str], dict[str, Any]]]:
    """The channels and the data of every event of a type."""
    chosen = select(log.c.channels, log.c.data).where(log.c.type == type_)
    rows = portal.desk.db.read_sync(lambda tx: tx.execute(chosen.order_by(log.c.position)).all())
    return [(json.loads(row[0]), json.loads(row[1])) for row in rows]


def test_a_direct_edit_of_a_request_reaches_its_viewers(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "By hand")

    portal.desk.db.write_sync(
        lambda tx: tx.exec_driver_sql("UPDATE tickets SET status = 'review', priority = 'low'")
    )
    portal.desk.db.write_sync(record_edits)

    [(channels, data)] = read_entries(portal, "ticket.status_changed")
    organization_id = portal.organization_ids["quay"]
    assert channels == ["staff", f"org:{organization_id}:1", f"ticket:{ticket}"]
    assert (data["actor"], data["now"]["statusLabel"]) == ("sql", "Reviewing")
    portal.act_as(ADA, update.update, ticket, {"subject": "By hand, and by name"})
    assert read_row(portal, ticket).status == "review", "a later action folded the edit away"


def test_a_direct_edit_found_by_an_action_is_announced_with_its_line(
    portal: PortalFixture,
) -> None:
    ticket = portal.create_request(BO, "By hand")
    portal.desk.db.write_sync(lambda tx: tx.exec_driver_sql("UPDATE tickets SET priority = 'low'"))

    portal.act_as(ADA, update.update, ticket, {"subject": "By hand, and by name"})
    portal.desk.db.write_sync(record_edits)

    data = [
        fields for _, fields in read_entries(portal, "ticket.updated") if fields["actor"] == "sql"
    ]
    assert [fields["line"]["author"]["id"] for fields in data] == ["sql"]


def test_no_action_is_recorded_as_a_direct_edit(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Ours")
    message = portal.post_message(BO, ticket, "Also ours")
    portal.act_as(BO, post_message.edit_message, ticket, message, "Still ours")
    portal.act_as(BO, post_message.delete_message, ticket, message)
    portal.act_as(ADA, update.update, ticket, {"assignee": portal.desk.person_id(ADA)})

    assert not portal.desk.db.read_sync(has_pending_changes)
