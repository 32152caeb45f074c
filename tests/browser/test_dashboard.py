"""Test the dashboards of two people in two browsers: what one does, the other sees live."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Locator, Request, expect

from deskwire.server.services import run_admin_command
from tests.browser.conftest import OpenVisitor
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server
from tests.fixtures.visitor import Visitor

# How much of the drawing is not empty: pixels.
PAINTED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, at) => at % 4 === 3 && value > 0).length;
}"""

# Notes each kind of stroke that is drawn, in px of the page.
STROKES = """() => {
    window.strokes = new Set();
    const { prototype } = CanvasRenderingContext2D, { setLineDash } = prototype;
    prototype.setLineDash = function (dash) {
        window.strokes.add(dash.map(each => each / devicePixelRatio).join(" "));
        return setLineDash.call(this, dash);
    };
}"""
# The strokes of the legend.
KEYS = """() => [...document.querySelectorAll(".chart-key")].map(each =>
    (getComputedStyle(each).strokeDasharray.match(/[0-9.]+/g) ?? []).join(" "))"""


def find_link(visitor: Visitor, part: str, subject: str) -> Locator:
    return visitor.find(f"#{part} .brief-row").filter(has_text=subject)


def find_count(visitor: Visitor, status: str) -> Locator:
    return visitor.find(f"#dashboard-counts li:has([data-status={status}]) .num")


def test_an_action_updates_another_persons_open_dashboard(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    tess = open_visitor(company.tess, f"/dashboard?organization={company.slug}")
    clara = open_visitor(company.clara, "/dashboard")
    expect(tess.find("#waiting")).to_contain_text("No one is waiting for your reply.")
    expect(clara.find("#activity")).not_to_contain_text("opened")
    link = tess.find("#workers a").first
    link.focus()
    tess.evaluate("() => scrollTo(0, 120)")
    before = tess.evaluate("() => [scrollY, document.querySelector('#chart canvas').width]")

    mast = company.create_request(company.clara, "The mast is dark")

    expect(find_link(tess, "waiting", "The mast is dark")).to_be_visible()
    expect(find_count(tess, "new")).to_have_text("1")
    expect(tess.find("#history [data-value=new]")).to_have_text("1")
    expect(tess.find("#history-table tbody tr").first.locator("td").first).to_have_text("1")
    expect(tess.find("#workers")).to_contain_text("Unassigned 1 open")
    expect(clara.find("#activity")).to_contain_text("The mast is dark")
    expect(link).to_be_focused()
    after = tess.evaluate("() => [scrollY, document.querySelector('#chart canvas').width]")
    assert after == before
    assert tess.find("#chart canvas").evaluate(PAINTED) > 1000

    company.claim_request(company.tess, mast)
    company.post_message(company.tess, mast, "They are new to this.", kind="note")
    company.set_status(company.tess, mast, "waiting")

    expect(find_link(clara, "waiting", "The mast is dark")).to_contain_text("Action Required")
    expect(clara.find("#workers")).to_contain_text("1 open")
    expect(clara.find("#activity")).to_contain_text("to Action Required")
    expect(tess.find("#activity")).to_contain_text("wrote a note in")
    expect(clara.find("#activity")).not_to_contain_text("a note")
    expect(find_count(tess, "waiting")).to_have_text("1")

    company.post_message(company.clara, mast, "The one at the quay.")

    expect(clara.find("#waiting")).to_contain_text("Nothing is waiting on you.")
    expect(find_link(tess, "waiting", "The mast is dark")).to_contain_text("In Progress")


def test_leaving_a_company_empties_the_dashboard_and_joining_fills_it(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    company.create_request(company.clara, "The mast is dark")
    carl = open_visitor(company.carl, "/dashboard")
    expect(carl.find("#activity")).to_contain_text("The mast is dark")

    server.submit_form(f"/orgs/{company.slug}/settings", company.carl, act="leave")

    expect(carl.find("#dashboard")).to_contain_text("no longer have access")
    expect(carl.find("main")).not_to_contain_text("The mast is dark")
    carl.open("/dashboard")
    expect(carl.find("#dashboard")).to_contain_text("You aren’t in an organization yet")

    email = company.people[1].email
    company.create_invitation(email)
    server.submit_form(server.read_mailed_link(email, "/invitations/"), company.carl)

    expect(carl.find("#activity")).to_contain_text("The mast is dark")
    expect(carl.find("#chart canvas")).to_be_visible()


def test_the_legend_matches_the_lines_of_the_chart(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    company.create_request(company.clara, "The mast is dark")
    clara = open_visitor(company.clara)
    clara.context.add_init_script(f"({STROKES})()")

    clara.open("/dashboard")

    expect(clara.find("#chart canvas")).to_be_visible()
    keys = clara.evaluate(KEYS)
    assert sorted(keys) == sorted(set(keys))
    assert set(clara.evaluate("() => [...window.strokes]")) == set(keys)
    assert "10 3 2 3" in keys


def test_without_javascript_the_history_is_a_table(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    company.create_request(company.clara, "The mast is dark")

    clara = open_visitor(company.clara, "/dashboard", javascript=False)

    expect(clara.find("#chart")).to_be_hidden()
    expect(clara.find("#history-table tbody tr")).to_have_count(30)
    expect(clara.find("#history-table tbody tr").first).to_be_visible()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])  # never one day
@pytest.mark.parametrize("javascript", [True, False])
def test_days_follow_the_chosen_time_zone(
    server: Server, open_visitor: OpenVisitor, zone: str, javascript: bool
) -> None:
    company = HttpCompany(server)
    company.create_request(company.clara, "The mast is dark")
    server.submit_form("/settings/display", company.clara, time_zone=zone)

    clara = open_visitor(company.clara, "/requests", javascript=javascript)

    time_shown = clara.find("#tickets time").get_attribute("datetime")
    assert time_shown is not None
    day = datetime.fromisoformat(time_shown).astimezone(ZoneInfo(zone)).date()
    expect(clara.find("#tickets > [data-day]")).to_have_attribute("data-day", day.isoformat())
    if javascript:
        at = clara.find("#tickets time").get_attribute("title")
        assert at is not None
        assert at.startswith(day.strftime("%b %-d, %Y"))


def test_a_row_moves_below_the_heading_of_its_new_day(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    old = company.create_request(company.clara, "An old one")
    company.create_request(company.clara, "Of today")
    ago = f"UPDATE tickets SET active_at = active_at - 864000000 WHERE id = '{old}'"
    run_admin_command(server.database_url, "sql", {"statement": ago})
    clara = open_visitor(company.clara, "/requests")
    lines = clara.find("#tickets > li")
    expect(lines).to_have_count(4)
    expect(lines.nth(0)).to_have_text("Today")

    company.post_message(company.tess, old, "Still there?")

    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_have_text("Today")
    expect(lines.nth(1)).to_contain_text("An old one")


def test_pages_left_open_over_midnight_show_the_new_day(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    company.create_request(company.clara, "The mast is dark")
    list_, board = open_visitor(company.clara), open_visitor(company.clara)
    for visitor, path in ((list_, "/requests"), (board, "/dashboard")):
        visitor.page.clock.install()
        visitor.open(path)
    expect(list_.find(".day-heading")).to_have_text("Today")

    def asks_for_the_new_day(request: Request) -> bool:
        return "history" in request.headers.get("x-deskwire-fragment", "").split(",")

    list_.page.clock.fast_forward("24:00:00")
    board.page.clock.fast_forward("24:00:00")
    with board.page.expect_request(asks_for_the_new_day):
        board.page.clock.fast_forward("01:00")

    expect(list_.find(".day-heading")).to_have_text("Yesterday")
