"""Test that drafts come back as what they were: an internal note never as a public reply."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server
from tests.fixtures.visitor import Visitor

# Leaves a draft that does not say what it is.
KEPT = """([id, text]) => {
    const person = document.documentElement.dataset.actors.split(" ")[0];
    const record = { id: "1", draft: `reply ${id}`, fields: [["text", text]], files: [], tab: "" };
    const state = { page: "/", isOpen: false, savedAt: Date.now(), message: null, post: null };
    localStorage.setItem(`deskwire:unsent:${person}:1`, JSON.stringify({ ...record, ...state }));
}"""
# What a browser does that puts back a form of its own accord, after the scripts have run.
PUT_BACK = """addEventListener("DOMContentLoaded", () => {
    document.querySelector("#reply").value = "They owe us money";
    document.querySelector("[name=kind][value=reply]").checked = true;
})"""


def composer(visitor: Visitor, text: str, kind: str) -> None:
    """Expect the composer to hold this text, as this kind."""
    expect(visitor.find("#reply")).to_have_value(text)
    expect(visitor.page.get_by_label(kind, exact=True)).to_be_checked()


def test_a_note_stays_a_note_after_a_reload_and_when_it_is_discarded(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    id_ = company.create_request(company.clara, "The mast is dark")
    tess = open_visitor(company.tess, f"/requests/{id_}")
    clara = open_visitor(company.clara, f"/requests/{id_}")
    note, reply = (tess.page.get_by_label(each, exact=True) for each in ("Internal note", "Reply"))

    # The switch first and the text first.
    note.check()
    tess.find("#reply").fill("They owe us money")
    tess.page.reload()
    composer(tess, "They owe us money", "Internal note")
    reply.check()
    tess.page.reload()
    composer(tess, "They owe us money", "Reply")
    note.check()
    tess.page.reload()
    tess.expect_live()
    tess.find("#reply").press("Control+Enter")
    expect(tess.find(".line[data-kind=note]:not([data-fate])")).to_contain_text("They owe us money")

    # What did not arrive is taken back as what it was, whatever is chosen meanwhile.
    tess.context.route("**/messages", lambda route: route.abort())
    tess.find("#reply").fill("Send no engineer")
    tess.page.get_by_role("button", name="Add note").click()
    reply.check()
    tess.page.get_by_role("button", name="Discard").click()
    composer(tess, "Send no engineer", "Internal note")

    expect(clara.find("#reply")).to_have_value("")
    expect(clara.find(".line").filter(has_text="They owe")).to_have_count(0)


@pytest.mark.parametrize("is_restored", [False, True], ids=["by the page", "by the browser"])
def test_a_draft_of_unknown_kind_is_restored_as_a_note_where_possible(
    server: Server, open_visitor: OpenVisitor, is_restored: bool
) -> None:
    company = HttpCompany(server)
    id_ = company.create_request(company.clara, "The mast is dark")
    tess, clara = (
        open_visitor(company.tess, f"/requests/{id_}"),
        open_visitor(company.clara, f"/requests/{id_}"),
    )
    if is_restored:
        tess.context.add_init_script(PUT_BACK)
    else:
        tess.evaluate(KEPT, [id_, "They owe us money"])
    clara.evaluate(KEPT, [id_, "Still dark"])

    tess.page.reload()
    clara.page.reload()

    composer(tess, "They owe us money", "Internal note")
    expect(clara.find("#reply")).to_have_value("Still dark")
    clara.find("#reply").fill("")


def test_a_note_is_not_restored_into_a_form_that_sends_replies(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    id_ = company.create_request(company.clara, "The mast is dark")
    tess = open_visitor(company.tess, f"/requests/{id_}")
    tess.page.get_by_label("Internal note").check()
    tess.find("#reply").fill("They owe us money")
    name, _, value = company.clara.partition("=")
    tess.context.add_cookies([{"name": name, "value": value, "url": server.url}])

    tess.open(f"/requests/{id_}")

    expect(tess.page.get_by_label("Internal note")).to_have_count(0)
    expect(tess.find("#reply")).to_have_value("")
