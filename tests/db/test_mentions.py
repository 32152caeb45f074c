"""Test mentions: who can be mentioned in a message, and who is notified."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from deskwire.accounts.people import people
from deskwire.events.log import log
from deskwire.tickets import markdown, messages, prepared_text
from deskwire.tickets.actions import post_message
from deskwire.tickets.prepared_text import PreparedText
from deskwire.workspaces.organizations.organizations import organization_members
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


@pytest.mark.parametrize("member_count", [10, 1_000])
def test_a_text_is_looked_through_for_mentions_once_however_many_members_there_are(
    portal: PortalFixture, monkeypatch: pytest.MonkeyPatch, member_count: int
) -> None:
    ticket, counts = portal.create_request(BO, "Look at this"), Counter[str]()
    portal.desk.db.write_sync(add_members, portal.organization_ids["quay"], member_count)

    def count_calls(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    count_calls(prepared_text, "list_mention_candidates")
    count_calls(prepared_text, "render_markdown")
    count_calls(prepared_text, "mark_mentions")
    count_calls(markdown, "_list_possible_names")
    count_calls(PreparedText, "find_mentions")
    count_calls(post_message, "read_mentionable_names")

    portal.post_message(BO, ticket, "@Member 3 and @Una Fairweather, look")

    [found] = [each for each in read_mentions(portal) if each]
    assert {portal.desk.person_id(UNA), f"member-{3:04}"} == set(found)
    assert counts.pop("_list_possible_names") == 2, "one for each @"
    assert set(counts.values()) == {1}, counts
    assert len(counts) == 5, counts


def add_members(tx: Connection, organization: str, count: int) -> None:
    """Insert members named alike."""
    ids = [f"member-{number:04}" for number in range(count)]
    rows = [
        {"id": id_, "name": f"Member {number}", "revision": 1, "created_at": 1}
        for number, id_ in enumerate(ids)
    ]
    tx.execute(insert(people), rows)
    roles = [
        {"organization": organization, "person": id_, "role": "member", "revision": 1}
        for id_ in ids
    ]
    tx.execute(insert(organization_members), roles)


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
