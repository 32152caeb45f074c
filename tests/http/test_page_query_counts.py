"""A page costs a fixed number of statements, however much it shows."""

from __future__ import annotations

from tests.fixtures.cast import ADA, BO, CY, HARBOUR, UNA, Actor
from tests.fixtures.portal import found
from tests.fixtures.site import WholeSite, browse

MOST = 6  # statements; each is a round trip where the database is another machine
LIST = f"/guilds/{HARBOUR}/tickets"
TICKETS = (
    (ADA, "/guilds"),
    (BO, "/guilds"),
    (ADA, f"/guilds/{HARBOUR}"),
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


def test_a_page_costs_at_most_six_statements(site: WholeSite, statements: list[str]) -> None:
    for number in range(10, 20):
        site.house.open_ticket(number, f"The crane, part {number}", (BO, CY)[number % 2])
        site.house.say(1, (ADA, BO)[number % 2], "Again.")

    for actor, address in TICKETS:
        assert_few(statements, site, actor, address)


def test_so_do_the_pages_of_requests(site: WholeSite, statements: list[str]) -> None:
    quay = found(site.house)
    crane = quay.file(BO, "The crane")
    for number in range(10):
        quay.say((ADA, UNA)[number % 2], crane, "Again.")
        quay.file((BO, UNA)[number % 2], f"The crane, part {number}")

    for actor, address in REQUESTS:
        assert_few(statements, site, actor, address.format(request=crane))


def assert_few(statements: list[str], site: WholeSite, actor: Actor, address: str) -> None:
    """A page that was looked at before costs at most `MOST` statements."""
    assert browse(site, actor).get(address).status_code == 200  # to have read it is written once
    statements.clear()
    assert browse(site, actor).get(address).status_code == 200
    asked = [each for each in statements if not each.startswith(("BEGIN", "PRAGMA"))]
    assert 0 < len(asked) <= MOST, "\n\n".join([f"{actor.name} at {address}:", *asked])
