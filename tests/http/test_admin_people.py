"""The administration's people: found, given roles, signed out, and what each leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.accounts import links, mail_links, people, sessions
from deskwire.accounts.authentication import Knock, Visit, admit
from deskwire.kit import mail
from deskwire.kit.clock import now
from deskwire.kit.errors import Forbidden
from deskwire.tickets.actions import update
from deskwire.workspaces.names import find_called
from deskwire.workspaces.organizations import directory, invitations
from deskwire.workspaces.organizations.organizations import read_employed
from tests.fixtures.accounts import RIGHT, events_of
from tests.fixtures.cast import ADA, BO, CAST, CY, DEE, EVE, MO, NOON, UNA, Actor
from tests.fixtures.site import WholeSite, browse
from tests.fixtures.staffed_portal import Office, open_office, with_mail

pytestmark = pytest.mark.database("sqlite")  # the actions have tests on both, in tests/db


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    house = open_office(tmp_path)
    yield house
    house.house.db.close()


@pytest.fixture
def site(office: Office) -> WholeSite:
    return WholeSite(office.house)


def act(site: WholeSite, by: Actor, on: Actor, what: str, **form: str) -> Any:
    path = f"/admin/people/{site.house.id_of(on)}"
    return browse(site, by).post(path, data={"act": what, **form})


def names_in(page: str) -> list[str]:
    return re.findall(r'class="row-link[^>]*href="/admin/people/[^>]*>([^<]+)<', page)


def sign_in(office: Office, actor: Actor) -> str:
    """A browser in which the actor is signed in; its secret."""
    person = office.house.id_of(actor)
    at = now()
    return office.house.db.write_here(
        sessions.begin, person, user_agent="x", address=None, at=at
    ).token


def test_who_is_welcomed_is_found_by_the_name_they_give(site: WholeSite, office: Office) -> None:
    office.file(UNA, "The mast is dark")
    una, db = office.house.id_of(UNA), office.house.db
    link = db.write_here(links.issue, una, "sign-in", now())

    browse(site).post(f"/welcome/{link}", data={"name": "Una Storm", "password": RIGHT})

    called = db.read_here(find_called, f"org:{office.ids['quay']}", ["storm", "fairweather"])
    assert called == {"storm": {una}, "fairweather": set()}


def test_people_are_found_by_what_is_known_of_them(site: WholeSite) -> None:
    browser = browse(site, MO)

    assert len(names_in(browser.get("/admin/people").text)) == 7
    for query, name in (("fairweather", UNA), ("EVE@desk", EVE), (CY.discord, CY)):
        page = browser.get("/admin/people", params={"q": query}).text
        assert names_in(page) == [name.name], query
    team = names_in(browser.get("/admin/people?group=team").text)
    assert sorted(team) == sorted(each.name for each in (ADA, DEE, MO))


def test_the_list_goes_on_where_it_ended(
    office: Office, site: WholeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE", 3)
    browser, found, path = browse(site, MO), list[str](), "/admin/people?q=desk.test"

    while path:
        page = browser.get(path).text
        found += names_in(page)
        path = "".join(re.findall(r'href="([^"]*after[^"]*)"', page)[-1:]).replace("&amp;", "&")

    assert sorted(found) == sorted(each.name for each in CAST)
    assert office.person(UNA).seen_at is None
    assert "signed in" not in page, "they may have acted without a browser"
    assert '<span class="sr-only">not known</span>' in page


def test_a_role_is_given_and_taken_and_told_to_who_it_changes(
    office: Office, site: WholeSite
) -> None:
    given = act(site, MO, EVE, "role", role="support_analyst")
    page = browse(site, EVE).get("/admin")
    raised = act(site, MO, EVE, "role", role="operations_manager")
    taken = act(site, MO, EVE, "take-role")

    assert [each.status_code for each in (given, page, raised, taken)] == [303, 200, 303, 303]
    assert browse(site, EVE).get("/admin").status_code == 403
    told = [(type_, touches) for type_, _, _, touches in events_of(office.house.db)][-3:]
    own = [f"user:{office.house.id_of(EVE)}"]
    assert told == [
        ("member.joined", own),
        ("member.role_changed", own),
        ("member.removed", own),
    ]


def test_nobody_takes_the_last_super_admin_away(office: Office, site: WholeSite) -> None:
    for what in ("take-role", "deactivate", "role"):
        assert act(site, MO, MO, what, role="support_analyst").status_code == 403, what
    act(site, MO, DEE, "role", role="super_admin")
    act(site, DEE, MO, "deactivate")

    # Mo's browser had asked before it was signed out.
    answer = act(site, MO, DEE, "deactivate")

    assert answer.status_code == 403, "who is deactivated may do nothing any more"
    assert act(site, DEE, MO, "readmit").status_code == 303
    assert act(site, MO, DEE, "take-role").status_code == 303
    assert read_employed_of(office, MO) == "super_admin"


def read_employed_of(office: Office, actor: Actor) -> str | None:
    return office.house.db.read_here(read_employed).get(office.house.id_of(actor))


def test_an_address_nobody_has_proven_joins_no_team(office: Office, site: WholeSite) -> None:
    table = people.people
    mine = table.update().where(table.c.id == office.house.id_of(EVE))
    office.house.db.write_here(lambda tx: tx.execute(mine.values(email_verified_at=None)))

    answer = act(site, MO, EVE, "role", role="support_analyst")

    assert answer.status_code == 409
    assert "Nobody has proven yet" in answer.text
    assert read_employed_of(office, EVE) is None


def test_who_is_deactivated_is_out_and_hears_nothing(office: Office, site: WholeSite) -> None:
    db, token = office.house.db, sign_in(office, BO)

    act(site, DEE, BO, "deactivate")

    assert db.read_here(sessions.find, token) is None
    assert office.house.viewer(BO).grants == ()
    assert browse(site, BO).get("/orgs/quay").status_code == 404
    page = browse(site, MO).get("/admin/people?group=deactivated").text
    assert names_in(page) == [BO.name]
    assert act(site, DEE, BO, "deactivate").status_code == 409
    act(site, MO, BO, "readmit")
    assert browse(site, BO).get("/orgs/quay").status_code == 200


def test_the_right_password_opens_no_deactivated_account(office: Office, site: WholeSite) -> None:
    db, person = office.house.db, office.house.id_of(BO)
    act(site, DEE, BO, "deactivate")
    from_password = Knock(0, BO.email, person, "hash")

    def enter(tx: Any) -> object:
        tx.exec_driver_sql("INSERT INTO passwords VALUES (?, 'hash', 0)", (person,))
        return admit(tx, from_password, Visit(None, ""), NOON)

    with pytest.raises(Forbidden, match="deactivated"):
        db.write_here(enter)
    db.write_here(mail_links.send_reset, person, lambda *_: mail.Letter("x", "x", "x"), NOON)
    assert db.read_here(mail.read_newest) == [], "nor does a link for another one"


def test_what_they_had_taken_on_and_whom_they_invited_is_taken_back(
    office: Office, site: WholeSite
) -> None:
    ticket, ended = office.file(BO, "The mast is dark"), office.file(BO, "Long done")
    for each in (ticket, ended):
        office.act(ADA, update.assign, each, office.house.id_of(ADA))
    office.act(ADA, update.move, ended, "done")
    office.act(BO, invitations.invite, office.ids["quay"], "new@desk.test", "member")

    act(site, MO, ADA, "deactivate")
    act(site, MO, BO, "deactivate")

    assert office.assignee(ticket) is None
    assert office.assignee(ended) == office.house.id_of(ADA), "it stays said who solved it"
    db = office.house.db
    assert db.read_here(invitations.read_open, office.ids["quay"], office.house.at) == []
    types = [type_ for type_, *_ in events_of(db)]
    assert types.count("ticket.unclaimed") == types.count("invitation.revoked") == 1
    assert "Nobody yet" in browse(site, UNA).get(f"/requests/{ticket}").text


def test_a_link_is_mailed_where_mail_is_sent_and_not_too_often(
    office: Office, site: WholeSite
) -> None:
    without = act(site, DEE, UNA, "reset")
    with_mail(site)
    codes = [act(site, DEE, UNA, "reset").status_code for _ in range(4)]

    assert without.status_code == 409
    assert codes == [303, 303, 303, 429]
    mails = office.house.db.read_here(mail.read_newest)
    assert {each.recipient for each in mails} == {UNA.email}
    assert "/reset/" in mails[0].letter.text
    assert "/reset/" not in browse(site, DEE).get("/admin/people").text


def test_a_discord_account_is_linked_to_one_person_only(office: Office, site: WholeSite) -> None:
    taken = act(site, MO, UNA, "link", discord=CY.discord)
    act(site, MO, CY, "unlink")
    made_up = act(site, MO, UNA, "link", discord="<script>")
    again = act(site, MO, CY, "link", discord=f" {CY.discord} ")

    assert (taken.status_code, made_up.status_code, again.status_code) == (409, 422, 303)
    assert "<script>" not in made_up.text
    assert "guild:700000000000000002" in office.house.viewer(CY).channels


def test_the_screens_of_who_may_see_people_hear_of_a_change(
    office: Office, site: WholeSite
) -> None:
    act(site, MO, UNA, "unlink")

    type_, _, heard_by, touches = events_of(office.house.db)[-1]
    own = f"user:{office.house.id_of(UNA)}"
    assert (type_, heard_by, touches) == ("person.changed", [own, "people"], [own])
    held = {actor: "people" in office.house.viewer(actor).channels for actor in (MO, DEE, ADA, BO)}
    assert held == {MO: True, DEE: True, ADA: False, BO: False}
