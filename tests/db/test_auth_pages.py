"""Test sign-out, sign-up, welcome links and password changes over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deskwire.accounts import authentication, links, passwords, people, sessions
from deskwire.accounts.rate_limit import RateLimits
from deskwire.kit.clock import DAY, HOUR
from deskwire.realtime.subscription import Caller
from deskwire.web.dependencies import SignUpMode
from tests.fixtures.account_pages import (
    COOKIE_NAME,
    AccountPagesFixture,
    make_sign_in_form,
    open_account_pages,
    read_set_cookie,
)
from tests.fixtures.accounts import NOON, PASSWORD, create_person, read_events


@pytest.fixture
async def account_pages(tmp_path: Path) -> AsyncIterator[AccountPagesFixture]:
    async with open_account_pages(tmp_path) as opened:
        yield opened


# Signing out


async def test_signing_out_ends_the_session_and_deletes_the_cookie(
    account_pages: AccountPagesFixture,
) -> None:
    ada = await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        token = read_set_cookie(await browser.post("/sign-in", data=make_sign_in_form()))["value"]
        answer = await browser.post("/sign-out")
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    cookie = read_set_cookie(answer)
    assert (cookie["value"], cookie["max-age"], cookie["secure"]) == ("", "0", "True")
    assert home.text == "nobody"
    assert account_pages.db.read_sync(sessions.find_by_token, token, account_pages.clock.at) is None
    events = [(type_, touches) for type_, _, _, touches in read_events(account_pages.db)]
    assert events == [("session.created", []), ("session.revoked", [f"user:{ada.id}"])]


async def test_signing_out_twice_is_harmless(account_pages: AccountPagesFixture) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-out")

    assert answer.status_code == 303


async def test_another_site_cannot_sign_a_person_out(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        forged = await browser.post("/sign-out", headers={"origin": "https://eve.test"})
        home = await browser.get("/")

    assert (forged.status_code, home.text) == (403, "Ada")


# The session while it is used


async def test_using_a_session_extends_it_and_its_cookie(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        account_pages.clock.at += HOUR - 1
        early = await browser.get("/")
        account_pages.clock.at += 1
        due = await browser.get("/")
        again = await browser.get("/")
        account_pages.clock.at += 7 * DAY - 1
        late = await browser.get("/")

    assert "set-cookie" not in early.headers
    assert read_set_cookie(due)["max-age"] == "604800"
    assert "set-cookie" not in again.headers
    assert late.text == "Ada"


async def test_an_unused_session_expires(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        token = read_set_cookie(await browser.post("/sign-in", data=make_sign_in_form()))["value"]
        account_pages.clock.at += 7 * DAY
        browser.cookies.set(COOKIE_NAME, token, domain="desk.test", path="/")
        home = await browser.get("/")

    assert home.text == "nobody"


async def test_sign_out_is_not_undone_by_a_renewal(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        account_pages.clock.at += HOUR
        answer = await browser.post("/sign-out")

    assert read_set_cookie(answer)["value"] == ""


def stream_scope(cookie: str) -> dict[str, object]:
    headers = [(b"cookie", f"{COOKIE_NAME}={cookie}".encode())]
    return {"type": "http", "method": "GET", "path": "/api/events", "headers": headers}


async def test_a_stream_belongs_to_its_session(account_pages: AccountPagesFixture) -> None:
    ada = await account_pages.create_person()
    opened = account_pages.db.write_sync(
        sessions.create, ada.id, user_agent="", client_ip=None, at=account_pages.clock.at
    )
    account_pages.clock.at += 2 * HOUR

    caller = await account_pages.browsers.identify(stream_scope(opened.token))

    assert caller == Caller(ada.id, opened.session.id, NOON + 7 * DAY)  # not prolonged
    assert await account_pages.browsers.identify(stream_scope("x" * 43)) is None
    assert await account_pages.browsers.identify({"type": "http", "headers": []}) is None


# Signing up


def sign_up_form(**fields: str) -> dict[str, str]:
    return {"name": "Bo", "email": "bo@desk.test", "password": PASSWORD, **fields}


async def test_with_open_sign_up_anyone_may_sign_up(account_pages: AccountPagesFixture) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-up", data=sign_up_form(next="/requests/new"))
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/new")
    assert home.text == "Bo"
    bo = account_pages.db.read_sync(people.find_by_email, "bo@desk.test")
    assert bo is not None
    assert bo.email_verified_at is None


async def test_all_problems_of_a_sign_up_are_shown_at_once(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.post(
            "/sign-up", data=sign_up_form(name="", email="bo", password="short")
        )

    assert answer.status_code == 422
    assert all(f'id="{field}-error"' in answer.text for field in ("name", "email", "password"))


async def test_a_taken_address_is_not_taken_over(account_pages: AccountPagesFixture) -> None:
    ada = await account_pages.create_person()
    before = account_pages.db.read_sync(passwords.read_hash, ada.id)

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-up", data=sign_up_form(email="ada@desk.test"))
        home = await browser.get("/")

    assert (answer.status_code, home.text) == (409, "nobody")
    assert "If it’s yours, sign in instead" in answer.text
    assert account_pages.db.read_sync(passwords.read_hash, ada.id) == before


async def test_sign_ups_for_many_addresses_are_rate_limited(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    few = replace(account_pages.login, limits=RateLimits(per_network=3))

    async with account_pages.open_browser(few) as eve:
        form = sign_up_form(email="ada@desk.test")
        statuses = [(await eve.post("/sign-up", data=form)).status_code for _ in range(4)]

    assert statuses == [409, 409, 409, 429]


async def test_many_sign_ups_of_one_network_do_not_block_its_sign_ins(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    few = replace(account_pages.login, limits=RateLimits(per_network=3))

    for number in range(3):
        async with account_pages.open_browser(few) as browser:
            form = sign_up_form(email=f"new{number}@desk.test")
            assert (await browser.post("/sign-up", data=form)).status_code == 303
    async with account_pages.open_browser(few) as ada:
        answer = await ada.post("/sign-in", data=make_sign_in_form())

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("mode", "sentence"), [("invited", "by invitation"), ("closed", "Sign-up is closed")]
)
async def test_with_closed_sign_up_the_page_says_whom_to_ask(
    account_pages: AccountPagesFixture, mode: SignUpMode, sentence: str
) -> None:
    async with account_pages.open_browser(account_pages.with_sign_up_mode(mode)) as browser:
        shown = await browser.get("/sign-up")
        refused = await browser.post("/sign-up", data=sign_up_form())
        sign_in = await browser.get("/sign-in")

    assert (shown.status_code, refused.status_code) == (200, 403)
    assert sentence in shown.text
    assert sentence in refused.text
    assert "<form" not in shown.text
    assert "/sign-up" not in sign_in.text
    assert account_pages.db.read_sync(people.find_by_email, "bo@desk.test") is None


# The welcome link


async def test_a_welcome_link_can_be_opened_any_number_of_times(
    account_pages: AccountPagesFixture,
) -> None:
    ada = create_person(account_pages.db, "ada")
    token = account_pages.db.write_sync(links.issue, ada.id, "sign-in", NOON)

    async with account_pages.open_browser() as scanner:
        looks = [await scanner.get(f"/welcome/{token}") for _ in range(3)]
        await scanner.head(f"/welcome/{token}")
    async with account_pages.open_browser() as browser:
        answer = await browser.post(
            f"/welcome/{token}", data={"name": "Ada Lovelace", "password": PASSWORD}
        )
        home = await browser.get("/")

    assert [look.status_code for look in looks] == [200] * 3
    assert token not in looks[0].text
    assert (answer.status_code, home.text) == (303, "Ada Lovelace")


async def test_no_referer_contains_the_token_of_a_welcome_link(
    account_pages: AccountPagesFixture,
) -> None:
    token = account_pages.db.write_sync(
        links.issue, create_person(account_pages.db).id, "sign-in", NOON
    )

    async with account_pages.open_browser() as browser:
        answers = [
            await browser.get(f"/welcome/{token}"),
            await browser.post(f"/welcome/{token}", data={}),
            await browser.post(f"/welcome/{token}", data={"name": "A", "password": PASSWORD}),
            await browser.get(f"/welcome/{token}"),
        ]

    assert [answer.status_code for answer in answers] == [200, 422, 303, 404]
    assert {answer.headers["referrer-policy"] for answer in answers} == {"strict-origin"}


async def test_a_refused_form_leaves_the_welcome_link_usable(
    account_pages: AccountPagesFixture,
) -> None:
    token = account_pages.db.write_sync(
        links.issue, create_person(account_pages.db).id, "sign-in", NOON
    )

    async with account_pages.open_browser() as browser:
        short = await browser.post(f"/welcome/{token}", data={"name": "Ada", "password": "short"})
        own = await browser.post(
            f"/welcome/{token}", data={"name": "Ada", "password": "ada@desk.test"}
        )
        answer = await browser.post(f"/welcome/{token}", data={"name": "Ada", "password": PASSWORD})

    assert (short.status_code, own.status_code, answer.status_code) == (422, 422, 303)


@pytest.mark.parametrize("token", ["x", "x" * 43, "%2e%2e", "%00"])
async def test_an_unknown_welcome_link_is_answered_like_a_used_one(
    account_pages: AccountPagesFixture, token: str
) -> None:
    used = account_pages.db.write_sync(
        links.issue, create_person(account_pages.db).id, "sign-in", NOON
    )
    account_pages.db.write_sync(links.redeem, used, authentication.PASSWORD_LINK_PURPOSES, NOON)

    async with account_pages.open_browser() as browser:
        unknown = await browser.get(f"/welcome/{token}")
        over = await browser.get(f"/welcome/{used}")

    assert (unknown.status_code, over.status_code) == (404, 404)
    assert unknown.text == over.text


# Changing the password


async def test_a_new_password_signs_out_every_other_browser(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    change = {"current": PASSWORD, "password": "another fine phrase"}

    async with account_pages.open_browser() as here, account_pages.open_browser() as elsewhere:
        before = read_set_cookie(await here.post("/sign-in", data=make_sign_in_form()))["value"]
        await elsewhere.post("/sign-in", data=make_sign_in_form())
        answer = await here.post("/settings/password", data=change)
        page = await here.get(answer.headers["location"])
        names = [(await each.get("/")).text for each in (here, elsewhere)]
        old = await elsewhere.post("/sign-in", data=make_sign_in_form())
        new = await elsewhere.post("/sign-in", data=make_sign_in_form("another fine phrase"))

    assert answer.status_code == 303
    assert read_set_cookie(answer)["value"] != before
    assert "Password changed." in page.text
    assert names == ["Ada", "nobody"]
    assert (old.status_code, new.status_code) == (401, 303)


async def test_without_the_current_password_nothing_changes(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    change = {"current": "a guess", "password": "another fine phrase"}

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        answer = await browser.post("/settings/password", data=change)
        home = await browser.get("/")
        again = await browser.post("/sign-in", data=make_sign_in_form())

    assert (answer.status_code, home.text, again.status_code) == (422, "Ada", 303)
    assert "That isn’t your current password" in answer.text


async def test_the_current_password_is_refused_as_the_new_one(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        answer = await browser.post(
            "/settings/password", data={"current": PASSWORD, "password": PASSWORD}
        )

    assert answer.status_code == 422
    assert "That’s your current password. Choose a different one." in answer.text


async def test_guesses_of_the_current_password_are_rate_limited(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    change = {"current": "a guess", "password": "another fine phrase"}

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        statuses = [
            (await browser.post("/settings/password", data=change)).status_code for _ in range(6)
        ]

    assert statuses == [422] * 5 + [429]


async def test_signed_out_visitors_are_sent_to_sign_in_and_back(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        looked = await browser.get("/settings/password")
        posted = await browser.post("/settings/password", data={})

    for answer in (looked, posted):
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=%2Fsettings%2Fpassword"


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "punycode", "undefined"])
async def test_a_form_with_an_unknown_charset_is_read_as_empty(
    account_pages: AccountPagesFixture, charset: str
) -> None:
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    part = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n+2D8-\\ud800\r\n--x--\r\n'

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-up", content=part, headers=kind)

    assert answer.status_code == 422
