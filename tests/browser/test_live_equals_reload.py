"""A page that was open while things happened shows what a page opened after them shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.conftest import Visit
from tests.fixtures import dom_snapshot
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor

Step = Callable[[Place], Any]

# What the bot tells, one after the other; ticket 1 was opened before the page.
STORY: dict[str, Step] = {
    "a ticket is opened": lambda place: place.open_ticket(2, "Where is my container?"),
    "a customer writes": lambda place: place.say(1, place.bo, "It **hurts**", side="customer"),
    "somebody writes whose text is not sent": lambda place: place.say(1, place.mo, None),
    "a ticket is claimed": lambda place: place.claim(1, place.mo),
    "it is changed": lambda place: place.change(
        1,
        place.mo,
        subject={"old": "The crane", "new": "The big crane"},
        priority={"old": None, "new": "urgent"},
        tags={"added": ["dock", "steel"], "removed": []},
    ),
    "it waits": lambda place: place.move(1, "PENDING", place.mo),
    "it is closed": lambda place: place.close(1, place.mo, reason="Oiled"),
    "another is deleted": lambda place: place.delete(2, place.mo),
    "somebody joins the team": lambda place: place.assign(place.bo),
    "somebody leaves it": lambda place: place.unassign(place.bo),
    "a role is made": lambda place: place.role("team.role_created"),
    "a role goes": lambda place: place.role("team.role_deleted"),
    "somebody leaves the server": lambda place: place.depart(place.bo),
    "the bot is set up": lambda place: place.tell("guild.setup_complete"),
    "the bot is removed": lambda place: place.leave_guild(),
    "the bot is back": lambda place: place.open_guild(place.guild, place.name, place.mo, 1201),
}
PAGES = ("/guilds", "/guilds/{guild}", "/guilds/{guild}/tickets", "/guilds/{guild}/tickets/1")
FILTERED = "/guilds/{guild}/tickets?q=crane&status=active"


@pytest.mark.parametrize("page", [*PAGES, FILTERED])
def test_a_page_after_every_event(place: Place, visit: Visit, page: str) -> None:
    cookie = place.server.move_in(place.mo)
    place.open_ticket(1, "The crane")
    path = page.format(guild=place.guild)
    live = visit(cookie, path)
    fresh = visit(cookie)

    for what, happen in STORY.items():
        happen(place)
        fresh.open(path)
        assert_same(live, fresh, what)


def assert_same(live: Visitor, fresh: Visitor, what: str) -> None:
    """The live page becomes what the fresh one is, fragments included."""
    expected = fresh.evaluate(dom_snapshot.of("main"))
    try:
        live.page.wait_for_function(dom_snapshot.IS, arg=["main", expected])
    except TimeoutError:
        found = dom_snapshot.differences(live.evaluate(dom_snapshot.of("main")), expected)
        pytest.fail(f"{what}:\n" + "\n".join(found))
