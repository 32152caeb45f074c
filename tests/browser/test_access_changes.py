"""Access that is lost and given back: a page is emptied at once, and filled again by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from deskwire.integrations.discord.samples import sample
from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor

ROLE = "Tickets Viewer"
SUBJECT = "The crane is stuck"
PAGES = ["", "/tickets", "/tickets/1"]


@pytest.fixture
def dee(place: Place, visit: Visit) -> Visitor:
    """Dee, who may look because of a role; no page is open yet."""
    place.server.move_in(place.mo)
    cookie = place.server.move_in(place.dee)
    place.assign(place.dee, ROLE)
    place.open_ticket(1, SUBJECT)
    return visit(cookie)


def open_page(place: Place, dee: Visitor, page: str) -> None:
    dee.open(f"/guilds/{place.guild}{page}")
    expect(dee.find("main")).to_contain_text(SUBJECT)
    dee.evaluate("() => { window.notReloaded = true }")


def expect_nothing_of(place: Place, dee: Visitor) -> None:
    """The page shows a stand-in; neither the server's name nor its ticket is anywhere in it."""
    expect(dee.find("main")).to_contain_text("no longer shared with you")
    for told in (SUBJECT, place.name):
        assert told not in dee.page.content()
        assert told not in dee.page.title()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_went_comes_back_by_itself(place: Place, dee: Visitor, page: str) -> None:
    open_page(place, dee, page)
    title, crumbs = dee.page.title(), dee.find("#crumbs").inner_text()

    place.unassign(place.dee, ROLE)
    expect_nothing_of(place, dee)
    place.assign(place.dee, ROLE)

    expect(dee.find("main")).to_contain_text(SUBJECT)
    expect(dee.find("main")).not_to_contain_text("no longer shared with you")
    expect(dee.page).to_have_title(title)
    expect(dee.find("#crumbs")).to_have_text(crumbs, use_inner_text=True)
    assert dee.evaluate("() => window.notReloaded")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_came_back_is_live_and_can_go_again(
    place: Place, dee: Visitor, page: str
) -> None:
    open_page(place, dee, page)
    place.unassign(place.dee, ROLE)
    expect_nothing_of(place, dee)
    place.say(1, place.bo, "Written meanwhile", side="customer")
    place.assign(place.dee, ROLE)
    expect(dee.find("main")).to_contain_text(SUBJECT)

    place.change(1, place.mo, subject={"old": SUBJECT, "new": f"{SUBJECT} again"})
    expect(dee.find("main")).to_contain_text(f"{SUBJECT} again")
    place.unassign(place.dee, ROLE)

    expect_nothing_of(place, dee)


def test_what_is_given_elsewhere_leaves_a_page_gone_and_is_no_fault(
    place: Place, dee: Visitor
) -> None:
    open_page(place, dee, "")
    place.unassign(place.dee, ROLE)
    expect_nothing_of(place, dee)
    dee.expect_status(404)
    attic = str(int(place.guild) + 700_000)

    with dee.page.expect_response(lambda answer: "fragment=" in answer.url) as refused:
        place.server.tell(
            "guild.joined",
            guildId=attic,
            guildName="The Attic",
            ownerId=place.dee.discord,
            memberCount=3,
        )

    assert refused.value.status == 404
    place.open_ticket(2, "Asked of the server after the answer")
    expect_nothing_of(place, dee)
    dee.expect_live()
    assert len(dee.fragments) == 1


def test_who_loses_a_role_is_told_why_the_page_went(place: Place, dee: Visitor) -> None:
    open_page(place, dee, "")

    place.unassign(place.dee, ROLE)

    expect_nothing_of(place, dee)
    expect(dee.toast(f"{place.dee.name} removed from {ROLE}")).to_be_visible()


def test_who_leaves_or_is_removed_is_told_why_the_page_went(place: Place, dee: Visitor) -> None:
    open_page(place, dee, "/tickets")

    left = sample("member.left", user=place.dee.discord, username=place.dee.name)
    place.tell("member.left", **left)

    expect_nothing_of(place, dee)
    expect(dee.toast(f"{place.dee.name} left the server")).to_be_visible()


def test_what_was_told_of_others_goes_with_the_page(place: Place, dee: Visitor) -> None:
    open_page(place, dee, "/tickets")
    place.say(1, place.bo, "A secret", side="customer")
    place.assign(place.bo, "Greeters")
    expect(dee.toast("New message in ticket #1")).to_be_visible()
    expect(dee.toast(f"{place.bo.name} assigned to Greeters")).to_be_visible()

    place.unassign(place.dee, ROLE)

    expect_nothing_of(place, dee)
    expect(dee.find(".toast-card")).to_have_count(1)
    expect(dee.toast(f"{place.dee.name} removed from {ROLE}")).to_be_visible()
