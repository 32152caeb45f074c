"""Who is linked or unlinked in the shell, or given less, sees it on the page that is open."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from deskwire.server.control import ask_server
from tests.browser.conftest import Visit
from tests.fixtures.cast import Actor
from tests.fixtures.guild import Place
from tests.fixtures.running_desk import by_hand

UNLINKED = "none is linked to you yet"


def ask(place: Place, command: str, actor: Actor, **more: str) -> None:
    """What `deskwire people …` asks of the server."""
    assert ask_server(place.server.database, command, {"email": actor.email, **more})


def test_servers_fill_and_empty_as_the_account_is_linked_and_unlinked(
    place: Place, visit: Visit
) -> None:
    page = visit(place.server.move_in(place.mo, linked=False), "/guilds")
    expect(page.find("#servers")).to_contain_text(UNLINKED)

    ask(place, "people.link", place.mo, discord=place.mo.discord)
    expect(page.find("#guilds")).to_contain_text(place.name)
    expect(page.toast("Discord account linked")).to_be_visible()
    ask(place, "people.unlink", place.mo)

    expect(page.find("#servers")).to_contain_text(UNLINKED)
    expect(page.find("#guilds")).not_to_contain_text(place.name)
    expect(page.toast("Discord account unlinked")).to_be_visible()


def test_who_is_linked_to_an_account_without_servers_is_not_told_to_link_it(
    place: Place, visit: Visit
) -> None:
    page = visit(place.server.move_in(place.dee, linked=False), "/guilds")
    expect(page.find("#servers")).to_contain_text(UNLINKED)

    ask(place, "people.link", place.dee, discord=place.dee.discord)

    expect(page.find("#servers")).to_contain_text("as soon as the bot is added")
    expect(page.find("#servers")).not_to_contain_text(UNLINKED)


def test_settings_show_the_account_as_it_is_linked_and_unlinked(place: Place, visit: Visit) -> None:
    page = visit(place.server.move_in(place.dee, linked=False), "/settings")
    expect(page.find("#account")).to_contain_text("Not linked")

    ask(place, "people.link", place.dee, discord=place.dee.discord)
    expect(page.find("#account")).to_contain_text(place.dee.discord)
    ask(place, "people.unlink", place.dee)

    expect(page.find("#account")).to_contain_text("Not linked")


@pytest.mark.parametrize("page", ["", "/tickets"])
def test_a_role_that_shows_no_tickets_says_so_before_and_after_one_that_does(
    place: Place, visit: Visit, page: str
) -> None:
    none = "Your role does not let you see tickets here"
    cookie = place.server.move_in(place.dee)
    place.assign(place.dee, "Greeters")
    place.open_ticket(1, "The crane is stuck")
    dee = visit(cookie, f"/guilds/{place.guild}{page}")
    expect(dee.find("main")).to_contain_text(none)

    place.assign(place.dee, "Tickets Viewer")
    expect(dee.find("main")).to_contain_text("The crane is stuck")
    expect(dee.find("main")).not_to_contain_text(none)
    place.unassign(place.dee, "Tickets Viewer")

    expect(dee.find("main")).to_contain_text(none)
    expect(dee.find("main")).not_to_contain_text("The crane is stuck")


def test_the_bar_about_an_address_goes_as_soon_as_it_is_proven(place: Place, visit: Visit) -> None:
    page = visit(place.server.move_in(place.dee), "/guilds")
    expect(page.find("#unproven")).to_contain_text(place.dee.email)

    proven = f"UPDATE people SET email_verified_at = 5 WHERE email = '{place.dee.email}'"
    by_hand(place.server.database_url, proven)

    expect(page.find("#unproven")).to_be_hidden()
