"""The door's pages over HTTP: forms, cookies, and what a stranger can learn."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.accounts_house import (
    CHEAP,
    NOON,
    RIGHT,
    ToldClock,
    dump_of,
    events_of,
    move_in,
    new_database,
)

import deskwire.web
from deskwire.accounts import actions, links, passwords, people, sessions
from deskwire.accounts.passwords import Cost, Hasher
from deskwire.accounts.people import Person
from deskwire.accounts.throttle import Limits
from deskwire.events.seat import Caller
from deskwire.kit.clock import DAY, HOUR, MINUTE
from deskwire.kit.db import Database
from deskwire.kit.errors import TooMany
from deskwire.web.guards import guard
from deskwire.web.login import Login, SignUp, safe_next
from deskwire.web.sessions import BrowserSessions, RenewCookies

DESK = "https://desk.test"
COOKIE = "__Host-deskwire"
FRAME = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"
TEMPLATES = Environment(
    loader=ChoiceLoader(
        [
            DictLoader({"base.html": FRAME}),
            FileSystemLoader(Path(str(deskwire.web.__file__)).parent / "templates"),
        ]
    ),
    autoescape=True,
    undefined=StrictUndefined,
)


def render(
    _request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
) -> Response:
    return HTMLResponse(TEMPLATES.get_template(name).render(context), status)


@dataclass
class House:
    """The pages over a database, with a browser in front."""

    db: Database
    clock: ToldClock
    browsers: BrowserSessions
    login: Login
    hasher: Hasher

    def browser(
        self, login: Login | None = None, address: str = "192.0.2.7", desk: str = DESK
    ) -> httpx2.AsyncClient:
        door = login or self.login

        async def who(request: Request) -> PlainTextResponse:
            signed_in = await door.browsers.current(request)
            return PlainTextResponse(signed_in.person.name if signed_in else "nobody")

        app = Starlette(
            routes=[
                Route("/", who),
                Route("/sign-in", door.sign_in_form, methods=["GET"]),
                Route("/sign-in", door.sign_in, methods=["POST"]),
                Route("/sign-up", door.sign_up_form, methods=["GET"]),
                Route("/sign-up", door.sign_up, methods=["POST"]),
                Route("/sign-out", door.sign_out, methods=["POST"]),
                Route("/welcome/{token}", door.welcome_form, methods=["GET"]),
                Route("/welcome/{token}", door.welcome, methods=["POST"]),
                Route("/settings/password", door.password_form, methods=["GET"]),
                Route("/settings/password", door.password, methods=["POST"]),
            ]
        )
        transport = httpx2.ASGITransport(
            guard(RenewCookies(app, door.browsers), desk), client=(address, 1)
        )
        return httpx2.AsyncClient(transport=transport, base_url=desk, headers={"origin": desk})

    def mode(self, mode: SignUp) -> Login:
        return replace(self.login, sign_up_mode=mode)

    async def move_in(self, name: str = "Ada") -> Person:
        """A person with the right password."""
        person = move_in(self.db, name)
        self.db.write_here(passwords.store, person.id, await self.hasher.hash(RIGHT), NOON)
        return person


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    db, clock, hasher = new_database(tmp_path), ToldClock(), Hasher(CHEAP)
    browsers = BrowserSessions(db, secure=True, clock=clock)
    login = Login(db, browsers, hasher, render, sign_up_mode="open", clock=clock)
    yield House(db, clock, browsers, login, hasher)
    hasher.close()
    db.close()


def sign_in_form(
    password: str = RIGHT, email: str = "ada@desk.test", **more: str
) -> dict[str, str]:
    return {"email": email, "password": password, **more}


def cookie_of(answer: httpx2.Response) -> dict[str, str]:
    """The attributes of the one cookie an answer sets, its value under `value`."""
    [line] = answer.headers.get_list("set-cookie")
    [(name, morsel)] = SimpleCookie(line).items()
    given = {key: str(value) for key, value in morsel.items() if value}
    return {"name": name, "value": morsel.value, **given}


# Signing in


async def test_the_right_password_signs_in(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data=sign_in_form(next="/requests?status=new"))
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/requests?status=new")
    assert home.text == "Ada"


async def test_an_address_is_known_however_it_is_typed(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data=sign_in_form(email=" ADA@Desk.TEST "))

    assert answer.status_code == 303


async def test_the_cookie_is_out_of_reach(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data=sign_in_form())

    cookie = cookie_of(answer)
    token = cookie.pop("value")
    assert cookie == {
        "name": "__Host-deskwire",
        "path": "/",
        "max-age": "604800",
        "secure": "True",
        "httponly": "True",
        "samesite": "lax",
    }
    assert token not in dump_of(house.db)


async def test_without_https_the_cookie_has_its_plain_name(house: House) -> None:
    await house.move_in()
    plain = replace(
        house.login, browsers=BrowserSessions(house.db, secure=False, clock=house.clock)
    )

    async with house.browser(plain, desk="http://127.0.0.1:8000") as browser:
        answer = await browser.post("/sign-in", data=sign_in_form())

    cookie = cookie_of(answer)
    assert (cookie["name"], "secure" in cookie) == ("deskwire", False)


async def test_unknown_and_wrong_are_answered_alike(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        wrong = await browser.post("/sign-in", data=sign_in_form("wrong password"))
        unknown = await browser.post(
            "/sign-in", data=sign_in_form("wrong password", email="cy@desk.test")
        )

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text.replace("cy@desk.test", "ada@desk.test")
    assert dict(wrong.headers) == {**unknown.headers, "content-length": str(len(wrong.content))}


async def test_unknown_addresses_are_throttled_like_known_ones(house: House) -> None:
    await house.move_in()
    answers: dict[str, list[int]] = {"ada@desk.test": [], "cy@desk.test": []}

    async with house.browser() as browser:
        for email, statuses in answers.items():
            for _ in range(6):
                answer = await browser.post("/sign-in", data=sign_in_form("wrong", email))
                statuses.append(answer.status_code)

    assert answers["ada@desk.test"] == answers["cy@desk.test"] == [401] * 5 + [429]


async def test_who_was_wrong_too_often_is_told_how_long_to_wait(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        for _ in range(5):
            await browser.post("/sign-in", data=sign_in_form("wrong"))
        house.clock.at += 5 * MINUTE
        refused = await browser.post("/sign-in", data=sign_in_form())
        house.clock.at += 10 * MINUTE
        heard = await browser.post("/sign-in", data=sign_in_form())

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    assert "Try again in 10 minutes" in refused.text
    assert heard.status_code == 303


async def test_a_source_is_throttled_over_all_addresses(house: House) -> None:
    few = replace(house.login, limits=Limits(per_email=5, per_source=3))
    guesses = [sign_in_form("wrong", f"guess{number}@desk.test") for number in range(4)]

    async with house.browser(few) as eve, house.browser(few, "203.0.113.9") as bo:
        statuses = [(await eve.post("/sign-in", data=guess)).status_code for guess in guesses]
        from_elsewhere = await bo.post("/sign-in", data=guesses[3])

    assert statuses == [401, 401, 401, 429]
    assert from_elsewhere.status_code == 401


async def test_a_busy_house_does_not_hold_it_against_the_guest(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.move_in()

    async def too_busy(*_: object) -> bool:
        raise TooMany("Try again in a little.", 2)

    async with house.browser() as browser:
        with monkeypatch.context() as busy:
            busy.setattr(house.hasher, "is_right", too_busy)
            statuses = {
                (await browser.post("/sign-in", data=sign_in_form())).status_code for _ in range(6)
            }
        afterwards = await browser.post("/sign-in", data=sign_in_form())

    assert statuses == {429}
    assert afterwards.status_code == 303


async def test_what_was_typed_stays_except_the_password(house: House) -> None:
    async with house.browser() as browser:
        wrong = await browser.post("/sign-in", data=sign_in_form("my-secret", "<b>@desk.test"))
        empty = await browser.post("/sign-in", data={"email": "ada@desk.test"})

    assert 'value="&lt;b&gt;@desk.test"' in wrong.text
    assert "my-secret" not in wrong.text
    assert empty.status_code == 422
    assert 'value="ada@desk.test"' in empty.text


async def test_a_field_with_a_problem_says_so_to_everybody(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data={})

    assert answer.status_code == 422
    for field in ("email", "password"):
        assert re.search(rf'id="{field}"[^>]*aria-describedby="{field}-error"', answer.text)
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', answer.text)
        assert f'id="{field}-error"' in answer.text
        assert f'href="#{field}"' in answer.text


async def test_what_is_no_form_is_an_empty_one(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.post("/sign-in", json=sign_in_form())

    assert answer.status_code == 422


async def test_who_is_signed_in_already_goes_on(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        await browser.post("/sign-in", data=sign_in_form())
        onwards = await browser.get("/sign-in?next=/inbox")
        home = await browser.get("/sign-up")

    assert (onwards.status_code, onwards.headers["location"]) == (303, "/inbox")
    assert (home.status_code, home.headers["location"]) == (303, "/")


async def test_a_planted_session_is_not_the_one_that_is_signed_in(house: House) -> None:
    await house.move_in()
    eve = await house.move_in("Eve")
    planted = house.db.write_here(
        sessions.begin, eve.id, user_agent="", address=None, at=house.clock.at
    )

    async with house.browser() as browser:
        browser.cookies.set(COOKIE, planted.token, domain="desk.test", path="/")
        answer = await browser.post("/sign-in", data=sign_in_form())

    assert cookie_of(answer)["value"] != planted.token
    assert house.db.read_here(sessions.find, planted.token, house.clock.at) is None


async def test_an_invented_cookie_never_becomes_a_session(house: House) -> None:
    await house.move_in()
    invented = "x" * 43

    async with house.browser() as browser:
        browser.cookies.set(COOKIE, invented, domain="desk.test", path="/")
        before = await browser.get("/")
        await browser.post("/sign-in", data=sign_in_form())

    assert before.text == "nobody"
    assert house.db.read_here(sessions.find, invented, house.clock.at) is None


async def test_signing_in_again_ends_the_session_before(house: House) -> None:
    await house.move_in()

    async with house.browser() as browser:
        first = cookie_of(await browser.post("/sign-in", data=sign_in_form()))["value"]
        await browser.post("/sign-in", data=sign_in_form())

    assert house.db.read_here(sessions.find, first, house.clock.at) is None
    assert [type_ for type_, *_ in events_of(house.db)] == ["session.revoked"]


async def test_a_hash_of_an_older_cost_is_renewed_at_sign_in(house: House) -> None:
    ada = await house.move_in()
    dearer = Hasher(Cost(memory_kib=16, passes=1, lanes=1))

    async with house.browser(replace(house.login, hasher=dearer)) as browser:
        await browser.post("/sign-in", data=sign_in_form())
        again = await browser.post("/sign-in", data=sign_in_form())

    stored = house.db.read_here(passwords.read_hash, ada.id)
    assert stored is not None
    assert not dearer.is_outdated(stored)
    assert again.status_code == 303
    dearer.close()


# Where to go after


@pytest.mark.parametrize(
    "text",
    ["/", "/requests", "/requests?status=new&page=2#top", "/a//b", "/%2F%2Feve.test", "/ünter"],
)
def test_a_path_of_this_site_is_followed(text: str) -> None:
    assert safe_next(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "requests",
        "//eve.test",
        "///eve.test",
        "/\\eve.test",
        "\\\\eve.test",
        "/requests\\..",
        "https://eve.test",
        "https:eve.test",
        "javascript:alert(1)",
        "/\t/eve.test",
        "/\n/eve.test",
        "/\r\nset-cookie: x=y",
        " //eve.test",
        "/ /eve.test",
        "/\x00",
        "/\x7f",
        "/" + "x" * 2000,
    ],
)
async def test_anything_else_leads_home(house: House, text: str | None) -> None:
    await house.move_in()

    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data=sign_in_form(next=text or ""))

    assert safe_next(text) == "/"
    assert answer.headers["location"] == "/"


async def test_a_strange_next_is_not_even_shown(house: House) -> None:
    async with house.browser() as browser:
        answer = await browser.get("/sign-in?" + urlencode({"next": "//eve.test"}))

    assert "eve.test" not in answer.text


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
    house.db.write_here(links.redeem, used, actions.WELCOMING, NOON)

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
