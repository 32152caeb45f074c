"""Test the API as each of the cast: the response to every operation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.kit.ids import new_id
from deskwire.web.api.operations import Operation
from deskwire.workspaces.organizations import create
from tests.fixtures.api import ApiFixture, create_api, fill_placeholders
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, UNA
from tests.fixtures.site import open_browser

pytestmark = pytest.mark.database("sqlite")

# Ada: analyst of the team. Mo: operations manager. Bo: admin. Una: member. Cy, Eve: outside.
CAST = (ADA, MO, BO, UNA, CY, EVE)
REQUEST, ORGANIZATION_PATH, OF_QUAY = (
    "/api/requests/{request}",
    "/api/organizations/{slug}",
    "organization=quay",
)
UNKNOWN_ID = "00000000-0001-7000-8000-000000000000"
TEXT, NEW = {"text": "Hello"}, {"subject": "A buoy", "text": "It drifts."}
ROWS: list[tuple[str, str, Any, tuple[int, int, int, int, int, int]]] = [
    ("GET", "/api/me", None, (200, 200, 200, 200, 200, 200)),
    ("POST", "/api/me/verification", None, (404, 404, 404, 404, 404, 404)),  # no mail here
    ("GET", "/api/key", None, (404, 404, 404, 404, 404, 404)),  # these are people
    ("GET", "/api/requests", None, (403, 403, 200, 200, 200, 403)),
    ("GET", f"/api/requests?{OF_QUAY}", None, (200, 200, 200, 200, 404, 404)),
    ("GET", "/api/requests?organization=team", None, (404, 404, 404, 404, 404, 404)),
    ("GET", "/api/requests/all", None, (200, 200, 403, 403, 403, 403)),
    ("POST", "/api/requests", NEW, (403, 403, 201, 201, 201, 403)),
    ("POST", f"/api/requests?{OF_QUAY}", NEW, (201, 201, 201, 201, 404, 404)),
    (
        "POST",
        f"/api/requests?{OF_QUAY}",
        NEW | {"requester": "{person}"},
        (201, 201, 403, 201, 404, 404),
    ),
    ("GET", REQUEST, None, (200, 200, 200, 200, 404, 404)),
    ("PATCH", REQUEST, {"subject": "The mast"}, (200, 200, 200, 403, 404, 404)),
    ("PATCH", REQUEST, {"status": "canceled"}, (200, 200, 200, 403, 404, 404)),
    ("PATCH", REQUEST, {"status": "review"}, (200, 200, 403, 403, 404, 404)),
    ("PATCH", REQUEST, {"assignee": None}, (200, 200, 403, 403, 404, 404)),
    ("PATCH", REQUEST, {"category": "{category}"}, (200, 200, 403, 403, 404, 404)),
    ("PATCH", REQUEST, {"priority": "high"}, (200, 200, 403, 403, 404, 404)),
    ("PATCH", REQUEST, {"labels": ["mast"]}, (200, 200, 403, 403, 404, 404)),
    ("DELETE", REQUEST, None, (403, 204, 403, 403, 404, 404)),
    ("GET", f"{REQUEST}/messages", None, (200, 200, 200, 200, 404, 404)),
    ("POST", f"{REQUEST}/messages", TEXT, (201, 201, 201, 201, 404, 404)),
    ("POST", f"{REQUEST}/messages", TEXT | {"kind": "note"}, (201, 201, 403, 403, 404, 404)),
    ("PATCH", f"{REQUEST}/messages/{{message}}", TEXT, (403, 403, 200, 403, 404, 404)),
    ("DELETE", f"{REQUEST}/messages/{{message}}", None, (403, 204, 204, 403, 404, 404)),
    ("GET", f"{REQUEST}/files", None, (200, 200, 200, 200, 404, 404)),
    ("POST", f"{REQUEST}/files", b"a file", (201, 201, 201, 201, 404, 404)),
    ("POST", f"{REQUEST}/files?kind=note", b"a file", (201, 201, 403, 403, 404, 404)),
    ("DELETE", f"{REQUEST}/files/{{file}}", None, (403, 204, 204, 403, 404, 404)),
    ("DELETE", f"{REQUEST}/files/{{noted}}", None, (204, 204, 404, 404, 404, 404)),
    ("PUT", f"{REQUEST}/watch", None, (204, 204, 204, 204, 404, 404)),
    ("PUT", f"{REQUEST}/watch?person={{person}}", None, (204, 204, 204, 204, 404, 404)),
    ("DELETE", f"{REQUEST}/watch", None, (204, 204, 409, 204, 404, 404)),
    ("POST", f"{REQUEST}/read", None, (204, 204, 204, 204, 404, 404)),
    ("GET", "/api/organizations", None, (200, 200, 200, 200, 200, 200)),
    ("GET", ORGANIZATION_PATH, None, (200, 200, 200, 200, 404, 404)),
    ("PATCH", ORGANIZATION_PATH, {"about": "Ships"}, (403, 200, 200, 403, 404, 404)),
    ("PATCH", ORGANIZATION_PATH, {"visibility": "members"}, (403, 200, 200, 403, 404, 404)),
    ("GET", f"{ORGANIZATION_PATH}/members", None, (200, 200, 200, 200, 404, 404)),
    (
        "PATCH",
        f"{ORGANIZATION_PATH}/members/{{person}}",
        {"role": "member"},
        (403, 200, 200, 403, 404, 404),
    ),
    ("DELETE", f"{ORGANIZATION_PATH}/members/{UNKNOWN_ID}", None, (403, 404, 404, 403, 404, 404)),
    ("GET", f"{ORGANIZATION_PATH}/invitations", None, (403, 200, 200, 403, 404, 404)),
    (
        "POST",
        f"{ORGANIZATION_PATH}/invitations",
        {"email": "new@desk.test", "role": "member"},
        (403, 201, 201, 403, 404, 404),
    ),
    (
        "DELETE",
        f"{ORGANIZATION_PATH}/invitations/{{invitation}}",
        None,
        (403, 204, 204, 403, 404, 404),
    ),
    ("GET", f"{ORGANIZATION_PATH}/categories", None, (200, 200, 200, 200, 404, 404)),
    (
        "POST",
        f"{ORGANIZATION_PATH}/categories",
        {"name": "{invitation}"},
        (403, 201, 201, 403, 404, 404),
    ),
    (
        "PATCH",
        f"{ORGANIZATION_PATH}/categories/{{category}}",
        {"archived": True},
        (403, 200, 200, 403, 404, 404),
    ),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiFixture]:
    found = create_api(Path(tmp_path_factory.mktemp("rights")))
    yield found
    found.site.desk.db.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "statuses"),
    ROWS,
    ids=[f"{number} {row[0]}" for number, row in enumerate(ROWS)],
)
def test_every_role_gets_its_documented_response(
    api: ApiFixture, method: str, path: str, body: Any, statuses: tuple[int, ...]
) -> None:
    answers = {}
    for actor in CAST:
        parts = api.create_path_values()
        if "/files/" in path:
            parts |= api.create_files(parts["request"])
        answer = ask(
            api, actor, method, fill_placeholders(path, parts), fill_placeholders(body, parts)
        )
        answers[actor.name] = answer.status_code
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    assert answers == dict(zip((actor.name for actor in CAST), statuses, strict=True))


def test_every_operation_is_in_the_table(api: ApiFixture) -> None:
    here = {
        (method, url.path)
        for url in api.site.urls
        for method, endpoint in url.methods.items()
        if isinstance(endpoint, Operation)
        if not url.path.startswith(("/api/companies", "/api/guilds"))  # test_api_guilds.py
    }
    same = {UNKNOWN_ID: "{person}", "{noted}": "{file}"}
    asked = set()
    for method, path, *_ in ROWS:
        plain = re.sub(r"\?.*", "", path)
        for one, other in same.items():
            plain = plain.replace(one, other)
        asked.add((method, plain))

    asked.add(("POST", "/api/organizations"))  # below, on a desk of its own

    assert asked == here, (
        "add a row for each operation to ROWS in tests/http/test_api_permissions.py"
    )


def test_anyone_can_create_an_organization_and_becomes_its_admin(tmp_path: Path) -> None:
    api = create_api(tmp_path)
    for actor in CAST:
        program = api.client(actor)
        made = program.post("/api/organizations", json={"name": f"Of {actor.name}"})
        assert made.status_code == 201
        assert made.json()["role"] == "admin"
        assert made.json() in program.get("/api/me").json()["organizations"]
        assert program.get(made.headers["location"]).json() == made.json()
        stranger = CY if actor == UNA else UNA
        assert api.client(stranger).get(made.headers["location"]).status_code == 404
    api.site.desk.db.close()


def test_the_limit_of_created_organizations_is_reported_by_page_and_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(create, "MAX_ADMINISTERED_ORGANIZATIONS", 1)
    api, named = create_api(tmp_path), {"name": "Another"}

    answers = api.client(BO).post("/api/organizations", json=named)
    page = open_browser(api.site, BO).post("/create-organization", data=named)

    assert (answers.status_code, page.status_code) == (409, 409)
    assert "Ask the team" in answers.json()["detail"]
    assert "Ask the team" in page.text
    assert 'value="Another"' in page.text
    api.site.desk.db.close()


def test_forbidden_and_missing_are_answered_with_the_same_bytes(api: ApiFixture) -> None:
    theirs, program = api.create_path_values(), api.client(CY)
    nobodys = {name: new_id() for name in theirs} | {"slug": "nowhere"}
    for method, path, body, _ in ROWS:
        if "{" in path:
            found, missed = (
                ask(api, CY, method, fill_placeholders(path, parts), fill_placeholders(body, parts))
                for parts in (theirs, nobodys)
            )
            assert (found.status_code, found.content) == (404, missed.content), f"{method} {path}"
    assert program.get(f"/api/requests/{theirs['request']}/nothing").status_code == 404


def test_a_taken_id_is_refused_with_the_same_bytes_for_everyone(
    api: ApiFixture,
) -> None:
    parts, loft, quay = api.create_path_values(), api.client(CY), api.client(BO)
    deleted = api.portal.create_request(BO, "A wreck")
    assert api.client(MO).delete(f"/api/requests/{deleted}").status_code == 204
    mine = loft.post("/api/requests", json=NEW).json()["id"]
    note = api.portal.post_message(ADA, parts["request"], "They never pay", "note")

    requests = [
        program.post("/api/requests", json=NEW | {"id": taken})
        for program, taken in (
            (loft, parts["request"]),  # of an organization that Cy does not see
            (loft, deleted),
            (quay, deleted),  # Bo's own, before
            (api.client(UNA), parts["request"]),  # of a colleague
            (quay, mine),
        )
    ]
    messages = [
        program.post(f"/api/requests/{request}/messages", json=TEXT | {"id": taken})
        for program, request, taken in (
            (loft, mine, parts["message"]),
            (loft, mine, note),
            (quay, parts["request"], note),  # in it, and yet not for Bo
            (api.client(UNA), parts["request"], parts["message"]),
        )
    ]

    for refusals in (requests, messages):
        assert {each.status_code for each in refusals} == {409}
        assert len({each.content for each in refusals}) == 1
    assert loft.post("/api/requests", json=NEW | {"id": new_id()}).status_code == 201


def test_companies_is_an_alias_of_organizations(api: ApiFixture) -> None:
    program = api.client(BO)
    for below in ("", "/quay", "/quay/members", "/quay/invitations", "/quay/categories"):
        answers = [program.get(f"/api/{each}{below}") for each in ("organizations", "companies")]
        assert answers[0].json() == answers[1].json(), below
        assert answers[0].status_code == 200


def ask(api: ApiFixture, actor: Any, method: str, path: str, body: Any) -> Any:
    """One call; bytes are sent as a file."""
    more: dict[str, Any] = {}
    if isinstance(body, bytes):
        more = {"content": body, "headers": {"x-file-name": "mast.txt"}}
    elif body is not None:
        more = {"json": body}
    return api.client(actor).request(method, path, **more)
