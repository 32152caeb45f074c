"""Test that the tabs of a browser share one stream, whatever happens to the tab that owns it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import CDPSession, Error, Page, Route, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import RECONNECT_TIMEOUT_MS, Visitor, read_shown_toasts

TABS = 10  # over HTTP/1.1 a browser opens six connections to a site: the seventh would hang
LEADS_MESSAGE = "leads: this tab's stream serves every tab"
TAKES_OVER_MESSAGE = "the tab that leads does not answer: takes over"

# What a browser does when a tab is put behind another, or in front again; headless it never does.
VISIBILITY_SCRIPT = """state => {
    const set = (name, value) =>
        Object.defineProperty(document, name, { value, configurable: true });
    set("visibilityState", state);
    set("hidden", state != "visible");
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class TabsFixture:
    """Ada's browser with several tabs on the same list; the first of them leads."""

    def __init__(self, guild: GuildFixture, visitor: Visitor) -> None:
        self.guild = guild
        self.visitor = visitor
        self.path = f"/guilds/{guild.guild_id}/tickets"
        self.tabs = [visitor.page]
        self._said: dict[Page, list[str]] = {}
        self.follow(visitor.page)
        visitor.open(self.path)

    def open(self, count: int = 1) -> Page:
        """More tabs, live; the last of them."""
        for _ in range(count):
            tab = self.visitor.new_tab()
            self.follow(tab)
            tab.goto(self.path)
            expect_state(tab, "live")
            self.tabs.append(tab)
        return self.tabs[-1]

    def follow(self, tab: Page) -> None:
        """Note what its console says."""
        said = self._said[tab] = []
        tab.on("console", lambda line: said.append(line.text.removeprefix("[SSE] ")))

    def said(self, tab: Page, pattern: str) -> list[str]:
        """The lines of a tab's console in which `pattern` is found."""
        return [line for line in self._said[tab] if re.search(pattern, line)]

    def expect_said(self, tab: Page, pattern: str, within: float = RECONNECT_TIMEOUT_MS) -> None:
        if not self.said(tab, pattern):
            tab.wait_for_event(
                "console",
                lambda line: re.search(pattern, line.text.removeprefix("[SSE] ")) is not None,
                timeout=within,
            )

    def open_ticket(self, number: int, subject: str) -> str:
        """Open a ticket as the bot does; return the log line about its broadcast."""
        mark = self.guild.server.log.end
        self.guild.open_ticket(number, subject)
        return self.guild.server.log.wait_for_line(
            rf"Broadcasting update to \d+ clients? \(ticket\.created → .*{self.guild.guild_id}",
            after=mark,
        )

    def expect_rows(self, tab: Page, *subjects: str) -> None:
        """Exactly these, newest first, each once; a leader that answers no one takes a while."""
        rows = tab.locator("#tickets > [data-row] .row-link")
        expect(rows).to_have_text(list(subjects), timeout=RECONNECT_TIMEOUT_MS)

    def expect_heard(self, tab: Page, *numbers: int) -> None:
        """The tab heard of each of its tickets exactly once."""
        self.expect_rows(tab, *(f"Number {number}" for number in sorted(numbers, reverse=True)))
        assert len(self.said(tab, r"^ticket\.created at")) == len(numbers)

    def debug(self, tab: Page) -> CDPSession:
        return self.visitor.context.new_cdp_session(tab)


@pytest.fixture
def tabs(guild: GuildFixture, open_visitor: OpenVisitor) -> TabsFixture:
    return TabsFixture(guild, open_visitor(guild.sign_in_staff()))


def expect_state(tab: Page, state: str, within: float = RECONNECT_TIMEOUT_MS) -> None:
    expect(tab.locator("#live")).to_have_attribute("data-state", state, timeout=within)


def look_at(tab: Page) -> None:
    tab.evaluate(VISIBILITY_SCRIPT, "visible")
    tab.evaluate("() => dispatchEvent(new Event('focus'))")


@contextmanager
def stopped_tab(desk: TabsFixture, tab: Page) -> Iterator[None]:
    """The tab stands still, as one in a debugger does: no timer, no message, and its lock held."""
    session = desk.debug(tab)
    session.send("Debugger.enable")
    session.send("Debugger.pause")
    try:
        yield
    finally:
        session.send("Debugger.disable")


def crash_tab(tab: Page) -> None:
    """Its process dies, without a word."""
    with pytest.raises(Error):
        tab.goto("chrome://crash")


def close_tab(tab: Page) -> None:
    tab.close()


def test_ten_tabs_open_one_stream_and_each_hears_an_event_once(tabs: TabsFixture) -> None:
    tabs.open(TABS - 1)

    event = tabs.open_ticket(1, "Number 1")

    assert "to 1 client (" in event
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)
        expect_state(tab, "live")


def test_the_console_says_which_tab_leads_and_which_follow(tabs: TabsFixture) -> None:
    other = tabs.open()
    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)

    leader = tabs.tabs[0]
    assert tabs.said(leader, re.escape(LEADS_MESSAGE)) == [LEADS_MESSAGE]
    assert tabs.said(leader, r"through another tab") == []
    assert tabs.said(other, r"^leads") == []
    assert tabs.said(other, r"^follows: another tab's stream serves this one$")
    assert tabs.said(other, r"^ticket\.created at \S+ \(through another tab\)$")


@pytest.mark.parametrize("end", [close_tab, crash_tab])
def test_when_the_leader_closes_another_tab_takes_over(
    tabs: TabsFixture, end: Callable[[Page], None]
) -> None:
    tabs.open(2)
    leader, *others = tabs.tabs
    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)

    end(leader)
    tabs.open_ticket(2, "Number 2")

    for tab in others:
        tabs.expect_heard(tab, 1, 2)
        expect_state(tab, "live")
    assert sum(len(tabs.said(tab, LEADS_MESSAGE)) for tab in others) == 1
    assert "to 1 client (" in tabs.open_ticket(3, "Number 3")


def test_a_frozen_leader_is_replaced_and_follows_when_it_thaws(
    tabs: TabsFixture,
) -> None:
    tabs.open(2)
    leader, *others = tabs.tabs
    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)

    with stopped_tab(tabs, leader):
        tabs.open_ticket(2, "Number 2")
        for tab in others:
            tabs.expect_rows(tab, "Number 2", "Number 1")
        assert [line for tab in others for line in tabs.said(tab, TAKES_OVER_MESSAGE)] != []
        tabs.open_ticket(3, "Number 3")
        for tab in others:
            tabs.expect_heard(tab, 1, 2, 3)

    tabs.expect_heard(leader, 1, 2, 3)
    tabs.expect_said(leader, r"^follows")
    for tab in tabs.tabs:
        expect_state(tab, "live")
    assert "to 1 client (" in tabs.open_ticket(4, "Number 4")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1, 2, 3, 4)


def test_a_frozen_follower_misses_nothing(tabs: TabsFixture) -> None:
    follower = tabs.open()

    with stopped_tab(tabs, follower):
        for number in (1, 2):
            tabs.open_ticket(number, f"Number {number}")
        tabs.expect_heard(tabs.tabs[0], 1, 2)

    tabs.expect_heard(follower, 1, 2)


@pytest.mark.parametrize("index", [0, 1])
def test_a_tab_frozen_by_the_browser_leaves_and_rejoins(tabs: TabsFixture, index: int) -> None:
    tabs.open()
    frozen, other = tabs.tabs[index], tabs.tabs[1 - index]

    # The browser says so beforehand (Page Lifecycle); what follows is the same as for a closed tab.
    frozen.evaluate("() => document.dispatchEvent(new Event('freeze'))")
    tabs.open_ticket(1, "Number 1")
    tabs.expect_heard(other, 1)
    assert tabs.said(other, LEADS_MESSAGE)
    assert frozen.locator("#tickets > [data-row]").count() == 0

    frozen.evaluate("() => document.dispatchEvent(new Event('resume'))")
    tabs.expect_heard(frozen, 1)
    assert "to 1 client (" in tabs.open_ticket(2, "Number 2")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1, 2)


def test_a_late_tab_receives_the_events_since_it_was_rendered(tabs: TabsFixture) -> None:
    late, scripts = tabs.visitor.new_tab(), list[Route]()
    tabs.follow(late)
    late.route("**/dist/app.js*", lambda route: scripts.append(route))
    with late.expect_request("**/dist/app.js*"):
        late.goto(tabs.path, wait_until="commit")
    late.wait_for_selector("#tickets", state="attached")
    tabs.open_ticket(1, "Number 1")
    tabs.expect_heard(tabs.tabs[0], 1)
    tabs.expect_rows(late)

    scripts[0].continue_()

    tabs.expect_heard(late, 1)
    tabs.expect_said(late, r"^connected \(live\) at \S+ \(through another tab\)$")
    expect_state(late, "live")


def test_the_connection_indicator_is_correct_in_every_tab(tabs: TabsFixture) -> None:
    tabs.open(2)

    tabs.guild.server.stop()
    for tab in tabs.tabs:
        expect(tab.locator("#live")).not_to_have_attribute("data-state", "live")
        expect(tab.locator("#live")).to_contain_text("data is")
    tabs.guild.server.start()
    for tab in tabs.tabs:
        expect_state(tab, "live")

    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)


def test_a_toast_is_shown_once_in_the_visible_tab(tabs: TabsFixture) -> None:
    tabs.open(2)
    for tab in tabs.tabs:
        tabs.visitor.start_recording_toasts(tab)

    for number, tab in enumerate(tabs.tabs, 1):
        look_at(tab)
        tabs.open_ticket(number, f"Number {number}")
        title = f"New ticket #{number} created"
        expect(tab.locator(".toast-card", has_text=title)).to_be_visible()

    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1, 2, 3)
    shown = [read_shown_toasts(tab) for tab in tabs.tabs]
    assert shown == [[f"New ticket #{number} created"] for number in (1, 2, 3)]


def test_a_toast_with_no_visible_tab_waits_for_the_next_one_focused(tabs: TabsFixture) -> None:
    tabs.open(2)
    for tab in tabs.tabs:
        tabs.visitor.start_recording_toasts(tab)
        tab.evaluate(VISIBILITY_SCRIPT, "hidden")
    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)
        assert read_shown_toasts(tab) == []

    look_at(tabs.tabs[1])

    expect(tabs.tabs[1].locator(".toast-card")).to_have_count(1)
    look_at(tabs.tabs[2])
    tabs.open_ticket(2, "Number 2")
    expect(tabs.tabs[2].locator(".toast-card", has_text="#2")).to_be_visible()
    first, second = "New ticket #1 created", "New ticket #2 created"
    assert [read_shown_toasts(tab) for tab in tabs.tabs] == [[], [first], [second]]


def test_the_next_person_to_sign_in_sees_nothing_of_the_previous_one(
    guild: GuildFixture, open_visitor: OpenVisitor, tabs: TabsFixture
) -> None:
    """Also where no one signed out: the cookie is another's, and the old tabs are still open."""
    tabs.open()
    tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)
    name, _, value = guild.server.create_account(guild.bo).partition("=")
    tabs.visitor.expect_status(404)  # the old tabs ask for their page, which is not Bo's

    tabs.visitor.context.add_cookies([{"name": name, "value": value, "url": guild.server.url}])
    newer = tabs.visitor.new_tab()
    newer.goto("/guilds")
    expect_state(newer, "live")

    for tab in tabs.tabs:
        expect(tab.get_by_role("heading", level=1)).not_to_have_text(guild.name)
        expect(tab.locator("body")).not_to_contain_text("Number 1")
    assert "to 0 clients" in tabs.open_ticket(2, "Number 2")
    assert "Number 2" not in newer.content()


def test_every_tab_refuses_the_stream_of_another_person(
    guild: GuildFixture, tabs: TabsFixture
) -> None:
    other = tabs.open()
    tabs.open_ticket(1, "Number 1")
    tabs.expect_heard(other, 1)
    session = other.locator("html").get_attribute("data-session") or ""
    cookie = guild.server.create_account(
        guild.mo
    )  # who owns the server, so he hears of its tickets
    name, _, value = cookie.partition("=")

    # No page of his tells the tabs: only the stream, when it comes back.
    tabs.visitor.context.add_cookies([{"name": name, "value": value, "url": guild.server.url}])
    tabs.visitor.context.set_offline(True)
    expect_state(tabs.tabs[0], "offline")
    tabs.visitor.context.set_offline(False)

    for tab in tabs.tabs:
        expect(tab.locator("html")).not_to_have_attribute("data-session", session)
        expect_state(tab, "live")
    assert tabs.said(tabs.tabs[0], "another person is signed in in this browser")


def test_signing_out_in_the_leader_signs_out_every_tab(tabs: TabsFixture) -> None:
    other = tabs.open()
    tabs.visitor.expect_status(401)  # the next leader learns it

    leader = tabs.tabs[0]
    leader.locator("summary").click()
    leader.get_by_role("button", name="Sign out").click()

    for tab in (leader, other):
        expect(tab).to_have_url(f"{tabs.guild.server.url}/sign-in")


@pytest.mark.parametrize("end", [close_tab, crash_tab])
def test_without_locks_the_tabs_elect_a_leader(
    guild: GuildFixture, open_visitor: OpenVisitor, end: Callable[[Page], None]
) -> None:
    """As over plain http from another machine, where a browser gives no locks."""
    visitor = open_visitor(guild.sign_in_staff())
    visitor.context.add_init_script("delete Navigator.prototype.locks")
    tabs = TabsFixture(guild, visitor)
    tabs.open(2)
    leader, *others = sorted(tabs.tabs, key=lambda tab: not tabs.said(tab, LEADS_MESSAGE))
    assert "to 1 client (" in tabs.open_ticket(1, "Number 1")
    for tab in tabs.tabs:
        tabs.expect_heard(tab, 1)

    end(leader)
    tabs.open_ticket(2, "Number 2")

    for tab in others:
        tabs.expect_heard(tab, 1, 2)
        expect_state(tab, "live")
    assert "to 1 client (" in tabs.open_ticket(3, "Number 3")


def test_without_a_broadcast_channel_each_tab_opens_a_stream(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    visitor = open_visitor(guild.sign_in_staff())
    visitor.context.add_init_script("delete window.BroadcastChannel")
    desk = TabsFixture(guild, visitor)
    desk.open()

    event = desk.open_ticket(1, "Number 1")

    assert "to 2 clients (" in event
    for tab in desk.tabs:
        desk.expect_heard(tab, 1)
        expect(tab.locator(".toast-card")).to_have_count(1)
