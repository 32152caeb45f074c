"""Test that scripts write in the desk's language: toasts, the indicator, times, rows, failures.

Every text that changes on a page is recorded, and must stand between ⟦ and ⟧ unless it is data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from deskwire.integrations.discord.samples import EVENT_TYPES
from tests.browser.test_toasts import send_sample
from tests.fixtures.guild import GuildFixture
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.pseudo_language import write_pseudo_catalog
from tests.fixtures.server import Server, running_server
from tests.fixtures.visitor import TIMEOUT_MS, Visitor
from tests.http.test_i18n import text_outside_brackets

# Notes each text that a script puts into the page, whole elements at a time.
WATCH_SCRIPT = """() => {
    window.written = [];
    const note = element => {
        if (!element || element.closest("code, pre, template, .avatar-initials")) return;
        window.written.push(element.textContent, element.title ?? "", element.ariaLabel ?? "");
    };
    new MutationObserver(records => {
        for (const { type, target, addedNodes } of records) {
            if (type !== "childList") note(type === "attributes" ? target : target.parentElement);
            for (const node of addedNodes) note(node instanceof Element ? node : target);
        }
    }).observe(document.body, {
        subtree: true, childList: true, characterData: true,
        attributeFilter: ["title", "aria-label"],
    });
}"""
SAMPLED = (  # what the bot’s samples say
    *("Cannot sign in on my new phone", "Cannot sign in", "Solved", "Opened twice", "(solved?)"),
    *("login", "phone", "Tickets Support"),
)
DATE = re.compile(r"[A-Z][a-z]{2} \d+, 20\d\d, \d+:\d+\s[AP]M")  # as the browser writes it
SAID, SUBJECT = "Zweimal schon.", "Lampe aus"


@pytest.fixture(scope="module")
def german_server(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Server]:
    """A server that speaks the pseudo language."""
    folder = tmp_path_factory.mktemp(f"desk-{database}")
    write_pseudo_catalog(folder / "locales")
    with running_server(
        folder, ("-m", "tests.fixtures.serve_pseudo_language"), DESK_LANGUAGE="xx"
    ) as started:
        yield started


def test_a_request_is_mailed_in_the_language_of_the_desk(
    german_server: Server, browser: Browser
) -> None:
    company = HttpCompany(german_server)
    request = company.create_request(company.clara, SUBJECT, SAID)
    clara = open_watched(browser, german_server, company.clara, f"/requests/{request}")
    tess = open_watched(browser, german_server, company.tess, "/admin")

    company.post_message(company.tess, request, SAID)
    company.claim_request(company.tess, request)
    company.set_status(company.tess, request, "waiting")
    german_server.submit_form(f"/requests/{request}", company.tess, priority="urgent")
    company.set_status(company.tess, request, "done")
    company.set_status(company.tess, request, "active")
    for _ in range(5):
        company.create_request(company.carl, SUBJECT, SAID)
    clara.find("#upload").set_input_files({"name": "1.txt", "mimeType": "", "buffer": b"1"})
    clara.page.route("**/messages", lambda route: route.abort())
    clara.find("#reply").fill(SAID)
    clara.find("#upload").set_input_files([])
    clara.find("#composer button[type=submit]").click()
    clara.find("[data-copy]").click()

    why = "⟦The server can’t be reached. Your text will be sent as soon as it’s back.⟧"
    fate = f"⟦Not sent. {why}⟧ ⟦Try again⟧ ⟦Discard⟧"
    expect(clara.find(".line-fate")).to_have_text(fate)
    expect(clara.find("#live")).to_have_attribute("title", "⟦Live · updated ⟦0 s⟧ ago⟧")
    expect(tess.find(".toast-card").last).to_contain_text("⟦5 new requests⟧")
    expect(tess.find_row(SUBJECT).last.locator(".priority")).to_have_text("⟦urgent⟧")
    expect(tess.find(".day-heading")).to_have_text("⟦Today⟧")
    names = [company.name, *(each.name for each in company.people), "1.txt"]
    for visitor in (clara, tess):
        assert_translated(visitor, names)


KINDS_TOASTED = r"n => new Set(window.toasted.map(title => title.replace(/\d+/g, ''))).size >= n"


def test_events_of_the_bot_appear_in_the_language_of_the_desk(
    german_server: Server, browser: Browser
) -> None:
    guild = GuildFixture(german_server)
    ada = open_watched(
        browser, german_server, guild.sign_in_staff(), f"/guilds/{guild.guild_id}/tickets"
    )
    ada.start_recording_toasts()

    for type_ in sorted(
        EVENT_TYPES, key=lambda each: (each == "ticket.deleted", EVENT_TYPES.index(each))
    ):
        send_sample(guild, type_)

    expect(ada.find(".toast-card").last).to_contain_text("⟦")
    ada.page.wait_for_function(KINDS_TOASTED, arg=len(EVENT_TYPES), timeout=TIMEOUT_MS)
    people = [each.name for each in (guild.ada, guild.bo, guild.mo)]
    assert_translated(ada, [guild.name, *people, *SAMPLED])


def open_watched(browser: Browser, desk: Server, cookie: str, path: str) -> Visitor:
    """Someone on a page of which every change is noted."""
    context = browser.new_context(base_url=desk.url, viewport={"width": 1280, "height": 900})
    visitor = Visitor(context, cookie, desk.url)
    visitor.open(path)
    visitor.evaluate(WATCH_SCRIPT)
    return visitor


def assert_translated(visitor: Visitor, names: list[str]) -> None:
    """Nothing was written that is neither translated nor data; no console complained."""
    written = [str(text) for text in visitor.evaluate("() => window.written") if text]
    assert len(written) > 10
    for name in sorted(names, key=len, reverse=True):
        written = [DATE.sub("", text.replace(name, "")) for text in written]
    assert [text for each in written for text in text_outside_brackets([each])] == []
    assert not any("%(" in text for text in written)
    visitor.context.close()
    assert visitor.console_problems == []
