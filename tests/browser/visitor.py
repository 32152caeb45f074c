"""Somebody with a browser: what they open, what they see, and what their console says."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    expect,
)

PATIENCE = 10_000  # ms for what must come
RETURN = 40_000  # ms for a stream that has to come back; it waits up to 30 s between two tries
expect.set_options(timeout=PATIENCE)

# What a browser says of its own accord when nothing answers; a page that is missing says more.
AWAY = re.compile(r"^Failed to load resource: net::ERR_")


class Visitor:
    """One browser context with one page; `complaints` is what nobody should ever see."""

    def __init__(
        self, context: BrowserContext, cookie: str, url: str, *, javascript: bool = True
    ) -> None:
        self.context = context
        self.javascript = javascript
        self.complaints: list[str] = []
        self.lines: list[str] = []  # of the store, without their mark
        self.fragments: list[str] = []  # ids asked for, one entry per request
        self.expect_status(200)
        if cookie:
            name, _, value = cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": url}])
        self.page = self.new_tab()

    def new_tab(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", self._note_line)
        page.on("pageerror", self._note_error)
        page.on("request", self._note_request)
        return page

    def open(self, path: str, *, status: int = 200) -> None:
        """Go to a page, and wait until it is live where somebody is signed in."""
        self.expect_status(status)
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status
        if self.javascript and self.find("html[data-stream]").count():
            self.expect_live()

    def expect_status(self, status: int) -> None:
        """The next pages answer this, and the browser's note of it is no complaint."""
        self._expected = f"the server responded with a status of {status} "

    def expect_live(self) -> None:
        """The page is live, or comes back by itself."""
        self.expect_state("live", within=RETURN)

    def expect_away(self) -> None:
        """The page has noticed that it is not live any more."""
        expect(self.find("#live")).not_to_have_attribute("data-state", "live")

    def expect_state(self, state: str, within: float = PATIENCE) -> None:
        """The connection indicator says so."""
        expect(self.find("#live")).to_have_attribute("data-state", state, timeout=within)

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def row(self, subject: str) -> Locator:
        """The row of a ticket in a list."""
        link = self.page.get_by_role("link", name=subject, exact=True)
        return self.page.locator("#tickets > [data-row]").filter(has=link)

    def toast(self, title: str) -> Locator:
        """The toast with exactly this title."""
        return self.find(".toast-card").filter(has=self.page.get_by_text(title, exact=True))

    def remember_toasts(self, page: Page | None = None) -> None:
        """From now on `toasted` (`toasted_on`) tells every title that was shown on this page."""
        (page or self.page).evaluate("""() => {
            window.toasted = [];
            new MutationObserver(records => {
                for (const card of records.flatMap(record => [...record.addedNodes])) {
                    window.toasted.push(card.querySelector("strong").textContent);
                }
            }).observe(document.querySelector("#toasts"), { childList: true });
        }""")

    @property
    def toasted(self) -> list[str]:
        return toasted_on(self.page)

    def tab_count(self, label: str) -> Locator:
        """The number beside a status above the list."""
        return self.page.locator("#status-tabs a").filter(has_text=label).locator(".num")

    def expect_line(self, pattern: str, within: float = PATIENCE) -> None:
        """The store wrote a line that matches, or does within that time (ms)."""
        if not any(re.search(pattern, line) for line in self.lines):
            self.page.wait_for_event(
                "console", lambda said: re.search(pattern, said.text) is not None, timeout=within
            )

    def evaluate(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def _note_line(self, said: ConsoleMessage) -> None:
        if said.text.startswith("[SSE] "):
            self.lines.append(said.text.removeprefix("[SSE] "))
        is_known = self._expected in said.text or AWAY.search(said.text)
        if said.type in ("error", "warning") and not is_known:
            self.complaints.append(f"{said.type} at {self.page.url}: {said.text}")

    def _note_error(self, error: Error) -> None:
        self.complaints.append(f"exception at {self.page.url}: {error}")

    def _note_request(self, request: Request) -> None:
        ids = request.headers.get("x-deskwire-fragment")
        if ids is not None:
            self.fragments.append(ids)


def toasted_on(page: Page) -> list[str]:
    """The titles shown on a page since `remember_toasts`."""
    titles: list[str] = page.evaluate("() => window.toasted")
    return titles
