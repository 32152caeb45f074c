"""Check that every URL has a policy, follows it, is in the docs, and is requested here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import pytest
from starlette.testclient import TestClient

from deskwire.integrations.discord.source import BotSource
from deskwire.web.url import Url
from deskwire.webhooks.door import Door, Intake
from tests.contracts.source_files import read_file
from tests.fixtures.cast import ADA, BO, HARBOUR_GUILD, create_desk
from tests.fixtures.key_viewers import (
    KEY_OF_BOT,
    KEY_OF_DESK,
    KEY_OF_HARBOUR,
    KEY_OF_LOFT,
    KEY_OF_QUAY,
    REVOKED_KEYS,
    KeysByViewer,
    KeyViewer,
    create_keys,
)
from tests.fixtures.portal import PortalFixture, create_portal
from tests.fixtures.site import SIGNED_IN_HEADER, SiteFixture

PARTS = {
    "guild": HARBOUR_GUILD,
    "number": "1",
    "token": "never-given-out",
    "file": "never-uploaded",
}
PARTS |= {"person": "nobody", "delivery": "1", "dispatch": "1", "avatar": "never-uploaded"}
PARTS |= {"slug": "quay", "request": "", "message": ""}  # the last two once they are there
PARTS |= {"person": "nobody", "category": "none", "invitation": "never-made"}
EXAMPLES = {"/static": "/static/favicon.svg"}
UNKNOWN_HERE = {"/files/{file}", "/files/{file}/thumbnail", "/avatars/{avatar}"}
# … their own tests have one
OF_FEW = {"/admin/people", "/admin/people/{person}", "/admin/deliveries"}
OF_FEW |= {"/admin/dispatches", "/admin/dispatches/{dispatch}", "/admin/integrations"}
OF_FEW |= {"/admin/keys"}
OF_FEW |= {"/admin/deliveries/{delivery}"}  # not for an analyst; tests/http/test_admin_*.py
NOT_THERE = {
    f"/{each}/{{token}}": 404 for each in ("welcome", "reset", "verify", "invitations")
}  # without a link that was given out
ELSEWHERE = {"/": 303, "/requests": 303}  # where someone who is signed in is sent on
ELSEWHERE |= {"/api/requests": 403}  # to who is in no organization
ELSEWHERE |= {"/api/key": 404}  # to a person
AS_ANOTHER = {(each, "/api/requests/all") for each in ("PATCH", "DELETE")}  # as `{request}`
ELSEWHERE |= {"/api/key": 404}  # with a session there is none
OF_MANAGERS = {f"/api/{each}/{{slug}}/invitations": 403 for each in ("organizations", "companies")}
KEYS = (KEY_OF_QUAY, KEY_OF_LOFT, KEY_OF_HARBOUR, KEY_OF_DESK, KEY_OF_BOT, *REVOKED_KEYS[:1])
Answers = dict[tuple[str, str], Any]  # by method and path


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalFixture]:
    desk = create_desk(Path(tmp_path_factory.mktemp("routes")))
    desk.open_ticket(1, "The crane is stuck")
    portal = create_portal(desk)
    PARTS["request"] = portal.create_request(BO, "The mast is dark")
    PARTS["message"] = portal.post_message(ADA, PARTS["request"], "We look.")
    yield portal
    desk.db.close()


@pytest.fixture(scope="module")
def site(portal: PortalFixture) -> SiteFixture:
    return SiteFixture(portal.desk)


@pytest.fixture(scope="module")
def keys(portal: PortalFixture) -> KeysByViewer:
    return create_keys(portal)


@pytest.fixture(scope="module")
def answers_of_pages(site: SiteFixture) -> Answers:
    """Return what each URL that accepts no keys answers to signed-out visitors."""
    pages = [(url, method) for url in site.urls if not url.keys for method in methods_of(url)]
    return {(method, url.path): ask(site, url, method) for url, method in pages}


def test_the_docs_list_every_address_with_its_methods_and_policy(site: SiteFixture) -> None:
    rows = re.findall(
        r"^\| `(/[^`]*)` \| ([A-Z, ]+) \| ([a-z-]+) \|", read_file("docs/urls.md"), re.M
    )

    assert rows == [(url.path, ", ".join(methods_of(url)), url.policy) for url in site.urls], (
        "docs/urls.md is not the table of src/deskwire/web/routes.py"
    )


def test_every_path_parameter_has_a_test_value(site: SiteFixture) -> None:
    for url in site.urls:
        unknown = set(re.findall(r"{(\w+)}", url.path)) - PARTS.keys()
        assert not unknown, f"{url.path}: add {unknown} to PARTS in this file"


def test_signed_out_visitors_are_answered_by_the_policy(site: SiteFixture) -> None:
    for url in site.urls:
        for method in methods_of(url):
            answer = ask(site, url, method)
            where = f"{method} {url.path} ({url.policy}) answered {answer.status_code}"
            match url.policy:
                case "signed-in" if url.path.startswith("/api/"):
                    assert (answer.status_code, answer.json()["code"]) == (401, "signed-out"), where
                case "signed-in":
                    assert answer.status_code == 303, where
                    assert answer.headers["location"].startswith("/sign-in"), where
                    program = ask(site, url, method, accept="application/json")
                    assert program.status_code in (303, 401), where
                    assert method == "POST" or program.status_code == 401, where
                case "session" | "signature":
                    assert answer.status_code == 401, where
                case "operator" | "development":
                    assert answer.status_code == 404, where  # no token is set here
                case "anyone" | "public":
                    assert answer.status_code in stranger_gets(url, method), where
                case _:
                    assert_never(url.policy)


def test_signed_in_people_get_the_page(site: SiteFixture) -> None:
    for url in site.urls:
        if url.policy in ("signed-in", "anyone") and "GET" in methods_of(url):
            answer = ask(site, url, "GET", **{SIGNED_IN_HEADER: ADA.email})
            known = {**NOT_THERE, **ELSEWHERE, **OF_MANAGERS}
            meant = {known.get(url.path, 200)}
            if url.path in UNKNOWN_HERE:
                meant = {404}
            if url.path in OF_FEW:
                meant = {403}
            if url.path == "/settings/password":  # asks the cookie itself, which is not there
                meant = {303}
            assert answer.status_code in meant, f"{url.path}: {answer.status_code}"


def test_only_the_api_and_files_accept_keys(site: SiteFixture) -> None:
    keyed = {url.path for url in site.urls if url.keys}

    assert {path.split("/")[1] for path in keyed} == {"api", "files"}
    assert not any(url.keys for url in site.urls if url.policy not in ("signed-in", "session"))


@pytest.mark.parametrize("viewer", KEYS, ids=lambda viewer: viewer.name)
def test_a_key_opens_no_page_that_is_not_open_to_everyone(
    site: SiteFixture, keys: KeysByViewer, answers_of_pages: Answers, viewer: KeyViewer
) -> None:
    header = {"authorization": f"Bearer {keys[viewer].token}"}
    for url in site.urls:
        for method in () if url.keys else methods_of(url):
            answer = ask(site, url, method, **header)
            where = f"{method} {url.path} ({url.policy})"
            if url.policy == "signed-in":
                assert answer.status_code == 401, where
            else:
                assert summarize(answer) == summarize(answers_of_pages[method, url.path]), where


@pytest.mark.parametrize("viewer", KEYS, ids=lambda viewer: viewer.name)
def test_urls_that_accept_keys_let_in_live_keys_and_refuse_revoked_ones(
    site: SiteFixture, keys: KeysByViewer, viewer: KeyViewer
) -> None:
    header = {"authorization": f"Bearer {keys[viewer].token}", "accept": "application/json"}
    for url in site.urls:
        # The head of a stream is its verdict; a request that changes something has its own table
        # (tests/http/test_api_key_permissions.py), unless it is refused whatever it says.
        methods = ["HEAD"] if url.policy == "session" else [*url.methods]
        for method in methods if url.keys else ():
            if method not in ("GET", "HEAD") and not viewer.is_revoked:
                continue
            answer = ask(site, url, method, **header)
            where = f"{method} {url.path} answered {answer.status_code}"
            if viewer.is_revoked:
                assert answer.status_code == 401, where
                assert "revoked" in answer.text or method == "HEAD", where
            elif url.path == "/api/requests/events":
                sees_requests = viewer.kind in ("organization", "desk")
                assert answer.status_code == (200 if sees_requests else 403), where
            elif url.policy == "session":
                assert answer.status_code == 200, where
            else:
                assert answer.status_code in (200, 403, 404), where


def test_other_methods_are_refused(site: SiteFixture) -> None:
    for url in site.urls:
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - set(methods_of(url)):
            answer = ask(site, url, method)
            meant = 401 if (method, url.path) in AS_ANOTHER else 405
            assert answer.status_code == meant, f"{method} {url.path}: {answer.status_code}"


def summarize(answer: Any) -> tuple[int, str | None, int]:
    """Return what tells one answer from another; a page has random parts of the same length."""
    shown = len(answer.content) if answer.status_code < 400 else 0  # programs get JSON
    return answer.status_code, answer.headers.get("location"), shown


def methods_of(url: Url) -> list[str]:
    if url.policy == "signature":
        return ["POST"]
    return list(url.methods) or ["GET"]


def stranger_gets(url: Url, method: str) -> set[int]:
    """What a public page, or an empty form, is answered: no crash, and no one is let in."""
    if method == "GET":
        return {NOT_THERE.get(url.path, 200)}
    return {403} if url.path == "/sign-up" else {303} if url.path == "/sign-out" else {404, 422}


def ask(site: SiteFixture, url: Url, method: str, **headers: str) -> Any:
    """One request through the door, as the whole application is asked."""
    path = EXAMPLES.get(url.path, url.path)
    for part, value in PARTS.items():
        path = path.replace(f"{{{part}}}", value)
    door = Door(site.app, [BotSource(["-" * 32])], lambda: Intake(site.desk.db, lambda: None))
    own = {"accept": "text/html", **headers}
    return TestClient(door, follow_redirects=False).request(method, path, headers=own)
