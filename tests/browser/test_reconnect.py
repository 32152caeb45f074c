"""Test a page behind a proxy that cuts connections: it reconnects, and shows each event once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from deskwire.events.frames import MAX_LISTED_CHANNELS
from tests.browser.conftest import OpenVisitor
from tests.fixtures.cutting_proxy import CuttingProxy
from tests.fixtures.guild import GuildFixture

TOASTS = [
    "New ticket #1 created",
    "Ticket #1 claimed",
    "New message in ticket #1",
    "Ticket #1 changed to Action Required",
    "Ticket #1 closed",
    "New ticket #2 created",
]


@pytest.fixture
def cookie(guild: GuildFixture) -> str:
    """Ada's, who sees every ticket here."""
    return guild.sign_in_staff()


def test_a_page_with_repeated_disconnects_shows_every_event_once(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    mo, guild_id = guild.mo, guild.guild_id
    # Before each cut something is heard, and after it something is missed; of kinds so different
    # that no toast is grouped with another.
    actions: list[tuple[Callable[[], None], Callable[[], None]]] = [
        (lambda: guild.open_ticket(1, "First"), lambda: guild.claim_ticket(1, mo, guild_id)),
        (
            lambda: guild.post_message(1, guild.bo, "Hello?"),
            lambda: guild.set_ticket_status(1, "PENDING", mo, guild_id),
        ),
        (lambda: guild.close_ticket(1, mo, guild_id), lambda: guild.open_ticket(2, "Second")),
    ]
    with CuttingProxy(guild.server.port) as cutter:
        ada = open_visitor(cookie)
        ada.open(f"{cutter.url}/guilds/{guild_id}/tickets")
        ada.evaluate("() => { window.notReloaded = true }")
        ada.start_recording_toasts()
        for nth, (heard, missed) in enumerate(actions):
            heard()
            expect(ada.find_toast(TOASTS[2 * nth])).to_be_visible()

            cutter.cut_all()
            missed()
            ada.expect_log_line(rf"reconnecting in .* \(attempt {nth + 1}\)")
            ada.evaluate("() => dispatchEvent(new Event('focus'))")  # or it waits for its turn

            expect(ada.find_toast(TOASTS[2 * nth + 1])).to_be_visible()
            ada.expect_live()

        assert cutter.cut_count == len(actions)
        assert ada.shown_toasts == TOASTS
        expect(ada.find_row("First")).to_have_count(1)
        expect(ada.find_row("First")).to_contain_text("Completed")
        expect(ada.find_row("Second")).to_have_count(1)
        assert ada.evaluate("() => window.notReloaded")
        assert not any("reset" in line for line in ada.store_log)


def test_a_viewer_of_many_tickets_reloads_only_if_channels_changed_meanwhile(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    cookie = guild.server.create_account(guild.bo)
    with guild.open_stream(cookie) as stream:
        for number in range(1, MAX_LISTED_CHANNELS + 1):
            guild.open_ticket(number, f"Ticket {number}", guild.bo)
            stream.read_until_named("granted")
    bo = open_visitor(cookie)
    with CuttingProxy(guild.server.port) as cutter:
        bo.open(f"{cutter.url}/guilds/{guild.guild_id}/tickets")
        bo.evaluate("() => { window.notReloaded = true }")
        cutter.cut_all()
        bo.expect_log_line(r"reconnecting in")
        bo.expect_log_line(r"connected \(resumed\)")
        bo.expect_live()
        assert [line for line in bo.store_log if "channels" in line] == []

        bo.context.route("**/api/events*", lambda route: route.abort())
        cutter.cut_all()
        bo.expect_not_live()
        guild.open_ticket(1000, "Opened meanwhile", guild.bo)
        bo.context.unroute("**/api/events*")
        with bo.page.expect_request(lambda request: "x-deskwire-fragment" in request.headers):
            bo.evaluate("() => dispatchEvent(new Event('focus'))")

        bo.expect_log_line("channels: not those of this page")
        bo.expect_live()
        expect(bo.find_row("Opened meanwhile")).to_have_count(1)
        assert bo.evaluate("() => window.notReloaded")
