"""Test that a page empties at once when access is lost, and fills again when it is given back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from deskwire.integrations.discord.samples import build_sample_data
from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor

ROLE = "Tickets Viewer"
SUBJECT = "The crane is stuck"
PAGES = ["", "/tickets", "/tickets/1"]


@pytest.fixture
def dee_visitor(guild: GuildFixture, open_visitor: OpenVisitor) -> Visitor:
    """Dee, who may look because of a role; no page is open yet."""
    guild.server.create_account(guild.mo)
    cookie = guild.server.create_account(guild.dee)
    guild.assign_role(guild.dee, ROLE)
    guild.open_ticket(1, SUBJECT)
    return open_visitor(cookie)


def open_page(guild: GuildFixture, dee: Visitor, page: str) -> None:
    dee.open(f"/guilds/{guild.guild_id}{page}")
    expect(dee.find("main")).to_contain_text(SUBJECT)
    dee.evaluate("() => { window.notReloaded = true }")


def expect_nothing_of(guild: GuildFixture, dee: Visitor) -> None:
    """Assert that the page shows its placeholder, and neither the server's name nor its ticket."""
    expect(dee.find("main")).to_contain_text("no longer have access")
    for text in (SUBJECT, guild.name):
        assert text not in dee.page.content()
        assert text not in dee.page.title()


@pytest.mark.parametrize("page", PAGES)
def test_an_emptied_page_fills_again_by_itself(
    guild: GuildFixture, dee_visitor: Visitor, page: str
) -> None:
    open_page(guild, dee_visitor, page)
    title, crumbs = dee_visitor.page.title(), dee_visitor.find("#crumbs").inner_text()

    guild.unassign_role(guild.dee, ROLE)
    expect_nothing_of(guild, dee_visitor)
    guild.assign_role(guild.dee, ROLE)

    expect(dee_visitor.find("main")).to_contain_text(SUBJECT)
    expect(dee_visitor.find("main")).not_to_contain_text("no longer have access")
    expect(dee_visitor.page).to_have_title(title)
    expect(dee_visitor.find("#crumbs")).to_have_text(crumbs, use_inner_text=True)
    assert dee_visitor.evaluate("() => window.notReloaded")


@pytest.mark.parametrize("page", PAGES)
def test_a_refilled_page_is_live_and_can_be_emptied_again(
    guild: GuildFixture, dee_visitor: Visitor, page: str
) -> None:
    open_page(guild, dee_visitor, page)
    guild.unassign_role(guild.dee, ROLE)
    expect_nothing_of(guild, dee_visitor)
    guild.post_message(1, guild.bo, "Written meanwhile", side="customer")
    guild.assign_role(guild.dee, ROLE)
    expect(dee_visitor.find("main")).to_contain_text(SUBJECT)

    guild.update_ticket(1, guild.mo, subject={"old": SUBJECT, "new": f"{SUBJECT} again"})
    expect(dee_visitor.find("main")).to_contain_text(f"{SUBJECT} again")
    dee_visitor.expect_status(404)  # of a part that is just being reloaded
    guild.unassign_role(guild.dee, ROLE)

    expect_nothing_of(guild, dee_visitor)


def test_access_given_elsewhere_leaves_the_page_empty_without_errors(
    guild: GuildFixture, dee_visitor: Visitor
) -> None:
    open_page(guild, dee_visitor, "")
    guild.unassign_role(guild.dee, ROLE)
    expect_nothing_of(guild, dee_visitor)
    dee_visitor.expect_status(404)
    attic = str(int(guild.guild_id) + 700_000)

    with dee_visitor.page.expect_response(lambda answer: "fragment=" in answer.url) as refused:
        guild.server.send_event(
            "guild.joined",
            guildId=attic,
            guildName="The Attic",
            ownerId=guild.dee.discord_id,
            memberCount=3,
        )

    assert refused.value.status == 404
    guild.open_ticket(2, "Asked of the server after the answer")
    expect_nothing_of(guild, dee_visitor)
    dee_visitor.expect_live()
    assert len(dee_visitor.fragment_requests) == 1


def test_a_person_who_loses_a_role_sees_why_the_page_was_emptied(
    guild: GuildFixture, dee_visitor: Visitor
) -> None:
    open_page(guild, dee_visitor, "")

    guild.unassign_role(guild.dee, ROLE)

    expect_nothing_of(guild, dee_visitor)
    expect(dee_visitor.find_toast(f"{guild.dee.name} removed from {ROLE}")).to_be_visible()


def test_a_person_who_leaves_or_is_removed_sees_why_the_page_was_emptied(
    guild: GuildFixture, dee_visitor: Visitor
) -> None:
    open_page(guild, dee_visitor, "/tickets")

    left = build_sample_data("member.left", user=guild.dee.discord_id, username=guild.dee.name)
    guild.send_event("member.left", **left)

    expect_nothing_of(guild, dee_visitor)
    expect(dee_visitor.find_toast(f"{guild.dee.name} left the server")).to_be_visible()


def test_toasts_of_others_are_removed_with_the_page(
    guild: GuildFixture, dee_visitor: Visitor
) -> None:
    open_page(guild, dee_visitor, "/tickets")
    guild.post_message(1, guild.bo, "A secret", side="customer")
    guild.assign_role(guild.bo, "Greeters")
    expect(dee_visitor.find_toast("New message in ticket #1")).to_be_visible()
    expect(dee_visitor.find_toast(f"{guild.bo.name} assigned to Greeters")).to_be_visible()

    guild.unassign_role(guild.dee, ROLE)

    expect_nothing_of(guild, dee_visitor)
    expect(dee_visitor.find(".toast-card")).to_have_count(1)
    expect(dee_visitor.find_toast(f"{guild.dee.name} removed from {ROLE}")).to_be_visible()
