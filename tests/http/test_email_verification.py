"""Test unverified addresses: every page says so, offers the link again, and blocks nothing."""

from __future__ import annotations

import re
from pathlib import Path

from deskwire.accounts import people
from tests.fixtures.cast import BO, NOON, create_desk
from tests.fixtures.portal import create_portal
from tests.fixtures.site import SiteFixture, open_browser
from tests.http.test_settings import with_mail

FRAGMENT = {"x-deskwire-fragment": "unverified"}


def test_pages_and_the_api_report_an_unverified_address(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    portal = create_portal(desk)
    mast = portal.create_request(BO, "The mast")
    bo = open_browser(with_mail(SiteFixture(desk)), BO)
    pages = ("/dashboard", "/requests", f"/requests/{mast}", "/guilds", "/orgs/quay", "/nowhere")

    def says(path: str) -> tuple[bool, bool]:
        page = bo.get(path).text
        live = re.search(r'id="unverified"[^>]*data-live="([^"]*)"', page)
        return "/settings/verification" in page, live is not None and "person.*" in live[1].split()

    assert {says(path) for path in pages} == {(True, True)}
    assert bo.get("/settings").text.count('action="/settings/verification"') == 1
    assert bo.get("/api/me").json()["emailVerified"] is False
    codes = [bo.post("/api/me/verification").status_code for _ in range(4)]
    assert codes == [204, 204, 204, 429]

    desk.db.write_sync(
        people.update_person_row, desk.person_id(BO), email_verified_at=NOON, at=NOON
    )

    part = bo.get("/requests?fragment=unverified", headers=FRAGMENT).text
    assert (part.count("<"), 'id="unverified"' in part) == (2, True)
    assert {says(path)[0] for path in pages} == {False}
    assert bo.get("/api/me").json()["emailVerified"] is True
    assert bo.post("/api/me/verification").status_code == 409
    desk.db.close()


def test_a_desk_without_mail_asks_no_one_to_verify(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    site = SiteFixture(desk)

    assert "/settings/verification" not in open_browser(site, BO).get("/dashboard").text
    desk.db.close()
