"""A page that was open while things happened shows what a page opened after them shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import TimeoutError

from tests.browser.conftest import OpenVisitor
from tests.fixtures import dom_snapshot
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor

Step = Callable[[GuildFixture], Any]

# What the bot tells, one after the other; ticket 1 was opened before the page.
STEPS: dict[str, Step] = {
    "a ticket is opened": lambda place: place.open_ticket(2, "Where is my container?"),
    "a customer writes": lambda place: place.post_message(
        1, place.bo, "It **hurts**", side="customer"
    ),
    "somebody writes whose text is not sent": lambda place: place.post_message(1, place.mo, None),
    "a ticket is claimed": lambda place: place.claim_ticket(1, place.mo),
    "it is changed": lambda place: place.update_ticket(
        1,
        place.mo,
        subject={"old": "The crane", "new": "The big crane"},
        priority={"old": None, "new": "urgent"},
        tags={"added": ["dock", "steel"], "removed": []},
    ),
    "it waits": lambda place: place.set_ticket_status(1, "PENDING", place.mo),
    "it is closed": lambda place: place.close_ticket(1, place.mo, reason="Oiled"),
    "another is deleted": lambda place: place.delete_ticket(2, place.mo),
    "somebody joins the team": lambda place: place.assign_role(place.bo),
    "somebody leaves it": lambda place: place.unassign_role(place.bo),
    "a role is made": lambda place: place.send_role_event("team.role_created"),
    "a role goes": lambda place: place.send_role_event("team.role_deleted"),
    "somebody leaves the server": lambda place: place.remove_member(place.bo),
    "the bot is set up": lambda place: place.send_event("guild.setup_complete"),
    "the bot is removed": lambda place: place.leave_guild(),
    "the bot is back": lambda place: place.join_guild(place.guild_id, place.name, place.mo, 1201),
}
PAGES = ("/guilds", "/guilds/{guild}", "/guilds/{guild}/tickets", "/guilds/{guild}/tickets/1")
FILTERED = "/guilds/{guild}/tickets?q=crane&status=active"


@pytest.mark.parametrize("page", [*PAGES, FILTERED])
def test_a_page_after_every_event(
    guild: GuildFixture, open_visitor: OpenVisitor, page: str
) -> None:
    cookie = guild.server.create_account(guild.mo)
    guild.open_ticket(1, "The crane")
    path = page.format(guild=guild.guild_id)
    live = open_visitor(cookie, path)
    fresh = open_visitor(cookie)

    for what, happen in STEPS.items():
        happen(guild)
        fresh.open(path)
        assert_same_page(live, fresh, what)


def assert_same_page(live: Visitor, fresh: Visitor, what: str) -> None:
    """The live page becomes what the fresh one is, fragments included."""
    expected = fresh.evaluate(dom_snapshot.snapshot_script("main"))
    try:
        live.page.wait_for_function(dom_snapshot.MATCHES_SCRIPT, arg=["main", expected])
    except TimeoutError:
        found = dom_snapshot.find_differences(
            live.evaluate(dom_snapshot.snapshot_script("main")), expected
        )
        pytest.fail(f"{what}:\n" + "\n".join(found))
