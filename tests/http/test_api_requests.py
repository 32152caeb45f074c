"""Test requests over the API: contents, refusals with reasons, and pages that miss nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.queries import list_requests
from deskwire.web.http.middleware import add_middleware
from deskwire.workspaces.organizations import directory
from tests.fixtures.api import REQUEST_TITLE, ApiFixture, create_api, fill_placeholders
from tests.fixtures.cast import ADA, BO, CY, UNA
from tests.fixtures.site import SIGNED_IN_HEADER

pytestmark = pytest.mark.database("sqlite")

REQUEST = "/api/requests/{request}"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


def test_a_request_can_be_filed_updated_and_read(api: ApiFixture) -> None:
    client, team, id_ = api.client(UNA), api.client(ADA), new_id()
    body = {"id": id_, "subject": "A buoy", "text": "It **drifts**.", "priority": "high"}

    filed = client.post("/api/requests", json=body)
    again = client.post("/api/requests", json=body)
    changes = {"assignee": api.person_id(ADA), "labels": ["buoy", "sea"], "priority": None}
    worked = team.patch(f"/api/requests/{id_}", json=changes)
    fewer = team.patch(f"/api/requests/{id_}", json={"labels": ["sea"]}).json()

    assert filed.status_code == 201
    assert filed.headers["location"] == f"/api/requests/{id_}"
    assert filed.json() == again.json()
    shown = worked.json()
    assert (shown["status"], shown["statusLabel"]) == ("active", "In Progress")
    assert shown["assignee"] == {"id": api.person_id(ADA), "name": ADA.name, "picture": None}
    assert (shown["labels"], shown["priority"], fewer["labels"]) == (["buoy", "sea"], None, ["sea"])
    assert [each["role"] for each in shown["participants"]] == ["opener"]
    assert TIME.fullmatch(shown["openedAt"])
    assert shown["closedAt"] is None
    assert client.get(f"/api/requests/{id_}").json() == {**fewer, "unread": False}


def test_a_patch_is_applied_as_a_whole_or_not_at_all(api: ApiFixture) -> None:
    parts, program = api.create_path_values(), api.client(BO)
    address = fill_placeholders(REQUEST, parts)
    before = program.get(address).json()

    refused = program.patch(address, json={"subject": "Mine", "priority": "high"})

    assert refused.status_code == 403
    assert program.get(address).json() == before


def test_a_message_sent_twice_is_stored_once(api: ApiFixture) -> None:
    parts, program, id_ = api.create_path_values(), api.client(UNA), new_id()
    address = f"{fill_placeholders(REQUEST, parts)}/messages"

    first, again = (program.post(address, json={"id": id_, "text": "Hello"}) for _ in "ab")
    stolen = api.client(BO).post(address, json={"id": id_, "text": "Mine"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (stolen.status_code, stolen.json()["code"]) == (409, "conflict")
    found = [each for each in program.get(address).json()["items"] if each["id"] == id_]
    assert [(each["text"], each["html"].strip()) for each in found] == [("Hello", "<p>Hello</p>")]


def test_notes_and_their_files_are_visible_to_staff_only(api: ApiFixture) -> None:
    address = fill_placeholders(REQUEST, api.create_path_values())
    api.client(ADA).post(f"{address}/messages", json={"text": "They never pay", "kind": "note"})
    api.client(ADA).post(
        f"{address}/files?kind=note", content=b"unpaid", headers={"x-file-name": "bill.txt"}
    )

    for actor, sees in ((ADA, True), (BO, False), (UNA, False)):
        program = api.client(actor)
        kinds = {each["kind"] for each in program.get(f"{address}/messages").json()["items"]}
        files = program.get(f"{address}/files").json()["items"]
        assert ("note" in kinds, bool(files)) == (sees, sees), actor.name


def test_a_file_is_sent_once_and_downloaded_by_viewers_of_the_request(api: ApiFixture) -> None:
    address, id_ = f"{fill_placeholders(REQUEST, api.create_path_values())}/files", new_id()
    head = {"x-file-name": "mast.txt"}
    program = api.client(UNA)

    sent, again = (
        program.post(f"{address}?message={id_}", content=b"dark", headers=head) for _ in "ab"
    )
    as_form = program.post(address, files={"file": ("b.txt", b"darker")})
    shown = program.get(address).json()["items"]

    assert sent.json() == again.json()
    assert sent.headers["location"] == sent.json()["href"]
    assert [(each["name"], each["size"]) for each in shown] == [("mast.txt", 4), ("b.txt", 6)]
    assert shown[1] == as_form.json()
    assert api.client(BO).get(sent.json()["href"]).content == b"dark"
    assert api.client(CY).get(sent.json()["href"]).status_code == 404


def test_pages_list_every_request_once(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_requests, "PAGE_SIZE", 3)
    monkeypatch.setattr(messages, "PAGE_SIZE", 3)
    made = [api.portal.create_request(BO, f"Buoy {number}") for number in range(7)]
    message_ids = [api.portal.post_message(BO, made[0], f"Again {number}") for number in range(7)]
    program = api.client(BO)

    for sort, meant in (("newest", made[::-1]), ("oldest", made)):
        found = list(walk(program, f"/api/requests?sort={sort}&q=buoy"))
        assert [each["id"] for each in found] == meant
    lines = list(walk(program, f"/api/requests/{made[0]}/messages"))
    assert [each["id"] for each in lines if each["id"] in message_ids] == message_ids
    assert len(lines) == len({each["id"] for each in lines}) == 9  # filed, and its description
    everywhere = list(walk(api.client(ADA), "/api/requests/all?organization=quay"))
    assert len(everywhere) == 7


def test_pages_in_the_default_order_miss_no_request_that_moves_meanwhile(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_requests, "PAGE_SIZE", 3)
    made = [api.portal.create_request(BO, f"Buoy {number}") for number in range(7)]
    for program, address in (
        (api.client(BO), "/api/requests?q=buoy"),
        (api.client(ADA), "/api/requests/all?organization=quay&q=buoy"),
    ):
        found = list[str]()

        for each in walk(program, address):
            found.append(each["id"])
            api.portal.post_message(BO, made[0], "This one moves to the front")

        assert sorted(found) == sorted(made)


def test_pages_miss_no_organization_renamed_meanwhile(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE_SIZE", 1)
    program = api.client(ADA)
    made = [
        program.post("/api/organizations", json={"name": name}).json()["id"]
        for name in ("Kelp", "Lagoon", "Mole")
    ]
    found = list[str]()

    for each in walk(program, "/api/organizations"):
        found.append(each["id"])
        named = {"name": f"Anchor {len(found)}"}
        assert program.patch(f"/api/organizations/{made[-1]}", json=named).status_code == 200

    assert set(made) <= set(found)
    assert len(found) == len(set(found))


def test_filters_find_and_count_what_the_page_finds(api: ApiFixture) -> None:
    parts, program = api.create_path_values(), api.client(ADA)
    program.patch(
        fill_placeholders(REQUEST, parts), json={"labels": ["mast"], "category": parts["category"]}
    )
    api.portal.create_request(BO, "Another")

    one = [{"label": "mast"}, {"category": parts["category"]}, {"q": "mast blinks"}]
    for fields in one:
        found = program.get("/api/requests/all", params=fields).json()
        assert [each["subject"] for each in found["items"]] == [REQUEST_TITLE], fields
        assert found["counts"]["new"] == 1
    assert program.get("/api/requests/all?assignee=nobody&status=new").json()["counts"]["new"] == 2
    assert program.get("/api/requests/all?status=done").json()["items"] == []
    assert api.client(UNA).get("/api/requests?unread=true").json()["counts"]["new"] == 2


BAD: list[tuple[str, str, Any, int, str, list[str]]] = [
    ("POST", "/api/requests", {}, 422, "invalid", ["#/subject", "#/text"]),
    (
        "POST",
        "/api/requests",
        {"subject": " ", "text": ""},
        422,
        "invalid",
        ["#/subject", "#/text"],
    ),
    (
        "POST",
        "/api/requests",
        {"subject": 7, "text": "x", "id": "7", "status": "done", "a/b": 1},
        422,
        "invalid",
        ["#/id", "#/subject", "#/status", "#/a~1b"],
    ),
    ("POST", "/api/requests", [], 422, "invalid", ["#"]),
    ("POST", "/api/requests?company=loft", {}, 422, "invalid", ["?company"]),
    ("POST", "/api/requests", b'{"subject": NaN}', 400, "malformed", []),
    ("POST", "/api/requests", b'{"subject": "\\ud800"}', 400, "malformed", []),
    ("POST", "/api/requests", b"[" * 100_000, 400, "malformed", []),
    ("POST", "/api/requests", b"", 400, "malformed", []),
    ("GET", "/api/requests?status=old&sort=best", None, 422, "invalid", ["?status", "?sort"]),
    ("GET", "/api/requests?after=1.x", None, 422, "invalid", ["?after"]),
    ("GET", "/api/requests?status=new&status=done", None, 422, "invalid", ["?status"]),
    ("GET", "/api/requests?organization=%00", None, 422, "invalid", ["?organization"]),
    ("GET", "/api/requests/%00", None, 404, "not-found", []),
    ("GET", f"{REQUEST}?fields=all", None, 422, "invalid", ["?fields"]),
    ("PATCH", REQUEST, {}, 422, "invalid", ["#"]),
    ("PATCH", REQUEST, {"opener": "{person}"}, 422, "invalid", ["#/opener"]),
    ("PATCH", REQUEST, {"status": "gone"}, 422, "invalid", ["#/status"]),
    ("PATCH", REQUEST, {"subject": None}, 422, "invalid", ["#/subject"]),
    ("PATCH", REQUEST, {"subject": "x" * 101}, 422, "invalid", ["#/subject"]),
    ("PATCH", REQUEST, {"assignee": "{person}"}, 422, "invalid", ["#/assignee"]),
    ("PATCH", REQUEST, {"category": "{person}"}, 422, "invalid", ["#/category"]),
    ("PATCH", REQUEST, {"labels": ["x" * 41]}, 422, "invalid", ["#/labels"]),
    ("POST", f"{REQUEST}/messages", {"text": ""}, 422, "invalid", ["#/text"]),
    ("POST", f"{REQUEST}/messages", {"text": "x", "kind": "system"}, 422, "invalid", ["#/kind"]),
    ("POST", f"{REQUEST}/messages", {"files": ["{person}"]}, 422, "invalid", ["#/files"]),
    ("GET", f"{REQUEST}/messages?after=now", None, 422, "invalid", ["?after"]),
    ("PUT", f"{REQUEST}/watch?person=me", None, 422, "invalid", ["?person"]),
    ("POST", "/api/organizations", {"name": "x", "slug": "new"}, 422, "invalid", ["#/name"]),
    ("GET", "/api/organizations?after=x", None, 422, "invalid", ["?after"]),
    ("PATCH", "/api/organizations/quay", {"slug": "loft"}, 422, "invalid", ["#/slug"]),
    ("PATCH", "/api/organizations/quay", {"internal": True}, 422, "invalid", ["#/internal"]),
    ("GET", "/api/organizations/a%00b", None, 404, "not-found", []),
    ("POST", "/api/organizations/quay/categories", {"name": "x"}, 422, "invalid", ["#/name"]),
    (
        "POST",
        "/api/organizations/quay/invitations",
        {"email": "nobody", "role": "super_admin"},
        422,
        "invalid",
        ["#/role"],
    ),
    ("PUT", "/api/requests", {}, 405, "method-not-allowed", []),
    ("GET", "/api/nothing", None, 404, "not-found", []),
]


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiFixture]:
    found = create_api(tmp_path_factory.mktemp("bad"))
    yield found
    found.site.desk.db.close()


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "places"), BAD)
def test_invalid_fields_are_reported_with_their_pointers(
    shared_api: ApiFixture,
    method: str,
    path: str,
    body: Any,
    status: int,
    code: str,
    places: list[str],
) -> None:
    parts, actor = (
        shared_api.create_path_values(),
        ADA if method == "PATCH" and "requests" in path else BO,
    )
    sent: dict[str, Any] = {"headers": {"content-type": "application/json"}}
    if body is not None:
        sent |= (
            {"content": body}
            if isinstance(body, bytes)
            else {"json": fill_placeholders(body, parts)}
        )
    answer = shared_api.client(actor).request(method, fill_placeholders(path, parts), **sent)
    problem = answer.json()

    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/api/docs#problem-{code}"
    found = [each.get("pointer") or f"?{each['parameter']}" for each in problem.get("errors", [])]
    assert found == places


def test_a_body_without_the_json_content_type_is_refused(api: ApiFixture) -> None:
    form = {"subject": "A buoy", "text": "It drifts."}

    answer = api.client(BO).post("/api/requests", data=form)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_page_of_another_site_can_change_nothing(api: ApiFixture) -> None:
    app = add_middleware(api.site.app, "http://testserver")
    program = TestClient(app, headers={SIGNED_IN_HEADER: BO.email, "cookie": "deskwire=x"})
    body = {"subject": "A buoy", "text": "It drifts."}

    answers = [
        program.post("/api/requests", json=body, headers=headers)
        for headers in ({}, {"origin": "https://eve.test"}, {"origin": "http://testserver"})
    ]

    assert [each.status_code for each in answers] == [403, 403, 201]
    assert answers[1].json()["code"] == "foreign-origin"


def test_a_large_body_is_not_read(api: ApiFixture) -> None:
    program = TestClient(add_middleware(api.site.app, None), headers={SIGNED_IN_HEADER: BO.email})

    answer = program.post("/api/requests", json={"subject": "x", "text": "x" * 2**20})

    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def walk(program: TestClient, address: str) -> Iterator[dict[str, Any]]:
    """Everything of a list, page by page, as `Link` leads."""
    for _ in range(10):
        answer = program.get(address)
        body = answer.json()
        assert body["cursor"]
        yield from body["items"]
        links = re.findall(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        assert bool(links) == (body["next"] is not None)
        if not links:
            return
        address = links[0]
    raise AssertionError("the list does not end")
