"""With JavaScript off every page is a page, and every form a form."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.server import PASSWORD
from tests.fixtures.visitor import Visitor

PAGE = 50  # tickets a list shows at a time


@pytest.fixture
def ada(place: Place, visit: Visit) -> Visitor:
    """Ada, who sees every ticket here, in a browser without JavaScript."""
    return visit(place.staff(), javascript=False)


def list_of(place: Place) -> str:
    return f"/guilds/{place.guild}/tickets"


def test_from_the_list_of_servers_to_a_conversation_and_out(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "The crane is stuck")
    place.say(1, place.bo, "It does **not** turn.", side="customer")

    ada.open("/guilds")
    ada.page.get_by_role("link", name=place.name).click()
    expect(ada.find("#activity")).to_contain_text("The crane is stuck")
    ada.find("main").get_by_role("link", name="Tickets", exact=True).click()
    ada.row("The crane is stuck").get_by_role("link").click()

    expect(ada.find(".line[data-kind=reply]")).to_contain_text("It does not turn.")
    ada.find("summary").click()
    ada.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    ada.open("/guilds")
    expect(ada.page).to_have_url(f"{place.server.url}/sign-in?next=%2Fguilds")


def test_a_stranger_signs_up_and_in(place: Place, visit: Visit) -> None:
    new = visit(path="/sign-up", javascript=False)
    new.page.get_by_label("Your name").fill(place.bo.name)
    new.page.get_by_label("E-mail address").fill(place.bo.email)
    new.page.get_by_label("Password").fill(PASSWORD)
    new.page.get_by_role("button", name="Create account").click()
    expect(new.page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    new.context.clear_cookies()

    new.open("/sign-in?next=/settings")
    new.page.get_by_label("E-mail address").fill(place.bo.email)
    new.page.get_by_label("Password").fill("not the right password")
    new.expect_status(401)
    new.page.get_by_role("button", name="Sign in").click()
    expect(new.find("main")).to_contain_text("do not belong together")
    new.page.get_by_label("Password").fill(PASSWORD)
    new.page.get_by_role("button", name="Sign in").click()

    expect(new.page).to_have_url(f"{place.server.url}/settings")
    expect(new.find("main")).to_contain_text(place.bo.email)


def test_tabs_search_and_order_are_links_and_forms(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "The crane is stuck")
    place.open_ticket(2, "Where is my container?")
    place.open_ticket(3, "A second crane")
    place.claim(3, place.mo)
    ada.open(list_of(place))

    ada.find("#status-tabs").get_by_role("link", name="Submitted").click()
    expect(ada.find("#tickets > [data-row]")).to_have_count(2)

    ada.page.get_by_label("Search subject").fill("crane")
    ada.page.get_by_role("button", name="Search").click()
    expect(ada.find("#tickets > [data-row]")).to_have_count(1)
    expect(ada.row("The crane is stuck")).to_be_visible()

    ada.find("#status-tabs").get_by_role("link", name="All").click()
    ada.page.get_by_label("Order").select_option("Oldest")
    ada.page.get_by_role("button", name="Search").click()
    subjects = ada.find("#tickets > [data-row] .row-link")
    expect(subjects).to_have_text(["The crane is stuck", "A second crane"])


def test_a_long_list_has_pages(place: Place, ada: Visitor) -> None:
    for number in range(1, PAGE + 2):
        place.open_ticket(number, f"Number {number}")
    ada.open(f"{list_of(place)}?sort=number")
    expect(ada.find("#tickets > [data-row]")).to_have_count(PAGE)

    ada.find("#pager").get_by_role("link", name="Next").click()
    expect(ada.find("#tickets > [data-row]")).to_have_count(1)
    ada.find("#pager").get_by_role("link", name="Previous").click()
    expect(ada.find("#tickets > [data-row]")).to_have_count(PAGE)


def test_nothing_that_needs_javascript_is_shown(place: Place, ada: Visitor) -> None:
    for path in ("/guilds", list_of(place), "/settings"):
        ada.open(path)
        expect(ada.find("#live")).to_be_hidden()
        expect(ada.find("header [data-action=theme]")).to_be_hidden()
