"""Test that every URL has a policy and follows it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from deskwire.kit import errors
from deskwire.web.errors import STATUS_BY_REFUSAL
from deskwire.web.routes import enforce_policy
from deskwire.web.url import Policy, Url
from tests.fixtures.cast import ADA, HARBOUR_GUILD
from tests.fixtures.site import SiteFixture, open_browser

pytestmark = pytest.mark.database("sqlite")  # which URLs exist is the same for both


def test_every_route_is_in_the_table_and_has_a_policy(site: SiteFixture) -> None:
    policies = {url.path: url.policy for url in site.urls}

    assert len(policies) == len(site.urls)
    for route in site.app.routes:
        assert isinstance(route, Route | Mount)
        assert policies[route.path] in get_args(Policy)


def test_the_table_includes_the_webhook_route(site: SiteFixture) -> None:
    assert ("/api/webhooks/bot/events", "signature") in {(u.path, u.policy) for u in site.urls}


def test_a_signed_out_visitor_is_sent_to_sign_in_and_back(site: SiteFixture) -> None:
    for url in site.urls:
        if url.path.startswith("/api/"):
            continue  # programs are told 401
        if url.policy == "signed-in" and "GET" not in url.methods:
            posted = open_browser(site).post(concrete(url) + "?q=a&page=2")
            assert (posted.status_code, posted.headers["location"]) == (303, "/sign-in")
        elif url.policy == "signed-in":
            answer = open_browser(site).get(concrete(url) + "?q=a&page=2")
            assert answer.status_code == 303
            target = answer.headers["location"]
            assert target.startswith("/sign-in?next=%2F")
            assert target.endswith("%3Fq%3Da%26page%3D2")


def test_a_signed_out_post_is_not_repeated_after_signing_in(site: SiteFixture) -> None:
    answer = open_browser(site).post("/settings/password")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_signed_out_streams_fragments_and_programs_get_401(site: SiteFixture) -> None:
    page = f"/guilds/{HARBOUR_GUILD}"

    assert open_browser(site).get("/api/events").status_code == 401
    assert open_browser(site).get("/api/guilds/events").status_code == 401
    part = open_browser(site).get(f"{page}?fragment=team", headers={"x-deskwire-fragment": "team"})
    assert part.status_code == 401
    program = open_browser(site, accept="application/json").get(page)
    assert program.status_code == 401
    assert program.headers["content-type"] == "application/problem+json"


def test_pages_are_never_cached(site: SiteFixture) -> None:
    for url in site.urls:
        if url.policy in ("signed-in", "anyone") and "GET" in url.methods:
            answer = open_browser(site, ADA).get(concrete(url))
            assert answer.status_code == 303 or answer.headers["cache-control"] == "no-store"


def test_the_home_page_describes_the_desk_or_shows_servers(site: SiteFixture) -> None:
    assert 'href="/sign-in"' in open_browser(site).get("/").text
    assert open_browser(site, ADA).get("/").headers["location"] == "/guilds"


def test_an_unknown_url_is_a_page_with_a_link_home(site: SiteFixture) -> None:
    for actor in (None, ADA):
        answer = open_browser(site, actor).get("/no/such/page")
        assert answer.status_code == 404
        assert 'href="/"' in answer.text
        assert "no/such" not in answer.text


def test_an_unknown_api_url_is_a_problem_document(site: SiteFixture) -> None:
    answer = open_browser(site).get("/api/nothing")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code == 404
    assert answer.json()["code"] == "not-found"


def test_a_wrong_method_is_answered_with_the_allowed_ones(site: SiteFixture) -> None:
    answer = open_browser(site, ADA).post("/guilds")

    assert answer.status_code == 405
    assert set(re.findall(r"[A-Z]+", answer.headers["allow"])) == {"GET", "HEAD"}


def test_a_head_request_runs_the_page_and_sends_no_body(site: SiteFixture) -> None:
    answer = open_browser(site, ADA).head("/guilds")

    assert (answer.status_code, answer.content) == (200, b"")


def test_an_internal_error_is_a_page_with_a_reference(
    site: SiteFixture, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_request: Request) -> Response:
        raise RuntimeError("secret detail")

    url = Url("/broken", "signed-in", broken)
    site.app.router.routes.append(Route("/broken", enforce_policy(site.site, url)))

    answer = open_browser(site, ADA).get("/broken")

    reference = re.search(r"<code[^>]*>([0-9a-f-]{36})</code>", answer.text)
    assert answer.status_code == 500
    assert reference is not None
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert reference[1] in caplog.text


def test_every_error_kind_has_a_status() -> None:
    assert set(STATUS_BY_REFUSAL) == set(errors.Refusal.__subclasses__())


def test_a_rate_limited_request_gets_retry_after(site: SiteFixture) -> None:
    async def busy(_request: Request) -> Response:
        raise errors.RateLimited("Not so fast.", 7)

    site.app.router.routes.append(
        Route("/busy", enforce_policy(site.site, Url("/busy", "public", busy)))
    )

    answer = open_browser(site).get("/busy")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")


def test_an_unready_process_says_why(site: SiteFixture) -> None:
    assert open_browser(site).get("/healthz").status_code == 200
    assert open_browser(site).get("/readyz").json() == {"status": "ready"}

    site.problems = ["The database does not answer."]

    answer = open_browser(site).get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == site.problems
    assert open_browser(site).get("/healthz").status_code == 200


def test_static_files_are_immutable_only_under_their_hashed_url(
    site: SiteFixture,
) -> None:
    page = open_browser(site).get("/").text
    address = re.search(r'href="(/static/favicon\.svg\?v=[0-9a-f]{12})"', page)
    assert address is not None

    cached, asked = (
        open_browser(site).get(address[1]),
        open_browser(site).get("/static/favicon.svg"),
    )

    assert "immutable" in cached.headers["cache-control"]
    assert asked.headers["cache-control"] == "no-cache"
    assert open_browser(site).get("/static/../routes.py").status_code == 404


def concrete(url: Url) -> str:
    """An address of the table with its parts filled in."""
    return url.path.replace("{guild}", HARBOUR_GUILD).replace("{number}", "1")
