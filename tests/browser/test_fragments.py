"""Test fragments: live regions announce what is filled, and nothing covers what one is typing."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server

SOON = 60  # ms of the page's own clock; what waits for a burst takes 200 to 500


def test_the_steps_and_the_notice_of_a_request_follow_its_status_at_once(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    id_ = company.create_request(company.clara, "The mast is dark")
    clara = open_visitor(company.clara)
    clara.page.clock.install()
    clara.open(f"/requests/{id_}")
    clara.page.clock.pause_at(clara.evaluate("() => Date.now() + 2000"))

    for status, step, notice in (
        ("review", "Reviewing", ""),
        ("waiting", "In Progress", "The team is waiting for your answer"),
        ("done", "Completed", "This request is completed"),
    ):
        company.set_status(company.tess, id_, status)
        expect(clara.find("dl .status")).to_have_attribute("data-status", status)
        clara.page.clock.run_for(SOON)

        expect(clara.find("#steps [aria-current=step]")).to_have_text(step)
        expect(clara.find("#notice")).to_contain_text(notice)


def test_on_a_phone_no_toast_covers_the_field_in_use(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    id_ = company.create_request(company.clara, "The mast is dark")
    other = company.create_request(company.clara, "The buoy drifts")
    clara = open_visitor(company.clara, f"/requests/{id_}", width=390)

    company.post_message(company.tess, other, "Which one?")

    card = clara.find(".toast-card").last
    expect(card).to_be_visible()
    assert bottom(clara.find("header").first) <= top(card)
    assert bottom(card) < top(clara.find("#composer"))


def top(found: Locator) -> float:
    box = found.bounding_box()
    assert box is not None
    return box["y"]


def bottom(found: Locator) -> float:
    box = found.bounding_box()
    assert box is not None
    return box["y"] + box["height"]
