"""Test the dashboard and the landing page: who sees what, and where people start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import insert

from deskwire.kit.clock import MINUTE, now
from deskwire.tickets.actions import update
from deskwire.workspaces.organizations.organizations import organization_members
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Persona, create_desk
from tests.fixtures.portal import PortalFixture, create_portal
from tests.fixtures.site import SiteFixture, open_browser
from tests.http.test_page_query_counts import MAX_STATEMENTS

MAST, LOFTS, SECRET = "The mast is dark", "A crane of the Loft", "They never pay on time"
PARTS = {"dashboard", "dashboard-counts", "waiting", "history", "workers", "activity"}


@dataclass
class DashboardFixture:
    site: SiteFixture
    portal: PortalFixture
    mast: str

    def page(self, persona: Persona, query: str = "") -> str:
        answer = open_browser(self.site, persona).get(f"/dashboard{query}")
        assert answer.status_code == 200
        return unescape(answer.text)


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[DashboardFixture]:
    desk = create_desk(tmp_path)
    desk.now = now() - 30 * MINUTE
    portal = create_portal(desk)
    mast = portal.create_request(BO, MAST)
    portal.create_request(CY, LOFTS, slug="loft")
    portal.post_message(ADA, mast, SECRET, "note")
    portal.act_as(ADA, update.update, mast, {"assignee": desk.person_id(ADA)})
    portal.act_as(ADA, update.update, mast, {"status": "waiting"})
    yield DashboardFixture(SiteFixture(desk), portal, mast)
    desk.db.close()


def find_part(page: str, id_: str) -> str:
    """The text of one section, without its markup."""
    start = page.index(f'id="{id_}"')
    return " ".join(re.sub(r"<[^>]*>", " ", page[start : page.index("</section>", start)]).split())


def test_a_client_sees_requests_waiting_on_them_and_those_of_their_company(
    dashboard: DashboardFixture,
) -> None:
    page = dashboard.page(BO)

    assert MAST in find_part(page, "waiting")
    assert "Ada Lindqvist 1 open" in find_part(page, "workers")
    assert f"moved 2026-R-000001 {MAST} to Action Required" in find_part(page, "activity")
    assert f'href="/requests/{dashboard.mast}"' in page
    assert MAST not in find_part(dashboard.page(UNA), "waiting")
    assert MAST in find_part(dashboard.page(UNA), "activity")


def test_the_dashboard_of_a_client_has_no_notes_and_no_other_company(
    dashboard: DashboardFixture,
) -> None:
    for actor in (BO, UNA):
        page = dashboard.page(actor)
        assert LOFTS not in page
        assert "The Loft" not in page
        assert "a note" not in page
        assert dashboard.page(actor, "?organization=loft") == page
    lofts = dashboard.page(CY)
    assert LOFTS in lofts
    assert MAST not in lofts
    assert "Ada" not in find_part(lofts, "workers")


def test_staff_see_all_companies_or_the_chosen_one(
    dashboard: DashboardFixture,
) -> None:
    everything, lofts = dashboard.page(ADA), dashboard.page(ADA, "?organization=loft&days=90")

    assert LOFTS in find_part(everything, "waiting")
    assert f"wrote a note in 2026-R-000001 {MAST}" in find_part(everything, "activity")
    assert "The Quay" in find_part(everything, "activity")
    assert MAST not in lofts
    assert lofts.count("<tr data-day=") == 90
    assert SECRET not in everything


def test_a_member_of_two_companies_sees_the_chosen_one(dashboard: DashboardFixture) -> None:
    table, una = organization_members, dashboard.site.desk.person_id(UNA)
    row = {
        "organization": dashboard.portal.organization_ids["loft"],
        "person": una,
        "role": "member",
        "revision": 1,
    }
    dashboard.site.desk.db.write_sync(lambda tx: tx.execute(insert(table).values(row)))

    usual, lofts, quays = (
        dashboard.page(UNA, query)
        for query in ("", "?organization=loft", "?organization=quay&days=90")
    )

    assert find_part(usual, "activity") == find_part(lofts, "activity")  # the first by its name
    assert LOFTS in lofts
    assert MAST not in lofts
    assert MAST in quays
    assert LOFTS not in quays
    assert '<option value="quay" selected>' in quays
    assert 'href="/dashboard?organization=quay"' in quays  # 30 days, of the same


def test_with_participant_visibility_the_dashboard_shows_own_requests_only(
    dashboard: DashboardFixture,
) -> None:
    dashboard.portal.create_request(UNA, "An invoice is missing")
    dashboard.portal.set_visibility("quay", "participants")

    page = dashboard.page(UNA)

    assert MAST not in page
    assert "Ada" not in find_part(page, "workers")
    assert "1 Submitted" in find_part(page, "dashboard-counts")
    assert "0 Action Required" in find_part(page, "dashboard-counts")
    assert "An invoice is missing" in find_part(page, "activity")


def test_a_person_in_no_organization_sees_what_to_do(dashboard: DashboardFixture) -> None:
    for actor in (EVE, DEE):
        page = dashboard.page(actor)
        assert "You aren’t in an organization yet" in page
        assert 'href="/create-organization"' in page
        assert MAST not in page
    owner = dashboard.page(MO)
    assert "Your servers" in owner
    assert 'data-row="guild:' in owner


@pytest.mark.parametrize(
    ("persona", "start"),
    [(ADA, "/dashboard"), (BO, "/dashboard"), (EVE, "/dashboard"), (MO, "/guilds")],
)
def test_the_home_page_redirects_by_role(
    dashboard: DashboardFixture, persona: Persona, start: str
) -> None:
    answer = open_browser(dashboard.site, persona).get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, start)


def test_a_signed_out_visitor_sees_a_description_and_how_to_sign_in(
    dashboard: DashboardFixture,
) -> None:
    page = open_browser(dashboard.site).get("/").text

    assert "<h1" in page
    assert 'href="/sign-in"' in page
    assert "by invitation" in page
    assert 'href="/sign-up"' not in page
    assert MAST not in page


def test_each_fragment_is_rendered_alone(dashboard: DashboardFixture) -> None:
    for id_ in PARTS:
        answer = open_browser(dashboard.site, BO, **{"x-deskwire-fragment": id_}).get(
            f"/dashboard?fragment={id_}"
        )
        assert re.match(rf'\s*<\w+ id="{id_}"', answer.text), id_
    nobodys = open_browser(dashboard.site, EVE, **{"x-deskwire-fragment": "all"})
    assert nobodys.get(f"/dashboard?fragment={','.join(sorted(PARTS))}").status_code == 200


def test_invalid_query_parameters_are_ignored(
    dashboard: DashboardFixture,
) -> None:
    usual = dashboard.page(BO)

    assert usual.count("<tr data-day=") == 30
    for query in ("?days=x", "?days=100000", "?organization=%00", "?organization=nowhere"):
        assert dashboard.page(BO, query) == usual, query


@pytest.mark.parametrize(("persona", "more"), [(BO, 0), (ADA, 2), (CY, 2)])
def test_the_dashboard_runs_six_statements_and_eight_for_guild_members(
    dashboard: DashboardFixture, sql_statements: list[str], persona: Persona, more: int
) -> None:
    sql_statements.clear()

    dashboard.page(persona)

    asked = [each for each in sql_statements if not each.startswith(("BEGIN", "PRAGMA"))]
    assert 0 < len(asked) <= MAX_STATEMENTS + more, "\n\n".join(asked)


def test_requests_are_grouped_by_day_in_the_chosen_order(dashboard: DashboardFixture) -> None:
    for sort, time in (("active", "activeAt"), ("newest", "openedAt"), ("oldest", "openedAt")):
        page = open_browser(dashboard.site, BO).get(f"/requests?sort={sort}").text
        inside = page[page.index('<ul id="tickets"') : page.index("data-empty-for")]
        assert re.findall(r'<li class="([a-z-]+)"', inside) == ["day-heading", "request-row"]
        assert re.search(r"<h2>(Today|Yesterday)</h2>", inside)  # it is half an hour old
        assert f'data-time="{time}"' in inside
