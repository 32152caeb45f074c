"""Test that the list's state is in its URL, and that it works without JavaScript."""

from __future__ import annotations

import html
import re

import pytest

from tests.fixtures.cast import ADA, BO, EVE, HARBOUR_GUILD, MO, Persona
from tests.fixtures.site import SiteFixture, open_browser

LIST = f"/guilds/{HARBOUR_GUILD}/tickets"


def test_switching_tabs_keeps_search_and_order(site: SiteFixture) -> None:
    page = open_browser(site, ADA).get(f"{LIST}?q=the+crane&sort=oldest").text

    assert f"{LIST}?status=active&q=the+crane&sort=oldest" in links_of(page)
    assert f"{LIST}?q=the+crane&sort=oldest" in links_of(page)


def test_the_form_shows_and_sends_the_parameters_of_the_url(site: SiteFixture) -> None:
    page = open_browser(site, ADA).get(f"{LIST}?q=crane&sort=number&status=active").text

    assert 'name="q" value="crane"' in page
    assert '<option value="number" selected>' in page
    assert '<input type="hidden" name="status" value="active" form="search">' in page
    assert f'method="get" action="{LIST}"' in page


def test_a_list_is_paginated_by_plain_links(site: SiteFixture) -> None:
    for number in range(10, 64):
        site.desk.open_ticket(number, f"Crate {number}")
    browser = open_browser(site, ADA)

    first = browser.get(f"{LIST}?q=crate").text
    second = browser.get(next(link for link in links_of(first) if "page=2" in link)).text

    assert first.count("data-row=") == 50
    assert second.count("data-row=") == 4
    assert "Page 2 of 2" in second
    assert "q=crate" in "".join(link for link in links_of(second) if "tickets?" in link)


@pytest.mark.parametrize(
    ("query", "shown"), [("page=7", 6), ("status=active&page=2", 1), ("q=crate&page=99", 4)]
)
def test_a_page_past_the_end_shows_the_last_one(site: SiteFixture, query: str, shown: int) -> None:
    for number in range(10, 64):
        site.desk.open_ticket(number, f"Crate {number}")

    page = open_browser(site, ADA).get(f"{LIST}?{query}").text

    assert page.count("data-row=") == shown
    assert 'data-empty-for="tickets" hidden' in page


def test_htmx_pushes_the_url_without_defaults(site: SiteFixture) -> None:
    browser = open_browser(site, ADA)

    cleared = browser.get(f"{LIST}?q=&sort=active")
    searched = browser.get(f"{LIST}?q=the+crane&sort=number&page=1")

    assert cleared.headers["hx-push-url"] == LIST
    assert searched.headers["hx-push-url"] == f"{LIST}?q=the+crane&sort=number"


def test_a_workspace_without_access_is_named_without_a_link(site: SiteFixture) -> None:
    for path in (LIST, f"{LIST}/1"):
        crumbs = (
            open_browser(site, BO).get(path).text.partition('id="crumbs"')[2].partition("</ol>")[0]
        )

        assert "The Harbour" in crumbs
        assert f'href="/guilds/{HARBOUR_GUILD}"' not in crumbs
        assert crumbs.count('aria-current="page"') == 1
        assert crumbs.count('href="/guilds"') == (1 if path == LIST else 0)


def test_a_list_declares_which_rows_the_client_may_insert(site: SiteFixture) -> None:
    browser = open_browser(site, ADA)

    plain, searched = browser.get(f"{LIST}?status=new").text, browser.get(f"{LIST}?q=a").text

    assert 'data-filter-status="new"' in plain
    assert "data-exact" not in plain
    assert 'data-exact="no"' in searched


def test_a_list_names_only_the_ticket_channels_it_shows(site: SiteFixture) -> None:
    for number in range(10, 74):
        site.desk.open_ticket(number, f"Crate {number}", BO)

    page = open_browser(site, BO).get(LIST).text
    main = page.partition('<div id="content"')[2]

    assert main.partition('data-held="')[2].partition('"')[0].count("ticket:") == 50
    assert main.count("data-held=") == 1 + main.count("data-row=")


def test_a_conversation_is_complete_without_javascript(site: SiteFixture) -> None:
    site.desk.post_message(1, BO, "It is **really** stuck.")
    site.desk.post_message(1, ADA, None)
    site.desk.update_ticket(1, priority={"new": "high"}, tags={"added": ["crane"]})

    page = open_browser(site, ADA).get(f"{LIST}/1").text

    assert "<strong>really</strong>" in page
    assert '<p class="silent">wrote 12 characters in Discord</p>' in page
    assert "added the label “crane”" in page
    for part in ("In Progress", ADA.name, BO.name, ">high<", ">crane<", "claimed the ticket"):
        assert part in page
    assert page.index("opened the ticket") < page.index("claimed the ticket")
    assert re.search(r'<time[^>]*datetime="2026-11-22T12:[^"]*Z"[^>]*>22 Nov 2026', page)


def test_a_person_without_a_linked_account_sees_how_to_link_it(site: SiteFixture) -> None:
    zoe = Persona("Zoe", "900000000000000099")
    site.desk.create_account(zoe, linked=False)

    page = browse_as_new(site, zoe)

    assert "deskwire people link zoe@desk.test --discord ID" in page
    assert "deskwire people link" not in open_browser(site, EVE).get("/guilds").text


def test_settings_show_the_signed_in_person(site: SiteFixture) -> None:
    page = open_browser(site, MO).get("/settings").text

    for part in (MO.name, MO.email, MO.discord_id, "/settings/password", 'action="/sign-out"'):
        assert part in page


def test_a_page_names_the_cursor_and_the_channels_it_was_rendered_for(site: SiteFixture) -> None:
    page = open_browser(site, ADA).get(LIST).text

    assert f'data-cursor="{site.hub.cursor}"' in page
    assert f'data-actors="{site.desk.person_id(ADA)} discord:{ADA.discord_id}"' in page
    channels_attribute = re.search(r'data-channels="([^"]*)"', page)
    assert channels_attribute is not None
    assert set(channels_attribute[1].split()) == set(site.desk.read_viewer(ADA).channels)


def browse_as_new(site: SiteFixture, persona: Persona) -> str:
    """What someone outside the standing cast sees of their servers."""
    site.personas.append(persona)
    return open_browser(site, persona).get("/guilds").text


def links_of(page: str) -> list[str]:
    """Where a page's links lead."""
    return [html.unescape(link) for link in re.findall(r'<a [^>]*href="([^"]+)"', page)]
