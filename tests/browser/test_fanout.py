"""Test that the bot's events reach two browsers at once, until one may no longer see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor


@dataclass
class TwoVisitors:
    """Mo owns the server, Dee may look. Each has a browser in which no page is open."""

    guild: GuildFixture
    mo: Visitor
    dee: Visitor

    def __iter__(self) -> Iterator[Visitor]:
        return iter((self.mo, self.dee))

    @property
    def list(self) -> str:
        return f"/guilds/{self.guild.guild_id}/tickets"


@pytest.fixture
def two_visitors(guild: GuildFixture, open_visitor: OpenVisitor) -> TwoVisitors:
    mo, dee = guild.server.create_account(guild.mo), guild.server.create_account(guild.dee)
    guild.assign_role(guild.dee, "Tickets Viewer")
    return TwoVisitors(guild, open_visitor(mo), open_visitor(dee))


def test_a_new_ticket_appears_in_both_lists_with_a_toast_and_a_count(
    two_visitors: TwoVisitors,
) -> None:
    for each in two_visitors:
        each.open(two_visitors.list)
        expect(each.find_tab_count("All")).to_have_text("0")

    two_visitors.guild.open_ticket(7, "The crane is stuck")

    for each in two_visitors:
        expect(each.find_row("The crane is stuck")).to_contain_text("Submitted")
        expect(each.find_toast("New ticket #7 created")).to_contain_text(
            "Subject: The crane is stuck"
        )
        expect(each.find_tab_count("All")).to_have_text("1")
        expect(each.find_tab_count("Submitted")).to_have_text("1")
        expect(each.find("[data-empty-for=tickets]")).to_be_hidden()


def test_a_message_appears_in_the_open_conversation(two_visitors: TwoVisitors) -> None:
    two_visitors.guild.open_ticket(7, "The crane is stuck")
    for each in two_visitors:
        each.open(f"{two_visitors.list}/7")

    two_visitors.guild.post_message(
        7, two_visitors.guild.bo, "It does **not** turn any more.", side="customer"
    )

    for each in two_visitors:
        line = each.find(".line[data-kind=reply]")
        expect(line).to_contain_text("It does not turn any more.")
        expect(line.locator("strong", has_text="not")).to_be_visible()
        expect(line).to_contain_text(two_visitors.guild.bo.name)
        expect(each.find_toast("New message in ticket #7")).to_contain_text("From: customer")


def test_claiming_and_closing_change_badge_counts_and_timeline(two_visitors: TwoVisitors) -> None:
    two_visitors.guild.open_ticket(7, "The crane is stuck")
    two_visitors.mo.open(two_visitors.list)
    two_visitors.dee.open(f"{two_visitors.list}/7")
    badge = two_visitors.dee.find("dl .status")

    two_visitors.guild.claim_ticket(7, two_visitors.guild.ada)
    expect(two_visitors.mo.find_row("The crane is stuck").locator(".status")).to_have_text(
        "In Progress"
    )
    expect(two_visitors.mo.find_tab_count("In Progress")).to_have_text("1")
    expect(two_visitors.mo.find_tab_count("Submitted")).to_have_text("0")
    expect(badge).to_have_text("In Progress")
    expect(two_visitors.dee.find(".line[data-kind=system]").last).to_contain_text(
        "claimed the ticket"
    )

    two_visitors.guild.close_ticket(7, two_visitors.guild.ada, reason="Oiled")
    expect(two_visitors.mo.find_row("The crane is stuck").locator(".status")).to_have_text(
        "Completed"
    )
    expect(two_visitors.mo.find_tab_count("Completed")).to_have_text("1")
    expect(badge).to_have_attribute("data-status", "done")
    expect(two_visitors.dee.find(".line[data-kind=system]").last).to_contain_text(
        "closed the ticket: Oiled"
    )


def test_a_revoked_person_receives_nothing_more_while_another_continues(
    two_visitors: TwoVisitors,
) -> None:
    two_visitors.guild.open_ticket(1, "Seen by both")
    for each in two_visitors:
        each.open(two_visitors.list)
        expect(each.find_row("Seen by both")).to_be_visible()

    two_visitors.guild.unassign_role(two_visitors.guild.dee, "Tickets Viewer")
    expect(two_visitors.dee.find("body")).not_to_contain_text("Seen by both")
    expect(two_visitors.dee.find("main")).to_contain_text("no longer have access")

    said_before = len(two_visitors.dee.store_log)
    two_visitors.guild.open_ticket(2, "For Mo alone")
    two_visitors.guild.post_message(1, two_visitors.guild.bo, "A secret", side="customer")
    expect(two_visitors.mo.find_row("For Mo alone")).to_be_visible()
    expect(two_visitors.mo.find_toast("New message in ticket #1")).to_be_visible()
    # What Dee's page would have been sent was sent before what Mo already shows.
    assert two_visitors.dee.store_log[said_before:] == []
    assert "Mo alone" not in two_visitors.dee.page.content()
    assert two_visitors.dee.find_toast("New ticket #2 created").count() == 0
    assert two_visitors.dee.find_toast("New message in ticket #1").count() == 0


def test_restored_access_refills_the_list_without_a_reload(
    two_visitors: TwoVisitors,
) -> None:
    two_visitors.guild.open_ticket(1, "Seen by both")
    two_visitors.dee.open("/guilds")
    expect(two_visitors.dee.find("#guilds")).to_contain_text(two_visitors.guild.name)
    two_visitors.dee.evaluate("() => { window.notReloaded = true }")

    two_visitors.guild.unassign_role(two_visitors.guild.dee, "Tickets Viewer")
    expect(two_visitors.dee.find("#guilds > [data-row]")).to_have_count(0)
    expect(two_visitors.dee.find("[data-empty-for=guilds]")).to_be_visible()

    two_visitors.guild.assign_role(two_visitors.guild.dee, "Tickets Viewer")
    expect(two_visitors.dee.find("#guilds")).to_contain_text(two_visitors.guild.name)
    expect(two_visitors.dee.find("[data-empty-for=guilds]")).to_be_hidden()
    assert two_visitors.dee.evaluate("() => window.notReloaded")


def test_the_owner_sees_a_server_as_soon_as_the_bot_joins_it(two_visitors: TwoVisitors) -> None:
    guild = two_visitors.guild
    two_visitors.mo.open("/guilds")
    expect(two_visitors.mo.find("#guilds > [data-row]")).to_have_count(1)
    attic = str(int(guild.guild_id) + 500_000)

    guild.server.send_event(
        "guild.joined",
        guildId=attic,
        guildName="The Attic",
        ownerId=guild.mo.discord_id,
        memberCount=3,
    )

    expect(two_visitors.mo.find_toast("Bot installed in The Attic!")).to_be_visible()
    expect(two_visitors.mo.find("#guilds > [data-row]")).to_have_count(2)
    expect(two_visitors.mo.find(f"[data-row='guild:{attic}']")).to_contain_text("The Attic")
