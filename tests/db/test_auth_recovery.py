"""Test mailed links over HTTP: proving an address, and resetting a password."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from deskwire.accounts import authentication, mail_links, people, sessions
from deskwire.accounts.rate_limit import RateLimits
from deskwire.kit.clock import DAY, HOUR, MINUTE
from deskwire.kit.errors import NotFound
from deskwire.web.mail_templates import MailTemplates
from tests.fixtures.account_pages import (
    PUBLIC_URL,
    AccountPagesFixture,
    make_sign_in_form,
    open_account_pages,
)
from tests.fixtures.accounts import NOON, PASSWORD, VISIT, create_session
from tests.fixtures.mailed_links import find_link, read_mails, request_reset, sign_up

NEW_PASSWORD = "a horse of another color"


@pytest.fixture
async def account_pages(tmp_path: Path) -> AsyncIterator[AccountPagesFixture]:
    async with open_account_pages(tmp_path) as opened:
        yield opened


# Proving an address


async def test_the_mailed_verification_link_is_used_by_its_button_not_by_opening_it(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        await sign_up(browser)
        [sent] = read_mails(account_pages)
        _, path = find_link(sent)

        looks = [(await browser.get(path)).status_code for _ in range(2)]
        before = account_pages.db.read_sync(people.find_by_email, "ada@desk.test")
        pressed = await browser.post(path)
        again = await browser.post(path)

    after = account_pages.db.read_sync(people.find_by_email, "ada@desk.test")
    assert sent.recipient == "ada@desk.test"
    assert looks == [200, 200]
    assert before is not None
    assert before.email_verified_at is None
    assert (pressed.status_code, again.status_code) == (303, 404)
    assert after is not None
    assert after.email_verified_at == NOON


async def test_a_verification_link_does_not_sign_in(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        await sign_up(browser)
    [sent] = read_mails(account_pages)

    async with account_pages.open_browser() as stranger:
        answer = await stranger.post(find_link(sent)[1])

    assert "set-cookie" not in answer.headers


async def test_a_verification_link_cannot_set_a_password(
    account_pages: AccountPagesFixture,
) -> None:
    async with account_pages.open_browser() as browser:
        await sign_up(browser)
        token = find_link(read_mails(account_pages)[0])[1].removeprefix("/verify/")

        reset = await browser.post(f"/reset/{token}", data={"password": NEW_PASSWORD})
        welcome = await browser.post(
            f"/welcome/{token}", data={"name": "Eve", "password": NEW_PASSWORD}
        )

    assert (reset.status_code, welcome.status_code) == (404, 404)


async def test_a_verification_link_is_valid_for_a_day(account_pages: AccountPagesFixture) -> None:
    async with account_pages.open_browser() as browser:
        await sign_up(browser)
        _, path = find_link(read_mails(account_pages)[0])

        account_pages.clock.at += DAY - 1
        last = await browser.get(path)
        account_pages.clock.at += 1
        late = await browser.post(path)

    assert (last.status_code, late.status_code) == (200, 404)


async def test_without_mail_none_is_queued_and_the_page_says_whom_to_ask(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    silent = replace(account_pages.login, mail_templates=MailTemplates(PUBLIC_URL))

    async with account_pages.open_browser(silent) as browser:
        asked = await browser.post("/forgot-password", data={"email": "ada@desk.test"})
        form = {"name": "Bo", "email": "bo@desk.test", "password": PASSWORD}
        await browser.post("/sign-up", data=form)

    assert asked.status_code == 403
    assert "send email" in asked.text
    assert read_mails(account_pages) == []


# A password that was forgotten


async def test_a_reset_link_sets_a_password_ends_every_session_and_signs_in(
    account_pages: AccountPagesFixture,
) -> None:
    ada = await account_pages.create_person()
    old = create_session(account_pages.db, ada)
    await request_reset(account_pages)
    _, path = find_link(read_mails(account_pages)[0])

    async with account_pages.open_browser() as browser:
        answer = await browser.post(path, data={"password": NEW_PASSWORD})
        home = await browser.get("/")
    async with account_pages.open_browser() as other:
        with_old = await other.post("/sign-in", data=make_sign_in_form())

    assert (answer.status_code, home.text, with_old.status_code) == (303, "Ada", 401)
    assert (
        account_pages.db.read_sync(sessions.find_by_token, old.token, account_pages.clock.at)
        is None
    )
    found = account_pages.db.read_sync(people.find, ada.id)
    assert found is not None
    assert found.email_verified_at == NOON


async def test_a_reset_link_works_once(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    _, path = find_link(read_mails(account_pages)[0])

    async with account_pages.open_browser() as browser:
        first = await browser.post(path, data={"password": NEW_PASSWORD})
        second = await browser.post(path, data={"password": "yet another password"})
        look = await browser.get(path)

    assert (first.status_code, second.status_code, look.status_code) == (303, 404, 404)


async def test_a_reset_link_is_valid_for_an_hour(account_pages: AccountPagesFixture) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    _, path = find_link(read_mails(account_pages)[0])
    account_pages.clock.at += HOUR

    async with account_pages.open_browser() as browser:
        answer = await browser.post(path, data={"password": NEW_PASSWORD})

    assert answer.status_code == 404


async def test_a_newer_reset_link_invalidates_the_older_one(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    await request_reset(account_pages)
    newer, older = (find_link(each)[1] for each in read_mails(account_pages))

    async with account_pages.open_browser() as browser:
        assert [(await browser.get(path)).status_code for path in (older, newer)] == [404, 200]


async def test_a_new_password_invalidates_an_earlier_reset_link(
    account_pages: AccountPagesFixture,
) -> None:
    ada = await account_pages.create_person()
    await request_reset(account_pages)
    token = find_link(read_mails(account_pages)[0])[1].removeprefix("/reset/")
    attempt = account_pages.db.write_sync(authentication.begin_sign_in, "ada@desk.test", None, NOON)
    hash_ = await account_pages.hasher.hash(NEW_PASSWORD)
    account_pages.db.write_sync(authentication.change_password, attempt, hash_, VISIT, NOON)

    with pytest.raises(NotFound):
        account_pages.db.read_sync(authentication.find_person_by_reset_link, token, NOON)

    assert ada.email == "ada@desk.test"


async def test_a_refused_password_leaves_the_reset_link_usable(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    _, path = find_link(read_mails(account_pages)[0])

    async with account_pages.open_browser() as browser:
        short = await browser.post(path, data={"password": "short"})
        look = await browser.get(path)

    assert (short.status_code, look.status_code) == (422, 200)


async def test_no_referer_contains_the_token_of_a_mailed_link(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    _, path = find_link(read_mails(account_pages)[0])

    async with account_pages.open_browser() as browser:
        page = await browser.get(path)

    assert page.headers["referrer-policy"] == "strict-origin"


# What a stranger may learn, and where links lead


async def test_known_and_unknown_addresses_are_answered_alike(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    known, unknown = (
        await request_reset(account_pages),
        await request_reset(account_pages, "nobody@desk.test"),
    )

    assert (known.status_code, known.headers["location"], known.text) == (
        unknown.status_code,
        unknown.headers["location"],
        unknown.text,
    )
    assert [each.recipient for each in read_mails(account_pages)] == ["ada@desk.test"]


async def test_known_and_unknown_addresses_run_the_same_statements(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    with statements() as known:
        account_pages.db.write_sync(
            mail_links.request_password_reset, "ada@desk.test", "192.0.2.8", NOON
        )
    with statements() as unknown:
        account_pages.db.write_sync(
            mail_links.request_password_reset, "nobody@desk.test", "192.0.2.9", NOON
        )

    assert known == unknown
    assert known


async def test_the_fourth_mail_to_an_address_is_refused_whether_it_is_known_or_not(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()

    for email in ("ada@desk.test", "nobody@desk.test"):
        codes = [(await request_reset(account_pages, email)).status_code for _ in range(4)]
        assert codes == [303, 303, 303, 429]
    account_pages.clock.at += 15 * MINUTE

    assert (await request_reset(account_pages)).status_code == 303
    assert len(read_mails(account_pages)) == 4


async def test_requesting_links_does_not_block_sign_ins(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    for _ in range(6):
        await request_reset(account_pages)

    async with account_pages.open_browser() as browser:
        answer = await browser.post("/sign-in", data=make_sign_in_form())

    assert answer.status_code == 303


async def test_the_mails_that_one_network_can_request_are_limited(
    account_pages: AccountPagesFixture,
) -> None:
    strict = replace(account_pages.login, limits=RateLimits(per_network=3))

    async with account_pages.open_browser(strict) as browser:
        codes = [
            (await browser.post("/forgot-password", data={"email": f"n{n}@desk.test"})).status_code
            for n in range(4)
        ]

    assert codes == [303, 303, 303, 429]


async def test_a_link_of_a_deleted_account_is_invalid(
    account_pages: AccountPagesFixture,
) -> None:
    ada = await account_pages.create_person()
    person = await account_pages.db.write(
        mail_links.request_password_reset, "ada@desk.test", None, NOON, account_pages.login.limits
    )
    await account_pages.db.write(people.anonymize, ada.id, NOON)
    assert person is not None

    await account_pages.db.write(
        mail_links.send_reset_link, person, lambda *_: pytest.fail("written"), NOON
    )

    assert read_mails(account_pages) == []


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any engine runs meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)
