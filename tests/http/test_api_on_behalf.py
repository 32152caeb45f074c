"""Test calls of the bot on behalf of Discord users: their permissions, and repeating such a call.

Dee and Eve take part in a request of the Quay as Discord users; Una's Discord user does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, and_, insert

from deskwire.accounts.idempotency import KeyedCall, begin_call
from deskwire.kit.clock import now
from deskwire.tickets.actions import offboarding
from deskwire.tickets.tables import participants
from deskwire.web.api.idempotency import hash_body
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import key_client, make_key
from tests.fixtures.cast import BO, DEE, EVE, HARBOUR_GUILD, MO, UNA, Persona

KEY = {"idempotency-key": "7f9c"}
REPLAYED = "idempotency-replayed"
TEXT = {"text": "It is dark here too."}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


class Bot:
    """A key of the bot, and the messages of a request in which Dee and Eve take part."""

    def __init__(self, api: ApiFixture) -> None:
        self.api, self.new_key = api, make_key(api, "bot")
        self.request = api.portal.create_request(BO, "The mast is dark")
        self.path = f"/api/requests/{self.request}/messages"
        for persona in (DEE, EVE):
            row = {"ticket": self.request, "principal": principal(persona), "role": "added"}
            api.site.desk.db.write_sync(_execute, insert(participants).values(row))

    def post(self, persona: Persona | None, token: str = "", **fields: str) -> Any:
        """Post a message with the one `Idempotency-Key`, on behalf of a persona or as the bot."""
        behalf = {"on-behalf-of": principal(persona)} if persona else {}
        program = key_client(self.api, token or self.new_key.token)
        return program.post(self.path, json=TEXT | fields, headers=KEY | behalf)

    def exclude(self, persona: Persona) -> None:
        """End the participation of a persona's Discord user."""
        theirs = and_(
            participants.c.ticket == self.request, participants.c.principal == principal(persona)
        )
        self.api.site.desk.db.write_sync(_execute, participants.delete().where(theirs))

    def list_authors(self) -> list[str]:
        """List the authors of the messages, without that of the description."""
        items = self.api.client(BO).get(self.path).json()["items"]
        return [each["author"]["id"] for each in items if each["text"] == TEXT["text"]]


@pytest.fixture
def bot(api: ApiFixture) -> Bot:
    return Bot(api)


def principal(persona: Persona) -> str:
    return f"discord:{persona.discord_id}"


def _execute(tx: Connection, statement: Any) -> None:
    tx.execute(statement)


def test_a_discord_user_writes_in_a_request_in_which_they_take_part(bot: Bot) -> None:
    written = bot.post(DEE)

    assert (written.status_code, written.json()["text"]) == (201, TEXT["text"])
    assert bot.list_authors() == [principal(DEE)]


def test_d9_one_key_for_two_discord_users_is_two_calls(bot: Bot) -> None:
    first = [bot.post(each) for each in (DEE, EVE)]
    again = [bot.post(each) for each in (DEE, EVE)]

    assert [each.status_code for each in (*first, *again)] == [201] * 4
    assert [each.headers.get(REPLAYED) for each in first] == [None, None]
    assert [each.headers.get(REPLAYED) for each in again] == ["true", "true"]
    assert [each.json() for each in again] == [each.json() for each in first]
    assert bot.list_authors() == [principal(DEE), principal(EVE)]


def test_d9_another_body_of_another_discord_user_is_no_reused_key(bot: Bot) -> None:
    bot.post(DEE)

    assert bot.post(EVE, kind="reply").status_code == 201
    assert bot.post(DEE, kind="reply").json()["code"] == "idempotency-key-reused"


@pytest.mark.parametrize("persona", [UNA, None], ids=["a stranger", "the bot itself"])
def test_d9_the_response_to_one_discord_user_is_not_replayed_to(
    bot: Bot, persona: Persona | None
) -> None:
    made = bot.post(DEE).json()["id"]

    answer = bot.post(persona)

    assert (answer.status_code, answer.headers.get(REPLAYED)) == (404, None)
    assert made not in answer.text
    assert TEXT["text"] not in answer.text


def test_d9_a_discord_user_who_lost_the_request_is_refused_and_not_replayed_to(bot: Bot) -> None:
    made = bot.post(DEE).json()["id"]
    bot.exclude(DEE)

    answer = bot.post(DEE)

    assert (answer.status_code, answer.headers.get(REPLAYED)) == (404, None)
    assert made not in answer.text
    assert bot.post(EVE).status_code == 201
    assert bot.list_authors() == [principal(DEE), principal(EVE)]


def test_d9_a_discord_user_whose_account_was_deactivated_is_refused(
    api: ApiFixture, bot: Bot
) -> None:
    bot.post(EVE)
    api.portal.act_as(MO, offboarding.deactivate_person, api.person_id(EVE))

    assert bot.post(EVE).status_code == 404


def test_d7_the_running_call_of_one_discord_user_does_not_hold_up_another(
    api: ApiFixture, bot: Bot
) -> None:
    leave_running(api, bot, DEE)

    answers = [bot.post(each) for each in (DEE, EVE)]

    assert [each.status_code for each in answers] == [409, 201]
    assert answers[0].json()["code"] == "idempotency-in-progress"
    assert bot.list_authors() == [principal(EVE)]


def leave_running(api: ApiFixture, bot: Bot, persona: Persona) -> None:
    """Store what a server leaves that is killed before its action commits."""
    sender = f"{bot.new_key.key.subject} for {principal(persona)}"
    content = api.client().build_request("POST", "/", json=TEXT).content
    route, key = f"POST {bot.path}", KEY["idempotency-key"]
    call = KeyedCall(sender, route, key, hash_body("", content), bot.request, now())
    assert api.site.desk.db.write_sync(begin_call, call) is None


def test_one_key_of_two_keys_of_the_bot_is_two_calls(api: ApiFixture, bot: Bot) -> None:
    answers = [bot.post(DEE), bot.post(DEE, make_key(api, "bot").token)]

    assert [each.headers.get(REPLAYED) for each in answers] == [None, None]
    assert len({each.json()["id"] for each in answers}) == 2


@pytest.mark.parametrize("path", ["/api/events", "/api/guilds/events", "/api/requests/events"])
def test_no_stream_is_opened_on_behalf_of_a_discord_user(api: ApiFixture, path: str) -> None:
    headers = {"on-behalf-of": principal(DEE)}
    bot, guild = (key_client(api, make_key(api, kind).token) for kind in ("bot", "guild"))

    refused = bot.head(path, headers=headers)

    assert (refused.status_code, guild.head(path, headers=headers).status_code) == (422, 403)
    assert bot.get(f"/api/guilds/{HARBOUR_GUILD}", headers=headers).status_code == 404


def test_a_discord_user_loses_the_requests_of_a_deleted_organization(
    api: ApiFixture, bot: Bot
) -> None:
    bot.post(DEE)
    quay = api.portal.organization_ids["quay"]
    api.portal.act_as(BO, offboarding.delete_organization, quay, "The Quay")

    assert bot.post(DEE).status_code == 404
    assert bot.post(EVE).status_code == 404
