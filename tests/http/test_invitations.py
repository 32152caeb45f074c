"""Test invitations: mailed and shown, accepted with an old or new account, by no one else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from deskwire.accounts import people
from deskwire.accounts.people import Person
from deskwire.dispatches import mail
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.invitations import MAX_OPEN_INVITATIONS
from deskwire.workspaces.organizations.members import read_members
from tests.fixtures.accounts import PASSWORD, read_events
from tests.fixtures.cast import BO, CY, EVE, Persona
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal, enable_mail

pytestmark = pytest.mark.database("sqlite")

NEW = "new.person@desk.test"
ACCOUNT = {"name": "New Person", "password": PASSWORD}


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    portal = create_staffed_portal(tmp_path)
    yield portal
    portal.desk.db.close()


@pytest.fixture
def site(staffed_portal: StaffedPortalFixture) -> SiteFixture:
    return enable_mail(SiteFixture(staffed_portal.desk))


def invite(site: SiteFixture, email: str = NEW, **headers: str) -> Any:
    form = {"act": "invite", "email": email, "role": "member"}
    return open_browser(site, BO, **headers).post("/orgs/quay/settings", data=form)


def links_of(site: SiteFixture, email: str = NEW) -> tuple[str, str]:
    """Invite someone: the link that was shown, and the one that was mailed."""
    [shown] = re.findall(r"/invitations/[\w-]+", invite(site, email).text)
    newest = site.desk.db.read_sync(mail.read_newest)[0]
    [mailed] = re.findall(r"http://testserver(/invitations/[\w-]+)", newest.content.text)
    assert newest.recipient == email
    assert mailed in newest.content.html
    return shown, mailed


def person_of(site: SiteFixture, email: str = NEW) -> Person | None:
    return site.desk.db.read_sync(people.find_by_email, email)


def members_of(site: SiteFixture, staffed_portal: StaffedPortalFixture) -> list[str | None]:
    return [
        each.email
        for each in site.desk.db.read_sync(read_members, staffed_portal.organization_ids["quay"])
    ]


def test_the_mail_names_the_inviter_and_has_its_own_link(site: SiteFixture) -> None:
    shown, mailed = links_of(site)

    mail_content = site.desk.db.read_sync(mail.read_newest)[0].content
    assert mail_content.subject == "Invitation to The Quay"
    assert all(
        BO.name in text and "The Quay" in text for text in (mail_content.text, mail_content.html)
    )
    assert shown != mailed
    settings = open_browser(site, BO).get("/orgs/quay/settings").text
    assert not any(each in settings for each in (shown, mailed))


def test_a_person_without_an_account_creates_one_through_the_mailed_link(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    _, mailed = links_of(site)
    browser = open_browser(site)

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
    assert made.email_verified_at is not None, "the mail reached it"
    assert NEW in members_of(site, staffed_portal)
    events = [type_ for type_, _, heard_by, _ in read_events(site.desk.db) if "people" in heard_by]
    assert events[-2:] == ["person.changed", "person.changed"], "has come, has proven the address"


def test_the_shown_link_requires_a_verified_address_to_join(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    shown, _ = links_of(site)

    entered = open_browser(site).post(shown, data=ACCOUNT)

    made = person_of(site)
    assert (entered.status_code, entered.headers["location"]) == (303, shown)
    assert "deskwire=" in entered.headers["set-cookie"]
    assert made is not None
    assert made.email_verified_at is None, "the inviter could open it themselves"
    assert NEW not in members_of(site, staffed_portal)
    assert site.desk.db.read_sync(mail.read_newest)[0].content.subject.startswith("Confirm")


def test_an_unverified_account_can_join_only_through_the_mailed_link(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    eve = people.people.c.email == EVE.email
    staffed_portal.desk.db.write_sync(
        Connection.execute, update(people.people).where(eve).values(email_verified_at=None)
    )
    shown, mailed = links_of(site, EVE.email)
    browser = open_browser(site, EVE)

    page, refused = browser.get(shown), browser.post(shown)
    members = members_of(site, staffed_portal)
    offers, joined = browser.get(mailed), browser.post(mailed)

    assert (page.status_code, refused.status_code) == (200, 403)
    for answer in (page, refused):
        assert "Then come back here to join" in answer.text
        assert 'action="/settings/verification"' in answer.text
    assert EVE.email not in members
    assert "Then come back here to join" not in offers.text
    assert joined.status_code == 303
    proven = person_of(site, EVE.email)
    assert proven is not None
    assert proven.email_verified_at is not None


def test_a_verified_account_can_join_through_either_link(site: SiteFixture) -> None:
    shown, _ = links_of(site, EVE.email)

    assert "Then come back here to join" not in open_browser(site, EVE).get(shown).text
    assert open_browser(site, EVE).post(shown).status_code == 303


def test_without_mail_the_shown_link_verifies_the_address(
    staffed_portal: StaffedPortalFixture,
) -> None:
    site = SiteFixture(staffed_portal.desk)
    [shown] = re.findall(r"/invitations/[\w-]+", invite(site).text)

    joined = open_browser(site).post(shown, data=ACCOUNT)

    assert (joined.status_code, joined.headers["location"]) == (303, "/orgs/quay")
    assert NEW in members_of(site, staffed_portal)


def test_an_account_is_created_for_the_invited_address_and_role_only(
    site: SiteFixture,
) -> None:
    _, mailed = links_of(site)

    open_browser(site).post(mailed, data={**ACCOUNT, "email": "other@desk.test", "role": "admin"})

    assert person_of(site) is not None
    assert person_of(site, "other@desk.test") is None


def test_an_address_with_an_account_signs_in_instead(site: SiteFixture) -> None:
    _, mailed = links_of(site, EVE.email)

    answer = open_browser(site).post(mailed, data=ACCOUNT)

    assert answer.status_code == 409
    assert "already an account with this address" in answer.text
    assert open_browser(site, EVE).post(mailed).status_code == 303


@pytest.mark.parametrize("persona", [CY, BO])
def test_another_person_is_refused_with_the_reason(
    site: SiteFixture, staffed_portal: StaffedPortalFixture, persona: Persona
) -> None:
    _, mailed = links_of(site)
    browser = open_browser(site, persona)

    page, posted = browser.get(mailed), browser.post(mailed, data=ACCOUNT)

    assert (page.status_code, posted.status_code) == (200, 403)
    for answer in (page, posted):
        assert "different address" in answer.text
        assert "n…@desk.test" in answer.text
        assert NEW not in answer.text
        assert ">Join The Quay</button>" not in answer.text
    assert NEW not in members_of(site, staffed_portal)
    assert person_of(site) is None


def test_events_name_no_address_in_full(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    _, mailed = links_of(site)
    open_browser(site).post(mailed, data=ACCOUNT)
    staffed_portal.act_as(
        BO, invitations.invite, staffed_portal.organization_ids["quay"], "other@desk.test", "member"
    )
    [open_] = site.desk.db.read_sync(
        invitations.list_open_invitations, staffed_portal.organization_ids["quay"], 0
    )

    staffed_portal.act_as(BO, invitations.revoke, staffed_portal.organization_ids["quay"], open_.id)

    events = [
        fields["email"]
        for type_, fields, _, _ in read_events(site.desk.db)
        if type_.startswith("invitation.")
    ]
    assert events == ["n…@desk.test", "n…@desk.test", "o…@desk.test", "o…@desk.test"]


def test_an_invalid_invitation_page_says_what_to_do(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    shown, mailed = links_of(site)
    [open_] = site.desk.db.read_sync(
        invitations.list_open_invitations, staffed_portal.organization_ids["quay"], 0
    )

    open_browser(site, BO).post(
        "/orgs/quay/settings", data={"act": "revoke", "invitation": open_.id}
    )

    for link in (shown, mailed, "/invitations/never-made", "/invitations/%00"):
        for answer in (open_browser(site).get(link), open_browser(site).post(link, data=ACCOUNT)):
            assert answer.status_code == 404
            assert "This invitation is no longer valid" in answer.text
            assert answer.headers["referrer-policy"] == "strict-origin"
    assert person_of(site) is None


def test_an_invitation_creates_no_account_if_sign_up_is_closed(site: SiteFixture) -> None:
    _, mailed = links_of(site)
    object.__setattr__(site.site, "sign_up", "closed")

    page, posted = open_browser(site).get(mailed), open_browser(site).post(mailed, data=ACCOUNT)

    assert 'name="password"' not in page.text
    assert posted.status_code == 403
    assert person_of(site) is None


def test_invitation_mails_are_rate_limited(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    codes = [invite(site).status_code for _ in range(4)]

    assert codes == [200, 200, 200, 429], "one mailbox"
    assert (
        len(
            site.desk.db.read_sync(
                invitations.list_open_invitations, staffed_portal.organization_ids["quay"], 0
            )
        )
        == 1
    )


def test_the_open_invitations_of_an_organization_are_limited(
    staffed_portal: StaffedPortalFixture,
) -> None:
    site = SiteFixture(staffed_portal.desk)  # without mail, or that would be the limit
    for nth in range(MAX_OPEN_INVITATIONS):
        args = (staffed_portal.organization_ids["quay"], f"n{nth}@desk.test", "member")
        staffed_portal.act_as(BO, invitations.invite, *args)

    one_more, same_again = invite(site), invite(site, "n1@desk.test")

    assert (one_more.status_code, same_again.status_code) == (409, 200)
    assert "50 open invitations" in one_more.text


def test_without_mail_the_link_is_shown_and_nothing_is_queued(
    staffed_portal: StaffedPortalFixture,
) -> None:
    site = SiteFixture(staffed_portal.desk)

    page = invite(site).text

    assert "Send this link to the person you’re inviting." in page
    assert site.desk.db.read_sync(mail.read_newest) == []
