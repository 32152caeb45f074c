"""Check that no malformed request is an error of ours: every URL, with what its parsers refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deskwire.integrations.discord.source import BotSource
from deskwire.web.url import Url
from deskwire.webhooks.door import Door, Intake
from tests.contracts.test_routes import EXAMPLES, PARTS, methods_of
from tests.fixtures.cast import ADA, BO, create_desk
from tests.fixtures.portal import create_portal
from tests.fixtures.site import SIGNED_IN_HEADER, SiteFixture

FORM = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\xa0..x\r\n--b--\r\n'
MULTIPART = "multipart/form-data; boundary=b"
MALFORMED_BODIES = {
    "a boundary of 257 characters": ("multipart/form-data; boundary=" + "b" * 257, b"x"),
    "an empty boundary": ('multipart/form-data; boundary=""', b"x"),
    "a charset that decodes nothing": (f"{MULTIPART}; charset=undefined", FORM),
    "a charset of host names": (f"{MULTIPART}; charset=idna", FORM),
    "a charset that is a path": (f"{MULTIPART}; charset=../x", FORM),
    "a part without a header": (MULTIPART, b"--b\r\n\r\nx\r\n--b--\r\n"),
    "a part without a name": (MULTIPART, b"--b\r\nContent-Disposition: x\r\n\r\nx\r\n--b--\r\n"),
    "half a form": (MULTIPART, FORM[:60]),
    "a form of no bytes": (MULTIPART, b""),
    "broken escapes": ("application/x-www-form-urlencoded", b"text=%&%zz=%ff&&;=&subject=%00"),
    "deep JSON": ("application/json", b'{"a":' * 5000),
    "a lone surrogate": ("application/json", b'{"subject":"\\ud800","text":"\\udfff"}'),
    "a number that overflows": ("application/json", b'{"number":1e999,"after":' + b"9" * 5000),
    "no UTF-8": ("application/json", b'{"subject":"\xff\xfe"}'),
}
MALFORMED_HEADERS = {
    "range": "bytes=" + "9" * 5000 + "-",
    "if-none-match": '"' * 99,
    "if-modified-since": "Thu, 99 Foo 99999 99:99:99 GMT",
    "accept-language": "de;q=" + "9" * 400 + ",;q=,*;q=nan",
    "accept": "text/html;q=x;;=,application/json",
    "cookie": 'deskwire="\\777;=;;deskwire=\xff; deskwire_session',
    "last-event-id": "0123abcd-" + "9" * 5000,
    "host": "[::1",
    "x-file-name": "%ff%00%zz" + "é".encode().decode("latin-1"),
    "content-length": "",
    "x-forwarded-for": "[::::1]:99999, é",
}
MALFORMED_QUERIES = {
    "digits without end": "after=" + "9" * 5000 + "&page=" + "9" * 5000 + "&before=" + "9" * 5000,
    "bytes that are no text": "q=%ff%00&after=%ff&workspace=%00&status=%ff&ticket=%ff&id=%ff",
    "nothing but separators": "&&==;;&=&a",
    "many of one": "&".join(["after=1", "q=x"] * 50),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteFixture]:
    desk = create_desk(Path(tmp_path_factory.mktemp("malformed")))
    desk.open_ticket(1, "The crane is stuck")
    portal = create_portal(desk)
    PARTS["request"] = portal.create_request(BO, "The mast is dark")
    PARTS["message"] = portal.post_message(ADA, PARTS["request"], "We look.")
    yield SiteFixture(desk)
    desk.db.close()


@pytest.mark.parametrize("name", MALFORMED_BODIES)
def test_no_body_makes_a_route_fail(site: SiteFixture, name: str) -> None:
    media_type, body = MALFORMED_BODIES[name]

    for url, method in _addresses(site):
        if method not in ("GET", "HEAD"):
            _assert_no_error_of_ours(site, url, method, body, {"content-type": media_type})


@pytest.mark.parametrize("name", MALFORMED_HEADERS)
def test_no_header_makes_a_route_fail(site: SiteFixture, name: str) -> None:
    for url, method in _addresses(site):
        _assert_no_error_of_ours(site, url, method, b"", {name: MALFORMED_HEADERS[name]})


@pytest.mark.parametrize("name", MALFORMED_QUERIES)
def test_no_query_makes_a_route_fail(site: SiteFixture, name: str) -> None:
    for url, method in _addresses(site):
        _assert_no_error_of_ours(site, url, method, b"", {}, MALFORMED_QUERIES[name])


@pytest.mark.parametrize("value", ["%00", "%ff", "9" * 5000, "..", "%2e%2e%2f", "a%0d%0ab"])
def test_no_path_parameter_makes_a_route_fail(site: SiteFixture, value: str) -> None:
    for url, method in _addresses(site):
        if "{" in url.path:
            _assert_no_error_of_ours(site, url, method, b"", {}, part=value)


def _addresses(site: SiteFixture) -> Iterator[tuple[Url, str]]:
    for url in site.urls:
        for method in methods_of(url):
            yield url, method


def _assert_no_error_of_ours(
    site: SiteFixture,
    url: Url,
    method: str,
    body: bytes,
    headers: dict[str, str],
    query: str = "",
    part: str = "",
) -> None:
    path = EXAMPLES.get(url.path, url.path)
    for name, value in PARTS.items():
        path = path.replace(f"{{{name}}}", part or value)
    door = Door(site.app, [BotSource(["-" * 32])], lambda: Intake(site.desk.db, lambda: None))
    browser = TestClient(door, follow_redirects=False)  # raises what is not handled
    for person in (ADA, BO):
        own = {SIGNED_IN_HEADER: person.email, **headers}
        raw = {name.encode(): value.encode("latin-1") for name, value in own.items()}
        answer = browser.request(method, path, params=query, content=body, headers=raw)
        assert answer.status_code < 500, f"{method} {path} as {person.name}: {answer.text[:300]}"
