"""Test which pages may be seen, and that all others look as if they did not exist."""

from __future__ import annotations

import re

import pytest

from tests.fixtures.cast import (
    ADA,
    ATTIC_GUILD,
    BO,
    CY,
    DEE,
    EVE,
    HARBOUR_GUILD,
    MO,
    UNA,
    UNKNOWN_GUILD,
    Persona,
)
from tests.fixtures.site import SiteFixture, open_browser

LIST = f"/guilds/{HARBOUR_GUILD}/tickets"
SUBJECTS = ("The crane is stuck", "Where is my container?")


@pytest.mark.parametrize("persona", [ADA, MO])
def test_viewers_of_all_tickets_see_them_in_list_search_page_and_counts(
    site: SiteFixture, persona: Persona
) -> None:
    browser = open_browser(site, persona)

    assert all(subject in browser.get(LIST).text for subject in SUBJECTS)
    assert SUBJECTS[1] in browser.get(f"{LIST}?q=container").text
    assert browser.get(f"{LIST}/2").status_code == 200
    assert counts_on(browser.get(f"/guilds/{HARBOUR_GUILD}").text) == [1, 1, 0, 0, 0, 0]


def test_a_role_without_view_all_sees_the_server_and_no_tickets(site: SiteFixture) -> None:
    browser = open_browser(site, UNA)

    overview, tickets = browser.get(f"/guilds/{HARBOUR_GUILD}"), browser.get(LIST)

    assert overview.status_code == tickets.status_code == 200
    for page in (overview, tickets):
        assert "Your role doesn’t allow you to see tickets here" in page.text
        assert counts_on(page.text) == []
        assert "New ones appear here automatically" not in page.text
    for page in (overview, tickets, browser.get(f"{LIST}?q=crane"), browser.get("/guilds")):
        assert not any(subject in page.text for subject in SUBJECTS)
    assert browser.get(f"{LIST}/1").status_code == 404


def test_a_participant_sees_their_own_ticket_and_no_other(site: SiteFixture) -> None:
    browser = open_browser(site, BO)

    for address in (LIST, f"{LIST}?q=c", f"{LIST}?sort=number", "/guilds"):
        page = browser.get(address).text
        assert SUBJECTS[0] in page
        assert SUBJECTS[1] not in page
    assert browser.get(f"{LIST}/1").status_code == 200
    assert browser.get(f"{LIST}/2").status_code == 404
    assert browser.get(f"/guilds/{HARBOUR_GUILD}").status_code == 404


def test_the_author_of_a_message_sees_a_ticket_whose_opener_is_unknown(site: SiteFixture) -> None:
    site.desk.post_message(7, BO, "My container is gone.")
    site.desk.post_message(8, EVE, "Not Bo’s.", side="customer")
    browser = open_browser(site, BO)

    assert "My container is gone." in browser.get(f"{LIST}/7").text
    assert browser.get(f"{LIST}/8").status_code == 404


def test_once_the_opener_is_known_earlier_authors_lose_the_ticket(
    site: SiteFixture,
) -> None:
    site.desk.post_message(7, BO, "Mine?")
    site.desk.post_message(7, UNA, "Mine.", side="customer")
    before = [open_browser(site, each).get(f"{LIST}/7").status_code for each in (BO, UNA)]

    site.desk.open_ticket(7, "A lost container", opener=UNA)

    assert before == [200, 200]
    assert open_browser(site, BO).get(f"{LIST}/7").status_code == 404
    assert open_browser(site, UNA).get(f"{LIST}/7").status_code == 200


def test_tickets_in_servers_without_access_are_listed_under_the_server_name(
    site: SiteFixture,
) -> None:
    page = open_browser(site, BO).get("/guilds").text

    assert f'<a class="hover:underline" href="{LIST}">The Harbour</a>' in page
    assert page.index("Tickets you take part in") < page.index("The Harbour") < page.index("crane")


def test_tabs_count_only_what_the_viewer_may_see(site: SiteFixture) -> None:
    page = open_browser(site, BO).get(LIST).text

    tabs = page[page.index('id="status-tabs"') : page.index('id="ticket-list"')]
    assert [int(n) for n in re.findall(r">(\d+)</span></a>", tabs)] == [1, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("persona", "theirs", "nothing"),
    [
        (EVE, f"/guilds/{HARBOUR_GUILD}", f"/guilds/{UNKNOWN_GUILD}"),
        (EVE, LIST, f"/guilds/{UNKNOWN_GUILD}/tickets"),
        (EVE, f"{LIST}/1", f"/guilds/{UNKNOWN_GUILD}/tickets/1"),
        (EVE, f"{LIST}/1", f"{LIST}/999"),
        (DEE, LIST, f"/guilds/{UNKNOWN_GUILD}/tickets"),
        (CY, f"{LIST}/1", f"{LIST}/999"),
        (BO, f"/guilds/{ATTIC_GUILD}", f"/guilds/{UNKNOWN_GUILD}"),
        (BO, f"/guilds/{ATTIC_GUILD}", "/guilds/%00%F0%9F%91%BB"),
        (UNA, f"{LIST}/1", f"{LIST}/01"),
        (UNA, f"{LIST}/1", f"{LIST}/99999999999999999999999"),
        (UNA, f"{LIST}/1", f"{LIST}/one"),
    ],
)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_forbidden_and_missing_are_answered_with_the_same_bytes(
    site: SiteFixture, persona: Persona, theirs: str, nothing: str, accept: str
) -> None:
    browser = open_browser(site, persona, accept=accept)

    one, other = browser.get(theirs), browser.get(nothing)

    assert one.status_code == other.status_code == 404
    assert one.content == other.content
    assert one.headers.items() == other.headers.items()
    assert HARBOUR_GUILD not in one.text
    assert ATTIC_GUILD not in one.text


def test_a_not_found_page_does_not_change_with_hidden_activity(site: SiteFixture) -> None:
    browser = open_browser(site, EVE)
    before = browser.get(f"{LIST}/1").content

    site.desk.post_message(1, BO, "Anybody there?")
    site.hub.buffer.head += 1

    assert browser.get(f"{LIST}/1").content == before


def test_removing_a_role_removes_its_pages(site: SiteFixture) -> None:
    browser = open_browser(site, ADA)
    assert browser.get(f"{LIST}/2").status_code == 200

    site.desk.unassign_role(ADA)

    assert {
        browser.get(a).status_code for a in (LIST, f"{LIST}/2", f"/guilds/{HARBOUR_GUILD}")
    } == {404}


def test_a_deleted_ticket_leaves_list_page_counts_and_activity(site: SiteFixture) -> None:
    site.desk.delete_ticket(1)
    browser = open_browser(site, ADA)

    for address in (LIST, f"{LIST}?q=crane", f"/guilds/{HARBOUR_GUILD}"):
        assert SUBJECTS[0] not in browser.get(address).text
    assert "deleted" in browser.get(f"/guilds/{HARBOUR_GUILD}").text
    assert browser.get(f"{LIST}/1").status_code == 404


def test_activity_shows_team_events_without_tickets_to_roles_that_see_none(
    site: SiteFixture,
) -> None:
    seen_by_una = open_browser(site, UNA).get(f"/guilds/{HARBOUR_GUILD}").text

    assert "gave" in seen_by_una
    assert "claimed" not in seen_by_una


def test_no_page_contains_the_channels_of_other_people(site: SiteFixture) -> None:
    for address in (f"/guilds/{HARBOUR_GUILD}", LIST, f"{LIST}/1"):
        page = open_browser(site, ADA).get(address).text
        for other in (BO, DEE, MO, UNA):
            assert f"user:{site.desk.person_id(other)}" not in page


def test_pages_of_a_server_stay_readable_after_the_bot_was_removed(site: SiteFixture) -> None:
    site.desk.leave_guild()
    page = open_browser(site, ADA).get(f"{LIST}").text

    assert SUBJECTS[0] in page
    assert re.search(r'data-unless="botInstalled">.*Bot removed', page)


def counts_on(page: str) -> list[int]:
    """The numbers above the status names of a server's page."""
    part = page.partition('id="counts"')[2].partition('id="activity"')[0]
    return [int(number) for number in re.findall(r">(\d+)</p>", part)]
