"""The account menu, and what a telephone has room for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fixtures.guild import Place
from tests.fixtures.visitor import Visitor

PHONE = 390  # px


@pytest.fixture
def phone(place: Place, visit: Visit) -> Visitor:
    cookie = place.staff()
    return visit(cookie, f"/guilds/{place.guild}/tickets", width=PHONE)


def test_the_menu_closes_on_escape_and_gives_the_focus_back(phone: Visitor) -> None:
    menu, summary = phone.find("header details"), phone.find("header summary")
    summary.click()
    expect(menu).to_have_attribute("open", "")

    phone.page.keyboard.press("Escape")

    expect(menu).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()


def test_the_menu_closes_on_a_click_elsewhere_and_not_on_one_inside(phone: Visitor) -> None:
    menu = phone.find("header details")
    phone.find("header summary").click()

    phone.find("header details p").click()
    expect(menu).to_have_attribute("open", "")
    phone.page.mouse.click(10, 400)

    expect(menu).not_to_have_attribute("open", "")


def test_escape_closes_the_menu_before_it_dismisses_a_toast(place: Place, phone: Visitor) -> None:
    place.open_ticket(1, "Told while the menu is open")
    toast = phone.toast("New ticket #1 created")
    expect(toast).to_be_visible()
    toast.hover()  # it stays while it is read
    phone.find("header summary").focus()
    phone.page.keyboard.press("Enter")

    phone.page.keyboard.press("Escape")
    expect(toast).to_be_visible()
    phone.page.keyboard.press("Escape")

    expect(toast).not_to_be_visible()


def test_on_a_telephone_the_datas_age_shows_and_what_is_wrong_leaves_the_trail_alone(
    phone: Visitor,
) -> None:
    crumbs = phone.find("#crumbs")
    age = phone.find("#live").evaluate("e => getComputedStyle(e, '::after').content")
    assert re.fullmatch(r'"\d s" / ""', age)
    before = crumbs.bounding_box()

    phone.context.set_offline(True)
    phone.expect_state("offline")

    expect(phone.find("#live")).to_contain_text("Offline")
    assert before is not None
    after = crumbs.bounding_box()
    assert after is not None
    assert after["width"] >= before["width"]
    phone.context.set_offline(False)
    phone.expect_live()


def test_the_button_that_signs_out_keeps_to_one_line(place: Place, visit: Visit) -> None:
    page = visit(place.staff(), "/settings", width=PHONE)
    button = page.find('main form[action="/sign-out"] button')

    lines = button.evaluate("""e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return new Set([...range.getClientRects()].map(each => each.top)).size;
    }""")

    assert lines == 1
