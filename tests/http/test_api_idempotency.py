"""Test `Idempotency-Key`: a repeated POST or PATCH takes effect once, whatever happened between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from deskwire.accounts.idempotency import LEASE, KeyedCall, begin_call, idempotency_keys
from deskwire.kit.clock import SECOND, now
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import create, offboarding
from deskwire.tickets.tables import tickets
from deskwire.web.api import operations
from deskwire.web.api.idempotency import hash_body
from deskwire.web.api.operations import Operation
from deskwire.web.context import act_as
from deskwire.workspaces.organizations.organizations import organization_members
from tests.fixtures.api import ApiFixture, create_api, fill_placeholders
from tests.fixtures.api_keys import key_client, make_key
from tests.fixtures.cast import ADA, BO, MO, UNA, Persona
from tests.fixtures.site import SIGNED_IN_HEADER
from tests.fixtures.staffed_portal import enable_mail

NEW = {"subject": "The lamp is dark", "text": "Since this morning."}
KEY = {"idempotency-key": "7f9c"}
REPLAYED = "idempotency-replayed"
TIMEOUT = 10.0  # s for a call to begin

# Every POST and PATCH operation: who sends it, and its body (bytes: a file).
CALLS: dict[str, tuple[Persona, Any]] = {
    "me_prove": (UNA, None),
    "requests_file": (BO, NEW),
    "requests_change": (BO, {"subject": "The mast is bright"}),
    "messages_write": (BO, {"text": "Still dark."}),
    "messages_edit": (BO, {"text": "It blinked."}),
    "messages_send_file": (BO, b"a file"),
    "requests_read": (BO, None),
    "found": (UNA, {"name": "The Buoy Yard"}),
    "change": (BO, {"about": "Ships"}),
    "change_member": (BO, {"role": "manager"}),
    "invite": (BO, {"email": "new@desk.test", "role": "member"}),
    "add_category": (BO, {"name": "Ropes"}),
    "change_category": (BO, {"archived": True}),
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


def count_requests(api: ApiFixture) -> int:
    query = select(func.count()).select_from(tickets).where(tickets.c.workspace.like("org:%"))
    count: int = api.site.desk.db.read_sync(lambda tx: tx.execute(query).scalar_one())
    return count


def read_rows(api: ApiFixture) -> list[Any]:
    return api.site.desk.db.read_sync(lambda tx: [*tx.execute(select(idempotency_keys))])


def test_a_repeated_post_creates_one_request_and_gets_it_again(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "organization").token)

    first, again = (program.post("/api/requests", json=NEW, headers=KEY) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert count_requests(api) == 1


def test_a_repeated_call_is_answered_with_the_state_by_now(api: ApiFixture) -> None:
    id_ = api.client(BO).post("/api/requests", json=NEW, headers=KEY).json()["id"]
    api.client(BO).patch(f"/api/requests/{id_}", json={"subject": "The lamp is bright"})

    again = api.client(BO).post("/api/requests", json=NEW, headers=KEY)

    assert again.headers[REPLAYED] == "true"
    assert again.json()["subject"] == "The lamp is bright"


def test_every_post_and_patch_operation_takes_effect_once(api: ApiFixture) -> None:
    enable_mail(api.site)
    values = api.create_path_values()
    unverified = "UPDATE people SET email_verified_at = NULL WHERE id = ?"
    operations_by_id = {
        endpoint.operation_id.removeprefix("organizations_"): (method, url.path)
        for url in api.site.urls
        for method, endpoint in url.methods.items()
        if isinstance(endpoint, Operation) and method in ("POST", "PATCH")
        if not url.path.startswith("/api/companies")
    }
    assert operations_by_id.keys() == CALLS.keys(), (
        "add a row to CALLS in tests/http/test_api_idempotency.py for each POST and PATCH"
    )
    api.site.desk.db.write_sync(
        lambda tx: tx.exec_driver_sql(unverified.replace("?", f"'{values['person']}'"))
    )

    answers = {}
    for id_, (method, path) in operations_by_id.items():
        persona, body = CALLS[id_]
        path, body = fill_placeholders(path, values), fill_placeholders(body, values)
        sent = [send(api, persona, method, path, body) for _ in range(2)]
        answers[id_] = [(each.status_code, each.headers.get(REPLAYED)) for each in sent]

    assert answers == {id_: [(first[0][0], None), (first[0][0], "true")]
                       for id_, first in answers.items()}  # fmt: skip
    assert {each[0][0] for each in answers.values()} <= {200, 201, 204}


def send(api: ApiFixture, persona: Persona, method: str, path: str, body: Any) -> Any:
    more: dict[str, Any] = {"headers": KEY}
    if isinstance(body, bytes):
        more = {"content": body, "headers": KEY | {"x-file-name": "mast.txt"}}
    elif body is not None:
        more["json"] = body
    return api.client(persona).request(method, path, **more)


def test_a_repeated_file_is_stored_once(api: ApiFixture) -> None:
    path = f"/api/requests/{api.portal.create_request(BO, 'The mast')}/files"

    first, again = (send(api, BO, "POST", path, b"a photo") for _ in range(2))
    other = send(api, BO, "POST", path, b"another photo")

    assert again.json() == first.json()
    assert len(api.client(BO).get(path).json()["items"]) == 1
    assert other.json()["code"] == "idempotency-key-reused"


def test_the_link_of_an_invitation_is_shown_once(api: ApiFixture) -> None:
    path, body = "/api/organizations/quay/invitations", {"email": "a@desk.test", "role": "member"}

    first, again = (send(api, BO, "POST", path, body).json() for _ in range(2))

    assert "/invitations/" in first["link"]
    assert again == first | {"link": None}


def test_another_body_under_the_same_key_is_refused(api: ApiFixture) -> None:
    program = api.client(BO)
    program.post("/api/requests", json=NEW, headers=KEY)

    other = program.post("/api/requests", json=NEW | {"priority": "high"}, headers=KEY)
    elsewhere = program.post("/api/requests?organization=quay", json=NEW, headers=KEY)

    for answer in (other, elsewhere):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert count_requests(api) == 1


def test_a_key_is_of_one_caller_and_one_path(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "organization").token)
    made = [each.post("/api/requests", json=NEW, headers=KEY).json()["id"]
            for each in (api.client(BO), api.client(UNA), program)]  # fmt: skip

    texts = [
        api.client(BO).post(f"/api/requests/{id_}/messages", json={"text": "Yes"}, headers=KEY)
        for id_ in made
    ]

    assert len(set(made)) == 3
    assert [each.status_code for each in texts] == [201, 201, 201]
    assert not any(REPLAYED in each.headers for each in texts)


async def test_d7_the_same_call_while_the_first_is_running_is_told_to_wait(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_go_on = asyncio.Event(), asyncio.Event()

    async def act_after_a_pause(*args: Any, **kwargs: Any) -> Any:
        has_begun.set()
        await may_go_on.wait()
        return await act_as(*args, **kwargs)

    monkeypatch.setattr(operations, "act_as", act_after_a_pause)
    transport = httpx2.ASGITransport(api.site.app)
    headers = KEY | {SIGNED_IN_HEADER: BO.email}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://testserver", headers=headers
    ) as program:
        running = asyncio.create_task(program.post("/api/requests", json=NEW))
        async with asyncio.timeout(TIMEOUT):
            await has_begun.wait()
        meanwhile = await program.post("/api/requests", json=NEW)
        may_go_on.set()
        first = await running
        again = await program.post("/api/requests", json=NEW)

    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency-in-progress")
    assert meanwhile.headers["retry-after"] == "1"
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers[REPLAYED] == "true"
    assert again.json() == first.json()
    assert count_requests(api) == 1


def test_a_call_whose_server_died_is_taken_over_after_the_lease(api: ApiFixture) -> None:
    program = api.client(BO)
    leave_running(api, now() - LEASE + 30 * SECOND, program.build_request("POST", "/", json=NEW))
    early = program.post("/api/requests", json=NEW, headers=KEY)
    forget(api)
    leave_running(api, now() - LEASE, program.build_request("POST", "/", json=NEW))

    late = program.post("/api/requests", json=NEW, headers=KEY)

    assert early.json()["code"] == "idempotency-in-progress"
    assert late.status_code == 201
    assert REPLAYED not in late.headers
    assert count_requests(api) == 1


def leave_running(api: ApiFixture, started_at: int, request: httpx2.Request) -> None:
    """Store what a server leaves that is killed before its action commits."""
    body_hash = hash_body("", request.content)
    route, key = "POST /api/requests", KEY["idempotency-key"]
    call = KeyedCall(api.person_id(BO), route, key, body_hash, None, started_at)
    assert api.site.desk.db.write_sync(begin_call, call) is None


def forget(api: ApiFixture) -> None:
    api.site.desk.db.write_sync(lambda tx: tx.execute(idempotency_keys.delete()))


def test_d8_a_call_that_was_refused_is_tried_again(api: ApiFixture) -> None:
    refused = api.client(BO).post("/api/requests", json=NEW | {"subject": " "}, headers=KEY)
    corrected = api.client(BO).post("/api/requests", json=NEW, headers=KEY)

    assert (refused.status_code, corrected.status_code) == (422, 201)
    assert REPLAYED not in corrected.headers


def test_d8_a_call_that_failed_is_tried_again(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(create, "create_request", fail)
        failed = api.client(BO).post("/api/requests", json=NEW, headers=KEY)
    left = read_rows(api)

    again = api.client(BO).post("/api/requests", json=NEW, headers=KEY)

    assert (failed.status_code, again.status_code) == (500, 201)
    assert left == []
    assert REPLAYED not in again.headers


def fail(*_: object) -> None:
    raise RuntimeError("out of paper")


def test_d9_who_lost_access_gets_404_and_not_what_was_made(api: ApiFixture) -> None:
    una = api.client(UNA)
    id_ = una.post("/api/requests", json=NEW, headers=KEY).json()["id"]
    path = f"/api/requests/{id_}"
    una.post(f"{path}/messages", json={"text": "Hello?"}, headers=KEY)
    una.post(f"{path}/read", headers=KEY)
    api.portal.act_as(
        BO, offboarding.remove_member, api.portal.organization_ids["quay"], api.person_id(UNA)
    )

    answers = [
        una.post("/api/requests", json=NEW, headers=KEY),
        una.post(f"{path}/messages", json={"text": "Hello?"}, headers=KEY),
        una.post(f"{path}/read", headers=KEY),
    ]

    assert [each.status_code for each in answers] == [404, 404, 404]
    assert not any(REPLAYED in each.headers or id_ in each.text for each in answers)


def test_d9_a_note_is_not_repeated_to_someone_who_left_the_team(api: ApiFixture) -> None:
    path = f"/api/requests/{api.portal.create_request(BO, 'The mast')}/messages"
    note = {"text": "They never pay", "kind": "note"}
    written = api.client(BO).get(path).json()["items"]
    noted = api.client(ADA).post(path, json=note, headers=KEY)
    make_client = organization_members.update().where(
        organization_members.c.person == api.person_id(ADA)
    )
    values = {"organization": api.portal.organization_ids["quay"], "role": "member"}
    api.site.desk.db.write_sync(lambda tx: tx.execute(make_client.values(values)))
    assert api.client(ADA).get(path).status_code == 200

    again = api.client(ADA).post(path, json=note, headers=KEY)

    assert noted.status_code == 201
    assert again.status_code == 404
    assert api.client(BO).get(path).json()["items"] == written


@pytest.mark.parametrize("key", ["x" * 256, "", "naïve".encode(), "tab\there", ("a", "b")])
def test_a_bad_key_is_refused(api: ApiFixture, key: Any) -> None:
    keys = key if isinstance(key, tuple) else (key,)
    headers = [(SIGNED_IN_HEADER, BO.email), *(("idempotency-key", each) for each in keys)]

    answer = api.client().post("/api/requests", json=NEW, headers=headers)

    assert answer.status_code == 422
    assert "printable ASCII" in answer.json()["detail"]
    assert count_requests(api) == 0


def test_put_and_delete_take_a_key_and_need_none(api: ApiFixture) -> None:
    path = f"/api/requests/{api.portal.create_request(BO, 'The mast')}"
    headers = {"idempotency-key": "x" * 300}

    watched = [api.client(UNA).put(f"{path}/watch", headers=headers) for _ in range(2)]
    deleted = api.client(MO).delete(path, headers=headers)

    assert [each.status_code for each in (*watched, deleted)] == [204, 204, 204]
    assert read_rows(api) == []


def test_an_id_in_the_body_is_enough_and_a_key_beside_it_is_ignored(api: ApiFixture) -> None:
    body = NEW | {"id": new_id()}
    first, again = (api.client(BO).post("/api/requests", json=body, headers=KEY) for _ in range(2))
    other = api.client(BO).post("/api/requests", json=NEW | {"id": new_id()}, headers=KEY)

    assert [each.status_code for each in (first, again, other)] == [201, 201, 201]
    assert again.json()["id"] == first.json()["id"] != other.json()["id"]
    assert REPLAYED not in again.headers
    assert read_rows(api) == []


def test_rows_hold_no_text(api: ApiFixture) -> None:
    api.client(BO).post("/api/requests", json=NEW, headers=KEY)

    [row] = read_rows(api)

    assert (row.state, row.status) == ("done", 201)
    assert not any("lamp" in str(value) or "morning" in str(value) for value in row)


def test_a_path_that_no_database_accepts_is_answered_as_without_a_key(api: ApiFixture) -> None:
    path = "/api/organizations/%00/categories"

    answers = [
        api.client(BO).post(path, json={"name": "Ropes"}, headers=headers) for headers in ({}, KEY)
    ]

    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].content == answers[1].content
