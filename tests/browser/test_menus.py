"""Test the account menu, and the menus on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture
from tests.fixtures.visitor import Visitor

PHONE = 390  # px


@pytest.fixture
def phone_visitor(guild: GuildFixture, open_visitor: OpenVisitor) -> Visitor:
    cookie = guild.sign_in_staff()
    return open_visitor(cookie, f"/guilds/{guild.guild_id}/tickets", width=PHONE)


def test_the_menu_closes_on_escape_and_returns_focus(phone_visitor: Visitor) -> None:
    menu, summary = phone_visitor.find("header details"), phone_visitor.find("header summary")
    summary.click()
    expect(menu).to_have_attribute("open", "")

    phone_visitor.page.keyboard.press("Escape")

    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()


def test_the_menu_closes_on_a_click_outside_and_not_inside(phone_visitor: Visitor) -> None:
    menu = phone_visitor.find("header details")
    phone_visitor.find("header summary").click()

    phone_visitor.find("header details p").click()
    expect(menu).to_have_attribute("open", "")
    phone_visitor.page.mouse.click(10, 400)

    expect(menu).not_to_have_attribute("open", "")


def test_escape_closes_the_menu_before_it_dismisses_a_toast(
    guild: GuildFixture, phone_visitor: Visitor
) -> None:
    guild.open_ticket(1, "Told while the menu is open")
    toast = phone_visitor.find_toast("New ticket #1 created")
    expect(toast).to_be_visible()
    toast.hover()  # it stays while it is read
    phone_visitor.find("header summary").focus()
    phone_visitor.page.keyboard.press("Enter")

    phone_visitor.page.keyboard.press("Escape")
    expect(toast).to_be_visible()
    phone_visitor.page.keyboard.press("Escape")

    expect(toast).not_to_be_visible()


def test_on_a_phone_the_indicator_shows_its_age_and_never_moves_the_breadcrumbs(
    phone_visitor: Visitor,
) -> None:
    crumbs = phone_visitor.find("#crumbs")
    age = phone_visitor.find("#live").evaluate("e => getComputedStyle(e, '::after').content")
    assert re.fullmatch(r'"\d s" / ""', age)
    before = crumbs.bounding_box()

    phone_visitor.context.set_offline(True)
    phone_visitor.expect_state("offline")

    expect(phone_visitor.find("#live")).to_contain_text("Offline")
    assert before is not None
    after = crumbs.bounding_box()
    assert after is not None
    assert after["width"] >= before["width"]
    phone_visitor.context.set_offline(False)
    phone_visitor.expect_live()


def test_the_sign_out_button_stays_on_one_line(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    page = open_visitor(guild.sign_in_staff(), "/settings", width=PHONE)
    button = page.find('main form[action="/sign-out"] button')

    lines = button.evaluate("""e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return new Set([...range.getClientRects()].map(each => each.top)).size;
    }""")

    assert lines == 1
