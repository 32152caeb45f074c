"""Test the controls of the portal: rows, files, links, forms, organizations."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, Route, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.browser_company import (
    BrowserCompany,
    create_organization,
    file_request,
    send_reply,
)


def test_staff_change_a_request_from_the_list(company: BrowserCompany) -> None:
    bo, ada = company.bo, company.ada
    file_request(bo, "The windlass squeals")
    ada.open("/admin")
    row = ada.find_row("The windlass squeals")

    row.get_by_role("button", name="Change").press("Enter")
    dialog = ada.page.get_by_role("dialog")
    expect(dialog).to_contain_text("The windlass squeals")
    dialog.get_by_label("Status").select_option("review")
    expect(row.locator(".status")).to_have_text("Reviewing")
    expect(bo.find("dl .status")).to_have_text("Reviewing")
    dialog.get_by_role("button", name="Claim").click()
    expect(bo.find("dl")).to_contain_text("Tester")
    expect(dialog.get_by_role("button", name="Claim")).to_have_count(0)
    ada.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()

    # What is refused is told, and nothing covers it.
    row.get_by_role("button", name="Change").click()
    expect(dialog).to_be_visible()
    ada.expect_status(422)
    dialog.get_by_label("Status").evaluate("each => each.options[0].value = 'nonsense'")
    dialog.get_by_label("Status").select_option("nonsense")
    expect(ada.find_toast("That didn’t work")).to_contain_text("'nonsense' is not a status")
    expect(dialog).to_be_hidden()
    assert ada.page.url.endswith("/admin")


# Gives an element an event as a file manager or a clipboard does: with files in it.
GIVE = """([selector, type, names]) => {
    const carrier = new DataTransfer();
    for (const name of names) carrier.items.add(new File(["x".repeat(1400)], name));
    const about = { bubbles: true, cancelable: true };
    const event = type === "paste"
        ? new ClipboardEvent(type, { ...about, clipboardData: carrier })
        : new DragEvent(type, { ...about, dataTransfer: carrier });
    document.querySelector(selector).dispatchEvent(event);
}"""


def test_files_are_dropped_pasted_removed_and_sent(company: BrowserCompany) -> None:
    bo, una = company.bo, company.una
    id_ = file_request(bo, "The winch hums")
    una.open(f"/requests/{id_}")

    una.evaluate(GIVE, ["#reply", "drop", ["noise.txt", "private.txt"]])
    una.evaluate(GIVE, ["#reply", "paste", ["picture.txt"]])
    chosen = una.find("[data-chosen] > li")
    expect(chosen).to_contain_text(["noise.txt", "private.txt", "picture.txt"])
    expect(chosen.first).to_contain_text("1.4 kB")
    chosen.filter(has_text="private.txt").get_by_role("button").click()

    # What is too large is said, and not taken.
    una.evaluate("() => document.querySelector('#upload').dataset.max = '1400'")
    large: FilePayload = {"name": "film.txt", "mimeType": "text/plain", "buffer": b"x" * 1401}
    una.find("#upload").set_input_files([large])
    expect(una.find("[data-refused]")).to_have_text(
        "Not attached because larger than 1.4 kB: film.txt"
    )
    expect(chosen).to_have_count(0)
    una.evaluate(GIVE, ["#reply", "drop", ["noise.txt", "picture.txt"]])
    expect(una.find("[data-refused]")).to_be_hidden()

    # While they are on their way, the line says how far.
    held_routes: list[Route] = []
    una.context.route(
        "**/files?*", lambda each: each.continue_() if held_routes else held_routes.append(each)
    )
    with una.page.expect_request("**/files?*"):
        send_reply(una, "Listen")
    line = una.find(".line").filter(has_text="Listen")
    expect(line.get_by_role("progressbar", name="Uploading")).to_be_visible()
    expect(una.find("#timeline [data-fate=sending]")).to_have_count(1)
    held_routes[0].continue_()

    expect(bo.find("#files li")).to_contain_text(["noise.txt", "picture.txt"])
    expect(bo.find("#files")).not_to_contain_text("private.txt")
    expect(chosen).to_have_count(0)
    expect(line.get_by_role("progressbar")).to_have_count(0)


def test_a_description_can_be_previewed_with_and_without_files(company: BrowserCompany) -> None:
    bo = company.bo
    bo.open("/requests/new")
    preview, button = bo.find("#preview"), bo.page.get_by_role("button", name="Preview")
    bo.page.get_by_label("Description").fill("It does **not** turn.")
    button.click()
    expect(preview.locator("strong")).to_have_text("not")

    chosen: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"}
    bo.find("#upload").set_input_files([chosen])
    bo.page.get_by_label("Description").fill("It turns *now*.")
    with bo.page.expect_request("**/preview") as asked:
        button.click()
    expect(preview.locator("em")).to_have_text("now")
    assert asked.value.post_data == "text=It+turns+*now*."

    bo.expect_status(422)
    bo.page.get_by_label("Description").fill(" ")
    button.click()
    expect(bo.find_toast("That didn’t work")).to_be_visible()


def test_a_request_filed_by_someone_else_is_unread_at_once(company: BrowserCompany) -> None:
    bo, una, ada = company.bo, company.una, company.ada
    una.open("/requests")
    ada.open("/admin")
    mine = bo.new_tab()
    mine.goto("/requests")
    expect(mine.locator("#live")).to_have_attribute("data-state", "live")

    file_request(bo, "The fender chafes")

    for each in (una, ada):
        expect(each.find_row("The fender chafes").locator(".unread-dot")).to_be_visible()
    row = mine.locator("#tickets > [data-row]").filter(has_text="The fender chafes")
    expect(row).to_be_visible()
    expect(row.locator(".unread-dot")).to_be_hidden()


def test_a_references_link_is_copied(company: BrowserCompany) -> None:
    bo = company.bo
    id_ = file_request(bo, "The winch hums")
    bo.context.grant_permissions(["clipboard-read", "clipboard-write"])

    button = bo.find("[data-copy]")
    button.click()

    expect(button).to_have_text("Copied")
    copied = bo.evaluate("() => navigator.clipboard.readText()")
    assert copied == f"{bo.page.url.partition('/requests')[0]}/requests/{id_}"


# Whether each of two submissions in a row would be sent.
TWICE = """form => [1, 2].map(() =>
    form.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true })))"""


def test_a_double_click_files_one_request(company: BrowserCompany) -> None:
    una, bo = company.una, company.bo
    una.open("/requests/new")
    una.page.get_by_label("Title").fill("The buoy drifts")
    una.page.get_by_label("Description").fill("Towards the north.")
    una.page.reload()  # what is half-typed outlives the page
    expect(una.page.get_by_label("Title")).to_have_value("The buoy drifts")
    expect(una.page.get_by_label("Description")).to_have_value("Towards the north.")

    una.page.get_by_role("button", name="Submit request").dblclick()

    expect(una.find("#ticket h1")).to_have_text("The buoy drifts")
    bo.open("/requests")
    expect(bo.find_row("The buoy drifts")).to_have_count(1)
    una.open("/requests/new")
    expect(una.page.get_by_label("Title")).to_have_value("")
    expect(una.page.get_by_label("Description")).to_have_value("")
    una.open("/create-organization")
    assert una.find("main form").evaluate(TWICE) == [True, False]


@pytest.mark.parametrize("javascript", [True, False])
def test_a_member_of_two_companies_switches_between_them(
    company: BrowserCompany, open_visitor: OpenVisitor, javascript: bool
) -> None:
    bo, una = company.bo, company.una
    second = company.name.replace("Quay", "Annex")
    file_request(bo, "The lock jams")
    create_organization(una, second)
    cookie = company.cookies["una"]
    shown = open_visitor(cookie, "/requests", width=390, javascript=javascript)
    heading = shown.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(second)  # where she was last

    shown.find("header summary").click()
    shown.page.get_by_role("link", name="Your organizations").click()
    workspaces = shown.find(".place")
    expect(shown.find(".place[aria-current]")).to_contain_text(second)
    expect(workspaces.filter(has_text=company.name)).to_contain_text("1 unread")
    assert shown.page.url.endswith("/requests" if javascript else "/organizations")
    workspaces.filter(has_text=company.name).click()

    expect(heading).to_have_text(company.name)
    expect(shown.find_row("The lock jams")).to_be_visible()
    assert shown.page.url.endswith("/requests")


def test_filters_are_collapsed_on_a_phone_and_open_on_wide_screens(
    company: BrowserCompany, open_visitor: OpenVisitor
) -> None:
    file_request(company.bo, "The hatch leaks")
    company.ada.open("/admin")
    expect(company.ada.page.get_by_label("Priority")).to_be_visible()
    expect(company.ada.page.get_by_text("Filters", exact=True)).to_be_hidden()

    for javascript in (True, False):
        ada = open_visitor(company.cookies["ada"], "/admin", width=390, javascript=javascript)
        expect(ada.page.get_by_label("Priority")).to_be_hidden()
        tall = "() => document.querySelector('#search').offsetHeight"
        assert ada.evaluate(tall) < (60 if javascript else 90), "one row, and one for the button"
        ada.find("#filters > summary").click()
        ada.page.get_by_label("Assignee").select_option("nobody")
        if not javascript:
            ada.page.get_by_role("button", name="Search").click()
        expect(ada.find("#filters > summary .tag")).to_have_text("1")
        expect(ada.page.get_by_label("Priority")).to_be_visible(visible=javascript)
        expect(ada.find_row("The hatch leaks")).to_be_visible()
        assert ada.evaluate("() => document.documentElement.scrollWidth") <= 390
