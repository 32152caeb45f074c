"""A page behind a proxy that cuts every connection: it comes back, shows all, and says it once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fixtures.cutting_proxy import Cutter
from tests.fixtures.guild import Place

TOASTS = [
    "New ticket #1 created",
    "Ticket #1 claimed",
    "New message in ticket #1",
    "Ticket #1 changed to Action Required",
    "Ticket #1 closed",
    "New ticket #2 created",
]


@pytest.fixture
def cookie(place: Place) -> str:
    """Ada's, who sees every ticket here."""
    return place.staff()


def test_a_page_whose_connection_is_cut_again_and_again_shows_all_and_says_it_once(
    place: Place, visit: Visit, cookie: str
) -> None:
    mo, guild = place.mo, place.guild
    # Before each cut something is heard, and after it something is missed; of kinds so different
    # that no toast is grouped with another.
    deeds: list[tuple[Callable[[], None], Callable[[], None]]] = [
        (lambda: place.open_ticket(1, "First"), lambda: place.claim(1, mo, guild)),
        (lambda: place.say(1, place.bo, "Hello?"), lambda: place.move(1, "PENDING", mo, guild)),
        (lambda: place.close(1, mo, guild), lambda: place.open_ticket(2, "Second")),
    ]
    with Cutter(place.server.port) as cutter:
        ada = visit(cookie)
        ada.open(f"{cutter.url}/guilds/{guild}/tickets")
        ada.evaluate("() => { window.notReloaded = true }")
        ada.remember_toasts()
        for nth, (heard, missed) in enumerate(deeds):
            heard()
            expect(ada.toast(TOASTS[2 * nth])).to_be_visible()

            cutter.cut()
            missed()
            ada.expect_line(rf"reconnecting in .* \(attempt {nth + 1}\)")
            ada.evaluate("() => dispatchEvent(new Event('focus'))")  # or it waits for its turn

            expect(ada.toast(TOASTS[2 * nth + 1])).to_be_visible()
            ada.expect_live()

        assert cutter.cuts == len(deeds)
        assert ada.toasted == TOASTS
        expect(ada.row("First")).to_have_count(1)
        expect(ada.row("First")).to_contain_text("Completed")
        expect(ada.row("Second")).to_have_count(1)
        assert ada.evaluate("() => window.notReloaded")
        assert not any("reset" in line for line in ada.lines)
