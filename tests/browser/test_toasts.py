"""What each of the bot's sixteen events says to who is there, in the words of the sketch."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from deskwire.integrations.discord.samples import TYPES, sample
from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor

SUBJECT = "Cannot sign in on my new phone"
TOASTS: dict[str, tuple[str, str]] = {
    "guild.joined": ("Bot installed in {guild}!", ""),
    "guild.left": ("Bot removed from {guild}", ""),
    "guild.setup_complete": ("Bot setup completed!", "{guild}"),
    "ticket.created": ("New ticket #5 created", f"Subject: {SUBJECT}"),
    "ticket.updated": (
        "Ticket #5 updated",
        SUBJECT + " (solved?) · Changed: subject, priority, tags",
    ),
    "ticket.deleted": ("Ticket #5 deleted", "Opened twice"),
    "ticket.message_sent": ("New message in ticket #5", SUBJECT + " · From: customer ({bo})"),
    "ticket.status_changed": ("Ticket #5 changed to Action Required", SUBJECT),
    "ticket.claimed": ("Ticket #5 claimed", SUBJECT + " · By {mo}"),
    "ticket.closed": ("Ticket #5 closed", SUBJECT + " · Solved"),
    "team.role_created": ("Team role Tickets Support created", ""),
    "team.role_updated": ("Team role Tickets Support updated", ""),
    "team.role_deleted": ("Team role Tickets Support deleted", ""),
    "team.member_assigned": ("{bo} assigned to Tickets Support", ""),
    "team.member_unassigned": ("{bo} removed from Tickets Support", ""),
    "member.left": ("{bo} left the server", ""),
}
BEFORE = {  # what must have happened, so that the event tells something new
    "ticket.updated": ["ticket.created"],
    "ticket.deleted": ["ticket.created"],
    "ticket.message_sent": ["ticket.created"],
    "ticket.status_changed": ["ticket.created", "ticket.claimed"],
    "ticket.claimed": ["ticket.created"],
    "ticket.closed": ["ticket.created"],
    "team.role_updated": ["team.role_created"],
    "team.role_deleted": ["team.role_created"],
    "team.member_unassigned": ["team.member_assigned"],
    "member.left": ["team.member_assigned"],
}


def tell(place: Place, type_: str) -> None:
    data: dict[str, Any] = sample(
        type_,
        guild=place.guild,
        guild_name=place.name,
        owner=place.mo.discord,
        user=place.bo.discord,
        username=place.bo.name,
        ticket=1005,
        number=5,
    )
    place.tell(type_, **data)


@pytest.fixture
def watcher(place: Place, visit: Visit) -> Visitor:
    """Ada, who holds Tickets Admin and so hears everything; no page is open yet."""
    cookie = place.server.move_in(place.ada)
    place.assign(place.mo)  # so that he has a name
    place.assign(place.ada, "Tickets Admin")
    return visit(cookie)


def test_every_event_has_its_toast_here() -> None:
    assert sorted(TOASTS) == sorted(TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_the_toast_of_an_event(place: Place, watcher: Visitor, type_: str) -> None:
    if type_ == "guild.joined":
        tell(place, "guild.left")
    for earlier in BEFORE.get(type_, ()):
        tell(place, earlier)
    watcher.open("/guilds")

    tell(place, type_)

    title, text = (
        said.format(guild=place.name, mo=place.mo.name, bo=place.bo.name) for said in TOASTS[type_]
    )
    toast = watcher.toast(title)
    expect(toast).to_have_count(1)
    shown = toast.locator("p")
    expect(shown).to_have_text(text) if text else expect(shown).to_be_hidden()


def test_ones_own_doing_in_discord_makes_no_toast(place: Place, watcher: Visitor) -> None:
    place.open_ticket(1, "Claimed by Ada herself")
    watcher.open("/guilds")

    place.claim(1, place.ada)
    place.close(1, place.mo)

    expect(watcher.toast("Ticket #1 closed")).to_be_visible()
    assert watcher.toast("Ticket #1 claimed").count() == 0


def test_the_owner_is_told_of_the_bot_whoever_added_it(place: Place, visit: Visit) -> None:
    owner = visit(place.server.move_in(place.mo), "/guilds")

    place.leave_guild(place.guild)
    place.open_guild(place.guild, place.name, place.mo)

    expect(owner.toast(f"Bot installed in {place.name}!")).to_be_visible()


def test_a_flood_of_a_kind_becomes_one_toast(place: Place, watcher: Visitor) -> None:
    watcher.open("/guilds")

    for number in range(1, 9):
        place.open_ticket(number, f"Number {number}")

    expect(watcher.toast("8 new tickets")).to_be_visible()
    expect(watcher.find(".toast-card")).to_have_count(1)


def test_there_are_never_more_toasts_than_one_can_read(place: Place, watcher: Visitor) -> None:
    watcher.open("/guilds")

    place.open_ticket(1, "One")
    place.say(1, place.bo, "Two", side="customer")
    place.claim(1, place.mo)
    place.move(1, "PENDING", place.mo)
    place.close(1, place.mo)

    expect(watcher.toast("Ticket #1 closed")).to_be_visible()
    expect(watcher.find(".toast-card")).to_have_count(4)
    assert watcher.toast("New ticket #1 created").count() == 0


def test_a_toast_leads_to_what_it_tells_of_and_can_be_dismissed(
    place: Place, watcher: Visitor
) -> None:
    watcher.open("/guilds")
    place.open_ticket(1, "Stuck")
    place.say(1, place.bo, "Help", side="customer")

    watcher.toast("New ticket #1 created").get_by_role("button", name="Dismiss").click()
    expect(watcher.toast("New ticket #1 created")).to_have_count(0)
    watcher.toast("New message in ticket #1").get_by_role("link", name="Open").click()
    expect(watcher.page.get_by_role("heading", level=1)).to_have_text("Stuck")


def test_escape_dismisses_the_newest(place: Place, watcher: Visitor) -> None:
    watcher.open("/guilds")
    place.open_ticket(1, "Older")
    place.say(1, place.bo, "Newer", side="customer")
    expect(watcher.find(".toast-card")).to_have_count(2)

    watcher.page.keyboard.press("Escape")

    expect(watcher.find(".toast-card")).to_have_count(1)
    expect(watcher.toast("New ticket #1 created")).to_be_visible()


def test_screen_readers_are_told(place: Place, watcher: Visitor) -> None:
    watcher.open("/guilds")
    place.open_ticket(1, "Stuck")

    status = watcher.page.get_by_role("status")
    expect(status).to_contain_text("New ticket #1 created")
    expect(status).to_have_attribute("aria-live", "polite")


def test_a_toast_goes_by_itself_unless_it_is_being_read(place: Place, watcher: Visitor) -> None:
    watcher.page.clock.install()
    watcher.open("/guilds")
    place.open_ticket(1, "Stuck")
    toast = watcher.toast("New ticket #1 created")

    toast.hover()
    watcher.page.clock.run_for(20_000)
    expect(toast).to_be_visible()

    watcher.page.mouse.move(0, 0)
    watcher.page.clock.run_for(7_000)
    expect(toast).to_have_count(0)


def test_the_same_event_heard_twice_is_told_once(place: Place, watcher: Visitor) -> None:
    watcher.open("/guilds")
    watcher.remember_toasts()
    cursor = watcher.find("html").get_attribute("data-cursor")
    place.open_ticket(1, "Stuck")
    expect(watcher.toast("New ticket #1 created")).to_be_visible()

    # A stream that forgot its place: everything since the page was made comes once more.
    watcher.page.route(
        "**/api/events?*",
        lambda route: route.continue_(url=f"{place.server.url}/api/events?after={cursor}"),
    )
    watcher.context.set_offline(True)
    watcher.expect_away()
    watcher.context.set_offline(False)
    watcher.expect_live()
    place.say(1, place.bo, "After", side="customer")

    expect(watcher.toast("New message in ticket #1")).to_be_visible()
    heard = [line for line in watcher.lines if line.startswith("ticket.created at")]
    assert len(heard) == 2
    assert watcher.toasted == ["New ticket #1 created", "New message in ticket #1"]
