"""Test that every page and every form works without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PASSWORD
from tests.fixtures.visitor import Visitor

PAGE = 50  # tickets a list shows at a time


@pytest.fixture
def ada_visitor(guild: GuildFixture, open_visitor: OpenVisitor) -> Visitor:
    """Ada, who sees every ticket here, in a browser without JavaScript."""
    return open_visitor(guild.sign_in_staff(), javascript=False)


def ticket_list_path(guild: GuildFixture) -> str:
    return f"/guilds/{guild.guild_id}/tickets"


def test_a_conversation_is_reached_from_the_server_list(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "The crane is stuck")
    guild.post_message(1, guild.bo, "It does **not** turn.", side="customer")

    ada_visitor.open("/guilds")
    ada_visitor.page.get_by_role("link", name=guild.name).click()
    expect(ada_visitor.find("#activity")).to_contain_text("The crane is stuck")
    ada_visitor.find("main").get_by_role("link", name="Tickets", exact=True).click()
    ada_visitor.find_row("The crane is stuck").get_by_role("link").click()

    expect(ada_visitor.find(".line[data-kind=reply]")).to_contain_text("It does not turn.")
    ada_visitor.find("summary").click()
    ada_visitor.page.get_by_role("button", name="Sign out").click()
    expect(ada_visitor.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    ada_visitor.open("/guilds")
    expect(ada_visitor.page).to_have_url(f"{guild.server.url}/sign-in?next=%2Fguilds")


def test_a_new_person_signs_up_and_in(guild: GuildFixture, open_visitor: OpenVisitor) -> None:
    new = open_visitor(path="/sign-up", javascript=False)
    new.page.get_by_label("Your name").fill(guild.bo.name)
    new.page.get_by_label("Email address").fill(guild.bo.email)
    new.page.get_by_label("Password").fill(PASSWORD)
    new.page.get_by_role("button", name="Create account").click()
    expect(new.page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    new.context.clear_cookies()

    new.open("/sign-in?next=/settings")
    new.page.get_by_label("Email address").fill(guild.bo.email)
    new.page.get_by_label("Password").fill("not the right password")
    new.expect_status(401)
    new.page.get_by_role("button", name="Sign in").click()
    expect(new.find("main")).to_contain_text("email address or password is incorrect")
    new.page.get_by_label("Password").fill(PASSWORD)
    new.page.get_by_role("button", name="Sign in").click()

    expect(new.page).to_have_url(f"{guild.server.url}/settings")
    expect(new.find("main")).to_contain_text(guild.bo.email)


def test_tabs_search_and_order_are_links_and_forms(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "The crane is stuck")
    guild.open_ticket(2, "Where is my container?")
    guild.open_ticket(3, "A second crane")
    guild.claim_ticket(3, guild.mo)
    ada_visitor.open(ticket_list_path(guild))

    ada_visitor.find("#status-tabs").get_by_role("link", name="Submitted").click()
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(2)

    ada_visitor.page.get_by_label("Search subject").fill("crane")
    ada_visitor.page.get_by_role("button", name="Search").click()
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(1)
    expect(ada_visitor.find_row("The crane is stuck")).to_be_visible()

    ada_visitor.find("#status-tabs").get_by_role("link", name="All").click()
    ada_visitor.page.get_by_label("Sort by").select_option("Oldest")
    ada_visitor.page.get_by_role("button", name="Search").click()
    subjects = ada_visitor.find("#tickets > [data-row] .row-link")
    expect(subjects).to_have_text(["The crane is stuck", "A second crane"])


def test_a_long_list_has_pages(guild: GuildFixture, ada_visitor: Visitor) -> None:
    for number in range(1, PAGE + 2):
        guild.open_ticket(number, f"Number {number}")
    ada_visitor.open(f"{ticket_list_path(guild)}?sort=number")
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(PAGE)

    ada_visitor.find("#pager").get_by_role("link", name="Next").click()
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(1)
    ada_visitor.find("#pager").get_by_role("link", name="Previous").click()
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(PAGE)


def test_nothing_that_needs_javascript_is_shown(guild: GuildFixture, ada_visitor: Visitor) -> None:
    for path in ("/guilds", ticket_list_path(guild), "/settings"):
        ada_visitor.open(path)
        expect(ada_visitor.find("#live")).to_be_hidden()
        expect(ada_visitor.find("header [data-action=theme]")).to_be_hidden()
