"""The demo's people at work: all they do is allowed, nothing piles up, a visitor is answered."""

from __future__ import annotations

import asyncio
import logging
from random import Random

import pytest
from sqlalchemy import select

from deskwire.demo import agents, planner
from deskwire.demo.actions import deed_of
from deskwire.demo.agents import Clerks, answer_visitor, is_there, read_diary
from deskwire.demo.cast import CLIENTS, TEAM, VISITORS
from deskwire.demo.planner import KEPT, RUNNING
from deskwire.demo.scenarios import ERRANDS
from deskwire.demo.seed_portal import Town
from deskwire.kit.clock import SECOND
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message, update
from deskwire.tickets.actions.create import Filing, file_request
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.messages import messages
from deskwire.tickets.statuses import ENDED
from deskwire.tickets.tables import tickets
from deskwire.workspaces.organizations.organizations import read_own
from deskwire.workspaces.organizations.staff import take_role
from tests.fixtures.bot_deliveries import NOON
from tests.fixtures.databases import new_database

pytestmark = pytest.mark.database("sqlite")  # the demo brings its own file


class Desk:
    """The demo's portal without its past, and its people; each step takes eight seconds."""

    def __init__(self, folder) -> None:
        self.at = NOON
        self.path = folder / "portal.json"
        self.db = new_database(folder)
        hashes = ["no password"] * len((*TEAM, *CLIENTS))
        self.db.write_here(lambda tx: Town(tx, {}).found(hashes, NOON - SECOND))
        self.clerks = self.begin()

    def begin(self) -> Clerks:
        return Clerks(self.db, self.path, Random(1), lambda: self.at)

    def work(self, times: int = 1) -> None:
        async def run() -> None:
            for _ in range(times):
                self.at += 8 * SECOND
                await self.clerks.work()

        asyncio.run(run())

    def act(self, who: str, what, *args):
        return self.db.write_here(lambda tx: what(tx, deed_of(tx, who, self.at), *args))

    def file(self, who: str, subject: str) -> str:
        def file(tx, deed):
            place = read_own(tx, deed.viewer)[0]
            return file_request(tx, deed, place, Filing(new_id(), subject, "Please.")).id

        return str(self.act(who, file))

    def rows(self):
        return self.db.read_here(lambda tx: tx.execute(select(tickets)).all())

    def said(self, ticket: str) -> list[str]:
        """What was written in a request by others than who filed it."""
        written = select(messages.c.text).where(
            messages.c.ticket == ticket, messages.c.kind == "reply", messages.c.side == "staff"
        )
        return self.db.read_here(lambda tx: list(tx.execute(written).scalars()))

    def piled_up(self) -> int:
        """How many requests there are now."""
        return sum(row.deleted_at is None for row in self.rows())


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.db.close()


def test_all_that_happens_is_allowed_and_nothing_piles_up(desk, caplog):
    caplog.set_level(logging.INFO, agents.__name__)

    for _ in range(7):
        desk.work(20)
        rows = [row for row in desk.rows() if row.deleted_at is None]
        is_open = [row for row in rows if row.status not in ENDED]
        assert 0 < len(is_open) <= RUNNING <= 10
        assert len(rows) <= RUNNING + KEPT + 1

    assert caplog.records == [], "something was refused"
    gone = [row for row in desk.rows() if row.deleted_at is not None]
    assert len(gone) >= 3
    assert {row.status for row in gone} <= ENDED
    visitors = {desk.act(who, lambda _, deed: deed.person) for who in VISITORS}
    authors = desk.db.read_here(lambda tx: set(tx.execute(select(messages.c.author)).scalars()))
    assert not visitors & authors


def test_a_visitor_s_request_is_taken_on_and_answered_once(desk):
    desk.work(9)
    asked = desk.file("clara", "Does anybody read this?")

    desk.work(2)
    [answer] = desk.said(asked)

    assert answer.startswith("Hello Clara, ")
    assert "the demo's simulated team" in answer
    uma = desk.act("uma", lambda _, deed: deed.person)
    row = next(row for row in desk.rows() if row.id == asked)
    assert (row.status, row.assignee) == ("active", uma)

    desk.act("clara", post_message.say, asked, Written(new_id(), "Oh!"))
    desk.clerks = desk.begin()  # the demo is started again
    desk.work(30)

    assert desk.said(asked) == [answer]
    assert is_there_here(desk, asked), "only what the demo's people filed is tidied up"


def test_what_the_team_has_taken_on_is_left_to_it(desk):
    asked = desk.file("clara", "This is for Tess")
    desk.act("tess", lambda tx, deed: update.assign(tx, deed, asked, deed.person))
    before = desk.file("carl", "Older than the demo's people")
    diary = read_diary(desk.path, desk.at + 1)

    assert not desk.db.write_here(answer_visitor, diary, desk.at + 2)
    assert desk.said(asked) == desk.said(before) == []


@pytest.fixture
def small(monkeypatch):
    """An office with room for less, so that less has to happen until it tidies up."""
    monkeypatch.setattr(planner, "RUNNING", 2)
    monkeypatch.setattr(planner, "KEPT", 1)


@pytest.mark.usefixtures("small")
def test_a_request_in_which_a_visitor_wrote_stays(desk):
    desk.work(4)
    visited = desk.rows()[0].id
    desk.act("tess", post_message.say, visited, Written(new_id(), "May I help?"))

    desk.work(70)

    assert is_there_here(desk, visited)
    assert visited not in desk.clerks._office.diary.own, "it would have been deleted by now"


@pytest.mark.usefixtures("small")
def test_where_a_visitor_takes_roles_and_requests_away_nothing_piles_up_either(desk):
    desk.work(20)
    people = {who: desk.act(who, lambda _, deed: deed.person) for who in ("uma", "noah")}
    for person in people.values():
        desk.act("tess", take_role, person)
    desk.act("tess", update.remove, desk.clerks._office.diary.running[0].ticket)

    desk.work(90)

    assert len(desk.rows()) > planner.RUNNING + planner.KEPT + 1
    assert desk.piled_up() <= planner.RUNNING + planner.KEPT + 1


def test_a_diary_that_cannot_be_read_is_a_new_beginning(desk, caplog):
    desk.work(5)
    assert desk.begin()._office.diary.own == desk.clerks._office.diary.own != []

    desk.path.write_text("{")

    assert read_diary(desk.path, NOON).own == []
    assert "begin anew" in caplog.text


def test_there_is_always_something_else_to_ask_for():
    assert len(ERRANDS) > RUNNING + KEPT


def is_there_here(desk, ticket: str) -> bool:
    return bool(desk.db.read_here(is_there, ticket))
