"""Test signing in over HTTP: what an attacker can learn, the cookie, the redirect."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from deskwire.accounts import passwords, sessions
from deskwire.accounts.passwords import HashCost, Hasher
from deskwire.accounts.rate_limit import RateLimits
from deskwire.kit.clock import MINUTE
from deskwire.kit.errors import RateLimited
from deskwire.web.auth.sessions import BrowserSessions
from deskwire.web.auth.sign_in import safe_redirect_path
from tests.fixtures.account_pages import (
    COOKIE_NAME,
    AccountPagesFixture,
    make_sign_in_form,
    open_account_pages,
    read_set_cookie,
)
from tests.fixtures.accounts import dump_database, read_events


@pytest.fixture
async def account_pages(tmp_path: Path) -> AsyncIterator[AccountPagesFixture]:
    async with open_account_pages(tmp_path) as opened:
        yield opened


# Signing in


async def test_the_right_password_signs_in(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form(next="/requests?status=new"))
        home = await browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/requests?status=new")
    assert home.text == "Ada"


async def test_an_address_is_matched_regardless_of_case_and_spaces(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form(email=" ADA@Desk.TEST "))

    assert answer.status_code == 303


async def test_the_cookie_is_secure_http_only_and_same_site(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form())

    cookie = read_set_cookie(answer)
    token = cookie.pop("value")
    assert cookie == {
        "name": "__Host-deskwire",
        "path": "/",
        "max-age": "604800",
        "secure": "True",
        "httponly": "True",
        "samesite": "lax",
    }
    assert token not in dump_database(account_pages.db)


async def test_without_https_the_cookie_has_no_name_prefix(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    plain = replace(
        account_pages.login,
        browsers=BrowserSessions(account_pages.db, secure=False, clock=account_pages.clock),
    )

    async with account_pages.open_browser(plain, public_url="http://127.0.0.1:8000") as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form())

    cookie = read_set_cookie(answer)
    assert (cookie["name"], "secure" in cookie) == ("deskwire", False)


async def test_unknown_and_wrong_are_answered_alike(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        wrong = await browser.post("/sign-in", data=make_sign_in_form("wrong password"))
        unknown = await browser.post(
            "/sign-in", data=make_sign_in_form("wrong password", email="cy@desk.test")
        )

    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text.replace("cy@desk.test", "ada@desk.test")
    assert dict(wrong.headers) == {**unknown.headers, "content-length": str(len(wrong.content))}


async def test_unknown_addresses_are_throttled_like_known_ones(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    answers: dict[str, list[int]] = {"ada@desk.test": [], "cy@desk.test": []}

    async with account_pages.open_browser() as browser:
        for email, statuses in answers.items():
            for _ in range(6):
                answer = await browser.post("/sign-in", data=make_sign_in_form("wrong", email))
                statuses.append(answer.status_code)

    assert answers["ada@desk.test"] == answers["cy@desk.test"] == [401] * 5 + [429]


async def test_too_many_wrong_passwords_say_how_long_to_wait(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        for _ in range(5):
            await browser.post("/sign-in", data=make_sign_in_form("wrong"))
        account_pages.clock.at += 5 * MINUTE
        refused = await browser.post("/sign-in", data=make_sign_in_form())
        account_pages.clock.at += 10 * MINUTE
        heard = await browser.post("/sign-in", data=make_sign_in_form())

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    assert "Try again in 10 minutes" in refused.text
    assert heard.status_code == 303


async def test_a_network_is_throttled_across_addresses(account_pages: AccountPagesFixture) -> None:
    few = replace(account_pages.login, limits=RateLimits(per_email=5, per_network=3))
    guesses = [make_sign_in_form("wrong", f"guess{number}@desk.test") for number in range(4)]

    async with (
        account_pages.open_browser(few) as eve,
        account_pages.open_browser(few, "203.0.113.9") as bo,
    ):
        statuses = [(await eve.post("/sign-in", data=guess)).status_code for guess in guesses]
        from_elsewhere = await bo.post("/sign-in", data=guesses[3])

    assert statuses == [401, 401, 401, 429]
    assert from_elsewhere.status_code == 401


async def test_a_busy_server_does_not_count_as_a_failed_attempt(
    account_pages: AccountPagesFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account_pages.create_person()

    async def too_busy(*_: object) -> bool:
        raise RateLimited("Try again in a moment.", 2)

    async with account_pages.open_browser() as browser:
        with monkeypatch.context() as busy:
            busy.setattr(account_pages.hasher, "verify", too_busy)
            statuses = {
                (await browser.post("/sign-in", data=make_sign_in_form())).status_code
                for _ in range(6)
            }
        afterwards = await browser.post("/sign-in", data=make_sign_in_form())

    assert statuses == {429}
    assert afterwards.status_code == 303


async def test_a_refused_form_keeps_all_fields_but_the_password(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        wrong = await browser.post("/sign-in", data=make_sign_in_form("my-secret", "<b>@desk.test"))
        empty = await browser.post("/sign-in", data={"email": "ada@desk.test"})

    assert 'value="&lt;b&gt;@desk.test"' in wrong.text
    assert "my-secret" not in wrong.text
    assert empty.status_code == 422
    assert 'value="ada@desk.test"' in empty.text


async def test_an_invalid_field_is_described_to_assistive_technology(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data={})

    assert answer.status_code == 422
    for field in ("email", "password"):
        assert re.search(rf'id="{field}"[^>]*aria-describedby="{field}-error"', answer.text)
        assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', answer.text)
        assert f'id="{field}-error"' in answer.text
        assert f'href="#{field}"' in answer.text


async def test_a_body_that_is_not_a_form_is_read_as_an_empty_form(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", json=make_sign_in_form())

    assert answer.status_code == 422


async def test_a_signed_in_person_is_redirected_from_sign_in(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        onwards = await browser.get("/sign-in?next=/inbox")
        home = await browser.get("/sign-up")

    assert (onwards.status_code, onwards.headers["location"]) == (303, "/inbox")
    assert (home.status_code, home.headers["location"]) == (303, "/")


async def test_signing_in_replaces_a_planted_session(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    eve = await account_pages.create_person("Eve")
    planted = account_pages.db.write_sync(
        sessions.create, eve.id, user_agent="", client_ip=None, at=account_pages.clock.at
    )

    async with account_pages.open_browser() as browser:
        browser.cookies.set(COOKIE_NAME, planted.token, domain="desk.test", path="/")
        answer = await browser.post("/sign-in", data=make_sign_in_form())

    assert read_set_cookie(answer)["value"] != planted.token
    assert (
        account_pages.db.read_sync(sessions.find_by_token, planted.token, account_pages.clock.at)
        is None
    )


async def test_an_unknown_cookie_never_becomes_a_session(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    invented = "x" * 43

    async with account_pages.open_browser() as browser:
        browser.cookies.set(COOKIE_NAME, invented, domain="desk.test", path="/")
        before = await browser.get("/")
        await browser.post("/sign-in", data=make_sign_in_form())

    assert before.text == "nobody"
    assert (
        account_pages.db.read_sync(sessions.find_by_token, invented, account_pages.clock.at) is None
    )


async def test_signing_in_again_ends_the_previous_session(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        first = read_set_cookie(await browser.post("/sign-in", data=make_sign_in_form()))["value"]
        await browser.post("/sign-in", data=make_sign_in_form())

    assert account_pages.db.read_sync(sessions.find_by_token, first, account_pages.clock.at) is None
    types = [type_ for type_, *_ in read_events(account_pages.db)]
    assert types == ["session.created", "session.revoked", "session.created"]


async def test_a_hash_with_an_older_cost_is_upgraded_at_sign_in(
    account_pages: AccountPagesFixture,
) -> None:
    ada = await account_pages.create_person()
    dearer = Hasher(HashCost(memory_kib=16, iterations=1, parallelism=1))

    async with account_pages.open_browser(replace(account_pages.login, hasher=dearer)) as browser:
        await browser.post("/sign-in", data=make_sign_in_form())
        again = await browser.post("/sign-in", data=make_sign_in_form())

    stored = account_pages.db.read_sync(passwords.read_hash, ada.id)
    assert stored is not None
    assert not dearer.needs_rehash(stored)
    assert again.status_code == 303
    dearer.close()


# Where to go after


@pytest.mark.parametrize(
    "text",
    ["/", "/requests", "/requests?status=new&page=2#top", "/a//b", "/%2F%2Feve.test", "/ünter"],
)
def test_a_redirect_to_a_path_of_this_site_is_followed(text: str) -> None:
    assert safe_redirect_path(text) == text


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
async def test_any_other_redirect_leads_to_the_home_page(
    account_pages: AccountPagesFixture, text: str | None
) -> None:
    await account_pages.create_person()

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form(next=text or ""))

    assert safe_redirect_path(text) == "/"
    assert answer.headers["location"] == "/"


async def test_an_external_next_is_not_shown_on_the_page(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        answer = await browser.get("/sign-in?" + urlencode({"next": "//eve.test"}))

    assert "eve.test" not in answer.text
