"""From the webhook to the screen: until a real browser has the message in its page.

A ticket's page is open in headless Chromium. The clock runs from just before the request is
written (the machine's clock) until a MutationObserver sees the message in the timeline (the page's
clock, which Chromium sets by the machine's). A bare socket listens on the same stream, so that the
browser's share can be told from the server's.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from playwright.sync_api import Page, sync_playwright

from bench.guild_owner import COOKIE, listen, sign_in
from bench.machine import Noise
from bench.report import Figure, Part, of_rounds, percentile
from bench.servers import DESKWIRE, ROOT, fill, running, scratch
from bench.sockets import connect, fetch, read_until
from bench.webhook_bodies import GUILD, message, post

EVENTS = 120
WARM_UP = 10
PAUSE = 0.1  # s between two events; the page has come to rest
TICKET = 1
PATIENCE = 15_000  # ms for a page, or for the last message

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ASSETS = ROOT / "src/deskwire/web/static/dist/app.js"

HOW = f"{EVENTS} messages, one at a time, into a ticket's page that is open in headless Chromium"

WATCH = """() => {
  window.seen = {};
  const timeline = document.querySelector('[data-list="timeline"]');
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    for (const [mark] of timeline.textContent.matchAll(/mark-[0-9]+/g)) window.seen[mark] ??= now;
  }).observe(timeline, { childList: true, subtree: true, characterData: true });
}"""


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds from before the request until a bare socket and the page knew."""

    stream: float
    page: float


def measure() -> Part:
    """Open the page and write into its ticket."""
    if why := _obstacle():
        return Part("browser", HOW, [], not_measured=why)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        token = sign_in(folder)
        server = stack.enter_context(running(DESKWIRE, folder))
        fill(server)
        page = _open(stack, server.url, token)
        stream = stack.enter_context(listen(server.port, token))
        sender = stack.enter_context(connect(server.port))
        noise = Noise(server.cpu)
        waits = _write_into(page, stream, sender)[WARM_UP:]
        return Part("browser", HOW, _ratios(waits), _figures(waits), noise.share())


def _obstacle() -> str | None:
    if _find_chromium() is None:
        return f"no Chromium: set CHROMIUM, or install one of {', '.join(NAMES)}"
    if not ASSETS.exists():
        return "the front end is not built: run `make bench`, which builds it"
    return None


def _find_chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def _open(stack: ExitStack, url: str, token: str) -> Page:
    """The ticket's page, signed in, live and watched."""
    playwright = stack.enter_context(sync_playwright())
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # root has no sandbox
    browser = playwright.chromium.launch(executable_path=_find_chromium(), args=flags)
    stack.callback(browser.close)
    context = browser.new_context()
    context.add_cookies([{"name": COOKIE, "value": token, "url": url}])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}/guilds/{GUILD}/tickets/{TICKET}")
    page.wait_for_selector("#live[data-state=live]")
    page.evaluate(WATCH)
    return page


def _write_into(page: Page, stream: socket.socket, sender: socket.socket) -> list[Wait]:
    sent, heard, rest = dict[str, float](), dict[str, float](), b""
    start = time.time_ns() // 1_000_000
    for index in range(WARM_UP + EVENTS):
        mark = f"mark-{index}"
        asked = post(message(mark, str(start + index), TICKET, f"Message {mark}", start))
        page.wait_for_timeout(PAUSE * 1000)
        sent[mark] = time.time() * 1000
        sender.sendall(asked)
        rest = read_until(stream, f"{mark}<".encode(), rest)
        heard[mark] = time.time() * 1000
        fetch(sender, b"")
    page.wait_for_function("last => last in window.seen", arg=mark)
    seen: dict[str, float] = page.evaluate("window.seen")
    return [Wait(heard[mark] - sent[mark], seen[mark] - sent[mark]) for mark in sent]


def _ratios(waits: list[Wait]) -> list[Figure]:
    return [of_rounds("until the page has it, of until a bare socket has", _shares(waits), "×")]


def _shares(waits: list[Wait]) -> list[float]:
    return [each.page / each.stream for each in waits]


def _figures(waits: list[Wait]) -> list[Figure]:
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
