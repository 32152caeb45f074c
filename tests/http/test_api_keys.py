"""Test the API as programs use it: with an API key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import api_keys
from deskwire.kit.ids import new_id
from deskwire.web.http.log_redaction import redact_secrets
from deskwire.workspaces.keys.actions import revoke_key_from_shell
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import key_client, make_key
from tests.fixtures.cast import BO, DEE, HARBOUR_GUILD, MO

pytestmark = pytest.mark.database("sqlite")
NEW_REQUEST = {"subject": "A buoy", "text": "It drifts."}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


def test_a_key_files_reads_and_answers_a_request_of_its_organization(api: ApiFixture) -> None:
    new = make_key(api, "organization", role="member")
    program = key_client(api, new.token)

    filed = program.post("/api/requests", json=NEW_REQUEST)
    path = filed.headers["location"]
    answered = program.post(f"{path}/messages", json={"text": "Still drifting."})

    assert (filed.status_code, answered.status_code) == (201, 201)
    assert program.get(path).json()["requester"]["name"] == "Key of the organization"
    assert answered.json()["author"]["id"] == new.key.subject
    assert answered.json()["side"] == "customer"


def test_a_key_says_who_it_is(api: ApiFixture) -> None:
    new = make_key(api, "organization", scopes=["read"])

    answer = key_client(api, new.token).get("/api/key").json()

    assert answer == {
        "id": new.key.id,
        "name": "Key of the organization",
        "kind": "organization",
        "workspace": f"org:{api.portal.organization_ids['quay']}",
        "role": "admin",
        "permissions": [],
        "scopes": ["read"],
        "expiresAt": None,
    }


def test_a_member_key_sees_what_it_filed_where_members_see_only_their_own(
    api: ApiFixture,
) -> None:
    theirs = api.portal.create_request(BO, "The mast is dark")
    api.client(BO).patch("/api/organizations/quay", json={"visibility": "participants"})
    program = key_client(api, make_key(api, "organization", role="member").token)

    own = program.post("/api/requests", json=NEW_REQUEST).json()["id"]

    listed = [each["id"] for each in program.get("/api/requests").json()["items"]]
    assert listed == [own]
    assert program.get(f"/api/requests/{theirs}").status_code == 404


def test_d3_a_revoked_key_is_refused_everywhere_and_its_last_use_stands_still(
    api: ApiFixture,
) -> None:
    new = make_key(api, "organization")
    program, db = key_client(api, new.token), api.site.desk.db
    assert program.get("/api/key").status_code == 200
    used_at = db.read_sync(api_keys.read_key, new.key.id).used_at
    db.write_sync(revoke_key_from_shell, new.key.id, "shell", api.site.desk.now)

    answers = {
        url.path: program.request(method, url.path.replace("{", "").replace("}", ""))
        for url in api.site.urls
        if url.keys
        for method in url.methods
    }

    assert {answer.status_code for answer in answers.values()} == {401}
    assert "revoked" in answers["/api/key"].json()["detail"]
    assert db.read_sync(api_keys.read_key, new.key.id).used_at == used_at
    assert used_at is not None


@pytest.mark.parametrize("case", ["unknown", "in part"])
def test_a_token_that_is_no_key_is_refused_with_what_to_do(api: ApiFixture, case: str) -> None:
    token = make_key(api, "organization").token
    unknown = api_keys.format_token(new_id(), "x" * 43)
    headers, word = {
        "unknown": (f"Bearer {unknown}", "doesn’t exist"),
        "in part": (f"Bearer {token[:-1]}", "Copy the whole key"),
    }[case]

    answer = key_client(api, token).get("/api/key", headers={"authorization": headers})

    assert answer.status_code == 401
    assert word in answer.json()["detail"]


def test_d6_a_key_in_the_address_is_refused(api: ApiFixture) -> None:
    token = make_key(api, "organization").token

    answer = api.client().get("/api/key", params={"token": token})

    assert answer.status_code == 400
    assert "must not stand in an address" in answer.json()["detail"]
    assert token not in answer.text
    line = f'127.0.0.1 - "GET /api/key?token={token} HTTP/1.1" 400'
    assert redact_secrets(line) == '127.0.0.1 - "GET /api/key?token=dw_… HTTP/1.1" 400'


def test_the_header_of_a_proxy_that_asks_for_a_password_is_left_alone(api: ApiFixture) -> None:
    person = api.client(BO)

    answer = person.get("/api/me", headers={"authorization": "Basic YWRhOmFkYQ=="})

    assert answer.status_code == 200


def test_a_key_beside_a_cookie_is_refused(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "organization").token, cookie="deskwire=1")

    answer = program.get("/api/key")

    assert answer.status_code == 400
    assert "not both" in answer.json()["detail"]


def test_a_key_does_not_open_pages(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "desk").token, accept="text/html")

    for path in ("/dashboard", "/admin", "/settings", "/orgs/quay"):
        assert program.get(path).status_code == 401


def test_d4_a_key_that_may_read_is_refused_every_unsafe_operation(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "desk", scopes=["read"]).token)
    asked = 0
    for url in api.site.urls:
        if not url.keys:
            continue
        for method in url.methods.keys() - {"GET"}:
            path = url.path.replace("{", "").replace("}", "")
            answer = program.request(method, path, json={})
            assert (method, path, answer.status_code) == (method, path, 403)
            assert "`write`" in answer.json()["detail"]
            asked += 1
    assert asked > 20


def test_an_expired_key_says_when_it_expired(api: ApiFixture) -> None:
    at = api.site.desk.now
    new = make_key(api, "organization", expires_at=at + 1)

    answer = key_client(api, new.token).get("/api/key")

    assert answer.status_code == 401
    assert "expired at 2026-" in answer.json()["detail"]


def test_d2_the_bot_reads_for_a_discord_user_only_what_that_user_may_read_now(
    api: ApiFixture,
) -> None:
    desk = api.site.desk
    desk.join_guild(HARBOUR_GUILD, "The Harbour", MO)
    desk.open_ticket(1, "The mast is dark")
    desk.assign_role(DEE)
    program = key_client(api, make_key(api, "bot").token)
    path, dee = f"/api/guilds/{HARBOUR_GUILD}/tickets/1", f"discord:{DEE.discord_id}"

    before = program.get(path, headers={"on-behalf-of": dee})
    desk.unassign_role(DEE)
    after = program.get(path, headers={"on-behalf-of": dee})

    assert (before.status_code, after.status_code) == (200, 404)
    assert program.get(path).status_code == 200  # the bot itself


def test_only_the_bot_acts_for_a_discord_user(api: ApiFixture) -> None:
    header = {"on-behalf-of": f"discord:{DEE.discord_id}"}
    bot, guild = make_key(api, "bot"), make_key(api, "guild")

    refused = key_client(api, guild.token).get("/api/guilds", headers=header)
    malformed = [
        key_client(api, bot.token).get("/api/guilds", headers={"on-behalf-of": value})
        for value in ("dee", "discord:dee", "linear:1", "")
    ]

    assert refused.status_code == 403
    assert {answer.status_code for answer in malformed} == {422}
