"""Test CORS: pages of listed origins use the API with a key; all others, and cookies, do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from deskwire.web.http.middleware import add_middleware
from tests.fixtures import sse
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import make_key
from tests.fixtures.cast import BO
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import DESKWIRE_COMMAND, Server, running_server
from tests.fixtures.server_keys import create_organization_key
from tests.fixtures.site import SIGNED_IN_HEADER

STATUS_PAGE = "https://status.example.org"
OTHER_PAGE = "https://eve.example.org"
WITHOUT_TAKEOVER = ("-m", "tests.fixtures.serve_without_takeover")
ALLOW_ORIGIN = "access-control-allow-origin"
SHARED = {
    ALLOW_ORIGIN: STATUS_PAGE,
    "access-control-expose-headers": "link, location, retry-after, ratelimit, ratelimit-policy, "
    "idempotency-replayed",
    "vary": "Origin",
}
NEW = {"subject": "The lamp is dark", "text": "Since this morning."}

sqlite_only = pytest.mark.database("sqlite")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


def visit(api: ApiFixture, **headers: str) -> TestClient:
    """Return a client whose requests pass the middleware, as on a server that lists an origin."""
    app = add_middleware(api.site.app, "http://testserver", cors_origins=[STATUS_PAGE])
    return TestClient(app, headers=headers, raise_server_exceptions=False)


def bearer(api: ApiFixture) -> str:
    return f"Bearer {make_key(api, 'organization').token}"


def cors_headers(answer: Any) -> dict[str, str]:
    """Return the headers of a response that concern other origins."""
    return {
        name: value
        for name, value in answer.headers.items()
        if name.startswith("access-control-") or name == "vary"
    }


@sqlite_only
@pytest.mark.parametrize(
    "path", ["/api/requests", "/api/events", "/api/nothing", "/files", "/files/x/thumbnail"]
)
def test_a_preflight_of_a_listed_origin_allows_what_the_api_needs(
    api: ApiFixture, path: str
) -> None:
    asked = {"origin": STATUS_PAGE, "access-control-request-method": "PATCH"}

    answer = visit(api).options(path, headers=asked)

    assert (answer.status_code, answer.content) == (204, b"")
    assert cors_headers(answer) == {
        ALLOW_ORIGIN: STATUS_PAGE,
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": "authorization, content-type, idempotency-key, "
        "last-event-id, x-file-name",
        "access-control-max-age": "600",
        "vary": "Origin",
    }


@sqlite_only
@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/api/requests", OTHER_PAGE),
        ("/api/requests", "null"),
        ("/api/requests", f"{STATUS_PAGE}.eve.example.org"),
        ("/api/requests", STATUS_PAGE.upper()),
        ("/requests", STATUS_PAGE),
        ("/sign-in", STATUS_PAGE),
        ("/api/webhooks/bot/events", STATUS_PAGE),
    ],
)
def test_no_other_preflight_is_allowed(api: ApiFixture, path: str, origin: str) -> None:
    asked = {"origin": origin, "access-control-request-method": "GET"}

    answer = visit(api).options(path, headers=asked)

    assert answer.status_code >= 400
    assert not any(name.startswith("access-control-") for name in answer.headers)


@sqlite_only
def test_a_key_call_of_a_listed_origin_is_shared_with_it_and_so_are_its_errors(
    api: ApiFixture,
) -> None:
    program = visit(api, origin=STATUS_PAGE, authorization=bearer(api))

    answers = {
        "list": program.get("/api/requests"),
        "filed": program.post("/api/requests", json=NEW),
        "unknown": program.get("/api/requests/nothing"),
        "no such path": program.get("/api/nothing"),
        "no such key": program.get("/api/requests", headers={"authorization": "Bearer dw_1"}),
        "too large": program.post("/api/requests", content=b"x" * 2_000_000),
        "file": program.get("/files/nothing"),
        "two hosts": program.get("/api/key", headers=[("host", "a.test"), ("host", "b.test")]),
    }

    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert list(statuses.values()) == [200, 201, 404, 404, 401, 413, 404, 400], statuses
    assert {name: cors_headers(answer) for name, answer in answers.items()} == dict.fromkeys(
        answers, SHARED
    )


@sqlite_only
def test_a_crash_is_shared_too(api: ApiFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    authorization = bearer(api)

    async def crash(_request: HTTPConnection, _scope: str) -> None:
        raise RuntimeError("out of paper")

    monkeypatch.setattr(type(api.site.site.key_authentication), "find_key", crash)
    program = visit(api, origin=STATUS_PAGE, authorization=authorization)

    answer = program.get("/api/requests")

    assert answer.status_code == 500
    assert cors_headers(answer) == SHARED


@sqlite_only
def test_without_a_key_or_beside_a_cookie_nothing_is_shared(api: ApiFixture) -> None:
    cookie, key = {"cookie": "deskwire=x"}, {"authorization": bearer(api)}
    signed_in = {SIGNED_IN_HEADER: BO.email}
    for headers in ({}, signed_in, cookie, cookie | key, {"authorization": "Basic eDp5"}):
        answer = visit(api, origin=STATUS_PAGE, **headers).get("/api/requests")

        assert cors_headers(answer) == {"vary": "Origin"}, headers


@sqlite_only
def test_a_page_that_is_not_listed_gets_no_header_and_may_not_write(api: ApiFixture) -> None:
    program = visit(api, origin=OTHER_PAGE, authorization=bearer(api))

    read, written = program.get("/api/requests"), program.post("/api/requests", json=NEW)

    assert [cors_headers(each) for each in (read, written)] == [{"vary": "Origin"}] * 2
    assert (written.status_code, written.json()["code"]) == (403, "foreign-origin")
    assert "CORS_ORIGINS" in written.json()["detail"]
    assert OTHER_PAGE in written.json()["detail"]


@sqlite_only
def test_a_listed_page_may_not_write_with_a_cookie_or_outside_the_api(api: ApiFixture) -> None:
    key = {"authorization": bearer(api)}
    with_cookie = visit(api, origin=STATUS_PAGE, cookie="deskwire=x")
    with_both = visit(api, origin=STATUS_PAGE, cookie="deskwire=x", **key)
    with_key = visit(api, origin=STATUS_PAGE, **key)

    refused = [
        with_cookie.post("/api/requests", json=NEW),
        with_both.post("/api/requests", json=NEW),
        with_key.post("/sign-in", data={"email": "eve@desk.test"}),
        with_key.post("/requests/new", data={"subject": "A lamp"}),
    ]

    assert [answer.status_code for answer in refused] == [403] * 4
    assert all("PUBLIC_URL" in answer.text for answer in refused)
    assert not any(ALLOW_ORIGIN in answer.headers for answer in refused)


@sqlite_only
def test_without_the_setting_responses_are_as_before(api: ApiFixture) -> None:
    app = add_middleware(api.site.app, "http://testserver")
    program = TestClient(app, headers={"origin": STATUS_PAGE, "authorization": bearer(api)})

    assert cors_headers(program.get("/api/requests")) == {}
    assert program.options("/api/requests").status_code == 405
    assert program.post("/api/requests", json=NEW).status_code == 403


@sqlite_only
@pytest.mark.parametrize("command", [DESKWIRE_COMMAND, WITHOUT_TAKEOVER], ids=["taken", "plain"])
def test_a_stream_and_its_refusal_are_shared(tmp_path: Path, command: tuple[str, ...]) -> None:
    with running_server(tmp_path, command, CORS_ORIGINS=STATUS_PAGE) as server:
        token = create_organization_key(server, HttpCompany(server).slug)

        with open_stream(server, token) as stream:
            assert stream.next_frame().type == "connected"
            headers = dict(stream.headers)
        with open_stream(server, "dw_1") as refused:
            assert refused.status == 401
            assert json.loads(refused.read_body())["code"] == "signed-out"
            refused_headers = dict(refused.headers)

    for name, value in SHARED.items():
        assert (headers[name], refused_headers[name]) == (value, value)


def open_stream(server: Server, token: str) -> sse.SseClient:
    """Open a stream as a page of the listed origin does."""
    lines = (
        "GET /api/requests/events HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Origin: {STATUS_PAGE}",
        f"Authorization: Bearer {token}",
    )
    return sse.SseClient(server.port, ("\r\n".join(lines) + "\r\n\r\n").encode(), None)
