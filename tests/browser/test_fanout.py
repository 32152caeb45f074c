"""Two people in two browsers: what the bot tells reaches both at once, until one may not see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor


@dataclass
class Two:
    """Mo owns the server, Dee may look. Each has a browser in which no page is open."""

    place: Place
    mo: Visitor
    dee: Visitor

    def __iter__(self) -> Iterator[Visitor]:
        return iter((self.mo, self.dee))

    @property
    def list(self) -> str:
        return f"/guilds/{self.place.guild}/tickets"


@pytest.fixture
def two(place: Place, visit: Visit) -> Two:
    mo, dee = place.server.move_in(place.mo), place.server.move_in(place.dee)
    place.assign(place.dee, "Tickets Viewer")
    return Two(place, visit(mo), visit(dee))


def test_a_new_ticket_appears_in_both_lists_with_a_toast_and_a_count(two: Two) -> None:
    for each in two:
        each.open(two.list)
        expect(each.tab_count("All")).to_have_text("0")

    two.place.open_ticket(7, "The crane is stuck")

    for each in two:
        expect(each.row("The crane is stuck")).to_contain_text("Submitted")
        expect(each.toast("New ticket #7 created")).to_contain_text("Subject: The crane is stuck")
        expect(each.tab_count("All")).to_have_text("1")
        expect(each.tab_count("Submitted")).to_have_text("1")
        expect(each.find("[data-empty-for=tickets]")).to_be_hidden()


def test_a_message_appears_in_the_open_conversation(two: Two) -> None:
    two.place.open_ticket(7, "The crane is stuck")
    for each in two:
        each.open(f"{two.list}/7")

    two.place.say(7, two.place.bo, "It does **not** turn any more.", side="customer")

    for each in two:
        line = each.find(".line[data-kind=reply]")
        expect(line).to_contain_text("It does not turn any more.")
        expect(line.locator("strong", has_text="not")).to_be_visible()
        expect(line).to_contain_text(two.place.bo.name)
        expect(each.toast("New message in ticket #7")).to_contain_text("From: customer")


def test_claiming_and_closing_change_badge_counts_and_timeline(two: Two) -> None:
    two.place.open_ticket(7, "The crane is stuck")
    two.mo.open(two.list)
    two.dee.open(f"{two.list}/7")
    badge = two.dee.find("dl .status")

    two.place.claim(7, two.place.ada)
    expect(two.mo.row("The crane is stuck").locator(".status")).to_have_text("In Progress")
    expect(two.mo.tab_count("In Progress")).to_have_text("1")
    expect(two.mo.tab_count("Submitted")).to_have_text("0")
    expect(badge).to_have_text("In Progress")
    expect(two.dee.find(".line[data-kind=system]").last).to_contain_text("claimed the ticket")

    two.place.close(7, two.place.ada, reason="Oiled")
    expect(two.mo.row("The crane is stuck").locator(".status")).to_have_text("Completed")
    expect(two.mo.tab_count("Completed")).to_have_text("1")
    expect(badge).to_have_attribute("data-status", "done")
    expect(two.dee.find(".line[data-kind=system]").last).to_contain_text("closed the ticket: Oiled")


def test_a_revoked_person_goes_silent_at_once_while_the_other_goes_on(two: Two) -> None:
    two.place.open_ticket(1, "Seen by both")
    for each in two:
        each.open(two.list)
        expect(each.row("Seen by both")).to_be_visible()

    two.place.unassign(two.place.dee, "Tickets Viewer")
    expect(two.dee.find("body")).not_to_contain_text("Seen by both")
    expect(two.dee.find("main")).to_contain_text("no longer shared with you")

    said_before = len(two.dee.lines)
    two.place.open_ticket(2, "For Mo alone")
    two.place.say(1, two.place.bo, "A secret", side="customer")
    expect(two.mo.row("For Mo alone")).to_be_visible()
    expect(two.mo.toast("New message in ticket #1")).to_be_visible()
    # What Dee's page would have been sent was sent before what Mo already shows.
    assert two.dee.lines[said_before:] == []
    assert "Mo alone" not in two.dee.page.content()
    assert two.dee.toast("New ticket #2 created").count() == 0
    assert two.dee.toast("New message in ticket #1").count() == 0


def test_who_is_given_access_again_sees_the_list_without_reloading(two: Two) -> None:
    two.place.open_ticket(1, "Seen by both")
    two.dee.open("/guilds")
    expect(two.dee.find("#guilds")).to_contain_text(two.place.name)
    two.dee.evaluate("() => { window.notReloaded = true }")

    two.place.unassign(two.place.dee, "Tickets Viewer")
    expect(two.dee.find("#guilds > [data-row]")).to_have_count(0)
    expect(two.dee.find("[data-empty-for=guilds]")).to_be_visible()

    two.place.assign(two.place.dee, "Tickets Viewer")
    expect(two.dee.find("#guilds")).to_contain_text(two.place.name)
    expect(two.dee.find("[data-empty-for=guilds]")).to_be_hidden()
    assert two.dee.evaluate("() => window.notReloaded")


def test_the_bot_arrives_and_its_owner_sees_the_server_at_once(two: Two) -> None:
    place = two.place
    two.mo.open("/guilds")
    expect(two.mo.find("#guilds > [data-row]")).to_have_count(1)
    attic = str(int(place.guild) + 500_000)

    place.server.tell(
        "guild.joined",
        guildId=attic,
        guildName="The Attic",
        ownerId=place.mo.discord,
        memberCount=3,
    )

    expect(two.mo.toast("Bot installed in The Attic!")).to_be_visible()
    expect(two.mo.find("#guilds > [data-row]")).to_have_count(2)
    expect(two.mo.find(f"[data-row='guild:{attic}']")).to_contain_text("The Attic")
