"""Test the settings pages: what they show, what they change, and for which person."""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient

from deskwire.accounts import passwords, people, sessions
from deskwire.accounts.people import Person
from deskwire.accounts.sessions import NewSession
from deskwire.dispatches import mail
from deskwire.kit.clock import now
from deskwire.web.mail_templates import MailTemplates
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.create import create_organization
from tests.fixtures.accounts import PASSWORD, create_hasher, read_events
from tests.fixtures.cast import ADA, BO, NOON, Persona
from tests.fixtures.site import SiteFixture, open_browser


def read_person(site: SiteFixture, persona: Persona) -> Person:
    found = site.desk.db.read_sync(people.find, site.desk.person_id(persona))
    assert found is not None
    return found


def sign_in(
    site: SiteFixture, persona: Persona, agent: str = "Firefox/140.0 (Linux)"
) -> NewSession:
    """Another browser in which the actor is signed in."""
    person, at = site.desk.person_id(persona), now()
    return site.desk.db.write_sync(
        sessions.create, person, user_agent=agent, client_ip="192.0.2.1", at=at
    )


async def give_password(site: SiteFixture, persona: Persona) -> None:
    hasher = create_hasher()
    hash_ = await hasher.hash(PASSWORD)
    hasher.close()
    site.desk.db.write_sync(passwords.store_hash, site.desk.person_id(persona), hash_, NOON)


def with_mail(site: SiteFixture) -> SiteFixture:
    """The same site where mail is sent."""
    object.__setattr__(site.site, "mail_templates", MailTemplates("http://testserver", "sent"))
    return site


def post(site: SiteFixture, persona: Persona, path: str, **form: str) -> Any:
    return open_browser(site, persona).post(path, data=form)


def test_the_page_shows_the_signed_in_person_only(site: SiteFixture) -> None:
    sign_in(site, ADA)
    sign_in(site, BO, "curl/8")

    page = open_browser(site, ADA).get("/settings").text

    assert all(shown in page for shown in (ADA.name, ADA.email, ADA.discord_id, "Firefox on Linux"))
    assert not any(shown in page for shown in (BO.name, BO.email, BO.discord_id, "curl"))


def test_each_live_fragment_is_rendered_alone(site: SiteFixture) -> None:
    header = {"x-deskwire-fragment": "1"}
    ids = ("verification", "account", "browsers")

    page = open_browser(site, ADA, **header).get(f"/settings?fragment={','.join(ids)}").text

    assert [page.count(f'id="{each}"') for each in ids] == [1, 1, 1]
    assert "<h1" not in page


def test_a_new_name_is_shown_and_announced(site: SiteFixture) -> None:
    answer = post(site, ADA, "/settings/name", name="  Ada   Berg ")

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?done=name")
    assert read_person(site, ADA).name == "Ada Berg"
    assert read_events(site.desk.db)[-1][0] == "person.changed"


def test_an_invalid_name_is_refused_and_kept_in_the_form(site: SiteFixture) -> None:
    answer = post(site, ADA, "/settings/name", name="x" * 81)

    assert answer.status_code == 422
    assert "x" * 81 in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert read_person(site, ADA).name == ADA.name


def test_theme_and_time_zone_can_be_changed_separately(site: SiteFixture) -> None:
    post(site, ADA, "/settings/display", theme="dark")
    post(site, ADA, "/settings/display", time_zone="Europe/Oslo")

    me = read_person(site, ADA)
    assert (me.theme, me.time_zone) == ("dark", "Europe/Oslo")


@pytest.mark.parametrize("form", [{"theme": "pink"}, {"time_zone": "Mars/Olympus"}])
def test_an_unknown_theme_or_time_zone_is_refused(site: SiteFixture, form: dict[str, str]) -> None:
    assert post(site, ADA, "/settings/display", **form).status_code == 422


def test_a_signed_out_browser_leaves_the_list(site: SiteFixture) -> None:
    opened = sign_in(site, ADA)

    first = post(site, ADA, "/settings/browsers", session=opened.session.id)
    second = post(site, ADA, "/settings/browsers", session=opened.session.id)

    assert (first.status_code, second.status_code) == (303, 404)
    assert read_events(site.desk.db)[-1][:2] == (
        "session.revoked",
        {"actor": site.desk.person_id(ADA), "session": opened.session.id},
    )


def test_a_browser_of_another_person_is_answered_as_missing(site: SiteFixture) -> None:
    opened = sign_in(site, ADA)

    theirs = post(site, BO, "/settings/browsers", session=opened.session.id)
    made_up = post(site, BO, "/settings/browsers", session="made-up")

    assert (theirs.status_code, theirs.content) == (404, made_up.content)
    assert site.desk.db.read_sync(sessions.find_by_token, opened.token) is not None


def test_all_other_browsers_are_signed_out_at_once(site: SiteFixture) -> None:
    mine, theirs = sign_in(site, ADA), sign_in(site, BO)

    post(site, ADA, "/settings/browsers", others="1")

    assert site.desk.db.read_sync(sessions.find_by_token, mine.token) is None
    assert site.desk.db.read_sync(sessions.find_by_token, theirs.token) is not None


def test_personal_data_can_be_downloaded(site: SiteFixture) -> None:
    answer = open_browser(site, ADA).get("/settings/data")

    assert answer.headers["content-disposition"].startswith("attachment")
    with ZipFile(io.BytesIO(answer.content)) as archive:
        taken = archive.read("data.json").decode()
    assert json.loads(taken)["person"]["email"] == ADA.email
    assert BO.email not in taken


def test_the_verification_link_is_mailed_again_up_to_a_limit(site: SiteFixture) -> None:
    with_mail(site)

    codes = [post(site, ADA, "/settings/verification").status_code for _ in range(4)]

    assert codes == [303, 303, 303, 429]
    assert {each.recipient for each in site.desk.db.read_sync(mail.read_newest)} == {ADA.email}


def test_a_verified_person_is_not_asked_to_verify(site: SiteFixture) -> None:
    with_mail(site)
    before = open_browser(site, ADA).get("/settings").text
    site.desk.db.write_sync(
        people.update_person_row, site.desk.person_id(ADA), email_verified_at=NOON, at=NOON
    )

    after = open_browser(site, ADA).get("/settings").text

    assert ("/settings/verification" in before, "/settings/verification" in after) == (True, False)
    assert post(site, ADA, "/settings/verification").status_code == 409


async def test_deleting_the_account_requires_the_password(site: SiteFixture) -> None:
    await give_password(site, ADA)

    for wrong in ("", "wrong horse battery", PASSWORD.upper()):
        answer = post(site, ADA, "/settings/delete", password=wrong)
        assert answer.status_code == 422
    person = read_person(site, ADA)
    answer = post(site, ADA, "/settings/delete", password=PASSWORD)

    assert person.deleted_at is None
    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=departed")
    assert read_person(site, ADA).name == "Former member"
    assert "Your account was deleted." in open_browser(site).get("/?done=departed").text
    assert "Your account was deleted." not in open_browser(site).get("/?done=else").text


async def test_the_only_admin_of_an_organization_cannot_delete_their_account(
    site: SiteFixture,
) -> None:
    actor = Actor(site.desk.read_viewer(BO), NOON)
    site.desk.db.write_sync(create_organization, actor, "The Pier")

    answer = post(site, BO, "/settings/delete", name=BO.name)

    assert answer.status_code == 409
    assert "You are the only member of The Pier. Delete the organization first" in answer.text
    assert read_person(site, BO).deleted_at is None


async def test_password_guesses_on_deletion_are_throttled_like_sign_ins(site: SiteFixture) -> None:
    await give_password(site, ADA)
    for _ in range(5):
        post(site, ADA, "/settings/delete", password="wrong horse battery")

    answer = post(site, ADA, "/settings/delete", password=PASSWORD)

    assert answer.status_code == 429
    assert read_person(site, ADA).deleted_at is None


async def test_with_a_password_the_name_does_not_confirm_a_deletion(site: SiteFixture) -> None:
    await give_password(site, ADA)

    assert post(site, ADA, "/settings/delete", name=ADA.name).status_code == 422
    assert read_person(site, ADA).deleted_at is None


def test_without_a_password_the_name_confirms_a_deletion(site: SiteFixture) -> None:
    assert post(site, BO, "/settings/delete", name="Ada").status_code == 422
    assert post(site, BO, "/settings/delete", name=BO.name).status_code == 303

    assert read_person(site, BO).deleted_at is not None


def test_requests_of_a_former_member_stay_visible_to_staff(site: SiteFixture) -> None:
    post(site, BO, "/settings/delete", name=BO.name)

    page = open_browser(site, ADA).get("/guilds/700000000000000001/tickets/1")

    assert page.status_code == 200
    assert "The crane is stuck" in page.text


def test_without_a_mail_server_mail_is_shown_to_this_machine_only(site: SiteFixture) -> None:
    content = mail.MailContent("Hello", "See <b>this</b>", "<b>x</b>")
    site.desk.db.write_sync(mail.queue_mail, "person:1", ADA.email, content, NOON)
    here, there = ("127.0.0.1", 5), ("192.0.2.1", 5)
    codes = {}

    for mode in ("off", "sent", "kept"):
        object.__setattr__(site.site, "mail_templates", MailTemplates("http://testserver", mode))
        for browser in (here, there):
            client = TestClient(
                site.app, "http://localhost", client=browser, raise_server_exceptions=False
            )
            answer = client.get("/mail", headers={"accept": "text/html"})
            proxied = client.get("/mail", headers={"x-forwarded-for": "127.0.0.1"})
            codes[mode, browser[0]] = answer.status_code, proxied.status_code
            if answer.status_code == 200:
                assert "See &lt;b&gt;this&lt;/b&gt;" in answer.text
                assert "<b>x" not in answer.text

    assert codes.pop(("kept", "127.0.0.1")) == (200, 404)
    assert set(codes.values()) == {(404, 404)}
