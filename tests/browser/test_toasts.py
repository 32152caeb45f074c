"""Test the toasts of each of the bot's sixteen events."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from deskwire.integrations.discord.samples import EVENT_TYPES, build_sample_data
from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor

SUBJECT = "Cannot sign in on my new phone"
TOASTS: dict[str, tuple[str, str]] = {
    "guild.joined": ("Bot installed in {guild}!", ""),
    "guild.left": ("Bot removed from {guild}", ""),
    "guild.setup_complete": ("Bot setup completed!", "{guild}"),
    "ticket.created": ("New ticket #5 created", f"Subject: {SUBJECT}"),
    "ticket.updated": (
        "Ticket #5 updated",
        SUBJECT + " (solved?) · Changed: subject, priority, labels",
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
PRECEDING_TYPES = {  # what must have happened, so that the event tells something new
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


def send_sample(guild: GuildFixture, type_: str) -> None:
    data: dict[str, Any] = build_sample_data(
        type_,
        guild=guild.guild_id,
        guild_name=guild.name,
        owner=guild.mo.discord_id,
        user=guild.bo.discord_id,
        username=guild.bo.name,
        ticket=1005,
        number=5,
    )
    guild.send_event(type_, **data)


@pytest.fixture
def watcher(guild: GuildFixture, open_visitor: OpenVisitor) -> Visitor:
    """Ada, who holds Tickets Admin and so hears everything; no page is open yet."""
    cookie = guild.server.create_account(guild.ada)
    guild.assign_role(guild.mo)  # so that he has a name
    guild.assign_role(guild.ada, "Tickets Admin")
    return open_visitor(cookie)


def test_every_event_type_has_an_expected_toast() -> None:
    assert sorted(TOASTS) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_an_event_makes_its_expected_toast(
    guild: GuildFixture, watcher: Visitor, type_: str
) -> None:
    if type_ == "guild.joined":
        send_sample(guild, "guild.left")
    for earlier in PRECEDING_TYPES.get(type_, ()):
        send_sample(guild, earlier)
    watcher.open("/guilds")

    send_sample(guild, type_)

    title, text = (
        said.format(guild=guild.name, mo=guild.mo.name, bo=guild.bo.name) for said in TOASTS[type_]
    )
    toast = watcher.find_toast(title)
    expect(toast).to_have_count(1)
    shown = toast.locator("p")
    expect(shown).to_have_text(text) if text else expect(shown).to_be_hidden()


def test_own_actions_in_discord_make_no_toast(guild: GuildFixture, watcher: Visitor) -> None:
    guild.open_ticket(1, "Claimed by Ada herself")
    watcher.open("/guilds")

    guild.claim_ticket(1, guild.ada)
    guild.close_ticket(1, guild.mo)

    expect(watcher.find_toast("Ticket #1 closed")).to_be_visible()
    assert watcher.find_toast("Ticket #1 claimed").count() == 0


def test_the_owner_sees_a_toast_when_another_person_adds_the_bot(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    owner = open_visitor(guild.server.create_account(guild.mo), "/guilds")

    guild.leave_guild(guild.guild_id)
    guild.join_guild(guild.guild_id, guild.name, guild.mo)

    expect(owner.find_toast(f"Bot installed in {guild.name}!")).to_be_visible()


def test_many_events_of_one_kind_become_one_toast(guild: GuildFixture, watcher: Visitor) -> None:
    watcher.open("/guilds")

    for number in range(1, 9):
        guild.open_ticket(number, f"Number {number}")

    expect(watcher.find_toast("8 new tickets")).to_be_visible()
    expect(watcher.find(".toast-card")).to_have_count(1)


def test_at_most_four_toasts_are_shown(guild: GuildFixture, watcher: Visitor) -> None:
    watcher.open("/guilds")

    guild.open_ticket(1, "One")
    guild.post_message(1, guild.bo, "Two", side="customer")
    guild.claim_ticket(1, guild.mo)
    guild.set_ticket_status(1, "PENDING", guild.mo)
    guild.close_ticket(1, guild.mo)

    expect(watcher.find_toast("Ticket #1 closed")).to_be_visible()
    expect(watcher.find(".toast-card")).to_have_count(4)
    assert watcher.find_toast("New ticket #1 created").count() == 0


def test_a_toast_links_to_its_ticket_and_can_be_dismissed(
    guild: GuildFixture, watcher: Visitor
) -> None:
    watcher.open("/guilds")
    guild.open_ticket(1, "Stuck")
    guild.post_message(1, guild.bo, "Help", side="customer")

    watcher.find_toast("New ticket #1 created").get_by_role("button", name="Dismiss").click()
    expect(watcher.find_toast("New ticket #1 created")).to_have_count(0)
    watcher.find_toast("New message in ticket #1").get_by_role("link", name="Open").click()
    expect(watcher.page.get_by_role("heading", level=1)).to_have_text("Stuck")


def test_escape_dismisses_the_newest_toast(guild: GuildFixture, watcher: Visitor) -> None:
    watcher.open("/guilds")
    guild.open_ticket(1, "Older")
    guild.post_message(1, guild.bo, "Newer", side="customer")
    expect(watcher.find(".toast-card")).to_have_count(2)

    watcher.page.keyboard.press("Escape")

    expect(watcher.find(".toast-card")).to_have_count(1)
    expect(watcher.find_toast("New ticket #1 created")).to_be_visible()


def test_a_toast_is_announced_to_screen_readers(guild: GuildFixture, watcher: Visitor) -> None:
    watcher.open("/guilds")
    guild.open_ticket(1, "Stuck")

    status = watcher.page.get_by_role("status")
    expect(status).to_contain_text("New ticket #1 created")
    expect(status).to_have_attribute("aria-live", "polite")


def test_a_toast_disappears_by_itself_unless_hovered_or_focused(
    guild: GuildFixture, watcher: Visitor
) -> None:
    watcher.page.clock.install()
    watcher.open("/guilds")
    guild.open_ticket(1, "Stuck")
    toast = watcher.find_toast("New ticket #1 created")

    toast.hover()
    watcher.page.clock.run_for(20_000)
    expect(toast).to_be_visible()

    watcher.page.mouse.move(0, 0)
    watcher.page.clock.run_for(7_000)
    expect(toast).to_have_count(0)


def test_an_event_received_twice_makes_one_toast(guild: GuildFixture, watcher: Visitor) -> None:
    watcher.open("/guilds")
    watcher.start_recording_toasts()
    cursor = watcher.find("html").get_attribute("data-cursor")
    guild.open_ticket(1, "Stuck")
    expect(watcher.find_toast("New ticket #1 created")).to_be_visible()

    # A stream that forgot its position: everything since the page was made comes once more.
    watcher.page.route(
        "**/api/events?*",
        lambda route: route.continue_(url=f"{guild.server.url}/api/events?after={cursor}"),
    )
    watcher.context.set_offline(True)
    watcher.expect_not_live()
    watcher.context.set_offline(False)
    watcher.expect_live()
    guild.post_message(1, guild.bo, "After", side="customer")

    expect(watcher.find_toast("New message in ticket #1")).to_be_visible()
    heard = [line for line in watcher.store_log if line.startswith("ticket.created at")]
    assert len(heard) == 2
    assert watcher.shown_toasts == ["New ticket #1 created", "New message in ticket #1"]
