"""Measure the latency from the bot's request to the pixel: printed, not judged (`-s` shows it)."""

from __future__ import annotations

import time
from statistics import median, quantiles

from playwright.sync_api import expect

from tests.browser.conftest import OpenVisitor
from tests.fixtures.guild import GuildFixture

EVENTS = 30

# Notes when (ms since 1970) each new row stands in the list.
WATCH = """() => {
    window.shownAt = {};
    new MutationObserver(() => {
        for (const link of document.querySelectorAll("#tickets .row-link")) {
            window.shownAt[link.textContent] ??= Date.now();
        }
    }).observe(document.querySelector("#tickets"), { childList: true, subtree: true });
}"""


def test_a_webhook_appears_on_screen_in_time(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    ada = open_visitor(guild.sign_in_staff(), f"/guilds/{guild.guild_id}/tickets")
    ada.evaluate(WATCH)
    sent_at: dict[str, float] = {}

    for number in range(1, EVENTS + 1):
        subject = f"Number {number}"
        sent_at[subject] = time.time() * 1000
        guild.open_ticket(number, subject)
        expect(ada.find_row(subject)).to_be_visible()

    shown_at = ada.evaluate("() => window.shownAt")
    took = [shown_at[subject] - at for subject, at in sent_at.items()]
    print(f"\nwebhook → screen, {EVENTS} events: {median(took):.0f} ms in the middle, ", end="")
    print(f"{quantiles(took, n=20)[-1]:.0f} ms at p95, {max(took):.0f} ms at most")
    assert len(took) == EVENTS
