"""Test mentions: who can be mentioned in a message, and who is notified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from deskwire.events.log import log
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from tests.fixtures.cast import BO, UNA, create_desk
from tests.fixtures.erasure import sweep_erasures
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path)
    yield create_portal(desk)
    desk.db.close()


def read_mentions(portal: PortalFixture) -> list[list[str] | None]:
    """Return the people that each message event mentions, in log order."""
    sent = log.c.type == "ticket.message_sent"
    here = select(log.c.data).where(
        sent, log.c.workspace == f"org:{portal.organization_ids['quay']}"
    )
    rows = portal.desk.db.read_sync(
        lambda tx: list(tx.execute(here.order_by(log.c.position)).scalars())
    )
    return [json.loads(data).get("mentions") for data in rows]


def test_only_people_who_see_the_request_can_be_mentioned(portal: PortalFixture) -> None:
    ticket = portal.create_request(
        BO, "Call @Una Fairweather", "@Una Fairweather and @Cy Okafor, look"
    )

    [html] = [
        line.html
        for line in portal.desk.db.read_sync(messages.read_timeline, ticket)
        if line.kind == "reply"
    ]

    assert html == "<p><mark>@Una Fairweather</mark> and @Cy Okafor, look</p>"


def test_an_event_names_mentioned_people_until_the_message_is_edited(
    portal: PortalFixture, tmp_path: Path
) -> None:
    ticket = portal.create_request(BO, "Look at this")
    line = portal.post_message(BO, ticket, "@Una Fairweather and @Cy Okafor, look")
    portal.post_message(BO, ticket, "Nobody")

    before = read_mentions(portal)
    portal.act_as(BO, post_message.edit_message, ticket, line, "Nobody either")
    sweep_erasures(portal.desk.db, tmp_path)
    after = read_mentions(portal)

    assert before == [[portal.desk.person_id(UNA)], None]
    assert after == [None, None]
