"""Test that open pages say at once that a mail was refused."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.fixtures.effect_sinks import RecipientServer, serve_mail
from tests.fixtures.live_pages import LivePages
from tests.fixtures.server import running_server
from tests.fixtures.visitor import RECONNECT_TIMEOUT_MS, Visitor

PUBLIC_URL = "http://desk.test"
SETTINGS = "/orgs/harbor/settings"


def test_open_pages_say_that_a_mail_was_refused(browser: Browser, tmp_path: Path) -> None:
    recipients = RecipientServer()
    with (
        serve_mail(recipients) as port,
        running_server(
            tmp_path,
            PUBLIC_URL=PUBLIC_URL,
            SMTP_URL=f"smtp://127.0.0.1:{port}",
            MAIL_FROM="desk@desk.test",
        ) as server,
    ):
        url, server.url = server.url, PUBLIC_URL  # the origin of its forms
        cookie = server.sign_up("Clara", "clara@desk.test")
        server.submit_form("/create-organization", cookie, name="Harbor", slug="harbor")
        visitor = Visitor(browser.new_context(base_url=url), cookie, url)
        pages = LivePages(visitor, [SETTINGS, "/settings"])
        recipients.answer = "550 5.1.1 no such mailbox"

        invitation = {"act": "invite", "email": "guest@desk.test", "role": "member"}
        assert server.submit_form(SETTINGS, cookie, **invitation).status == 200
        invitations, banner = map(visitor.page.locator, ("#invitations", "#unverified"))
        expect(invitations).to_contain_text("The email was refused", timeout=RECONNECT_TIMEOUT_MS)
        assert server.submit_form("/settings/verification", cookie).status == 303
        expect(banner).to_contain_text("clara@desk.test was refused", timeout=RECONNECT_TIMEOUT_MS)

        assert pages.find_stale("two refused mails") == []
        visitor.context.close()
