"""Pages about oneself: what they show, what they change, and whom they do not obey."""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient

from deskwire.accounts import passwords, people, sessions
from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Opened
from deskwire.kit import mail
from deskwire.kit.clock import now
from deskwire.web.auth.mail_templates import Letters
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import settings
from tests.fixtures.accounts import RIGHT, events_of, new_hasher
from tests.fixtures.cast import ADA, BO, NOON, Actor
from tests.fixtures.site import WholeSite, browse


def read_person(site: WholeSite, actor: Actor) -> Person:
    found = site.house.db.read_here(people.find, site.house.id_of(actor))
    assert found is not None
    return found


def sign_in(site: WholeSite, actor: Actor, agent: str = "Firefox/140.0 (Linux)") -> Opened:
    """Another browser in which the actor is signed in."""
    person, at = site.house.id_of(actor), now()
    return site.house.db.write_here(
        sessions.begin, person, user_agent=agent, address="192.0.2.1", at=at
    )


async def give_password(site: WholeSite, actor: Actor) -> None:
    hasher = new_hasher()
    hash_ = await hasher.hash(RIGHT)
    hasher.close()
    site.house.db.write_here(passwords.store, site.house.id_of(actor), hash_, NOON)


def with_mail(site: WholeSite) -> WholeSite:
    """The same site where mail is sent."""
    object.__setattr__(site.site, "letters", Letters("http://testserver", "sent"))
    return site


def post(site: WholeSite, actor: Actor, path: str, **form: str) -> Any:
    return browse(site, actor).post(path, data=form)


def test_the_page_shows_oneself_and_nobody_else(site: WholeSite) -> None:
    sign_in(site, ADA)
    sign_in(site, BO, "curl/8")

    page = browse(site, ADA).get("/settings").text

    assert all(shown in page for shown in (ADA.name, ADA.email, ADA.discord, "Firefox on Linux"))
    assert not any(shown in page for shown in (BO.name, BO.email, BO.discord, "curl"))


def test_each_part_that_lives_is_rendered_alone(site: WholeSite) -> None:
    header = {"x-deskwire-fragment": "1"}
    ids = ("verification", "account", "browsers")

    page = browse(site, ADA, **header).get(f"/settings?fragment={','.join(ids)}").text

    assert [page.count(f'id="{each}"') for each in ids] == [1, 1, 1]
    assert "<h1" not in page


def test_a_new_name_is_shown_and_told(site: WholeSite) -> None:
    answer = post(site, ADA, "/settings/name", name="  Ada   Berg ")

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?done=name")
    assert read_person(site, ADA).name == "Ada Berg"
    assert events_of(site.house.db)[-1][0] == "person.changed"


def test_a_name_that_cannot_be_is_refused_with_what_was_typed(site: WholeSite) -> None:
    answer = post(site, ADA, "/settings/name", name="x" * 81)

    assert answer.status_code == 422
    assert "x" * 81 in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert read_person(site, ADA).name == ADA.name


def test_theme_and_zone_are_changed_one_without_the_other(site: WholeSite) -> None:
    post(site, ADA, "/settings/display", theme="dark")
    post(site, ADA, "/settings/display", time_zone="Europe/Oslo")

    me = read_person(site, ADA)
    assert (me.theme, me.time_zone) == ("dark", "Europe/Oslo")


@pytest.mark.parametrize("form", [{"theme": "pink"}, {"time_zone": "Mars/Olympus"}])
def test_a_theme_or_zone_that_is_not_there_is_refused(
    site: WholeSite, form: dict[str, str]
) -> None:
    assert post(site, ADA, "/settings/display", **form).status_code == 422


def test_one_browser_is_signed_out_and_then_it_is_gone(site: WholeSite) -> None:
    opened = sign_in(site, ADA)

    first = post(site, ADA, "/settings/browsers", session=opened.session.id)
    second = post(site, ADA, "/settings/browsers", session=opened.session.id)

    assert (first.status_code, second.status_code) == (303, 404)
    assert events_of(site.house.db)[-1][:2] == (
        "session.revoked",
        {"actor": site.house.id_of(ADA), "session": opened.session.id},
    )


def test_somebody_elses_browser_is_answered_as_one_that_is_not_there(site: WholeSite) -> None:
    opened = sign_in(site, ADA)

    theirs = post(site, BO, "/settings/browsers", session=opened.session.id)
    made_up = post(site, BO, "/settings/browsers", session="made-up")

    assert (theirs.status_code, theirs.content) == (404, made_up.content)
    assert site.house.db.read_here(sessions.find, opened.token) is not None


def test_all_other_browsers_are_signed_out_at_once(site: WholeSite) -> None:
    mine, theirs = sign_in(site, ADA), sign_in(site, BO)

    post(site, ADA, "/settings/browsers", others="1")

    assert site.house.db.read_here(sessions.find, mine.token) is None
    assert site.house.db.read_here(sessions.find, theirs.token) is not None


def test_ones_data_is_a_file(site: WholeSite) -> None:
    answer = browse(site, ADA).get("/settings/data")

    assert answer.headers["content-disposition"].startswith("attachment")
    with ZipFile(io.BytesIO(answer.content)) as archive:
        taken = archive.read("data.json").decode()
    assert json.loads(taken)["person"]["email"] == ADA.email
    assert BO.email not in taken


def test_the_link_is_mailed_again_until_that_is_enough(site: WholeSite) -> None:
    with_mail(site)

    codes = [post(site, ADA, "/settings/verification").status_code for _ in range(4)]

    assert codes == [303, 303, 303, 429]
    assert {each.recipient for each in site.house.db.read_here(mail.read_newest)} == {ADA.email}


def test_who_is_confirmed_is_not_asked_to_confirm(site: WholeSite) -> None:
    with_mail(site)
    before = browse(site, ADA).get("/settings").text
    site.house.db.write_here(people.change, site.house.id_of(ADA), email_verified_at=NOON, at=NOON)

    after = browse(site, ADA).get("/settings").text

    assert ("/settings/verification" in before, "/settings/verification" in after) == (True, False)
    assert post(site, ADA, "/settings/verification").status_code == 409


async def test_the_account_goes_with_the_right_password_only(site: WholeSite) -> None:
    await give_password(site, ADA)

    for wrong in ("", "wrong horse battery", RIGHT.upper()):
        answer = post(site, ADA, "/settings/delete", password=wrong)
        assert answer.status_code == 422
    kept = read_person(site, ADA)
    answer = post(site, ADA, "/settings/delete", password=RIGHT)

    assert kept.deleted_at is None
    assert (answer.status_code, answer.headers["location"]) == (303, "/?done=departed")
    assert read_person(site, ADA).name == "Former member"
    assert "Your account is deleted." in browse(site).get("/?done=departed").text
    assert "Your account is deleted." not in browse(site).get("/?done=else").text


async def test_who_alone_runs_an_organization_is_told_so_and_stays(site: WholeSite) -> None:
    deed = Deed(site.house.viewer(BO), NOON)
    site.house.db.write_here(settings.create, deed, "The Pier")

    answer = post(site, BO, "/settings/delete", name=BO.name)

    assert answer.status_code == 409
    assert "You are the only member of The Pier: delete the organization first" in answer.text
    assert read_person(site, BO).deleted_at is None


async def test_guessing_the_password_there_is_throttled_as_at_the_door(site: WholeSite) -> None:
    await give_password(site, ADA)
    for _ in range(5):
        post(site, ADA, "/settings/delete", password="wrong horse battery")

    answer = post(site, ADA, "/settings/delete", password=RIGHT)

    assert answer.status_code == 429
    assert read_person(site, ADA).deleted_at is None


async def test_with_a_password_the_name_does_not_do(site: WholeSite) -> None:
    await give_password(site, ADA)

    assert post(site, ADA, "/settings/delete", name=ADA.name).status_code == 422
    assert read_person(site, ADA).deleted_at is None


def test_who_has_no_password_writes_the_name(site: WholeSite) -> None:
    assert post(site, BO, "/settings/delete", name="Ada").status_code == 422
    assert post(site, BO, "/settings/delete", name=BO.name).status_code == 303

    assert read_person(site, BO).deleted_at is not None


def test_what_a_former_member_asked_stays_for_the_team(site: WholeSite) -> None:
    post(site, BO, "/settings/delete", name=BO.name)

    page = browse(site, ADA).get("/guilds/700000000000000001/tickets/1")

    assert page.status_code == 200
    assert "The crane is stuck" in page.text


def test_mail_is_shown_to_this_machine_only_where_none_is_sent(site: WholeSite) -> None:
    site.house.db.write_here(mail.queue, ADA.email, "Hello", "See <b>this</b>", "<b>x</b>", NOON)
    here, there = ("127.0.0.1", 5), ("192.0.2.1", 5)
    codes = {}

    for mode in ("off", "sent", "kept"):
        object.__setattr__(site.site, "letters", Letters("http://testserver", mode))
        for place in (here, there):
            client = TestClient(site.app, client=place, raise_server_exceptions=False)
            answer = client.get("/mail", headers={"accept": "text/html"})
            proxied = client.get("/mail", headers={"x-forwarded-for": "127.0.0.1"})
            codes[mode, place[0]] = answer.status_code, proxied.status_code
            if answer.status_code == 200:
                assert "See &lt;b&gt;this&lt;/b&gt;" in answer.text
                assert "<b>x" not in answer.text

    assert codes.pop(("kept", "127.0.0.1")) == (200, 404)
    assert set(codes.values()) == {(404, 404)}
