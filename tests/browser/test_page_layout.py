"""Check the layout of every page, narrow and wide, light and dark, and that consoles are clean."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
WORDS = "a ticket about several things at once, none of which fits into a single line of it"

# How far the page, and whatever is in it, reaches beyond its right edge (px).
MEASURE_SCRIPT = """() => {
    const root = document.documentElement;
    const wide = [...document.querySelectorAll("body *")].filter(element => {
        const scroller = element.closest(".overflow-x-auto, pre, .sr-only, .skip-link, .toasts");
        return !scroller && element.getBoundingClientRect().right > root.clientWidth + 1;
    });
    return {
        sticksOut: root.scrollWidth - root.clientWidth,
        elements: wide.slice(0, 3).map(element => element.outerHTML.slice(0, 200)),
    };
}"""
NOTHING_OVERFLOWS = {"sticksOut": 0, "elements": []}
PATIENCE = 10.0  # s for a page to lay itself out; charts follow a new width in a later frame


def assert_fits(visitor: Visitor) -> None:
    """Wait until nothing reaches beyond the right edge; fail with what does."""
    deadline = time.monotonic() + PATIENCE
    while (measured := visitor.evaluate(MEASURE_SCRIPT)) != NOTHING_OVERFLOWS:
        assert time.monotonic() < deadline, (visitor.page.url, measured)
        visitor.page.wait_for_timeout(50)


@pytest.fixture
def crowded_guild(guild: GuildFixture) -> GuildFixture:
    """A guild with everything that could be too long."""
    guild.open_ticket(1, LONG)
    guild.open_ticket(2, WORDS)
    tags = ["urgent", "a-rather-long-tag-nobody-asked-for", "login", "billing", LONG[:40]]
    changes: dict[str, Any] = {
        "priority": {"old": None, "new": "urgent"},
        "tags": {"added": tags, "removed": []},
    }
    guild.update_ticket(2, guild.mo, **changes)
    guild.claim_ticket(2, guild.ada)
    guild.post_message(
        2, guild.bo, f"{LONG * 3}\n\n```\n{'x = 1; ' * 60}\n```\n\n> {LONG}", side="customer"
    )
    guild.post_message(
        2, guild.ada, f"See <https://example.org/{LONG}?{LONG}> and {WORDS}.", side="staff"
    )
    guild.assign_role(guild.bo, "Greeters")
    return guild


def signed_in_pages(guild: GuildFixture) -> list[str]:
    tickets = f"/guilds/{guild.guild_id}/tickets"
    return [
        "/guilds",
        f"/guilds/{guild.guild_id}",
        tickets,
        f"{tickets}?q=ticket&status=active&sort=oldest",
        f"{tickets}?q=nothing+of+that+kind",
        f"{tickets}/1",
        f"{tickets}/2",
        "/settings",
        "/settings/password",
    ]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_overflows_or_logs_an_error(
    crowded_guild: GuildFixture,
    open_visitor: OpenVisitor,
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    ada = open_visitor(crowded_guild.sign_in_staff(), width=width, scheme=scheme)

    for path in signed_in_pages(crowded_guild):
        ada.open(path)
        assert_fits(ada)
    ada.find("summary").click()
    assert_fits(ada)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("linked", [True, False])
def test_empty_pages_fit_their_width(
    guild: GuildFixture, open_visitor: OpenVisitor, width: int, linked: bool
) -> None:
    newcomer = open_visitor(guild.server.create_account(guild.dee, linked=linked), width=width)

    for path in ("/guilds", "/settings"):
        newcomer.open(path)
        assert_fits(newcomer)


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_signed_out_page_overflows_or_logs_an_error(
    guild: GuildFixture, open_visitor: OpenVisitor, width: int
) -> None:
    made = guild.server.run_command_line("people", "create", guild.bo.email)
    welcome = made.split()[-1].removeprefix(guild.server.url)
    stranger = open_visitor(width=width)

    for path in ("/", "/sign-in", "/sign-up", "/api/docs", welcome):
        stranger.open(path)
        assert_fits(stranger)
    stranger.open("/welcome/nonsense", status=404)
    assert_fits(stranger)


def test_toasts_fit_on_a_phone(crowded_guild: GuildFixture, open_visitor: OpenVisitor) -> None:
    ada = open_visitor(crowded_guild.sign_in_staff(), "/guilds", width=360)

    crowded_guild.open_ticket(3, LONG)
    crowded_guild.update_ticket(
        3,
        crowded_guild.mo,
        priority={"old": None, "new": "high"},
        subject={"old": LONG, "new": WORDS},
    )
    crowded_guild.delete_ticket(3, crowded_guild.mo)

    ada.find_toast("Ticket #3 deleted").wait_for()
    cards = ada.find(".toast-card")
    expect(cards).to_have_count(3)
    for card in cards.all()[:-1]:
        expect(card).not_to_be_visible()  # the newest alone, or they would cover the page
    box = cards.last.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert_fits(ada)


@pytest.mark.parametrize("path", ["/nowhere", "/guilds/1", "/guilds/1/tickets/1"])
def test_not_found_pages_fit_their_width(
    guild: GuildFixture, open_visitor: OpenVisitor, path: str
) -> None:
    ada = open_visitor(guild.sign_in_staff(), width=390)

    ada.open(path, status=404)

    assert_fits(ada)
