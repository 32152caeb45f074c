"""Links by mail over HTTP: proving an address, and a new password for who forgot it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, event

from deskwire.accounts import authentication, links, mail_links, people, sessions
from deskwire.accounts.rate_limit import Limits
from deskwire.kit import mail
from deskwire.kit.clock import DAY, HOUR, MINUTE
from deskwire.kit.errors import NotFound
from deskwire.kit.mail import Mail
from deskwire.web.auth.mail_templates import Letters
from tests.fixtures.account_pages import DESK, House, open_house, sign_in_form
from tests.fixtures.accounts import NOON, RIGHT, VISIT, dump_of, open_session

NEW = "a horse of another colour"
LINK = re.compile(r"(\S+)/(verify|reset)/(\S+)")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


def mails(house: House) -> list[Mail]:
    return house.db.read_here(mail.read_newest)


def link_in(sent: Mail) -> tuple[str, str]:
    """Origin and path of the link in a mail."""
    found = LINK.search(sent.letter.text)
    assert found is not None
    return found[1], f"/{found[2]}/{found[3]}"


async def sign_up(browser: httpx2.AsyncClient) -> None:
    form = {"name": "Ada", "email": "ada@desk.test", "password": RIGHT}
    assert (await browser.post("/sign-up", data=form)).status_code == 303


async def ask(house: House, email: str = "ada@desk.test", **headers: str) -> httpx2.Response:
    async with house.browser() as browser:
        return await browser.post("/forgot-password", data={"email": email}, headers=headers)


# Proving an address


async def test_signing_up_mails_a_link_that_a_look_leaves_and_a_press_uses(house: House) -> None:
    async with house.browser() as browser:
        await sign_up(browser)
        [sent] = mails(house)
        _, path = link_in(sent)

        looks = [(await browser.get(path)).status_code for _ in range(2)]
        before = house.db.read_here(people.find_by_email, "ada@desk.test")
        pressed = await browser.post(path)
        again = await browser.post(path)

    after = house.db.read_here(people.find_by_email, "ada@desk.test")
    assert sent.recipient == "ada@desk.test"
    assert looks == [200, 200]
    assert before is not None
    assert before.email_verified_at is None
    assert (pressed.status_code, again.status_code) == (303, 404)
    assert after is not None
    assert after.email_verified_at == NOON


async def test_a_link_to_prove_an_address_signs_nobody_in(house: House) -> None:
    async with house.browser() as browser:
        await sign_up(browser)
    [sent] = mails(house)

    async with house.browser() as stranger:
        answer = await stranger.post(link_in(sent)[1])

    assert "set-cookie" not in answer.headers


async def test_a_link_to_prove_an_address_sets_no_password(house: House) -> None:
    async with house.browser() as browser:
        await sign_up(browser)
        token = link_in(mails(house)[0])[1].removeprefix("/verify/")

        reset = await browser.post(f"/reset/{token}", data={"password": NEW})
        welcome = await browser.post(f"/welcome/{token}", data={"name": "Eve", "password": NEW})

    assert (reset.status_code, welcome.status_code) == (404, 404)


async def test_a_link_to_prove_an_address_lasts_a_day(house: House) -> None:
    async with house.browser() as browser:
        await sign_up(browser)
        _, path = link_in(mails(house)[0])

        house.clock.at += DAY - 1
        last = await browser.get(path)
        house.clock.at += 1
        late = await browser.post(path)

    assert (last.status_code, late.status_code) == (200, 404)


async def test_where_no_mail_is_sent_none_is_queued_and_the_page_says_whom_to_ask(
    house: House,
) -> None:
    await house.move_in()
    silent = replace(house.login, letters=Letters(DESK))

    async with house.browser(silent) as browser:
        asked = await browser.post("/forgot-password", data={"email": "ada@desk.test"})
        form = {"name": "Bo", "email": "bo@desk.test", "password": RIGHT}
        await browser.post("/sign-up", data=form)

    assert asked.status_code == 403
    assert "sends no mail" in asked.text
    assert mails(house) == []


# A password that was forgotten


async def test_the_link_sets_a_new_password_ends_every_session_and_signs_in(house: House) -> None:
    ada = await house.move_in()
    old = open_session(house.db, ada)
    await ask(house)
    _, path = link_in(mails(house)[0])

    async with house.browser() as browser:
        answer = await browser.post(path, data={"password": NEW})
        home = await browser.get("/")
    async with house.browser() as other:
        with_old = await other.post("/sign-in", data=sign_in_form())

    assert (answer.status_code, home.text, with_old.status_code) == (303, "Ada", 401)
    assert house.db.read_here(sessions.find, old.token, house.clock.at) is None
    found = house.db.read_here(people.find, ada.id)
    assert found is not None
    assert found.email_verified_at == NOON


async def test_a_link_for_a_password_works_once(house: House) -> None:
    await house.move_in()
    await ask(house)
    _, path = link_in(mails(house)[0])

    async with house.browser() as browser:
        first = await browser.post(path, data={"password": NEW})
        second = await browser.post(path, data={"password": "yet another password"})
        look = await browser.get(path)

    assert (first.status_code, second.status_code, look.status_code) == (303, 404, 404)


async def test_a_link_for_a_password_lasts_an_hour(house: House) -> None:
    await house.move_in()
    await ask(house)
    _, path = link_in(mails(house)[0])
    house.clock.at += HOUR

    async with house.browser() as browser:
        answer = await browser.post(path, data={"password": NEW})

    assert answer.status_code == 404


async def test_a_newer_link_ends_the_older_one(house: House) -> None:
    await house.move_in()
    await ask(house)
    await ask(house)
    newer, older = (link_in(each)[1] for each in mails(house))

    async with house.browser() as browser:
        assert [(await browser.get(path)).status_code for path in (older, newer)] == [404, 200]


async def test_a_new_password_ends_the_link_that_was_asked_for_before(house: House) -> None:
    ada = await house.move_in()
    await ask(house)
    token = link_in(mails(house)[0])[1].removeprefix("/reset/")
    knock = house.db.write_here(authentication.knock, "ada@desk.test", None, NOON)
    hash_ = await house.hasher.hash(NEW)
    house.db.write_here(authentication.change_password, knock, hash_, VISIT, NOON)

    with pytest.raises(NotFound):
        house.db.read_here(authentication.find_resetting, token, NOON)

    assert ada.email == "ada@desk.test"


async def test_a_refused_password_leaves_the_link_usable(house: House) -> None:
    await house.move_in()
    await ask(house)
    _, path = link_in(mails(house)[0])

    async with house.browser() as browser:
        short = await browser.post(path, data={"password": "short"})
        look = await browser.get(path)

    assert (short.status_code, look.status_code) == (422, 200)


async def test_no_referer_carries_the_secret_of_a_mailed_link(house: House) -> None:
    await house.move_in()
    await ask(house)
    _, path = link_in(mails(house)[0])

    async with house.browser() as browser:
        page = await browser.get(path)

    assert page.headers["referrer-policy"] == "strict-origin"


# What a stranger may learn, and where links lead


async def test_known_and_unknown_addresses_are_answered_alike(house: House) -> None:
    await house.move_in()

    known, unknown = await ask(house), await ask(house, "nobody@desk.test")

    assert (known.status_code, known.headers["location"], known.text) == (
        unknown.status_code,
        unknown.headers["location"],
        unknown.text,
    )
    assert [each.recipient for each in mails(house)] == ["ada@desk.test"]


async def test_known_and_unknown_addresses_take_the_same_statements(house: House) -> None:
    await house.move_in()

    with statements() as known:
        house.db.write_here(mail_links.ask_for_reset, "ada@desk.test", "192.0.2.8", NOON)
    with statements() as unknown:
        house.db.write_here(mail_links.ask_for_reset, "nobody@desk.test", "192.0.2.9", NOON)

    assert known == unknown
    assert known


async def test_the_fourth_mail_to_an_address_is_refused_known_or_not(house: House) -> None:
    await house.move_in()

    for email in ("ada@desk.test", "nobody@desk.test"):
        codes = [(await ask(house, email)).status_code for _ in range(4)]
        assert codes == [303, 303, 303, 429]
    house.clock.at += 15 * MINUTE

    assert (await ask(house)).status_code == 303
    assert len(mails(house)) == 4


async def test_asking_for_links_does_not_keep_anybody_from_signing_in(house: House) -> None:
    await house.move_in()
    for _ in range(6):
        await ask(house)

    async with house.browser() as browser:
        answer = await browser.post("/sign-in", data=sign_in_form())

    assert answer.status_code == 303


async def test_one_source_cannot_have_mail_sent_to_everybody(house: House) -> None:
    strict = replace(house.login, limits=Limits(per_source=3))

    async with house.browser(strict) as browser:
        codes = [
            (await browser.post("/forgot-password", data={"email": f"n{n}@desk.test"})).status_code
            for n in range(4)
        ]

    assert codes == [303, 303, 303, 429]


@pytest.mark.parametrize(
    "headers", [{"host": "evil.test"}, {"x-forwarded-host": "evil.test"}, {"forwarded": "host=e"}]
)
async def test_links_lead_to_the_public_url_whatever_a_request_says(
    house: House, headers: dict[str, str]
) -> None:
    await house.move_in()

    await ask(house, **headers)

    [sent] = mails(house)
    assert link_in(sent)[0] == DESK
    assert "evil" not in sent.letter.html


async def test_only_mail_that_is_kept_here_follows_the_request(house: House) -> None:
    await house.move_in()
    for mode, origin in (("kept", DESK), ("sent", "")):
        login = replace(house.login, letters=Letters("", mode))  # type: ignore[arg-type]
        async with house.browser(login) as browser:
            await browser.post("/forgot-password", data={"email": "ada@desk.test"})

        assert mails(house)[0].letter.text.count(f"{origin}/reset/") == 1
        if not origin:
            assert DESK not in mails(house)[0].letter.text


async def test_a_name_is_text_in_a_mail(house: House) -> None:
    person = house.db.write_here(
        people.create, name="<a href=//evil.test>Ada</a>", email="ada@desk.test", at=NOON
    )

    await ask(house)

    [sent] = mails(house)
    assert "<a href=//evil.test>" not in sent.letter.html
    assert person.name in sent.letter.text


async def test_a_mailed_secret_is_only_in_the_mail_until_it_is_sent(house: House) -> None:
    await house.move_in()
    await ask(house)
    [sent] = mails(house)
    token = link_in(sent)[1].removeprefix("/reset/")

    house.db.write_here(mail.settle, sent, None, NOON)

    assert token not in dump_of(house.db)
    assert house.db.read_here(links.find, token, authentication.RESETTING, NOON).purpose == "reset"


async def test_a_link_after_the_account_is_gone_is_no_link(house: House) -> None:
    ada = await house.move_in()
    person = await house.db.write(
        mail_links.ask_for_reset, "ada@desk.test", None, NOON, house.login.limits
    )
    await house.db.write(people.erase, ada.id, NOON)
    assert person is not None

    await house.db.write(mail_links.send_reset, person, lambda *_: pytest.fail("written"), NOON)

    assert mails(house) == []


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any engine runs meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)
