"""Mentions: who can be called in a message, and who is told that they were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from deskwire.events.log import log
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from tests.fixtures.cast import BO, UNA, build
from tests.fixtures.portal import Quay, found


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    house = build(tmp_path)
    yield found(house)
    house.db.close()


def mentions_told(quay: Quay) -> list[list[str] | None]:
    """Whom each event of a message says it mentions, in their order."""
    sent = log.c.type == "ticket.message_sent"
    here = select(log.c.data).where(sent, log.c.workspace == f"org:{quay.ids['quay']}")
    rows = quay.house.db.read_here(
        lambda tx: list(tx.execute(here.order_by(log.c.position)).scalars())
    )
    return [json.loads(data).get("mentions") for data in rows]


def test_only_who_sees_the_request_can_be_mentioned(quay: Quay) -> None:
    ticket = quay.file(BO, "Call @Una Fairweather", "@Una Fairweather and @Cy Okafor, look")

    [html] = [
        line.html
        for line in quay.house.db.read_here(messages.read_timeline, ticket)
        if line.kind == "reply"
    ]

    assert html == "<p><mark>@Una Fairweather</mark> and @Cy Okafor, look</p>"


def test_an_event_tells_who_is_mentioned_until_the_message_is_changed(quay: Quay) -> None:
    ticket = quay.file(BO, "Look at this")
    line = quay.say(BO, ticket, "@Una Fairweather and @Cy Okafor, look")
    quay.say(BO, ticket, "Nobody")

    before = mentions_told(quay)
    quay.act(BO, post_message.edit, ticket, line, "Nobody either")
    after = mentions_told(quay)

    assert before == [[quay.house.id_of(UNA)], None]
    assert after == [None, None]
