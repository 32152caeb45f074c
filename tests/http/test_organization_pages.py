"""Test the pages of organizations: who sees them, and who may change what."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection, insert, update

from deskwire.accounts import people, sessions
from deskwire.web.http.fragments import FRAGMENT_HEADER
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.categories import add_category, read_categories
from deskwire.workspaces.organizations.organizations import (
    organization_members,
    read_visible_by_slug,
)
from tests.fixtures.cast import ADA, BO, CY, EVE, NOON, UNA
from tests.fixtures.request_page import REQUEST_TITLE, RequestPageFixture
from tests.fixtures.site import open_browser


def test_an_organization_is_shown_to_its_members_and_to_staff(
    request_page: RequestPageFixture,
) -> None:
    for actor, status in ((BO, 200), (UNA, 200), (ADA, 200), (CY, 404), (EVE, 404)):
        for address in ("/orgs/quay", "/orgs/quay/settings"):
            assert open_browser(request_page.site, actor).get(address).status_code == status, (
                actor.name
            )


@pytest.mark.parametrize(
    "form",
    [
        {"act": "visibility", "visibility": "participants"},
        {"act": "profile", "name": "Mine", "slug": "mine"},
        {"act": "delete", "confirmed": "The Quay"},
        {"act": "invite", "email": "x@desk.test", "role": "member"},
        {"act": "add-category", "name": "Mine"},
    ],
)
def test_a_plain_member_cannot_change_an_organization(
    request_page: RequestPageFixture, form: dict[str, str]
) -> None:
    assert (
        open_browser(request_page.site, UNA).post("/orgs/quay/settings", data=form).status_code
        == 403
    )
    assert (
        open_browser(request_page.site, CY).post("/orgs/quay/settings", data=form).status_code
        == 404
    )
    assert open_browser(request_page.site).post("/orgs/quay/settings", data=form).status_code == 303


def test_archiving_and_restoring_a_category_are_idempotent(
    request_page: RequestPageFixture,
) -> None:
    organization_id = request_page.portal.organization_ids["quay"]
    request_page.portal.act_as(BO, add_category, organization_id, "Cranes")
    [category] = request_page.portal.desk.db.read_sync(read_categories, organization_id)
    browser = open_browser(request_page.site, BO)

    def is_archived_after(**form: str) -> bool:
        data = {"act": "archive-category", "category": category.id, **form}
        assert browser.post("/orgs/quay/settings", data=data).status_code == 303
        [now] = request_page.portal.desk.db.read_sync(read_categories, organization_id)
        return now.archived

    assert is_archived_after(archived="yes")
    assert is_archived_after(archived="yes")
    assert not is_archived_after(archived="no")
    assert not is_archived_after(archived="no")
    assert is_archived_after()  # a page from before the field existed
    assert is_archived_after()


def test_only_an_own_organization_can_be_made_active(request_page: RequestPageFixture) -> None:
    browser, organization_id = (
        open_browser(request_page.site, CY),
        request_page.portal.organization_ids["quay"],
    )

    refused = browser.post("/organizations", data={"organization": organization_id})
    taken = browser.post(
        "/organizations", data={"organization": request_page.portal.organization_ids["loft"]}
    )

    assert refused.status_code == 404
    assert (taken.status_code, taken.headers["location"]) == (303, "/requests")
    assert "The Quay" not in browser.get("/organizations").text


def test_opening_an_organization_makes_it_active_and_a_redirect_does_not(
    request_page: RequestPageFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(
        sessions,
        "store_active_organization",
        lambda _tx, _session, organization_id: chosen.append(organization_id),
    )
    made = request_page.portal.act_as(
        CY, invitations.invite, request_page.portal.organization_ids["loft"], BO.email, "member"
    )
    verified = update(people.people).values(email_verified_at=NOON)
    request_page.site.desk.db.write_sync(Connection.execute, verified)
    browser = open_browser(request_page.site, BO)

    joined = browser.post(f"/invitations/{made}")
    founded = browser.post("/create-organization", data={"name": "Pier"})
    came = list(chosen)
    assert browser.get("/orgs/quay").status_code == 200
    went = list(chosen)
    for led in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-purpose": "prefetch;anonymous-client-ip"},
        {FRAGMENT_HEADER: "1"},  # a tab that keeps itself up to date
    ):
        assert browser.get("/orgs/loft?fragment=counts", headers=led).status_code == 200
    for path in (
        "/dashboard?organization=loft",
        "/requests?organization=loft",
    ):
        assert browser.get(path).status_code == 200
    db, bo = request_page.site.desk.db, request_page.site.desk.read_viewer(BO)
    pier = db.read_sync(read_visible_by_slug, bo, "pier")

    assert (joined.headers["location"], founded.headers["location"]) == ("/orgs/loft", "/orgs/pier")
    assert came == [request_page.portal.organization_ids["loft"], pier.id]
    assert went == chosen == [*came, request_page.portal.organization_ids["quay"]]


def test_a_request_list_is_of_the_organization_in_its_url(request_page: RequestPageFixture) -> None:
    rudder = request_page.portal.create_request(CY, "A rudder of ours", slug="loft")
    row = {
        "organization": request_page.portal.organization_ids["loft"],
        "person": request_page.site.desk.person_id(UNA),
    }
    joined = insert(organization_members).values(**row, role="member", revision=1)
    request_page.site.desk.db.write_sync(Connection.execute, joined)
    browser = open_browser(request_page.site, UNA)

    lofts, quays = (
        browser.get(f"/requests?organization={slug}&status=new").text for slug in ("loft", "quay")
    )
    board = browser.get("/dashboard?organization=quay").text
    page, stranger = browser.get("/orgs/quay").text, open_browser(request_page.site, EVE)

    assert rudder in lofts
    assert rudder not in quays
    assert REQUEST_TITLE in quays
    assert 'href="/requests?status=done&amp;organization=quay"' in quays
    assert '<input type="hidden" name="organization" value="quay">' in quays
    assert 'href="/requests?organization=quay&amp;status=done"' in board
    assert 'href="/requests?organization=quay&amp;status=done"' in page
    assert browser.get("/requests?organization=%00").status_code == 200
    assert stranger.get("/requests?organization=quay").status_code == 303


def test_the_last_admin_cannot_leave(request_page: RequestPageFixture) -> None:
    browser, una = open_browser(request_page.site, BO), request_page.site.desk.person_id(UNA)
    leave = {"act": "leave"}

    refused = browser.post("/orgs/quay/settings", data=leave)
    promoted = browser.post(
        "/orgs/quay/settings", data={"act": "role", "person": una, "role": "admin"}
    )
    left = browser.post("/orgs/quay/settings", data=leave)

    assert refused.status_code == 409
    assert "needs an admin" in refused.text
    assert (promoted.status_code, left.status_code) == (303, 303)
    assert "You left the organization." in browser.get(left.headers["location"]).text
    assert "You left" not in browser.get("/organizations").text
    assert browser.get(request_page.path).status_code == 404, "a former member sees nothing more"


def test_leaving_and_removing_require_confirmation(request_page: RequestPageFixture) -> None:
    bo, una = (
        open_browser(request_page.site, BO).get("/orgs/quay/settings").text,
        request_page.site.desk.person_id(UNA),
    )

    steps = re.findall(r'<details id="sure-([\w-]+)".*\n.*name="act" value="(\w+)"', bo)

    assert steps == [(f"member-{una}", "remove"), ("leave", "leave")]
    assert bo.count('value="remove"') == bo.count('value="leave"') == 1


def test_an_invitation_is_for_one_address_and_can_be_used_once(
    request_page: RequestPageFixture,
) -> None:
    admin = open_browser(request_page.site, BO)
    page = admin.post(
        "/orgs/quay/settings", data={"act": "invite", "email": EVE.email, "role": "member"}
    ).text
    [link] = re.findall(r"/invitations/[\w-]+", page)

    stolen = open_browser(request_page.site, CY).post(link)
    joined = open_browser(request_page.site, EVE).post(link)
    again = open_browser(request_page.site, EVE).post(link)

    assert stolen.status_code == 403
    assert "e…@desk.test" in stolen.text
    assert (joined.status_code, joined.headers["location"]) == (303, "/orgs/quay")
    assert again.status_code == 404
    assert open_browser(request_page.site, EVE).get(request_page.path).status_code == 200
    assert link.rpartition("/")[2] not in admin.get("/orgs/quay/settings").text


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        ({"act": "invite", "email": "not an address", "role": "admin"}, "not an address"),
        ({"act": "add-category", "name": "n" * 90}, "n" * 90),
        (
            {"act": "profile", "name": "", "slug": "quay", "about": "We move crates"},
            "We move crates",
        ),
    ],
)
def test_refused_settings_stay_in_their_form(
    request_page: RequestPageFixture, form: dict[str, str], kept: str
) -> None:
    refused = open_browser(request_page.site, BO).post("/orgs/quay/settings", data=form)

    assert refused.status_code == 422
    assert kept in refused.text
