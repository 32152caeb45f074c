"""Test the page's stream: it shows its freshness, reconnects, and misses nothing."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import Request, Route, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PASSWORD
from tests.fixtures.visitor import RECONNECT_TIMEOUT_MS, Visitor

PAUSED = "too many tabs are open; return to this tab to resume"
MAX_STREAMS = 8  # STREAMS_PER_PERSON where nothing is set


@pytest.fixture
def cookie(guild: GuildFixture) -> str:
    """Ada's, who sees every ticket here."""
    return guild.sign_in_staff()


def ticket_list_path(guild: GuildFixture) -> str:
    return f"/guilds/{guild.guild_id}/tickets"


def read_log(visitor: Visitor) -> list[str]:
    """What people wrote, as the timeline shows it."""
    texts: list[str] = visitor.find(".line[data-kind=reply] .prose-message").all_inner_texts()
    return [text.strip() for text in texts]


def test_the_indicator_shows_live_and_the_age_of_the_page(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))

    expect(ada.find("#live")).to_have_text(" Live · updated 0 s ago")
    guild.open_ticket(1, "Fresh")
    expect(ada.find_row("Fresh")).to_be_visible()
    ada.expect_live()


def test_after_a_server_crash_the_page_resumes_and_misses_nothing(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    guild.open_ticket(1, "A long story")
    ada = open_visitor(cookie, f"{ticket_list_path(guild)}/1")
    ada.evaluate("() => { window.notReloaded = true }")
    expected = []

    for life in range(2):
        for part in ("first", "last"):
            expected.append(f"The {part} of life {life}")
            guild.post_message(1, guild.bo, expected[-1], side="customer")
        guild.server.kill()
        ada.expect_state("reconnecting")
        expect(ada.find("#live")).to_contain_text("data is")
        guild.server.start()
        expected.append(f"Before it is back, {life}")
        guild.post_message(1, guild.bo, expected[-1], side="customer")
        ada.expect_live()

    expect(ada.find(".line[data-kind=reply]")).to_have_count(len(expected))
    assert read_log(ada) == expected
    assert ada.evaluate("() => window.notReloaded")


def test_after_a_restart_missed_events_make_one_toast_each(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, "/guilds")
    ada.start_recording_toasts()
    guild.open_ticket(1, "Before")
    expect(ada.find_toast("New ticket #1 created")).to_be_visible()

    guild.server.stop()
    ada.expect_not_live()
    guild.server.start()
    guild.open_ticket(2, "Meanwhile")
    ada.expect_live()

    expect(ada.find_toast("New ticket #2 created")).to_be_visible()
    assert ada.shown_toasts == ["New ticket #1 created", "New ticket #2 created"]


def test_the_console_logs_the_states_of_the_connection(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    guild.open_ticket(1, "Seen")
    expect(ada.find_row("Seen")).to_be_visible()
    guild.server.stop()
    expect(ada.find("#live")).to_contain_text(re.compile("restarts|Reconnecting"))
    guild.server.start()
    ada.expect_live()

    story = [
        r"connected \((live|resumed)\) at [0-9a-f]{8}-\d+",
        r"ticket\.created at [0-9a-f]{8}-\d+",
        r"the server ended the stream: restart",
        r"reconnecting in \d+\.\d s \(attempt 1\)",
        r"connected \(resumed\) at [0-9a-f]{8}-\d+",
    ]
    assert_in_order(story, ada.store_log)


def test_a_restarting_server_is_distinguished_from_an_absent_one(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    # Every word the indicator shows, for one may stand only until the first try.
    ada.evaluate("""() => {
        window.said = [];
        const note = () => window.said.push(document.querySelector("#live").innerText);
        new MutationObserver(note).observe(
            document.querySelector("#live"), { childList: true, subtree: true });
    }""")

    guild.server.restart()
    ada.expect_log_line("the server ended the stream: restart")
    ada.expect_live()

    assert any("Server restarting" in words for words in ada.evaluate("() => window.said"))


def test_the_page_shows_offline_and_recovers_with_the_network(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))

    ada.context.set_offline(True)
    ada.expect_state("offline")
    expect(ada.find("#live")).to_contain_text("Offline · data is")
    guild.open_ticket(1, "Meanwhile")
    ada.context.set_offline(False)

    ada.expect_live()
    expect(ada.find_row("Meanwhile")).to_be_visible()


def test_signing_out_in_one_tab_reaches_every_other(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    other = ada.new_tab()
    other.goto("/guilds")
    expect(other.locator("#live")).to_have_attribute("data-state", "live")

    ada.expect_status(401)  # a tab that asks before it is told hears it this way

    other.locator("summary").click()
    other.get_by_role("button", name="Sign out").click()

    expect(other).to_have_url(f"{guild.server.url}/sign-in")
    expect(ada.page).to_have_url(f"{guild.server.url}/sign-in")


def test_a_password_change_elsewhere_signs_this_browser_out(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    elsewhere = guild.server.sign_in(guild.ada.email)

    form = {"current": PASSWORD, "password": "a much better battery staple"}
    assert guild.server.submit_form("/settings/password", elsewhere, **form).status == 303

    expect(ada.page).to_have_url(f"{guild.server.url}/sign-in")
    expect(ada.find("main")).to_contain_text("You were signed out")
    assert "by a new password" not in guild.server.get("/sign-in").text


def test_the_response_to_a_form_that_ends_the_session_is_awaited(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, "/settings/password")

    def answer_late(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        answer = route.fetch(max_redirects=0)
        ada.expect_log_line("the server ended the stream: signed-out")
        ada.store_log.clear()
        route.fulfill(response=answer)

    ada.page.route("**/settings/*", answer_late)
    ada.page.get_by_label("Current password").fill(PASSWORD)
    ada.page.get_by_label("New password").fill("a much better battery staple")
    ada.page.get_by_role("button", name="Change password").click()
    expect(ada.find("main")).to_contain_text("Password changed.")

    ada.open("/settings/delete")
    ada.page.get_by_label("Your password").fill("a much better battery staple")
    ada.page.get_by_role("button", name="Permanently delete my account").click()
    expect(ada.find("main")).to_contain_text("Your account was deleted.")


def test_the_oldest_of_too_many_tabs_pauses_until_it_is_focused(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    with ExitStack() as stack:
        for _ in range(MAX_STREAMS):
            stack.enter_context(guild.open_stream(cookie))
        ada.expect_state("parked")
        expect(ada.find("#live")).to_contain_text(f"Paused: {PAUSED}")
        expect(ada.find("#live")).to_have_attribute("title", re.compile(PAUSED))
        ada.expect_log_line("the server ended the stream: too-many-streams")
        guild.open_ticket(1, "Meanwhile")

        ada.evaluate("() => dispatchEvent(new Event('focus'))")

        ada.expect_live()
        expect(ada.find_row("Meanwhile")).to_be_visible()


def test_a_client_that_cannot_resume_reloads_its_fragments(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    guild.open_ticket(1, "Known")
    ada = open_visitor(cookie, ticket_list_path(guild))
    ada.evaluate("() => { window.notReloaded = true }")

    def forget(route: Route) -> None:
        # As after a restore from a backup: the log is another one.
        route.continue_(url=f"{guild.server.url}/api/events?after=00000000-1")

    ada.page.route("**/api/events?*", forget)
    guild.server.kill()
    ada.expect_state("reconnecting")
    guild.server.start()
    guild.open_ticket(2, "Never told")

    ada.expect_log_line(r"connected \(reset because epoch\)", timeout_ms=RECONNECT_TIMEOUT_MS)
    expect(ada.find_row("Never told")).to_be_visible()
    expect(ada.find_row("Known")).to_have_count(1)
    assert ada.evaluate("() => window.notReloaded")


def test_a_page_with_a_fragment_that_cannot_be_reloaded_is_not_live(
    guild: GuildFixture, open_visitor: OpenVisitor, cookie: str
) -> None:
    ada = open_visitor(cookie, ticket_list_path(guild))
    ada.page.clock.install()
    ada.page.route("**/*fragment=*", lambda route: route.abort())
    guild.open_ticket(1, "Not counted")
    expect(ada.find_row("Not counted")).to_be_visible()

    # A retry is scheduled only once the failure before it has been handled. So the clock advances
    # in small steps: one large step can pass before there is a timer to fire.
    failures: list[Request] = []
    ada.page.on("requestfailed", lambda request: failures.append(request))
    for attempt in range(1, 4):
        for _ in range(200):
            if len(failures) >= attempt:
                break
            ada.page.clock.run_for(100)
            ada.page.wait_for_timeout(20)
        assert len(failures) >= attempt
    ada.expect_state("stale")

    ada.page.unroute("**/*fragment=*")
    guild.open_ticket(2, "Counted")
    expect(ada.find_row("Counted")).to_be_visible()
    ada.page.clock.run_for(1_000)
    expect(ada.find_tab_count("All")).to_have_text("2")
    ada.expect_live()


def assert_in_order(patterns: list[str], lines: list[str]) -> None:
    """Each pattern is found in a line after the one before it."""
    rest = iter(lines)
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in rest), f"{pattern} not in order: {lines}"
