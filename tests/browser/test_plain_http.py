"""Test the desk over plain http from another host, where browsers withhold locks and clipboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import run_browser
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server
from tests.fixtures.visitor import RECONNECT_TIMEOUT_MS, Visitor

HOST = "desk.test"
TABS = 8  # over HTTP/1.1 a browser opens six connections to a site: the seventh would hang
# Said of every page over plain http; the header counts where the desk is served over https.
IGNORED_HEADER = "Cross-Origin-Opener-Policy"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for which the desk is on another host."""
    with run_browser(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as started:
        yield started


@pytest.fixture
def company(server: Server) -> HttpCompany:
    return HttpCompany(server)


@pytest.fixture
def clara(company: HttpCompany, server: Server, browser: Browser) -> Iterator[Visitor]:
    """Clara's browser; its console stays clean."""
    url = f"http://{HOST}:{server.port}"
    # Behind a proxy: asked directly, a server on this machine believes only local names.
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    context = browser.new_context(
        base_url=url, reduced_motion="reduce", extra_http_headers=forwarded
    )
    visitor = Visitor(context, company.clara, url)
    yield visitor
    problems = [line for line in visitor.console_problems if IGNORED_HEADER not in line]
    context.close()
    assert problems == []


def test_over_plain_http_many_tabs_are_live_and_each_can_send(
    company: HttpCompany, clara: Visitor
) -> None:
    request = company.create_request(company.clara, "The mast is dark")
    clara.open(f"/requests/{request}")
    assert clara.evaluate("() => [isSecureContext, 'locks' in navigator]") == [False, False]
    tabs = [clara.page]
    for _ in range(TABS - 1):
        tab = clara.new_tab()
        tab.goto(f"/requests/{request}")
        tabs.append(tab)
    for tab in tabs:
        live = tab.locator("#live[data-state=live]")
        expect(live).to_be_visible(timeout=RECONNECT_TIMEOUT_MS)

    for number, tab in enumerate(tabs):
        tab.locator("#reply").fill(f"From tab {number}.")
        tab.locator("#reply").press("Control+Enter")

    for tab in tabs:
        sent = tab.locator(".line[data-kind=reply]:not([data-fate])").filter(has_text="From tab")
        expect(sent).to_have_count(TABS, timeout=RECONNECT_TIMEOUT_MS)


def test_over_plain_http_a_link_is_copied(company: HttpCompany, clara: Visitor) -> None:
    request = company.create_request(company.clara, "The mast is dark")
    clara.open(f"/requests/{request}")
    button = clara.find("[data-copy]").first

    button.click()
    expect(button).to_have_text("Copied")
    clara.find("#reply").press("Control+V")

    link = f"http://{HOST}:{company.server.port}/requests/{request}"
    expect(clara.find("#reply")).to_have_value(link)


def test_over_plain_http_a_new_api_key_is_copied(company: HttpCompany, clara: Visitor) -> None:
    clara.open(f"/orgs/{company.slug}/settings")
    clara.find("#key-name").fill("Lighthouse")
    clara.find("#keys").get_by_role("button", name="Create key").click()
    button, token = clara.find("[data-copy-from]"), clara.find("#new-token").inner_text()

    button.click()
    expect(button).to_have_text("Copied")
    clara.find("#key-name").focus()
    clara.find("#key-name").press("Control+V")

    assert token.startswith("dw_")
    expect(clara.find("#key-name")).to_have_value(token[:80])
