"""Test that the browser keeps what a person wrote until the desk has it, and sends it once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Dialog, Error, Page, Route, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import PASSWORD, Server
from tests.fixtures.visitor import RECONNECT_TIMEOUT_MS, Visitor

SUBJECT, TEXT = "The mast is dark", "Since the storm."
NEW = "/requests/new"
UNSENT = """() => Object.keys(localStorage).filter(key => key.startsWith("deskwire:unsent:"))"""
EMPTY_LIST: list[str] = []


def write_request(page: Page, subject: str = SUBJECT) -> None:
    page.get_by_label("Title").fill(subject)
    page.get_by_label("Description").fill(TEXT)


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit request").click()


def proxy_is_down(route: Route) -> None:
    """Answer as a proxy does whose server is gone."""
    if route.request.method == "POST":
        route.fulfill(status=503, content_type="text/html", body="<h1>503</h1>")
    else:
        route.fallback()


def answer_is_lost(route: Route) -> None:
    """Let the desk receive a form, and lose its answer."""
    if route.request.method == "POST":
        with suppress(Error):  # the page was left, or the route removed, while the desk answered
            route.fetch()
            route.abort()
    else:
        route.fallback()


def connection_is_refused(route: Route) -> None:
    if route.request.method == "POST":
        route.abort("connectionrefused")
    else:
        route.fallback()


def expect_sent_once(company: HttpCompany, visitor: Visitor, subject: str = SUBJECT) -> None:
    visitor.open(f"/requests?organization={company.slug}")
    expect(visitor.find_row(subject)).to_have_count(1)


def sign_in_again(visitor: Visitor, company: HttpCompany) -> None:
    visitor.page.goto("/sign-in")
    visitor.page.get_by_label("Email address").fill(company.people[0].email)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def company(server: Server) -> HttpCompany:
    return HttpCompany(server)


@pytest.mark.parametrize("answer", [proxy_is_down, connection_is_refused, answer_is_lost])
def test_an_unanswered_request_is_kept_and_resent_once(
    company: HttpCompany, open_visitor: OpenVisitor, answer: Callable[[Route], None]
) -> None:
    clara = open_visitor(company.clara, NEW)
    clara.expect_status(503)
    clara.page.route(f"**{NEW}", answer)
    write_request(clara.page)

    submit(clara.page)
    expect(clara.find("[data-waiting]")).to_contain_text("as soon as it’s back")
    clara.page.reload()
    expect(clara.page.get_by_label("Title")).to_have_value(SUBJECT)
    expect(clara.page.get_by_label("Description")).to_have_value(TEXT)
    clara.page.unroute(f"**{NEW}")

    expect(clara.find("#ticket h1")).to_have_text(SUBJECT, timeout=RECONNECT_TIMEOUT_MS)
    expect_sent_once(company, clara)
    assert clara.evaluate(UNSENT) == EMPTY_LIST


def test_an_unsent_request_is_sent_when_the_server_returns(
    company: HttpCompany, server: Server, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    write_request(clara.page)

    server.stop()
    try:
        submit(clara.page)
        expect(clara.find("[data-waiting]")).to_be_visible()
    finally:
        server.start()

    expect(clara.find("#ticket h1")).to_have_text(SUBJECT, timeout=RECONNECT_TIMEOUT_MS)


def test_a_request_of_an_expired_session_is_sent_after_signing_in(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    clara.expect_status(401)
    write_request(clara.page)
    clara.context.clear_cookies()

    submit(clara.page)
    expect(clara.find("[data-waiting]")).to_contain_text("Sign in, and your text")
    expect(clara.page.get_by_label("Title")).to_have_value(SUBJECT)
    sign_in_again(clara, company)

    expect(clara.find_toast("Sent")).to_contain_text(SUBJECT)
    expect_sent_once(company, clara)


def test_a_refused_request_shows_why_and_keeps_its_text(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    clara.expect_status(422)
    clara.page.get_by_label("Description").fill(TEXT)

    submit(clara.page)

    expect(clara.find("#subject-error")).to_be_visible()
    expect(clara.page.get_by_label("Description")).to_have_value(TEXT)
    clara.page.get_by_label("Title").fill(SUBJECT)
    submit(clara.page)
    expect(clara.find("#ticket h1")).to_have_text(SUBJECT)
    clara.open(NEW)
    expect(clara.page.get_by_label("Description")).to_have_value("")


@pytest.mark.parametrize("answer", [proxy_is_down, connection_is_refused, answer_is_lost])
def test_an_unsent_reply_outlives_its_page_and_is_sent_once(
    company: HttpCompany, open_visitor: OpenVisitor, answer: Callable[[Route], None]
) -> None:
    request = company.create_request(company.clara, SUBJECT)
    clara, carl = (
        open_visitor(each, f"/requests/{request}") for each in (company.clara, company.carl)
    )
    clara.expect_status(503)
    clara.page.route("**/messages", answer)

    clara.find("#reply").fill("Still dark")
    clara.find("#reply").press("Control+Enter")
    expect(clara.find("[data-fate-notice]")).to_contain_text("Not sent")
    clara.page.reload()
    if answer is not answer_is_lost:
        expect(clara.find("[data-fate-notice]")).to_contain_text("Not sent")
    clara.page.unroute("**/messages")

    lines = [each.find(".line:not([data-fate])") for each in (clara, carl)]
    for line in lines:
        expect(line.filter(has_text="Still dark")).to_have_count(1, timeout=RECONNECT_TIMEOUT_MS)
    clara.page.reload()
    expect(lines[0].filter(has_text="Still dark")).to_have_count(1)
    assert clara.evaluate(UNSENT) == EMPTY_LIST


def test_an_unsent_reply_is_sent_from_the_next_page_opened(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    request = company.create_request(company.clara, SUBJECT)
    clara = open_visitor(company.clara, f"/requests/{request}")
    clara.page.route("**/messages", connection_is_refused)
    clara.find("#reply").fill("Still dark")
    clara.find("#reply").press("Control+Enter")
    expect(clara.find("[data-fate-notice]")).to_contain_text("Not sent")
    clara.page.unroute("**/messages")

    clara.open("/requests")

    expect(clara.find_toast("Sent")).to_contain_text("Still dark")
    clara.open(f"/requests/{request}")
    expect(clara.find(".line").filter(has_text="Still dark")).to_have_count(1)


def test_two_tabs_with_a_new_request_keep_separate_drafts(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    other = clara.new_tab()
    write_request(clara.page, "The first")
    other.goto(NEW)
    expect(other.get_by_label("Title")).to_have_value("")
    write_request(other, "The second")

    for page, subject in ((clara.page, "The first"), (other, "The second")):
        page.reload()
        expect(page.get_by_label("Title")).to_have_value(subject)
        submit(page)
        expect(page.locator("#ticket h1")).to_have_text(subject)


def close_tab(page: Page) -> None:
    page.close(run_before_unload=False)


def crash_tab(page: Page) -> None:
    with pytest.raises(Error):
        page.goto("chrome://crash")


@pytest.mark.parametrize("end", [close_tab, crash_tab])
def test_the_draft_of_a_lost_tab_is_restored_in_the_next(
    company: HttpCompany, open_visitor: OpenVisitor, end: Callable[[Page], None]
) -> None:
    clara = open_visitor(company.clara, "/requests")
    lost, following = clara.new_tab(), clara.new_tab()
    lost.goto(NEW)
    write_request(lost)

    end(lost)
    following.goto(NEW)

    expect(following.get_by_label("Title")).to_have_value(SUBJECT)
    expect(following.get_by_label("Description")).to_have_value(TEXT)


def test_a_form_sent_by_another_tab_is_shown_empty(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    """As when a tab was taken for lost because it stood still."""
    clara = open_visitor(company.clara, NEW)
    clara.expect_status(503)
    clara.page.route(f"**{NEW}", proxy_is_down)
    write_request(clara.page)
    submit(clara.page)
    expect(clara.find("[data-waiting]")).to_be_visible()

    other = clara.new_tab()
    other.goto("/requests")
    other.evaluate(f"({UNSENT})().forEach(key => localStorage.removeItem(key))")

    expect(clara.page.get_by_label("Title")).to_have_value("")
    expect(clara.find("[data-waiting]")).to_be_hidden()


def test_a_draft_is_never_shown_to_another_person(
    company: HttpCompany, server: Server, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    write_request(clara.page)
    clara.page.goto("/requests")
    for cookie, text in ((company.carl, ""), (company.clara, TEXT)):
        name, _, value = cookie.partition("=")
        clara.page.goto("about:blank")  # a live page would reload itself when the person changes
        clara.context.add_cookies([{"name": name, "value": value, "url": server.url}])
        clara.open(NEW)
        expect(clara.page.get_by_label("Description")).to_have_value(text)


def test_signing_out_asks_about_unsent_drafts_and_deletes_them(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    clara = open_visitor(company.clara, NEW)
    write_request(clara.page)
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    def sign_out() -> None:
        clara.find("header summary").click()
        clara.page.get_by_role("button", name="Sign out").click()

    clara.page.once("dialog", refuse)
    sign_out()
    expect(clara.page.get_by_label("Title")).to_have_value(SUBJECT)
    clara.page.once("dialog", accept)
    clara.page.keyboard.press("Escape")
    sign_out()

    expect(clara.page).to_have_url(f"{company.server.url}/sign-in")
    assert [("hasn’t been sent" in each) for each in asked] == [True, True]
    assert clara.evaluate(UNSENT) == EMPTY_LIST


def test_an_edit_is_kept_until_the_server_has_it(
    company: HttpCompany, open_visitor: OpenVisitor
) -> None:
    request = company.create_request(company.clara, SUBJECT)
    company.post_message(company.clara, request, "Still dark")
    clara = open_visitor(company.clara, f"/requests/{request}")
    clara.page.get_by_role("link", name="Edit").last.click()
    clara.page.route("**/messages/*", connection_is_refused)
    field = clara.page.get_by_label("Message")
    field.fill("Still dark, and cold")

    clara.page.reload()
    expect(field).to_have_value("Still dark, and cold")
    clara.page.get_by_role("button", name="Save").click()
    expect(clara.find("[data-waiting]")).to_contain_text("as soon as it’s back")
    clara.page.unroute("**/messages/*")

    expect(clara.find(".line").last).to_contain_text("and cold", timeout=RECONNECT_TIMEOUT_MS)
    assert clara.evaluate(UNSENT) == EMPTY_LIST


@pytest.mark.parametrize("status", [0, 401, 503])
def test_settings_forms_are_not_submitted_while_the_server_is_unavailable(
    company: HttpCompany, open_visitor: OpenVisitor, status: int
) -> None:
    clara = open_visitor(company.clara, "/settings")
    clara.expect_status(status)

    def answer(route: Route) -> None:
        if status:
            route.fulfill(status=status)
        else:
            route.abort()

    clara.page.route("**/api/events", lambda route: answer(route))
    field = clara.page.get_by_label("Name", exact=True)
    field.fill("Clara Stays")
    save = clara.page.get_by_role("button", name="Save").first
    save.click()
    banner = clara.find("#signed-out")
    toast = clara.find_toast("The server can’t be reached")
    expect(banner if status == 401 else toast).to_be_visible()
    expect(field).to_have_value("Clara Stays")
    clara.page.unroute("**/api/events")
    save.click()

    expect(clara.find("[role=status]").first).to_contain_text("Name changed.")
