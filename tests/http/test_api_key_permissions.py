"""Test the API as each kind of API key: the response to every operation.

The operations are those of `test_api_permissions.py`, written shorter: `…` is a request and `@` an
organization, and the names of the body's fields follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deskwire.workspaces.keys.actions import revoke_key_from_shell
from tests.fixtures.api import ApiFixture, create_api, fill_placeholders
from tests.fixtures.api_keys import key_client, make_key
from tests.http.test_api_permissions import ORGANIZATION_PATH, REQUEST, ROWS, UNKNOWN_ID

pytestmark = pytest.mark.database("sqlite")

# An admin's key of the Quay, a member's, an admin's of the Loft; a key of a guild; an operations
# manager's of the desk; a key of the bot; a revoked one.
KEYS = ("admin", "member", "other", "guild", "desk", "bot", "revoked")
SHOWN_VALUES = ("status", "visibility", "kind")
STATUSES: dict[str, tuple[int, ...]] = {
    "GET /api/me": (403, 403, 403, 403, 403, 403, 401),
    "POST /api/me/verification": (404, 404, 404, 404, 404, 404, 401),
    "GET /api/key": (200, 200, 200, 200, 200, 200, 401),
    "GET /api/requests": (200, 200, 200, 403, 403, 403, 401),
    "GET /api/requests?organization=quay": (200, 200, 404, 404, 200, 404, 401),
    "GET /api/requests?organization=team": (404, 404, 404, 404, 404, 404, 401),
    "GET /api/requests/all": (403, 403, 403, 403, 200, 403, 401),
    "POST /api/requests subject text": (201, 201, 201, 403, 403, 403, 401),
    "POST /api/requests?organization=quay subject text": (201, 201, 404, 404, 201, 404, 401),
    "POST /api/requests?organization=quay requester subject text": (
        403,
        403,
        404,
        404,
        201,
        404,
        401,
    ),
    "GET …": (200, 200, 404, 404, 200, 404, 401),
    "PATCH … subject": (200, 403, 404, 404, 200, 404, 401),
    "PATCH … status=canceled": (200, 403, 404, 404, 200, 404, 401),
    "PATCH … status=review": (403, 403, 404, 404, 200, 404, 401),
    "PATCH … assignee": (403, 403, 404, 404, 200, 404, 401),
    "PATCH … category": (403, 403, 404, 404, 200, 404, 401),
    "PATCH … priority": (403, 403, 404, 404, 200, 404, 401),
    "PATCH … labels": (403, 403, 404, 404, 200, 404, 401),
    "DELETE …": (403, 403, 404, 404, 204, 404, 401),
    "GET …/messages": (200, 200, 404, 404, 200, 404, 401),
    "POST …/messages text": (201, 201, 404, 404, 201, 404, 401),
    "POST …/messages kind=note text": (403, 403, 404, 404, 201, 404, 401),
    "PATCH …/messages/{message} text": (403, 403, 404, 404, 403, 404, 401),
    "DELETE …/messages/{message}": (403, 403, 404, 404, 204, 404, 401),
    "GET …/files": (200, 200, 404, 404, 200, 404, 401),
    "POST …/files": (201, 201, 404, 404, 201, 404, 401),
    "POST …/files?kind=note": (403, 403, 404, 404, 201, 404, 401),
    "DELETE …/files/{file}": (403, 403, 404, 404, 204, 404, 401),
    "DELETE …/files/{noted}": (404, 404, 404, 404, 204, 404, 401),
    "PUT …/watch": (403, 403, 403, 403, 403, 403, 401),
    "PUT …/watch?person={person}": (204, 403, 404, 404, 204, 404, 401),
    "DELETE …/watch": (403, 403, 403, 403, 403, 403, 401),
    "POST …/read": (403, 403, 404, 404, 403, 404, 401),
    "GET /api/organizations": (200, 200, 200, 200, 200, 200, 401),
    "GET @": (200, 200, 404, 404, 200, 404, 401),
    "PATCH @ about": (200, 403, 404, 404, 200, 404, 401),
    "PATCH @ visibility=members": (200, 403, 404, 404, 200, 404, 401),
    "GET @/members": (200, 200, 404, 404, 200, 404, 401),
    "PATCH @/members/{person} role": (403, 403, 404, 404, 403, 404, 401),
    "DELETE @/members/{unknown}": (403, 403, 404, 404, 403, 404, 401),
    "GET @/invitations": (403, 403, 404, 404, 403, 404, 401),
    "POST @/invitations email role": (403, 403, 404, 404, 403, 404, 401),
    "DELETE @/invitations/{invitation}": (403, 403, 404, 404, 403, 404, 401),
    "GET @/categories": (200, 200, 404, 404, 200, 404, 401),
    "POST @/categories name": (201, 403, 404, 404, 201, 404, 401),
    "PATCH @/categories/{category} archived": (200, 403, 404, 404, 200, 404, 401),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiFixture]:
    found = create_api(Path(tmp_path_factory.mktemp("keys")))
    yield found
    found.site.desk.db.close()


@pytest.fixture(scope="module")
def programs(api: ApiFixture) -> dict[str, TestClient]:
    """Return a client for each key."""
    keys = {
        "admin": make_key(api, "organization"),
        "member": make_key(api, "organization", role="member"),
        "other": make_key(api, "organization", slug="loft"),
        "guild": make_key(api, "guild"),
        "desk": make_key(api, "desk"),
        "bot": make_key(api, "bot"),
        "revoked": make_key(api, "organization"),
    }
    revoked = keys["revoked"].key.id
    api.site.desk.db.write_sync(revoke_key_from_shell, revoked, "shell", api.site.desk.now)
    return {name: key_client(api, new.token) for name, new in keys.items()}


@pytest.mark.parametrize(("method", "path", "body"), [row[:3] for row in ROWS])
def test_every_key_gets_its_documented_response(
    api: ApiFixture, programs: dict[str, TestClient], method: str, path: str, body: Any
) -> None:
    answers = {}
    for name, program in programs.items():
        values = api.create_path_values()
        if "/files/" in path:
            values |= api.create_files(values["request"])
        sent = fill_placeholders(body, values)
        content = (
            {"content": sent, "headers": {"x-file-name": "mast.txt"}}
            if isinstance(sent, bytes)
            else {}
            if sent is None
            else {"json": sent}
        )
        answer = program.request(method, fill_placeholders(path, values), **content)
        answers[name] = answer.status_code
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"

    assert answers == dict(zip(KEYS, STATUSES[shorten(method, path, body)], strict=True))


def test_every_operation_is_in_the_table() -> None:
    assert [*STATUSES] == [shorten(*row[:3]) for row in ROWS], "add a row to STATUSES"


def test_the_document_names_keys_where_one_is_accepted(api: ApiFixture) -> None:
    accepted: dict[tuple[str, str], bool] = {}
    for method, path, body, _ in ROWS:
        operation = (method.lower(), drop_names(path.replace(UNKNOWN_ID, "{person}")))
        is_accepted = any(status < 400 for status in STATUSES[shorten(method, path, body)])
        accepted[operation] = accepted.get(operation, False) or is_accepted
    # Rows of what a key may not do; it may with `person` (as with PUT), and with its own message.
    accepted["delete", "/api/requests/{}/watch"] = True
    accepted["patch", "/api/requests/{}/messages/{}"] = True

    paths = api.client().get("/api/openapi.json").json()["paths"]
    documented = {
        (method, drop_names(path)): any("key" in each for each in item[method]["security"])
        for path, item in paths.items()
        for method in item.keys() - {"parameters"}
    }

    assert accepted == {operation: documented[operation] for operation in accepted}
    assert not documented["post", "/api/organizations"]


def drop_names(path: str) -> str:
    """Return a path without its query and the names of its parameters."""
    return re.sub(r"{\w+}", "{}", path.partition("?")[0])


def shorten(method: str, path: str, body: Any) -> str:
    """Return how the table names an operation."""
    short = path.replace(REQUEST, "…").replace(ORGANIZATION_PATH, "@")
    fields = (
        sorted(f"{name}={value}" if name in SHOWN_VALUES else name for name, value in body.items())
        if isinstance(body, dict)
        else []
    )
    return " ".join([method, short.replace(UNKNOWN_ID, "{unknown}"), *fields])
