"""Test that live updates do not disturb what a person is reading or writing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor


@pytest.fixture
def ada_visitor(guild: GuildFixture, open_visitor: OpenVisitor) -> Visitor:
    """Ada, who sees every ticket here; no page is open yet."""
    return open_visitor(guild.sign_in_staff())


def ticket_list_path(guild: GuildFixture) -> str:
    return f"/guilds/{guild.guild_id}/tickets"


def read_caret(field: Locator) -> list[int]:
    """Where the selection begins and ends."""
    found: list[int] = field.evaluate("field => [field.selectionStart, field.selectionEnd]")
    return found


def test_a_half_typed_search_keeps_focus_and_caret(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "The crane is stuck")
    ada_visitor.open(ticket_list_path(guild))
    search = ada_visitor.find("#q")
    search.click()
    with ada_visitor.page.expect_response(re.compile(r"q=cran")):
        search.press_sequentially("cran")
    search.press("ArrowLeft")

    guild.open_ticket(2, "Another crane")
    guild.close_ticket(1, guild.mo)
    expect(ada_visitor.find_row("Another crane")).to_be_visible()
    expect(ada_visitor.find_row("The crane is stuck")).to_contain_text("Completed")

    expect(search).to_be_focused()
    expect(search).to_have_value("cran")
    assert read_caret(search) == [3, 3]
    search.press_sequentially("x")
    expect(search).to_have_value("craxn")


def test_new_tickets_enter_a_searched_list_only_if_they_match(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "The crane is stuck")
    ada_visitor.open(f"{ticket_list_path(guild)}?q=crane")

    guild.open_ticket(2, "Not what is looked for")
    guild.open_ticket(3, "A second crane")

    expect(ada_visitor.find_row("A second crane")).to_be_visible()
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(2)
    expect(ada_visitor.find_tab_count("All")).to_have_text("2")


def test_a_cleared_search_leaves_no_parameter_in_the_url(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "The crane is stuck")
    ada_visitor.open(ticket_list_path(guild))
    ada_visitor.find("#q").fill("crane")
    expect(ada_visitor.page).to_have_url(re.compile(r"/tickets\?q=crane$"))

    ada_visitor.find("#q").fill("")

    expect(ada_visitor.page).to_have_url(re.compile(r"/tickets$"))


def test_a_ticket_leaves_a_tab_whose_filter_it_no_longer_matches(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "Soon claimed")
    guild.open_ticket(2, "Still new")
    ada_visitor.open(f"{ticket_list_path(guild)}?status=new")

    guild.claim_ticket(1, guild.mo)

    expect(ada_visitor.find_row("Soon claimed")).to_have_count(0)
    expect(ada_visitor.find_row("Still new")).to_be_visible()
    expect(ada_visitor.find_tab_count("In Progress")).to_have_text("1")


def test_a_burst_of_events_makes_one_request(guild: GuildFixture, ada_visitor: Visitor) -> None:
    ada_visitor.page.clock.install()
    ada_visitor.open(ticket_list_path(guild))
    ada_visitor.page.clock.pause_at(datetime.now() + timedelta(minutes=1))

    for number in range(1, 11):
        guild.open_ticket(number, f"Number {number}")
    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(10)
    assert ada_visitor.fragment_requests == []

    with ada_visitor.page.expect_response(re.compile("fragment=")):
        ada_visitor.page.clock.run_for(1_000)
    expect(ada_visitor.find_tab_count("All")).to_have_text("10")
    ada_visitor.page.clock.run_for(5_000)
    assert len(ada_visitor.fragment_requests) == 1


def test_a_row_with_new_activity_moves_to_the_top_and_keeps_focus(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    for number in (1, 2, 3):
        guild.open_ticket(number, f"Number {number}")
    ada_visitor.open(ticket_list_path(guild))
    subjects = ada_visitor.find("#tickets > [data-row] .row-link")
    expect(subjects).to_have_text(["Number 3", "Number 2", "Number 1"])
    oldest = ada_visitor.find_row("Number 1").get_by_role("link", name="Number 1")
    oldest.focus()

    guild.post_message(1, guild.bo, "Anybody?", side="customer")

    expect(subjects).to_have_text(["Number 1", "Number 3", "Number 2"])
    expect(oldest).to_be_focused()


def test_a_deleted_ticket_is_gone_from_list_and_page_for_good(
    guild: GuildFixture, ada_visitor: Visitor, open_visitor: OpenVisitor
) -> None:
    guild.open_ticket(1, "Opened twice")
    ada_visitor.open(ticket_list_path(guild))
    reading = open_visitor(guild.server.sign_in(guild.ada.email), f"{ticket_list_path(guild)}/1")

    guild.delete_ticket(1, guild.mo)

    expect(ada_visitor.find_row("Opened twice")).to_have_count(0)
    expect(ada_visitor.find("[data-empty-for=tickets]")).to_be_visible()
    expect(reading.find("main")).to_contain_text("This ticket is no longer available")
    expect(reading.find("main")).not_to_contain_text("Opened twice")


def test_an_older_event_does_not_change_a_newer_page(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    ada_visitor.open("/guilds")
    older = ada_visitor.find("html").get_attribute("data-cursor")
    guild.open_ticket(1, "First wording")
    guild.update_ticket(1, guild.mo, subject={"old": "First wording", "new": "Last wording"})
    guild.close_ticket(1, guild.mo)

    def render_earlier(html: str) -> str:
        return re.sub('data-cursor="[^"]+"', f'data-cursor="{older}"', html)

    # A page is read after its cursor; here very long after, so that it hears it all again.
    watch = """addEventListener("DOMContentLoaded", () => {
        window.seen = [];
        const look = () => {
            const row = document.querySelector("#tickets > [data-row]");
            const text = row && row.querySelector(".status").textContent + " " +
                row.querySelector(".row-link").textContent;
            if (window.seen.at(-1) !== text) window.seen.push(text);
        };
        look();
        const all = { childList: true, subtree: true, attributes: true, characterData: true };
        new MutationObserver(look).observe(document.querySelector("#results"), all);
    })"""
    ada_visitor.page.add_init_script(watch)
    ada_visitor.page.route(
        f"**{ticket_list_path(guild)}",
        lambda route: route.fulfill(
            body=render_earlier(route.fetch().text()), content_type="text/html"
        ),
    )
    ada_visitor.open(ticket_list_path(guild))
    ada_visitor.expect_log_line(r"ticket\.closed at")

    expect(ada_visitor.find("#tickets > [data-row]")).to_have_count(1)
    assert ada_visitor.evaluate("() => window.seen") == ["Completed Last wording"]


def test_a_conversation_shows_each_message_once_however_often_it_arrives(
    guild: GuildFixture, ada_visitor: Visitor
) -> None:
    guild.open_ticket(1, "A story")
    ada_visitor.open("/guilds")
    older = ada_visitor.find("html").get_attribute("data-cursor")
    for part in ("one", "two", "three"):
        guild.post_message(1, guild.bo, part, side="customer")
    ada_visitor.page.route(
        "**/api/events?*",
        lambda route: route.continue_(url=f"{guild.server.url}/api/events?after={older}"),
    )
    ada_visitor.open(f"{ticket_list_path(guild)}/1")
    guild.post_message(1, guild.bo, "four", side="customer")

    expect(ada_visitor.find(".line[data-kind=reply]")).to_have_count(4)
    texts = ada_visitor.find(".line[data-kind=reply] .prose-message").all_inner_texts()
    assert [text.strip() for text in texts] == ["one", "two", "three", "four"]


def test_a_late_message_is_inserted_by_time(guild: GuildFixture, ada_visitor: Visitor) -> None:
    guild.open_ticket(1, "A story")
    ada_visitor.open(f"{ticket_list_path(guild)}/1")
    guild.post_message(1, guild.bo, "Hello", side="customer")
    guild.close_ticket(1, guild.mo)

    expect(ada_visitor.find(".line").last).to_contain_text("closed the ticket")
    order = ada_visitor.find(".line").evaluate_all(
        "lines => lines.map(line => Number(line.dataset.at))"
    )
    assert order == sorted(order)


HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'


def test_hostile_text_is_shown_as_text(guild: GuildFixture, ada_visitor: Visitor) -> None:
    ada_visitor.open(ticket_list_path(guild))
    guild.open_ticket(1, HOSTILE[:100])
    expect(ada_visitor.find_row(HOSTILE[:100])).to_be_visible()
    expect(ada_visitor.find_toast("New ticket #1 created")).to_contain_text(
        f"Subject: {HOSTILE[:100]}"
    )

    ada_visitor.open(f"{ticket_list_path(guild)}/1")
    guild.post_message(1, guild.bo, f"{HOSTILE} [x](javascript:window.hit=1)", side="customer")

    line = ada_visitor.find(".line[data-kind=reply]")
    expect(line).to_contain_text("onerror")
    # A picture of who wrote it has no address here, as no one has one.
    assert line.locator("img[src], script, [href^=javascript]").count() == 0
    assert ada_visitor.evaluate("() => window.hit") is None


def test_the_account_menu_stays_open(guild: GuildFixture, ada_visitor: Visitor) -> None:
    ada_visitor.open(f"/guilds/{guild.guild_id}")
    ada_visitor.find("summary").click()

    with ada_visitor.page.expect_response(re.compile("fragment=")):
        guild.open_ticket(1, "Counted")

    expect(ada_visitor.find("#counts li").first).to_contain_text("1")
    expect(ada_visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
