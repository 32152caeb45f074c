"""Test the administration of people: search, roles, sign-outs, and their effects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.accounts import links, mail_links, people, sessions
from deskwire.accounts.authentication import Browser, SignInAttempt, complete_sign_in
from deskwire.dispatches import mail
from deskwire.kit.clock import now
from deskwire.kit.errors import Forbidden
from deskwire.tickets.actions import update
from deskwire.workspaces.name_index import find_by_name_prefix
from deskwire.workspaces.organizations import directory, invitations
from deskwire.workspaces.organizations.staff import read_staff_roles
from tests.fixtures.accounts import PASSWORD, read_events
from tests.fixtures.cast import ADA, BO, CAST, CY, DEE, EVE, MO, NOON, UNA, Persona
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal, enable_mail

pytestmark = pytest.mark.database("sqlite")  # the actions have tests on both, in tests/db


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    portal = create_staffed_portal(tmp_path)
    yield portal
    portal.desk.db.close()


@pytest.fixture
def site(staffed_portal: StaffedPortalFixture) -> SiteFixture:
    return SiteFixture(staffed_portal.desk)


def act(site: SiteFixture, by: Persona, on: Persona, what: str, **form: str) -> Any:
    path = f"/admin/people/{site.desk.person_id(on)}"
    return open_browser(site, by).post(path, data={"act": what, **form})


def names_in(page: str) -> list[str]:
    return re.findall(r'class="row-link[^>]*href="/admin/people/[^>]*>([^<]+)<', page)


def sign_in(staffed_portal: StaffedPortalFixture, persona: Persona) -> str:
    """A browser in which the actor is signed in; its secret."""
    person = staffed_portal.desk.person_id(persona)
    at = now()
    return staffed_portal.desk.db.write_sync(
        sessions.create, person, user_agent="x", client_ip=None, at=at
    ).token


def test_a_person_is_found_by_the_name_given_at_activation(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    staffed_portal.create_request(UNA, "The mast is dark")
    una, db = staffed_portal.desk.person_id(UNA), staffed_portal.desk.db
    link = db.write_sync(links.issue, una, "sign-in", now())

    open_browser(site).post(f"/welcome/{link}", data={"name": "Una Storm", "password": PASSWORD})

    called = db.read_sync(
        find_by_name_prefix,
        f"org:{staffed_portal.organization_ids['quay']}",
        ["storm", "fairweather"],
    )
    assert called == {"storm": {una}, "fairweather": set()}


def test_people_are_found_by_their_details(site: SiteFixture) -> None:
    browser = open_browser(site, MO)

    assert len(names_in(browser.get("/admin/people").text)) == 7
    for query, name in (("fairweather", UNA), ("EVE@desk", EVE), (CY.discord_id, CY)):
        page = browser.get("/admin/people", params={"q": query}).text
        assert names_in(page) == [name.name], query
    team = names_in(browser.get("/admin/people?group=team").text)
    assert sorted(team) == sorted(each.name for each in (ADA, DEE, MO))


def test_the_next_page_continues_where_the_list_ended(
    staffed_portal: StaffedPortalFixture, site: SiteFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE_SIZE", 3)
    browser, found, path = open_browser(site, MO), list[str](), "/admin/people?q=desk.test"

    while path:
        page = browser.get(path).text
        found += names_in(page)
        path = "".join(re.findall(r'href="([^"]*after[^"]*)"', page)[-1:]).replace("&amp;", "&")

    assert sorted(found) == sorted(each.name for each in CAST)
    assert staffed_portal.read_person(UNA).seen_at is None
    assert "signed in" not in page, "they may have acted without a browser"
    assert '<span class="sr-only">unknown</span>' in page


def test_a_role_is_assigned_and_removed_and_announced_to_the_person(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    given = act(site, MO, EVE, "role", role="support_analyst")
    page = open_browser(site, EVE).get("/admin")
    raised = act(site, MO, EVE, "role", role="operations_manager")
    taken = act(site, MO, EVE, "take-role")

    assert [each.status_code for each in (given, page, raised, taken)] == [303, 200, 303, 303]
    assert open_browser(site, EVE).get("/admin").status_code == 403
    events = [(type_, touches) for type_, _, _, touches in read_events(staffed_portal.desk.db)][-3:]
    own = [f"user:{staffed_portal.desk.person_id(EVE)}"]
    assert events == [
        ("member.joined", own),
        ("member.role_changed", own),
        ("member.removed", own),
    ]


def test_the_last_super_admin_cannot_be_removed(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    for what in ("take-role", "deactivate", "role"):
        assert act(site, MO, MO, what, role="support_analyst").status_code == 403, what
    act(site, MO, DEE, "role", role="super_admin")
    act(site, DEE, MO, "deactivate")

    # Mo's browser had asked before it was signed out.
    answer = act(site, MO, DEE, "deactivate")

    assert answer.status_code == 403, "who is deactivated may do nothing any more"
    assert act(site, DEE, MO, "readmit").status_code == 303
    assert act(site, MO, DEE, "take-role").status_code == 303
    assert read_employed_of(staffed_portal, MO) == "super_admin"


def read_employed_of(staffed_portal: StaffedPortalFixture, persona: Persona) -> str | None:
    return staffed_portal.desk.db.read_sync(read_staff_roles).get(
        staffed_portal.desk.person_id(persona)
    )


def test_a_person_with_an_unverified_address_cannot_get_a_staff_role(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    table = people.people
    mine = table.update().where(table.c.id == staffed_portal.desk.person_id(EVE))
    staffed_portal.desk.db.write_sync(lambda tx: tx.execute(mine.values(email_verified_at=None)))

    answer = act(site, MO, EVE, "role", role="support_analyst")

    assert answer.status_code == 409
    assert "hasn’t confirmed" in answer.text
    assert read_employed_of(staffed_portal, EVE) is None


def test_a_deactivated_person_is_signed_out_and_hears_nothing(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    db, token = staffed_portal.desk.db, sign_in(staffed_portal, BO)

    act(site, DEE, BO, "deactivate")

    assert db.read_sync(sessions.find_by_token, token) is None
    assert staffed_portal.desk.read_viewer(BO).grants == ()
    assert open_browser(site, BO).get("/orgs/quay").status_code == 404
    page = open_browser(site, MO).get("/admin/people?group=deactivated").text
    assert names_in(page) == [BO.name]
    assert act(site, DEE, BO, "deactivate").status_code == 409
    act(site, MO, BO, "readmit")
    assert open_browser(site, BO).get("/orgs/quay").status_code == 200


def test_a_deactivated_account_cannot_sign_in_with_its_password(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    db, person = staffed_portal.desk.db, staffed_portal.desk.person_id(BO)
    act(site, DEE, BO, "deactivate")
    from_password = SignInAttempt(0, BO.email, person, "hash")

    def enter(tx: Any) -> object:
        tx.exec_driver_sql("INSERT INTO passwords VALUES (?, 'hash', 0)", (person,))
        return complete_sign_in(tx, from_password, Browser(None, ""), NOON)

    with pytest.raises(Forbidden, match="deactivated"):
        db.write_sync(enter)
    db.write_sync(
        mail_links.send_reset_link, person, lambda *_: mail.MailContent("x", "x", "x"), NOON
    )
    assert db.read_sync(mail.read_newest) == [], "nor does a link for another one"


def test_deactivation_removes_assignments_and_revokes_invitations(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    ticket, ended = (
        staffed_portal.create_request(BO, "The mast is dark"),
        staffed_portal.create_request(BO, "Long done"),
    )
    for each in (ticket, ended):
        staffed_portal.act_as(
            ADA, update.update, each, {"assignee": staffed_portal.desk.person_id(ADA)}
        )
    staffed_portal.act_as(ADA, update.update, ended, {"status": "done"})
    staffed_portal.act_as(
        BO, invitations.invite, staffed_portal.organization_ids["quay"], "new@desk.test", "member"
    )

    act(site, MO, ADA, "deactivate")
    act(site, MO, BO, "deactivate")

    assert staffed_portal.read_assignee(ticket) is None
    assert staffed_portal.read_assignee(ended) == staffed_portal.desk.person_id(ADA), (
        "it stays said who solved it"
    )
    db = staffed_portal.desk.db
    assert (
        db.read_sync(
            invitations.list_open_invitations,
            staffed_portal.organization_ids["quay"],
            staffed_portal.desk.now,
        )
        == []
    )
    types = [type_ for type_, *_ in read_events(db)]
    assert types.count("ticket.unclaimed") == types.count("invitation.revoked") == 1
    assert "Unassigned" in open_browser(site, UNA).get(f"/requests/{ticket}").text


def test_a_link_is_mailed_and_the_mails_are_limited(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    without = act(site, DEE, UNA, "reset")
    enable_mail(site)
    codes = [act(site, DEE, UNA, "reset").status_code for _ in range(4)]

    assert without.status_code == 409
    assert codes == [303, 303, 303, 429]
    mails = staffed_portal.desk.db.read_sync(mail.read_newest)
    assert {each.recipient for each in mails} == {UNA.email}
    assert "/reset/" in mails[0].content.text
    assert "/reset/" not in open_browser(site, DEE).get("/admin/people").text


def test_a_discord_account_is_linked_to_one_person_only(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    taken = act(site, MO, UNA, "link", discord=CY.discord_id)
    act(site, MO, CY, "unlink")
    made_up = act(site, MO, UNA, "link", discord="<script>")
    again = act(site, MO, CY, "link", discord=f" {CY.discord_id} ")

    assert (taken.status_code, made_up.status_code, again.status_code) == (409, 422, 303)
    assert "<script>" not in made_up.text
    assert "guild:700000000000000002" in staffed_portal.desk.read_viewer(CY).channels


def test_a_change_reaches_the_pages_of_everyone_who_may_see_people(
    staffed_portal: StaffedPortalFixture, site: SiteFixture
) -> None:
    act(site, MO, UNA, "unlink")

    type_, _, heard_by, touches = read_events(staffed_portal.desk.db)[-1]
    own = f"user:{staffed_portal.desk.person_id(UNA)}"
    assert (type_, heard_by, touches) == ("person.changed", [own, "people"], [own])
    roles = {
        actor: "people" in staffed_portal.desk.read_viewer(actor).channels
        for actor in (MO, DEE, ADA, BO)
    }
    assert roles == {MO: True, DEE: True, ADA: False, BO: False}
