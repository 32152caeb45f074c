"""Invitations: mailed and shown, accepted with an account or by making one, and for nobody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from deskwire.accounts import people
from deskwire.accounts.people import Person
from deskwire.kit import mail
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.invitations import MAX_OPEN
from deskwire.workspaces.organizations.members import read_members
from tests.fixtures.accounts import RIGHT, events_of
from tests.fixtures.cast import BO, CY, EVE, Actor
from tests.fixtures.site import WholeSite, browse
from tests.fixtures.staffed_portal import Office, open_office, with_mail

pytestmark = pytest.mark.database("sqlite")

NEW = "new.person@desk.test"
ACCOUNT = {"name": "New Person", "password": RIGHT}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    house = open_office(tmp_path)
    yield house
    house.house.db.close()


@pytest.fixture
def site(office: Office) -> WholeSite:
    return with_mail(WholeSite(office.house))


def invite(site: WholeSite, email: str = NEW, **headers: str) -> Any:
    form = {"act": "invite", "email": email, "role": "member"}
    return browse(site, BO, **headers).post("/orgs/quay/settings", data=form)


def links_of(site: WholeSite, email: str = NEW) -> tuple[str, str]:
    """Invite somebody: the link that was shown, and the one that was mailed."""
    [shown] = re.findall(r"/invitations/[\w-]+", invite(site, email).text)
    newest = site.house.db.read_here(mail.read_newest)[0]
    [mailed] = re.findall(r"http://testserver(/invitations/[\w-]+)", newest.letter.text)
    assert newest.recipient == email
    assert mailed in newest.letter.html
    return shown, mailed


def person_of(site: WholeSite, email: str = NEW) -> Person | None:
    return site.house.db.read_here(people.find_by_email, email)


def members_of(site: WholeSite, office: Office) -> list[str | None]:
    return [each.email for each in site.house.db.read_here(read_members, office.ids["quay"])]


def test_the_mail_says_who_invites_and_holds_a_link_of_its_own(site: WholeSite) -> None:
    shown, mailed = links_of(site)

    letter = site.house.db.read_here(mail.read_newest)[0].letter
    assert letter.subject == "Invitation to The Quay"
    assert all(BO.name in text and "The Quay" in text for text in (letter.text, letter.html))
    assert shown != mailed
    settings = browse(site, BO).get("/orgs/quay/settings").text
    assert not any(each in settings for each in (shown, mailed))


def test_who_has_no_account_makes_one_by_the_mailed_link(site: WholeSite, office: Office) -> None:
    _, mailed = links_of(site)
    browser = browse(site)

    page = browser.get(mailed)
    weak = browser.post(mailed, data={**ACCOUNT, "password": "short"})
    joined = browser.post(mailed, data=ACCOUNT)
    again = browser.post(mailed, data=ACCOUNT)

    assert (page.status_code, NEW in page.text) == (200, True)
    assert (weak.status_code, "New Person" in weak.text) == (422, True)
    assert (joined.status_code, joined.headers["location"]) == (303, "/orgs/quay")
    assert "deskwire=" in joined.headers["set-cookie"]
    assert again.status_code == 404
    made = person_of(site)
    assert made is not None
    assert made.email_verified_at is not None, "the letter reached it"
    assert NEW in members_of(site, office)
    told = [type_ for type_, _, heard_by, _ in events_of(site.house.db) if "people" in heard_by]
    assert told[-2:] == ["person.changed", "person.changed"], "has come, has proven the address"


def test_by_the_link_that_was_shown_an_address_is_proven_before_it_is_let_in(
    site: WholeSite, office: Office
) -> None:
    shown, _ = links_of(site)

    entered = browse(site).post(shown, data=ACCOUNT)

    made = person_of(site)
    assert (entered.status_code, entered.headers["location"]) == (303, shown)
    assert "deskwire=" in entered.headers["set-cookie"]
    assert made is not None
    assert made.email_verified_at is None, "whoever invites could open it themselves"
    assert NEW not in members_of(site, office)
    assert site.house.db.read_here(mail.read_newest)[0].letter.subject.startswith("Confirm")


def test_an_account_that_has_proven_nothing_joins_by_the_mailed_link_alone(
    site: WholeSite, office: Office
) -> None:
    eve = people.people.c.email == EVE.email
    office.house.db.write_here(
        Connection.execute, update(people.people).where(eve).values(email_verified_at=None)
    )
    shown, mailed = links_of(site, EVE.email)
    browser = browse(site, EVE)

    page, refused = browser.get(shown), browser.post(shown)
    members = members_of(site, office)
    offers, joined = browser.get(mailed), browser.post(mailed)

    assert (page.status_code, refused.status_code) == (200, 403)
    for answer in (page, refused):
        assert "Confirm first" in answer.text
        assert 'action="/settings/verification"' in answer.text
    assert EVE.email not in members
    assert "Confirm first" not in offers.text
    assert joined.status_code == 303
    proven = person_of(site, EVE.email)
    assert proven is not None
    assert proven.email_verified_at is not None


def test_a_proven_address_joins_by_either_link(site: WholeSite) -> None:
    shown, _ = links_of(site, EVE.email)

    assert "Confirm first" not in browse(site, EVE).get(shown).text
    assert browse(site, EVE).post(shown).status_code == 303


def test_a_desk_without_mail_takes_the_link_that_was_handed_over_for_proof(office: Office) -> None:
    site = WholeSite(office.house)
    [shown] = re.findall(r"/invitations/[\w-]+", invite(site).text)

    joined = browse(site).post(shown, data=ACCOUNT)

    assert (joined.status_code, joined.headers["location"]) == (303, "/orgs/quay")
    assert NEW in members_of(site, office)


def test_an_account_is_made_for_the_invited_address_whatever_the_form_says(
    site: WholeSite,
) -> None:
    _, mailed = links_of(site)

    browse(site).post(mailed, data={**ACCOUNT, "email": "other@desk.test", "role": "admin"})

    assert person_of(site) is not None
    assert person_of(site, "other@desk.test") is None


def test_an_address_with_an_account_signs_in_instead(site: WholeSite) -> None:
    _, mailed = links_of(site, EVE.email)

    answer = browse(site).post(mailed, data=ACCOUNT)

    assert answer.status_code == 409
    assert "Sign in with it" in answer.text
    assert browse(site, EVE).post(mailed).status_code == 303


@pytest.mark.parametrize("actor", [CY, BO])
def test_somebody_else_is_told_so_and_not_let_in(
    site: WholeSite, office: Office, actor: Actor
) -> None:
    _, mailed = links_of(site)
    browser = browse(site, actor)

    page, posted = browser.get(mailed), browser.post(mailed, data=ACCOUNT)

    assert (page.status_code, posted.status_code) == (200, 403)
    for answer in (page, posted):
        assert "another address" in answer.text
        assert "n…@desk.test" in answer.text
        assert NEW not in answer.text
        assert ">Join The Quay</button>" not in answer.text
    assert NEW not in members_of(site, office)
    assert person_of(site) is None


def test_events_name_no_address_in_full(site: WholeSite, office: Office) -> None:
    _, mailed = links_of(site)
    browse(site).post(mailed, data=ACCOUNT)
    office.act(BO, invitations.invite, office.ids["quay"], "other@desk.test", "member")
    [open_] = site.house.db.read_here(invitations.read_open, office.ids["quay"], 0)

    office.act(BO, invitations.revoke, office.ids["quay"], open_.id)

    told = [
        fields["email"]
        for type_, fields, _, _ in events_of(site.house.db)
        if type_.startswith("invitation.")
    ]
    assert told == ["n…@desk.test", "n…@desk.test", "o…@desk.test", "o…@desk.test"]


def test_what_is_over_is_a_page_that_says_what_to_do(site: WholeSite, office: Office) -> None:
    shown, mailed = links_of(site)
    [open_] = site.house.db.read_here(invitations.read_open, office.ids["quay"], 0)

    browse(site, BO).post("/orgs/quay/settings", data={"act": "revoke", "invitation": open_.id})

    for link in (shown, mailed, "/invitations/never-made", "/invitations/%00"):
        for answer in (browse(site).get(link), browse(site).post(link, data=ACCOUNT)):
            assert answer.status_code == 404
            assert "This invitation is over" in answer.text
            assert answer.headers["referrer-policy"] == "strict-origin"
    assert person_of(site) is None


def test_a_closed_desk_makes_no_account_even_so(site: WholeSite) -> None:
    _, mailed = links_of(site)
    object.__setattr__(site.site, "sign_up", "closed")

    page, posted = browse(site).get(mailed), browse(site).post(mailed, data=ACCOUNT)

    assert 'name="password"' not in page.text
    assert posted.status_code == 403
    assert person_of(site) is None


def test_nobody_is_mailed_without_end(site: WholeSite, office: Office) -> None:
    codes = [invite(site).status_code for _ in range(4)]

    assert codes == [200, 200, 200, 429], "one mailbox"
    assert len(site.house.db.read_here(invitations.read_open, office.ids["quay"], 0)) == 1


def test_an_organization_has_so_many_open_invitations(office: Office) -> None:
    site = WholeSite(office.house)  # without mail, or that would be the limit
    for nth in range(MAX_OPEN):
        args = (office.ids["quay"], f"n{nth}@desk.test", "member")
        office.act(BO, invitations.invite, *args)

    one_more, same_again = invite(site), invite(site, "n1@desk.test")

    assert (one_more.status_code, same_again.status_code) == (409, 200)
    assert "50 open invitations" in one_more.text


def test_without_mail_the_link_is_shown_and_nothing_is_queued(office: Office) -> None:
    site = WholeSite(office.house)

    page = invite(site).text

    assert "Send this link to the person you invite." in page
    assert site.house.db.read_here(mail.read_newest) == []
