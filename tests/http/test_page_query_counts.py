"""Test that a page runs a fixed number of statements, however much it shows."""

from __future__ import annotations

from tests.fixtures.cast import ADA, BO, CY, HARBOUR_GUILD, UNA, Persona
from tests.fixtures.portal import create_portal
from tests.fixtures.site import SiteFixture, open_browser

MAX_STATEMENTS = 6  # statements; each is a round trip where the database is another machine
LIST = f"/guilds/{HARBOUR_GUILD}/tickets"
TICKETS = (
    (ADA, "/guilds"),
    (BO, "/guilds"),
    (ADA, f"/guilds/{HARBOUR_GUILD}"),
    (ADA, LIST),
    (ADA, f"{LIST}?q=crane+ada+stuck&sort=oldest&status=active"),
    (ADA, f"{LIST}/1"),
    (BO, f"{LIST}/1"),
)
REQUESTS = (
    (BO, "/requests"),
    (UNA, "/requests?q=crane+bo+stuck&sort=oldest&status=new&unread=yes"),
    (ADA, "/admin"),
    (ADA, "/admin?q=crane+stuck&waiting=yes"),
    (ADA, "/admin?company=quay&q=crane&assignee=nobody"),
    (BO, "/requests/{request}"),
    (ADA, "/requests/{request}"),
    (BO, "/requests/new"),
    (BO, "/organizations"),
    (ADA, "/requests/{request}?view=files"),
    (BO, "/api/requests?q=crane&unread=true"),
    (ADA, "/api/requests/all?organization=quay&q=crane"),
    (BO, "/api/requests/{request}"),
    (ADA, "/api/requests/{request}/messages"),
    (ADA, "/api/requests/{request}/files"),
    (BO, "/api/organizations/quay/members"),
    (BO, "/api/me"),
)


def test_a_page_runs_at_most_six_statements(site: SiteFixture, sql_statements: list[str]) -> None:
    for number in range(10, 20):
        site.desk.open_ticket(number, f"The crane, part {number}", (BO, CY)[number % 2])
        site.desk.post_message(1, (ADA, BO)[number % 2], "Again.")

    for actor, address in TICKETS:
        assert_few_statements(sql_statements, site, actor, address)


def test_request_pages_run_at_most_six_statements(
    site: SiteFixture, sql_statements: list[str]
) -> None:
    portal = create_portal(site.desk)
    crane = portal.create_request(BO, "The crane")
    for number in range(10):
        portal.post_message((ADA, UNA)[number % 2], crane, "Again.")
        portal.create_request((BO, UNA)[number % 2], f"The crane, part {number}")

    for actor, address in REQUESTS:
        assert_few_statements(sql_statements, site, actor, address.format(request=crane))


def assert_few_statements(
    statements: list[str], site: SiteFixture, persona: Persona, address: str
) -> None:
    """A page that was looked at before costs at most `MOST` statements."""
    assert (
        open_browser(site, persona).get(address).status_code == 200
    )  # to have read it is written once
    statements.clear()
    assert open_browser(site, persona).get(address).status_code == 200
    asked = [each for each in statements if not each.startswith(("BEGIN", "PRAGMA"))]
    assert 0 < len(asked) <= MAX_STATEMENTS, "\n\n".join([f"{persona.name} at {address}:", *asked])
