"""The dashboard and the page for strangers: who is shown what, and where people begin."""

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
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Actor, build
from tests.fixtures.portal import Quay, found
from tests.fixtures.site import WholeSite, browse
from tests.http.test_page_query_counts import MOST

MAST, LOFTS, SECRET = "The mast is dark", "A crane of the Loft", "They never pay on time"
PARTS = {"dashboard", "dashboard-counts", "waiting", "history", "workers", "activity"}


@dataclass
class Shown:
    site: WholeSite
    quay: Quay
    mast: str

    def page(self, actor: Actor, query: str = "") -> str:
        answer = browse(self.site, actor).get(f"/dashboard{query}")
        assert answer.status_code == 200
        return unescape(answer.text)


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    house = build(tmp_path)
    house.at = now() - 30 * MINUTE
    quay = found(house)
    mast = quay.file(BO, MAST)
    quay.file(CY, LOFTS, at="loft")
    quay.say(ADA, mast, SECRET, "note")
    quay.act(ADA, update.assign, mast, house.id_of(ADA))
    quay.act(ADA, update.move, mast, "waiting")
    yield Shown(WholeSite(house), quay, mast)
    house.db.close()


def part(page: str, id_: str) -> str:
    """The text of one section, without its markup."""
    start = page.index(f'id="{id_}"')
    return " ".join(re.sub(r"<[^>]*>", " ", page[start : page.index("</section>", start)]).split())


def test_a_client_is_shown_what_waits_on_them_and_what_their_company_may_see(shown: Shown) -> None:
    page = shown.page(BO)

    assert MAST in part(page, "waiting")
    assert "Ada Lindqvist 1 open" in part(page, "workers")
    assert f"moved 2026-R-000001 {MAST} to Action Required" in part(page, "activity")
    assert f'href="/requests/{shown.mast}"' in page
    assert MAST not in part(shown.page(UNA), "waiting")
    assert MAST in part(shown.page(UNA), "activity")


def test_nothing_of_another_company_and_nothing_of_a_note_is_in_it(shown: Shown) -> None:
    for actor in (BO, UNA):
        page = shown.page(actor)
        assert LOFTS not in page
        assert "The Loft" not in page
        assert "a note" not in page
        assert shown.page(actor, "?organization=loft") == page
    lofts = shown.page(CY)
    assert LOFTS in lofts
    assert MAST not in lofts
    assert "Ada" not in part(lofts, "workers")


def test_the_team_is_shown_all_companies_or_the_one_it_asks_for(shown: Shown) -> None:
    everything, lofts = shown.page(ADA), shown.page(ADA, "?organization=loft&days=90")

    assert LOFTS in part(everything, "waiting")
    assert f"wrote a note in 2026-R-000001 {MAST}" in part(everything, "activity")
    assert "The Quay" in part(everything, "activity")
    assert MAST not in lofts
    assert lofts.count("<tr data-day=") == 90
    assert SECRET not in everything


def test_who_is_in_two_companies_is_shown_the_one_they_choose(shown: Shown) -> None:
    table, una = organization_members, shown.site.house.id_of(UNA)
    row = {"organization": shown.quay.ids["loft"], "person": una, "role": "member", "revision": 1}
    shown.site.house.db.write_here(lambda tx: tx.execute(insert(table).values(row)))

    usual, lofts, quays = (
        shown.page(UNA, query) for query in ("", "?organization=loft", "?organization=quay&days=90")
    )

    assert part(usual, "activity") == part(lofts, "activity")  # the first by its name
    assert LOFTS in lofts
    assert MAST not in lofts
    assert MAST in quays
    assert LOFTS not in quays
    assert '<option value="quay" selected>' in quays
    assert 'href="/dashboard?organization=quay"' in quays  # 30 days, of the same


def test_who_sees_only_their_own_requests_sees_only_those_here(shown: Shown) -> None:
    shown.quay.file(UNA, "An invoice is missing")
    shown.quay.set_mode("quay", "participants")

    page = shown.page(UNA)

    assert MAST not in page
    assert "Ada" not in part(page, "workers")
    assert "1 Submitted" in part(page, "dashboard-counts")
    assert "0 Action Required" in part(page, "dashboard-counts")
    assert "An invoice is missing" in part(page, "activity")


def test_who_is_in_no_organization_is_told_what_to_do(shown: Shown) -> None:
    for actor in (EVE, DEE):
        page = shown.page(actor)
        assert "You are in no organization yet" in page
        assert 'href="/create-organization"' in page
        assert MAST not in page
    owner = shown.page(MO)
    assert "Your servers" in owner
    assert 'data-row="guild:' in owner


@pytest.mark.parametrize(
    ("actor", "start"),
    [(ADA, "/dashboard"), (BO, "/dashboard"), (EVE, "/dashboard"), (MO, "/guilds")],
)
def test_everybody_begins_where_their_work_is(shown: Shown, actor: Actor, start: str) -> None:
    answer = browse(shown.site, actor).get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, start)


def test_a_stranger_is_told_what_this_is_and_how_to_come_in(shown: Shown) -> None:
    page = browse(shown.site).get("/").text

    assert "<h1" in page
    assert 'href="/sign-in"' in page
    assert "by invitation" in page
    assert 'href="/sign-up"' not in page
    assert MAST not in page


def test_each_part_is_answered_alone(shown: Shown) -> None:
    for id_ in PARTS:
        answer = browse(shown.site, BO, **{"x-deskwire-fragment": id_}).get(
            f"/dashboard?fragment={id_}"
        )
        assert re.match(rf'\s*<\w+ id="{id_}"', answer.text), id_
    nobodys = browse(shown.site, EVE, **{"x-deskwire-fragment": "all"})
    assert nobodys.get(f"/dashboard?fragment={','.join(sorted(PARTS))}").status_code == 200


def test_words_an_address_cannot_mean_are_as_if_they_were_not_there(shown: Shown) -> None:
    usual = shown.page(BO)

    assert usual.count("<tr data-day=") == 30
    for query in ("?days=x", "?days=100000", "?organization=%00", "?organization=nowhere"):
        assert shown.page(BO, query) == usual, query


@pytest.mark.parametrize(("actor", "more"), [(BO, 0), (ADA, 2), (CY, 2)])
def test_it_costs_six_statements_and_two_for_who_has_servers_as_well(
    shown: Shown, statements: list[str], actor: Actor, more: int
) -> None:
    statements.clear()

    shown.page(actor)

    asked = [each for each in statements if not each.startswith(("BEGIN", "PRAGMA"))]
    assert 0 < len(asked) <= MOST + more, "\n\n".join(asked)


def test_requests_stand_below_their_day_in_the_order_one_chose(shown: Shown) -> None:
    for sort, time in (("active", "activeAt"), ("newest", "openedAt"), ("oldest", "openedAt")):
        page = browse(shown.site, BO).get(f"/requests?sort={sort}").text
        inside = page[page.index('<ul id="tickets"') : page.index("data-empty-for")]
        assert re.findall(r'<li class="([a-z-]+)"', inside) == ["day-heading", "request-row"]
        assert re.search(r"<h2>(Today|Yesterday)</h2>", inside)  # it is half an hour old
        assert f'data-time="{time}"' in inside
