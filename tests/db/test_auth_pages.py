"""The other pages of the door over HTTP: sign-out, sign-up, the welcome link, the password."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deskwire.accounts import authentication, links, passwords, people, sessions
from deskwire.accounts.rate_limit import Limits
from deskwire.kit.clock import DAY, HOUR
from deskwire.realtime.subscription import Caller
from deskwire.web.dependencies import SignUp
from tests.fixtures.account_pages import COOKIE, House, cookie_of, open_house, sign_in_form
from tests.fixtures.accounts import NOON, RIGHT, events_of, move_in


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


# Signing out


async def test_signing_out_ends_the_session_and_takes_the_cookie(house: House) -> None:
    ada = await house.move_in()

    async with house.browser() as browser:
        token = cookie_of(await browser.post("/sign-in", data=sign_in_form()))["value"]
        answer = await browser.post("/sign-out")
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    cookie = cookie_of(answer)
    assert (cookie["value"], cookie["max-age"], cookie["secure"]) == ("", "0", "True")
    assert home.text == "nobody"
    assert house.db.read_here(sessions.find, token, house.clock.at) is None
    [(type_, _, _, touches)] = events_of(house.db)
    assert (type_, touches) == ("session.revoked", [f"user:{ada.id}"])


async def test_signing_out_twice_is_harmless(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.post("/sign-out")

    assert answer.status_code == 303


async def test_another_site_cannot_sign_anybody_out(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        forged = await browser.post("/sign-out", headers={"origin": "https://eve.test"})
        home = await browser.get("/")

    assert (forged.status_code, home.text) == (403, "Ada")


# The session while it is used


async def test_a_used_session_and_its_cookie_live_on(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        house.clock.at += HOUR - 1
        early = await browser.get("/")
        house.clock.at += 1
        due = await browser.get("/")
        again = await browser.get("/")
        house.clock.at += 7 * DAY - 1
        late = await browser.get("/")

    assert "set-cookie" not in early.headers
    assert cookie_of(due)["max-age"] == "604800"
    assert "set-cookie" not in again.headers
    assert late.text == "Ada"


async def test_a_session_that_is_not_used_ends(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        token = cookie_of(await browser.post("/sign-in", data=sign_in_form()))["value"]
        house.clock.at += 7 * DAY
        browser.cookies.set(COOKIE, token, domain="desk.test", path="/")
        home = await browser.get("/")

    assert home.text == "nobody"


async def test_signing_out_is_not_undone_by_the_renewal(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        house.clock.at += HOUR
        answer = await browser.post("/sign-out")

    assert cookie_of(answer)["value"] == ""


def stream_scope(cookie: str) -> dict[str, object]:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())]
    return {"type": "http", "method": "GET", "path": "/api/events", "headers": headers}


async def test_a_stream_belongs_to_its_session(house: House) -> None:
    ada = await house.move_in()
    opened = house.db.write_here(
        sessions.begin, ada.id, user_agent="", address=None, at=house.clock.at
    )
    house.clock.at += 2 * HOUR

    caller = await house.browsers.identify(stream_scope(opened.token))

    assert caller == Caller(ada.id, opened.session.id, NOON + 7 * DAY)  # not prolonged
    assert await house.browsers.identify(stream_scope("x" * 43)) is None
    assert await house.browsers.identify({"type": "http", "headers": []}) is None


# Signing up


def sign_up_form(**fields: str) -> dict[str, str]:
    return {"name": "Bo", "email": "bo@desk.test", "password": RIGHT, **fields}


async def test_where_it_is_open_anybody_may_sign_up(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.post("/sign-up", data=sign_up_form(next="/requests/new"))
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/new")
    assert home.text == "Bo"
    bo = house.db.read_here(people.find_by_email, "bo@desk.test")
    assert bo is not None
    assert bo.email_verified_at is None


async def test_every_problem_of_a_sign_up_is_told_at_once(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.post(
            "/sign-up", data=sign_up_form(name="", email="bo", password="short")
        )

    assert answer.status_code == 422
    assert all(f'id="{field}-error"' in answer.text for field in ("name", "email", "password"))


async def test_a_taken_address_is_not_taken_over(house: House) -> None:
    ada = await house.move_in()
    before = house.db.read_here(passwords.read_hash, ada.id)

    async with house.browser() as browser:
        answer = await browser.post("/sign-up", data=sign_up_form(email="ada@desk.test"))
        home = await browser.get("/")

    assert (answer.status_code, home.text) == (409, "nobody")
    assert "If it is yours, sign in instead" in answer.text
    assert house.db.read_here(passwords.read_hash, ada.id) == before


async def test_asking_for_many_addresses_is_slow(house: House) -> None:
    await house.move_in()
    few = replace(house.login, limits=Limits(per_source=3))

    async with house.browser(few) as eve:
        form = sign_up_form(email="ada@desk.test")
        statuses = [(await eve.post("/sign-up", data=form)).status_code for _ in range(4)]

    assert statuses == [409, 409, 409, 429]


async def test_an_office_that_signs_up_can_still_sign_in(house: House) -> None:
    await house.move_in()
    few = replace(house.login, limits=Limits(per_source=3))

    for number in range(3):
        async with house.browser(few) as browser:
            form = sign_up_form(email=f"new{number}@desk.test")
            assert (await browser.post("/sign-up", data=form)).status_code == 303
    async with house.browser(few) as ada:
        answer = await ada.post("/sign-in", data=sign_in_form())

    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("mode", "sentence"), [("invited", "by invitation"), ("closed", "no new accounts")]
)
async def test_where_it_is_not_open_a_sentence_says_whom_to_ask(
    house: House, mode: SignUp, sentence: str
) -> None:
    async with house.browser(house.mode(mode)) as browser:
        shown = await browser.get("/sign-up")
        refused = await browser.post("/sign-up", data=sign_up_form())
        sign_in = await browser.get("/sign-in")

    assert (shown.status_code, refused.status_code) == (200, 403)
    assert sentence in shown.text
    assert sentence in refused.text
    assert "<form" not in shown.text
    assert "/sign-up" not in sign_in.text
    assert house.db.read_here(people.find_by_email, "bo@desk.test") is None


# The welcome link


async def test_a_welcome_is_looked_at_as_often_as_one_likes(house: House) -> None:
    ada = move_in(house.db, "ada")
    token = house.db.write_here(links.issue, ada.id, "sign-in", NOON)

    async with house.browser() as scanner:
        looks = [await scanner.get(f"/welcome/{token}") for _ in range(3)]
        await scanner.head(f"/welcome/{token}")
    async with house.browser() as browser:
        answer = await browser.post(
            f"/welcome/{token}", data={"name": "Ada Lovelace", "password": RIGHT}
        )
        home = await browser.get("/")

    assert [look.status_code for look in looks] == [200] * 3
    assert token not in looks[0].text
    assert (answer.status_code, home.text) == (303, "Ada Lovelace")


async def test_no_referer_carries_the_secret_of_a_welcome(house: House) -> None:
    token = house.db.write_here(links.issue, move_in(house.db).id, "sign-in", NOON)

    async with house.browser() as browser:
        answers = [
            await browser.get(f"/welcome/{token}"),
            await browser.post(f"/welcome/{token}", data={}),
            await browser.post(f"/welcome/{token}", data={"name": "A", "password": RIGHT}),
            await browser.get(f"/welcome/{token}"),
        ]

    assert [answer.status_code for answer in answers] == [200, 422, 303, 404]
    assert {answer.headers["referrer-policy"] for answer in answers} == {"strict-origin"}


async def test_a_refused_form_leaves_the_welcome_usable(house: House) -> None:
    token = house.db.write_here(links.issue, move_in(house.db).id, "sign-in", NOON)

    async with house.browser() as browser:
        short = await browser.post(f"/welcome/{token}", data={"name": "Ada", "password": "short"})
        own = await browser.post(
            f"/welcome/{token}", data={"name": "Ada", "password": "ada@desk.test"}
        )
        answer = await browser.post(f"/welcome/{token}", data={"name": "Ada", "password": RIGHT})

    assert (short.status_code, own.status_code, answer.status_code) == (422, 422, 303)


@pytest.mark.parametrize("token", ["x", "x" * 43, "%2e%2e", "%00"])
async def test_an_unknown_welcome_is_answered_like_a_used_one(house: House, token: str) -> None:
    used = house.db.write_here(links.issue, move_in(house.db).id, "sign-in", NOON)
    house.db.write_here(links.redeem, used, authentication.WELCOMING, NOON)

    async with house.browser() as browser:
        unknown = await browser.get(f"/welcome/{token}")
        over = await browser.get(f"/welcome/{used}")

    assert (unknown.status_code, over.status_code) == (404, 404)
    assert unknown.text == over.text


# Changing the password


async def test_a_new_password_signs_every_other_browser_out(house: House) -> None:
    await house.move_in()
    change = {"current": RIGHT, "password": "another fine phrase"}

    async with house.browser() as here, house.browser() as elsewhere:
        before = cookie_of(await here.post("/sign-in", data=sign_in_form()))["value"]
        await elsewhere.post("/sign-in", data=sign_in_form())
        answer = await here.post("/settings/password", data=change)
        told = await here.get(answer.headers["location"])
        names = [(await each.get("/")).text for each in (here, elsewhere)]
        old = await elsewhere.post("/sign-in", data=sign_in_form())
        new = await elsewhere.post("/sign-in", data=sign_in_form("another fine phrase"))

    assert answer.status_code == 303
    assert cookie_of(answer)["value"] != before
    assert "Your password is changed" in told.text
    assert names == ["Ada", "nobody"]
    assert (old.status_code, new.status_code) == (401, 303)


async def test_without_the_current_password_nothing_changes(house: House) -> None:
    await house.move_in()
    change = {"current": "a guess", "password": "another fine phrase"}

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        answer = await browser.post("/settings/password", data=change)
        home = await browser.get("/")
        again = await browser.post("/sign-in", data=sign_in_form())

    assert (answer.status_code, home.text, again.status_code) == (422, "Ada", 303)
    assert "This is not your current password" in answer.text


async def test_the_current_password_is_no_new_one(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        answer = await browser.post(
            "/settings/password", data={"current": RIGHT, "password": RIGHT}
        )

    assert answer.status_code == 422
    assert "This is the current one. Choose another." in answer.text


async def test_an_unwatched_browser_is_no_place_to_guess(house: House) -> None:
    await house.move_in()
    change = {"current": "a guess", "password": "another fine phrase"}

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        statuses = [
            (await browser.post("/settings/password", data=change)).status_code for _ in range(6)
        ]

    assert statuses == [422] * 5 + [429]


async def test_strangers_are_sent_to_sign_in_and_back(house: House) -> None:
    async with house.browser() as browser:
        looked = await browser.get("/settings/password")
        posted = await browser.post("/settings/password", data={})

    for answer in (looked, posted):
        assert answer.status_code == 303
        assert answer.headers["location"] == "/sign-in?next=%2Fsettings%2Fpassword"


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "punycode", "undefined"])
async def test_a_form_with_a_charset_of_its_own_is_an_empty_form(
    house: House, charset: str
) -> None:
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    part = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n+2D8-\\ud800\r\n--x--\r\n'

    async with house.browser() as browser:
        answer = await browser.post("/sign-up", content=part, headers=kind)

    assert answer.status_code == 422
