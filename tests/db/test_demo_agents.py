"""Test the demo's people: all they do is permitted, nothing piles up, visitors are answered."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest
from sqlalchemy import select

from deskwire.demo import agents, planner
from deskwire.demo.actions import actor_for
from deskwire.demo.agents import Agents, answer_visitor, read_plan, request_exists
from deskwire.demo.cast import CLIENTS, TEAM, VISITOR_USERNAMES
from deskwire.demo.planner import MAX_ENDED_REQUESTS, MAX_OPEN_REQUESTS
from deskwire.demo.scenarios import SCENARIOS
from deskwire.demo.seed_portal import PortalSeeder
from deskwire.kit.clock import SECOND
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message, update
from deskwire.tickets.actions.create import RequestInput, create_request
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.messages import messages
from deskwire.tickets.statuses import ENDED_STATUSES
from deskwire.tickets.tables import tickets
from deskwire.workspaces.organizations.organizations import list_own_organizations
from deskwire.workspaces.organizations.staff import remove_staff_except_tickets
from tests.fixtures.bot_deliveries import NOON
from tests.fixtures.databases import create_database

pytestmark = pytest.mark.database("sqlite")  # the demo brings its own file


class DemoFixture:
    """The demo's portal without its past, and its people; each step takes eight seconds."""

    def __init__(self, folder) -> None:
        self.at = NOON
        self.path = folder / "portal.json"
        self.db = create_database(folder)
        hashes = ["no password"] * len((*TEAM, *CLIENTS))
        self.db.write_sync(lambda tx: PortalSeeder(tx, {}).create_accounts(hashes, NOON - SECOND))
        self.agents = self.begin()

    def begin(self) -> Agents:
        return Agents(self.db, self.path, Random(1), lambda: self.at)

    def work(self, times: int = 1) -> None:
        async def run() -> None:
            for _ in range(times):
                self.at += 8 * SECOND
                await self.agents.make_next_move()

        asyncio.run(run())

    def act(self, who: str, what, *args):
        return self.db.write_sync(lambda tx: what(tx, actor_for(tx, who, self.at), *args))

    def file(self, who: str, subject: str) -> str:
        def file(tx, actor):
            organization = list_own_organizations(tx, actor.viewer)[0]
            return create_request(
                tx, actor, organization, RequestInput(new_id(), subject, "Please.")
            ).id

        return str(self.act(who, file))

    def rows(self):
        return self.db.read_sync(lambda tx: tx.execute(select(tickets)).all())

    def read_replies(self, ticket: str) -> list[str]:
        """What was written in a request by others than who filed it."""
        written = select(messages.c.text).where(
            messages.c.ticket == ticket, messages.c.kind == "reply", messages.c.side == "staff"
        )
        return self.db.read_sync(lambda tx: list(tx.execute(written).scalars()))

    def has_backlog(self) -> int:
        """How many requests there are now."""
        return sum(row.deleted_at is None for row in self.rows())


@pytest.fixture
def demo(tmp_path):
    desk = DemoFixture(tmp_path)
    yield desk
    desk.db.close()


def test_all_actions_are_permitted_and_requests_never_pile_up(demo, caplog):
    caplog.set_level(logging.INFO, agents.__name__)

    for _ in range(7):
        demo.work(20)
        rows = [row for row in demo.rows() if row.deleted_at is None]
        is_open = [row for row in rows if row.status not in ENDED_STATUSES]
        assert 0 < len(is_open) <= MAX_OPEN_REQUESTS <= 10
        assert len(rows) <= MAX_OPEN_REQUESTS + MAX_ENDED_REQUESTS + 1

    assert caplog.records == [], "something was refused"
    gone = [row for row in demo.rows() if row.deleted_at is not None]
    assert len(gone) >= 3
    assert {row.status for row in gone} <= ENDED_STATUSES
    visitors = {demo.act(who, lambda _, actor: actor.subject) for who in VISITOR_USERNAMES}
    authors = demo.db.read_sync(lambda tx: set(tx.execute(select(messages.c.author)).scalars()))
    assert not visitors & authors


def test_a_visitors_request_is_assigned_and_answered_once(demo):
    demo.work(9)
    asked = demo.file("clara", "Does anybody read this?")

    demo.work(2)
    [answer] = demo.read_replies(asked)

    assert answer.startswith("Hello Clara, ")
    assert "the demo's simulated team" in answer
    uma = demo.act("uma", lambda _, actor: actor.subject)
    row = next(row for row in demo.rows() if row.id == asked)
    assert (row.status, row.assignee) == ("active", uma)

    demo.act("clara", post_message.post_message, asked, MessageInput(new_id(), "Oh!"))
    demo.agents = demo.begin()  # the demo is started again
    demo.work(30)

    assert demo.read_replies(asked) == [answer]
    assert is_there_here(demo, asked), "only what the demo's people filed is tidied up"


def test_requests_assigned_to_visitors_are_left_to_them(demo):
    asked = demo.file("clara", "This is for Tess")
    demo.act("tess", lambda tx, actor: update.update(tx, actor, asked, {"assignee": actor.subject}))
    before = demo.file("carl", "Older than the demo's people")
    plan = read_plan(demo.path, demo.at + 1)

    assert not demo.db.write_sync(answer_visitor, plan, demo.at + 2)
    assert demo.read_replies(asked) == demo.read_replies(before) == []


@pytest.fixture
def small_limits(monkeypatch):
    """A demo with lower limits, so that it cleans up after fewer actions."""
    monkeypatch.setattr(planner, "MAX_OPEN_REQUESTS", 2)
    monkeypatch.setattr(planner, "MAX_ENDED_REQUESTS", 1)


@pytest.mark.usefixtures("small_limits")
def test_a_request_with_a_visitors_message_is_not_deleted(demo):
    demo.work(4)
    visited = demo.rows()[0].id
    demo.act("tess", post_message.post_message, visited, MessageInput(new_id(), "May I help?"))

    demo.work(70)

    assert is_there_here(demo, visited)
    assert visited not in demo.agents._planner.plan.request_ids, "it would have been deleted by now"


@pytest.mark.usefixtures("small_limits")
def test_requests_do_not_pile_up_when_a_visitor_removes_roles_and_requests(demo):
    demo.work(20)
    people = {who: demo.act(who, lambda _, actor: actor.subject) for who in ("uma", "noah")}
    for person in people.values():
        demo.act("tess", remove_staff_except_tickets, person)
    demo.act("tess", update.delete_request, demo.agents._planner.plan.running[0].ticket)

    demo.work(90)

    assert len(demo.rows()) > planner.MAX_OPEN_REQUESTS + planner.MAX_ENDED_REQUESTS + 1
    assert demo.has_backlog() <= planner.MAX_OPEN_REQUESTS + planner.MAX_ENDED_REQUESTS + 1


def test_an_unreadable_plan_starts_over(demo, caplog):
    demo.work(5)
    assert demo.begin()._planner.plan.request_ids == demo.agents._planner.plan.request_ids != []

    demo.path.write_text("{")

    assert read_plan(demo.path, NOON).request_ids == []
    assert "start over" in caplog.text


def test_there_is_always_another_scenario():
    assert len(SCENARIOS) > MAX_OPEN_REQUESTS + MAX_ENDED_REQUESTS


def is_there_here(desk, ticket: str) -> bool:
    return bool(desk.db.read_sync(request_exists, ticket))
