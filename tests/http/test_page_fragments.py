"""Test that a fragment is exactly the page's element, and that templates are empty rows."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.fixtures.cast import ADA, HARBOUR_GUILD, UNA
from tests.fixtures.site import SiteFixture, open_browser

LIST = f"/guilds/{HARBOUR_GUILD}/tickets"
PAGES = ("/guilds", f"/guilds/{HARBOUR_GUILD}", LIST, f"{LIST}?q=crane&status=active", f"{LIST}/1")
VOID = {"meta", "link", "input", "br", "hr", "img"}


@pytest.mark.parametrize("address", PAGES)
def test_every_fragment_equals_its_part_of_the_page(site: SiteFixture, address: str) -> None:
    browser = open_browser(site, ADA)
    page = browser.get(address).text
    ids = live_ids(page)
    assert ids

    for id_ in ids:
        part = fragment(site, address, id_)
        assert part.strip() in page
        assert element_ids(part)[0] == id_


def test_several_fragments_come_in_one_response_once_each(site: SiteFixture) -> None:
    part = fragment(site, f"/guilds/{HARBOUR_GUILD}", "team,counts,nothing,team")

    assert [id_ for id_ in element_ids(part) if id_ in ("team", "counts")] == ["team", "counts"]
    assert "<html" not in part


def test_an_unknown_fragment_is_left_out(site: SiteFixture) -> None:
    assert fragment(site, f"/guilds/{HARBOUR_GUILD}", "nothing,main,__class__") == ""


def test_without_the_fragment_header_the_whole_page_is_sent(site: SiteFixture) -> None:
    assert "<html" in open_browser(site, ADA).get(f"/guilds/{HARBOUR_GUILD}?fragment=team").text


def test_a_fragment_shows_no_more_than_the_page(site: SiteFixture) -> None:
    headers = {"x-deskwire-fragment": "ticket-list"}
    part = open_browser(site, UNA).get(f"{LIST}?fragment=ticket-list", headers=headers)

    assert "crane" not in part.text


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("/guilds", {"toast", "guild-row"}),
        (f"/guilds/{HARBOUR_GUILD}", {"toast", "guild-gone"}),
        (LIST, {"toast", "ticket-row", "guild-gone"}),
        (f"{LIST}/1", {"toast", "line-reply", "line-note", "line-system", "ticket-gone"}),
    ],
)
def test_a_page_carries_the_templates_it_needs_outside_of_fragments(
    site: SiteFixture, address: str, names: set[str]
) -> None:
    page = open_browser(site, ADA).get(address).text

    found = re.findall(r'<template data-of="([^"]+)">', page)
    assert set(found) == names
    assert set(re.findall(r'data-gone="([^"]+)"', page)) <= names
    for id_ in live_ids(page):
        assert "data-of=" not in fragment(site, address, id_)


def test_rows_of_a_server_name_the_channels_that_may_see_them(site: SiteFixture) -> None:
    page = open_browser(site, ADA).get(LIST).text

    for row in re.findall(r"<li [^>]*data-row[^>]*>", page):
        held_attribute = re.search(r'data-held="([^"]*)"', row)
        assert held_attribute is not None
        assert held_attribute[1].startswith(f"tickets:guild:{HARBOUR_GUILD} ticket:")


def fragment(site: SiteFixture, address: str, ids: str) -> str:
    """What the client store gets when it asks for `ids`."""
    url = f"{address}{'&' if '?' in address else '?'}fragment={ids}"
    answer = open_browser(site, ADA).get(url, headers={"x-deskwire-fragment": ids})
    assert answer.status_code == 200
    return answer.text


def live_ids(page: str) -> list[str]:
    """The ids the client store may ask for."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
            named = dict(attributes)
            if named.get("id") and ("data-live" in named or "data-refresh" in named):
                found.append(str(named["id"]))

    Reader().feed(page)
    return found


def element_ids(part: str) -> list[str]:
    """Every id in a piece of a page, in order."""
    return re.findall(r'\bid="([^"]+)"', part)
