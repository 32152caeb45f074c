"""Test that a page that was open during events equals the page opened after them."""

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
    "a ticket is opened": lambda guild: guild.open_ticket(2, "Where is my container?"),
    "a customer writes": lambda guild: guild.post_message(
        1, guild.bo, "It **hurts**", side="customer"
    ),
    "somebody writes whose text is not sent": lambda guild: guild.post_message(1, guild.mo, None),
    "a ticket is claimed": lambda guild: guild.claim_ticket(1, guild.mo),
    "it is changed": lambda guild: guild.update_ticket(
        1,
        guild.mo,
        subject={"old": "The crane", "new": "The big crane"},
        priority={"old": None, "new": "urgent"},
        tags={"added": ["dock", "steel"], "removed": []},
    ),
    "it waits": lambda guild: guild.set_ticket_status(1, "PENDING", guild.mo),
    "it is closed": lambda guild: guild.close_ticket(1, guild.mo, reason="Oiled"),
    "another is deleted": lambda guild: guild.delete_ticket(2, guild.mo),
    "somebody joins the team": lambda guild: guild.assign_role(guild.bo),
    "somebody leaves it": lambda guild: guild.unassign_role(guild.bo),
    "a role is made": lambda guild: guild.send_role_event("team.role_created"),
    "a role goes": lambda guild: guild.send_role_event("team.role_deleted"),
    "somebody leaves the server": lambda guild: guild.remove_member(guild.bo),
    "the bot is set up": lambda guild: guild.send_event("guild.setup_complete"),
    "the bot is removed": lambda guild: guild.leave_guild(),
    "the bot is back": lambda guild: guild.join_guild(guild.guild_id, guild.name, guild.mo, 1201),
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
