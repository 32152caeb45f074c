"""Test the mails with links: their URLs, their escaping, and their secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deskwire.accounts import authentication, links, people
from deskwire.dispatches.claims import Settlement, Wanted, claim_due, settle
from deskwire.dispatches.smtp import SmtpTarget
from deskwire.dispatches.target import Done
from deskwire.kit.smtp_url import SmtpServer
from deskwire.web.mail_templates import MailTemplates
from tests.fixtures.account_pages import (
    PUBLIC_URL,
    AccountPagesFixture,
    open_account_pages,
)
from tests.fixtures.accounts import NOON, dump_database
from tests.fixtures.mailed_links import find_link, read_mails, request_reset


@pytest.fixture
async def account_pages(tmp_path: Path) -> AsyncIterator[AccountPagesFixture]:
    async with open_account_pages(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "headers", [{"host": "evil.test"}, {"x-forwarded-host": "evil.test"}, {"forwarded": "host=e"}]
)
async def test_links_use_the_public_url_and_ignore_the_request_host(
    account_pages: AccountPagesFixture, headers: dict[str, str]
) -> None:
    await account_pages.create_person()

    await request_reset(account_pages, **headers)

    [sent] = read_mails(account_pages)
    assert find_link(sent)[0] == PUBLIC_URL
    assert "evil" not in sent.content.html


async def test_only_mail_shown_locally_uses_the_request_host(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    headers = {"host": "localhost:8000"}
    for mode, origin in (("kept", "https://localhost:8000"), ("sent", "")):
        login = replace(account_pages.login, mail_templates=MailTemplates("", mode))  # type: ignore[arg-type]
        async with account_pages.open_browser(login) as browser:
            await browser.post("/forgot-password", data={"email": "ada@desk.test"}, headers=headers)

        assert read_mails(account_pages)[0].content.text.count(f"{origin}/reset/") == 1
        if not origin:
            assert "localhost" not in read_mails(account_pages)[0].content.text


async def test_a_name_is_escaped_in_a_mail(account_pages: AccountPagesFixture) -> None:
    person = account_pages.db.write_sync(
        people.create, name="<a href=//evil.test>Ada</a>", email="ada@desk.test", at=NOON
    )

    await request_reset(account_pages)

    [sent] = read_mails(account_pages)
    assert "<a href=//evil.test>" not in sent.content.html
    assert person.name in sent.content.text


async def test_the_token_of_a_mailed_link_is_stored_only_until_the_mail_is_sent(
    account_pages: AccountPagesFixture,
) -> None:
    await account_pages.create_person()
    await request_reset(account_pages)
    [sent] = read_mails(account_pages)
    token = find_link(sent)[1].removeprefix("/reset/")

    target = SmtpTarget(SmtpServer("127.0.0.1", 25, False, None, "desk@desk.test"))
    claimed = account_pages.db.write_sync(claim_due, target, NOON, [Wanted(10)])
    settlements = [Settlement(each, Done()) for each in claimed]
    account_pages.db.write_sync(settle, target, settlements, NOON)

    assert token not in dump_database(account_pages.db)
    assert (
        account_pages.db.read_sync(
            links.find_usable, token, authentication.RESET_PURPOSES, NOON
        ).purpose
        == "reset"
    )
