"""Test the file picker: files upload before the form, and a sent file can be deleted for all."""

from __future__ import annotations

import json

from playwright.sync_api import FilePayload, Route, expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.browser_company import create_organization
from tests.fixtures.guild import GuildFixture
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server

PROBLEM = "application/problem+json"


def payload(name: str, size: int = 2_000) -> FilePayload:
    return FilePayload(name=name, mimeType="text/plain", buffer=b"x" * size)


def test_files_show_upload_progress_survive_a_refusal_and_can_be_deleted(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    cookie = guild.server.sign_up("Bo Sender", f"sender{guild.guild_id}@portal.test")
    bo, other = open_visitor(cookie), open_visitor(cookie)
    create_organization(bo, f"Senders {guild.guild_id[-4:]}")
    bo.open("/requests/new")
    held_routes: list[Route] = []

    def answer(route: Route) -> None:
        """The first is held, the second refused."""
        if held_routes:
            problem = {"detail": "No room for it."}
            route.fulfill(status=413, content_type=PROBLEM, body=json.dumps(problem))
        held_routes.append(route)

    bo.page.route("**/files?workspace=*", answer)
    notice, kept_files = bo.find("#new-request [data-refused]"), bo.find("[data-kept] li")

    # The title lacks: the form is refused by the desk, after its files have arrived.
    bo.page.get_by_label("Description").fill("Is grey.")
    bo.page.get_by_label("Attach files").set_input_files([payload("a.txt"), payload("b.txt")])
    with bo.page.expect_request("**/files?workspace=*"):
        bo.page.get_by_role("button", name="Submit request").click()
    expect(bo.find("#new-request progress")).to_be_visible()
    expect(bo.find("[data-chosen] li")).to_have_count(0)
    bo.expect_status(413)
    held_routes[0].continue_()
    expect(kept_files).to_have_text(["a.txt 2.0 kB"])
    expect(notice).to_have_text("b.txt: No room for it.")
    expect(bo.find("#new-request progress")).to_be_hidden()
    expect(bo.find("[data-chosen] li")).to_have_count(1)
    bo.page.unroute("**/files?workspace=*")
    bo.expect_status(422)
    bo.page.get_by_role("button", name="Submit request").click()
    expect(bo.find("#subject-error")).to_be_visible()
    expect(kept_files).to_have_text(["a.txt 2.0 kB", "b.txt 2.0 kB"])

    kept_files.last.get_by_role("checkbox").uncheck()
    bo.page.get_by_label("Title").fill("The wall")
    bo.page.get_by_label("Attach files").set_input_files(payload("c.txt"))
    bo.page.get_by_role("button", name="Submit request").click()
    bo.page.wait_for_url("**/requests/0*")
    expect(bo.find("#files a")).to_have_text(["a.txt", "c.txt"])

    other.open(f"{bo.page.url}?view=files")
    bo.find(".line-files").scroll_into_view_if_needed()
    bo.page.get_by_role("link", name="Edit").click()
    bo.page.get_by_text("Delete…").first.click()
    bo.page.get_by_role("button", name="Delete file").first.click()
    expect(bo.find("#all-files a.link")).to_have_text(["c.txt"])
    expect(other.find("#all-files a.link")).to_have_text(["c.txt"])


def test_files_are_attached_by_a_button_with_or_without_a_pointer(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    request = f"/requests/{company.create_request(company.clara, 'The mast is dark')}"
    clara, plain = open_visitor(company.clara), open_visitor(company.clara, javascript=False)

    for path, label in (
        (request, "Attach files"),
        ("/requests/new", "Attach files"),
        ("/settings", "Choose picture"),
    ):
        clara.open(path)
        field, chosen = clara.page.get_by_label(label), clara.find("[data-chosen] li")
        expect(field).to_have_css("opacity", "0")
        with clara.page.expect_file_chooser() as opened:
            clara.find("label").filter(has_text=label).click()
        opened.value.set_files([payload("a.png")])
        expect(chosen).to_contain_text(["a.png"])
        chosen.get_by_role("button").click()
        expect(chosen).to_have_count(0)
        expect(field).to_be_focused()
        with clara.page.expect_file_chooser():
            field.press("Enter")

        plain.open(path)
        expect(plain.page.get_by_label(label)).to_have_css("opacity", "1")
        expect(plain.find("label").filter(has_text=label)).to_have_css("width", "1px")


# What a browser does that puts back a form of its own accord, after the scripts have run.
PUT_BACK = """addEventListener("DOMContentLoaded", () => {
    const carrier = new DataTransfer();
    carrier.items.add(new File(["x"], "private.txt"));
    document.querySelector("#upload").files = carrier.files;
})"""


def test_files_restored_by_the_browser_are_listed(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    clara = open_visitor(company.clara)
    clara.context.add_init_script(PUT_BACK)

    clara.open("/requests/new")

    expect(clara.find("[data-chosen] li")).to_contain_text(["private.txt"])
