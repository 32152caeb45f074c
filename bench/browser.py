"""Measure the time from the webhook until a real browser shows the message in its page.

A ticket's page is open in headless Chromium. The clock runs from just before the request is
written (the machine's clock) until a MutationObserver sees the message in the timeline (the page's
clock, which Chromium sets by the machine's). A bare socket reads the same stream, which separates
the browser's share from the server's.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from playwright.sync_api import Page, sync_playwright

from bench.guild_owner import COOKIE_NAME, create_owner_session, open_live_stream
from bench.machine import MachineNoise
from bench.report import Figure, Report, figure_of_rounds, percentile
from bench.servers import DESKWIRE, ROOT, announce_guild, running_server, temporary_folder
from bench.sockets import connect, fetch, read_until
from bench.webhook_bodies import GUILD, message_body, signed_request

EVENT_COUNT = 120
WARM_UP_EVENTS = 10
EVENT_INTERVAL = 0.1  # s between two events; enough for the page to become idle
TICKET_NUMBER = 1
TIMEOUT_MS = 15_000  # ms for a page, or for the last message

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BUILT_SCRIPT = ROOT / "src/deskwire/web/static/dist/app.js"

METHOD = (
    f"{EVENT_COUNT} messages, one at a time, into a ticket's page that is open in headless Chromium"
)

WATCH_SCRIPT = """() => {
  window.seen = {};
  const timeline = document.querySelector('[data-list="timeline"]');
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    for (const [mark] of timeline.textContent.matchAll(/mark-[0-9]+/g)) window.seen[mark] ??= now;
  }).observe(timeline, { childList: true, subtree: true, characterData: true });
}"""


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds from before the request until a bare socket and the page had the message."""

    stream: float
    page: float


def measure() -> Report:
    """Open the page and post messages into its ticket."""
    if reason := _reason_not_to_run():
        return Report("browser", METHOD, [], not_measured=reason)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        token = create_owner_session(folder)
        server = stack.enter_context(running_server(DESKWIRE, folder))
        announce_guild(server)
        page = _open_ticket_page(stack, server.url, token)
        stream = stack.enter_context(open_live_stream(server.port, token))
        sender = stack.enter_context(connect(server.port))
        noise = MachineNoise(server.read_cpu)
        waits = _measure_messages(page, stream, sender)[WARM_UP_EVENTS:]
        return Report(
            "browser", METHOD, _ratio_figures(waits), _time_figures(waits), noise.read_share()
        )


def _reason_not_to_run() -> str | None:
    if _find_chromium() is None:
        return f"no Chromium: set CHROMIUM, or install one of {', '.join(CHROMIUM_NAMES)}"
    if not BUILT_SCRIPT.exists():
        return "the front end is not built: run `make bench`, which builds it"
    return None


def _find_chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def _open_ticket_page(stack: ExitStack, url: str, token: str) -> Page:
    """Open the ticket's page, signed in and live, and watch its timeline."""
    playwright = stack.enter_context(sync_playwright())
    flags = [
        *CHROMIUM_FLAGS,
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]  # Chromium's sandbox does not work as root
    browser = playwright.chromium.launch(executable_path=_find_chromium(), args=flags)
    stack.callback(browser.close)
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE_NAME, "value": token, "url": url}])
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{url}/guilds/{GUILD}/tickets/{TICKET_NUMBER}")
    page.wait_for_selector("#live[data-state=live]")
    page.evaluate(WATCH_SCRIPT)
    return page


def _measure_messages(page: Page, stream: socket.socket, sender: socket.socket) -> list[Wait]:
    sent, heard, rest = dict[str, float](), dict[str, float](), b""
    start = time.time_ns() // 1_000_000
    for index in range(WARM_UP_EVENTS + EVENT_COUNT):
        mark = f"mark-{index}"
        request = signed_request(
            message_body(mark, str(start + index), TICKET_NUMBER, f"Message {mark}", start)
        )
        page.wait_for_timeout(EVENT_INTERVAL * 1000)
        sent[mark] = time.time() * 1000
        sender.sendall(request)
        rest = read_until(stream, f"{mark}<".encode(), rest)
        heard[mark] = time.time() * 1000
        fetch(sender, b"")
    page.wait_for_function("last => last in window.seen", arg=mark)
    seen: dict[str, float] = page.evaluate("window.seen")
    return [Wait(heard[mark] - sent[mark], seen[mark] - sent[mark]) for mark in sent]


def _ratio_figures(waits: list[Wait]) -> list[Figure]:
    return [
        figure_of_rounds(
            "until the page has it, of until a bare socket has", _page_shares(waits), "×"
        )
    ]


def _page_shares(waits: list[Wait]) -> list[float]:
    return [each.page / each.stream for each in waits]


def _time_figures(waits: list[Wait]) -> list[Figure]:
    return [
        Figure(
            f"{name}, p{share:.0f}", percentile(values, share / 100), "ms", min(values), max(values)
        )
        for name, values in (
            ("webhook → page", [each.page for each in waits]),
            ("webhook → bare socket", [each.stream for each in waits]),
        )
        for share in (50.0, 95.0)
    ]
