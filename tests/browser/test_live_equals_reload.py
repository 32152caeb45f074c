"""Test that a page that was open during events equals the page opened after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from deskwire.events.log import log
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE
from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.live_pages import LivePages

Step = Callable[[GuildFixture], Any]

# What the bot tells, one after the other; ticket 1 was opened before the page.
STEPS: dict[str, Step] = {
    "a ticket is opened": lambda guild: guild.open_ticket(2, "Where is my container?"),
    "a customer writes": lambda guild: guild.post_message(
        1, guild.bo, "It **hurts**", side="customer"
    ),
    "someone writes whose text is not sent": lambda guild: guild.post_message(1, guild.mo, None),
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
    "someone joins the team": lambda guild: guild.assign_role(guild.bo),
    "someone leaves it": lambda guild: guild.unassign_role(guild.bo),
    "a role is made": lambda guild: guild.send_role_event("team.role_created"),
    "a role is changed": lambda guild: guild.send_role_event("team.role_updated"),
    "a role goes": lambda guild: guild.send_role_event("team.role_deleted"),
    "someone leaves the server": lambda guild: guild.remove_member(guild.bo),
    "the bot is set up": lambda guild: guild.send_event("guild.setup_complete"),
    "the bot is removed": lambda guild: guild.leave_guild(),
    "the bot is back": lambda guild: guild.join_guild(guild.guild_id, guild.name, guild.mo, 1201),
}
# The events of the portal are walked in test_live_portal.py, direct edits in test_direct_edits.py.
WALKED = {
    type_
    for type_ in EVENT_CLASS_BY_TYPE
    if type_.startswith(("guild.", "team.")) and type_ not in ("guild.updated", "guild.deleted")
} | {"member.left"}
LIST = "/guilds/{guild}/tickets"
PAGES_OF_THE_OWNER = (
    "/guilds", "/dashboard", "/guilds/{guild}", LIST, f"{LIST}/1", f"{LIST}?q=crane&status=active",
)  # fmt: skip
PAGES_OF_A_PARTICIPANT = ("/guilds", LIST, f"{LIST}/1")


def test_every_page_equals_its_reload_after_every_event(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    owner, participant = (guild.server.create_account(each) for each in (guild.mo, guild.bo))
    guild.open_ticket(1, "The crane", guild.bo)
    open_pages = [
        LivePages(open_visitor(cookie), [path.format(guild=guild.guild_id) for path in paths])
        for cookie, paths in (
            (owner, PAGES_OF_THE_OWNER),
            (participant, PAGES_OF_A_PARTICIPANT),
        )
    ]

    stale: list[str] = []
    for what, happen in STEPS.items():
        happen(guild)
        for pages in open_pages:
            stale += pages.find_stale(what)

    assert not stale, "\n".join(stale)
    assert read_types(guild) >= WALKED, f"no step causes {sorted(WALKED - read_types(guild))}"


def read_types(guild: GuildFixture) -> set[str]:
    """Return the types of the guild's events."""
    query = select(log.c.type).where(log.c.workspace == f"guild:{guild.guild_id}")
    with guild.server.open_database() as db:
        return set(db.read_sync(lambda tx: tx.execute(query).scalars().all()))
