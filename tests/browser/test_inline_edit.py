"""What happens to what somebody is reading or writing while the desk goes on."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor


@pytest.fixture
def ada(place: Place, visit: Visit) -> Visitor:
    """Ada, who sees every ticket here; no page is open yet."""
    return visit(place.staff())


def list_of(place: Place) -> str:
    return f"/guilds/{place.guild}/tickets"


def caret(field: Locator) -> list[int]:
    """Where the selection begins and ends."""
    found: list[int] = field.evaluate("field => [field.selectionStart, field.selectionEnd]")
    return found


def test_what_is_half_typed_stays_with_focus_and_caret(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "The crane is stuck")
    ada.open(list_of(place))
    search = ada.find("#q")
    search.click()
    with ada.page.expect_response(re.compile(r"q=cran")):
        search.press_sequentially("cran")
    search.press("ArrowLeft")

    place.open_ticket(2, "Another crane")
    place.close(1, place.mo)
    expect(ada.row("Another crane")).to_be_visible()
    expect(ada.row("The crane is stuck")).to_contain_text("Completed")

    expect(search).to_be_focused()
    expect(search).to_have_value("cran")
    assert caret(search) == [3, 3]
    search.press_sequentially("x")
    expect(search).to_have_value("craxn")


def test_a_list_that_is_searched_shows_only_what_is_found(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "The crane is stuck")
    ada.open(f"{list_of(place)}?q=crane")

    place.open_ticket(2, "Not what is looked for")
    place.open_ticket(3, "A second crane")

    expect(ada.row("A second crane")).to_be_visible()
    expect(ada.find("#tickets > [data-row]")).to_have_count(2)
    expect(ada.tab_count("All")).to_have_text("2")


def test_a_search_that_is_cleared_leaves_nothing_in_the_address(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "The crane is stuck")
    ada.open(list_of(place))
    ada.find("#q").fill("crane")
    expect(ada.page).to_have_url(re.compile(r"/tickets\?q=crane$"))

    ada.find("#q").fill("")

    expect(ada.page).to_have_url(re.compile(r"/tickets$"))


def test_a_ticket_leaves_the_tab_it_does_not_belong_to_any_more(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "Soon claimed")
    place.open_ticket(2, "Still new")
    ada.open(f"{list_of(place)}?status=new")

    place.claim(1, place.mo)

    expect(ada.row("Soon claimed")).to_have_count(0)
    expect(ada.row("Still new")).to_be_visible()
    expect(ada.tab_count("In Progress")).to_have_text("1")


def test_a_burst_of_events_asks_the_server_once(place: Place, ada: Visitor) -> None:
    ada.page.clock.install()
    ada.open(list_of(place))
    ada.page.clock.pause_at(datetime.now() + timedelta(minutes=1))

    for number in range(1, 11):
        place.open_ticket(number, f"Number {number}")
    expect(ada.find("#tickets > [data-row]")).to_have_count(10)
    assert ada.fragments == []

    with ada.page.expect_response(re.compile("fragment=")):
        ada.page.clock.run_for(1_000)
    expect(ada.tab_count("All")).to_have_text("10")
    ada.page.clock.run_for(5_000)
    assert len(ada.fragments) == 1


def test_the_newest_activity_moves_up_and_takes_the_focus_along(place: Place, ada: Visitor) -> None:
    for number in (1, 2, 3):
        place.open_ticket(number, f"Number {number}")
    ada.open(list_of(place))
    subjects = ada.find("#tickets > [data-row] .row-link")
    expect(subjects).to_have_text(["Number 3", "Number 2", "Number 1"])
    oldest = ada.row("Number 1").get_by_role("link", name="Number 1")
    oldest.focus()

    place.say(1, place.bo, "Anybody?", side="customer")

    expect(subjects).to_have_text(["Number 1", "Number 3", "Number 2"])
    expect(oldest).to_be_focused()


def test_a_deleted_ticket_is_gone_from_list_and_page_for_good(
    place: Place, ada: Visitor, visit: Visit
) -> None:
    place.open_ticket(1, "Opened twice")
    ada.open(list_of(place))
    reading = visit(place.server.sign_in(place.ada.email), f"{list_of(place)}/1")

    place.delete(1, place.mo)

    expect(ada.row("Opened twice")).to_have_count(0)
    expect(ada.find("[data-empty-for=tickets]")).to_be_visible()
    expect(reading.find("main")).to_contain_text("This ticket is gone")
    expect(reading.find("main")).not_to_contain_text("Opened twice")


def test_an_older_event_does_not_change_a_newer_page(place: Place, ada: Visitor) -> None:
    ada.open("/guilds")
    older = ada.find("html").get_attribute("data-cursor")
    place.open_ticket(1, "First wording")
    place.change(1, place.mo, subject={"old": "First wording", "new": "Last wording"})
    place.close(1, place.mo)

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
    ada.page.add_init_script(watch)
    ada.page.route(
        f"**{list_of(place)}",
        lambda route: route.fulfill(
            body=render_earlier(route.fetch().text()), content_type="text/html"
        ),
    )
    ada.open(list_of(place))
    ada.expect_line(r"ticket\.closed at")

    expect(ada.find("#tickets > [data-row]")).to_have_count(1)
    assert ada.evaluate("() => window.seen") == ["Completed Last wording"]


def test_a_conversation_shows_each_message_once_however_often_it_is_told(
    place: Place, ada: Visitor
) -> None:
    place.open_ticket(1, "A story")
    ada.open("/guilds")
    older = ada.find("html").get_attribute("data-cursor")
    for part in ("one", "two", "three"):
        place.say(1, place.bo, part, side="customer")
    ada.page.route(
        "**/api/events?*",
        lambda route: route.continue_(url=f"{place.server.url}/api/events?after={older}"),
    )
    ada.open(f"{list_of(place)}/1")
    place.say(1, place.bo, "four", side="customer")

    expect(ada.find(".line[data-kind=reply]")).to_have_count(4)
    texts = ada.find(".line[data-kind=reply] .prose-message").all_inner_texts()
    assert [text.strip() for text in texts] == ["one", "two", "three", "four"]


def test_a_late_message_takes_its_place_in_time(place: Place, ada: Visitor) -> None:
    place.open_ticket(1, "A story")
    ada.open(f"{list_of(place)}/1")
    place.say(1, place.bo, "Hello", side="customer")
    place.close(1, place.mo)

    expect(ada.find(".line").last).to_contain_text("closed the ticket")
    order = ada.find(".line").evaluate_all("lines => lines.map(line => Number(line.dataset.at))")
    assert order == sorted(order)


HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'


def test_nothing_a_stranger_writes_is_more_than_text(place: Place, ada: Visitor) -> None:
    ada.open(list_of(place))
    place.open_ticket(1, HOSTILE[:100])
    expect(ada.row(HOSTILE[:100])).to_be_visible()
    expect(ada.toast("New ticket #1 created")).to_contain_text(f"Subject: {HOSTILE[:100]}")

    ada.open(f"{list_of(place)}/1")
    place.say(1, place.bo, f"{HOSTILE} [x](javascript:window.hit=1)", side="customer")

    line = ada.find(".line[data-kind=reply]")
    expect(line).to_contain_text("onerror")
    # A picture of who wrote it has no address here, as nobody has one.
    assert line.locator("img[src], script, [href^=javascript]").count() == 0
    assert ada.evaluate("() => window.hit") is None


def test_the_account_menu_stays_open(place: Place, ada: Visitor) -> None:
    ada.open(f"/guilds/{place.guild}")
    ada.find("summary").click()

    with ada.page.expect_response(re.compile("fragment=")):
        place.open_ticket(1, "Counted")

    expect(ada.find("#counts li").first).to_contain_text("1")
    expect(ada.page.get_by_role("button", name="Sign out")).to_be_visible()
