"""Every page, narrow and wide, light and dark: nothing sticks out, and no console complains."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
WORDS = "a ticket about several things at once, none of which fits into a single line of it"

# How far the page, and whatever is in it, reaches beyond its right edge (px).
REACH = """() => {
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
FITS = {"sticksOut": 0, "elements": []}


@pytest.fixture
def crowded(place: Place) -> Place:
    """A place with everything that could be too long."""
    place.open_ticket(1, LONG)
    place.open_ticket(2, WORDS)
    tags = ["urgent", "a-rather-long-tag-nobody-asked-for", "login", "billing", LONG[:40]]
    changes: dict[str, Any] = {
        "priority": {"old": None, "new": "urgent"},
        "tags": {"added": tags, "removed": []},
    }
    place.change(2, place.mo, **changes)
    place.claim(2, place.ada)
    place.say(2, place.bo, f"{LONG * 3}\n\n```\n{'x = 1; ' * 60}\n```\n\n> {LONG}", side="customer")
    place.say(2, place.ada, f"See <https://example.org/{LONG}?{LONG}> and {WORDS}.", side="staff")
    place.assign(place.bo, "Greeters")
    return place


def signed_in_pages(place: Place) -> list[str]:
    tickets = f"/guilds/{place.guild}/tickets"
    return [
        "/guilds",
        f"/guilds/{place.guild}",
        tickets,
        f"{tickets}?q=ticket&status=active&sort=oldest",
        f"{tickets}?q=nothing+of+that+kind",
        f"{tickets}/1",
        f"{tickets}/2",
        "/settings",
        "/settings/password",
    ]


def assert_fits(visitor: Visitor) -> None:
    assert visitor.evaluate(REACH) == FITS, visitor.page.url


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_sticks_out_or_complains(
    crowded: Place, visit: Visit, width: int, scheme: Literal["light", "dark"]
) -> None:
    ada = visit(crowded.staff(), width=width, scheme=scheme)

    for path in signed_in_pages(crowded):
        ada.open(path)
        assert_fits(ada)
    ada.find("summary").click()
    assert_fits(ada)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("linked", [True, False])
def test_nothing_to_show_fits_too(place: Place, visit: Visit, width: int, linked: bool) -> None:
    newcomer = visit(place.server.move_in(place.dee, linked=linked), width=width)

    for path in ("/guilds", "/settings"):
        newcomer.open(path)
        assert_fits(newcomer)


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_page_for_strangers_sticks_out_or_complains(
    place: Place, visit: Visit, width: int
) -> None:
    made = place.server.command("people", "create", place.bo.email)
    welcome = made.split()[-1].removeprefix(place.server.url)
    stranger = visit(width=width)

    for path in ("/", "/sign-in", "/sign-up", "/api/docs", welcome):
        stranger.open(path)
        assert_fits(stranger)
    stranger.open("/welcome/nonsense", status=404)
    assert_fits(stranger)


def test_toasts_fit_on_a_telephone(crowded: Place, visit: Visit) -> None:
    ada = visit(crowded.staff(), "/guilds", width=360)

    crowded.open_ticket(3, LONG)
    crowded.change(
        3, crowded.mo, priority={"old": None, "new": "high"}, subject={"old": LONG, "new": WORDS}
    )
    crowded.delete(3, crowded.mo)

    ada.toast("Ticket #3 deleted").wait_for()
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
def test_what_is_not_there_is_a_page_too(place: Place, visit: Visit, path: str) -> None:
    ada = visit(place.staff(), width=390)

    ada.open(path, status=404)

    assert_fits(ada)
