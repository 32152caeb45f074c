"""Test the deliveries pages: filters, paging, hidden secrets, replay and dismissal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.web.pages import admin_deliveries
from deskwire.web.rendering.payload import MAX_CHARACTERS, format_payload
from deskwire.webhooks import deliveries
from deskwire.webhooks.deliveries import DeliveryState
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.cast import MO, NOON
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal

pytestmark = pytest.mark.database("sqlite")

BODY = json.dumps({"event": {"type": "ticket.created", "token": "very-secret"}}).encode()


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    portal = create_staffed_portal(tmp_path)
    yield portal
    portal.desk.db.close()


@pytest.fixture
def browser(staffed_portal: StaffedPortalFixture) -> Any:
    return open_browser(SiteFixture(staffed_portal.desk), MO)


def keep(
    staffed_portal: StaffedPortalFixture,
    *states: DeliveryState,
    source: str = "bot",
    body: bytes = BODY,
) -> None:
    """Deliveries that became of this, in order."""
    db = staffed_portal.desk.db
    for nth, state in enumerate(states):
        fields = (source, f"{source}-{nth}", f"e{nth}", f"{source}.{state}", NOON, NOON, body)
        db.write_sync(deliveries.store_deliveries, [IncomingDelivery(*fields)])
        newest = db.read_sync(deliveries.list_summaries, 1)[0].id
        reasons = ["No such <server>."] if state == "parked" else []
        db.write_sync(deliveries.record_outcome, newest, state, reasons, NOON)


def shown_in(page: str) -> list[str]:
    return re.findall(r'href="/admin/deliveries/\d+">([\w.]+)<', page)


def test_the_list_follows_the_filter_in_the_url(
    staffed_portal: StaffedPortalFixture, browser: Any
) -> None:
    keep(staffed_portal, "done", "parked", "refused")
    keep(staffed_portal, "done", "dismissed", source="linear")

    def ask(query: str) -> list[str]:
        return shown_in(browser.get(f"/admin/deliveries?{query}").text)

    newest = ["linear.dismissed", "linear.done", "bot.refused", "bot.parked", "bot.done"]
    assert ask("") == newest
    assert ask("state=done") == ["linear.done", "bot.done"]
    assert ask("state=done&source=bot") == ["bot.done"]
    assert ask("source=nobody") == []
    assert ask("state=made-up") == newest
    assert "No such &lt;server&gt;." in browser.get("/admin/deliveries").text


def test_the_next_page_continues_where_the_list_ended(
    staffed_portal: StaffedPortalFixture, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_deliveries, "PAGE_SIZE", 2)
    keep(staffed_portal, "done", "parked", "repeat", "refused", "dismissed")
    found, path = list[str](), "/admin/deliveries?source=bot"

    while path:
        page = browser.get(path).text
        found += shown_in(page)
        path = "".join(re.findall(r'href="([^"]*before[^"]*)"', page)[-1:]).replace("&amp;", "&")

    assert found == [f"bot.{each}" for each in ("dismissed", "refused", "repeat", "parked", "done")]


def test_a_delivery_is_shown_with_its_payload_and_without_secrets(
    staffed_portal: StaffedPortalFixture, browser: Any
) -> None:
    keep(staffed_portal, "parked")

    page = browser.get("/admin/deliveries/1").text

    assert "No such &lt;server&gt;." in page
    assert "&#34;type&#34;: &#34;ticket.created&#34;" in page
    assert "very-secret" not in page


def test_only_a_parked_delivery_can_be_replayed_or_dismissed(
    staffed_portal: StaffedPortalFixture, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_deliveries, "REPLAY_POLL_ATTEMPTS", 1)
    monkeypatch.setattr(admin_deliveries, "REPLAY_POLL_INTERVAL", 0)
    keep(staffed_portal, "parked", "done")

    def post(id_: int, act: str) -> int:
        return int(browser.post(f"/admin/deliveries/{id_}", data={"act": act}).status_code)

    assert [post(2, "replay"), post(2, "dismiss"), post(3, "replay")] == [409, 409, 404]
    assert [post(1, "dismiss"), post(1, "dismiss"), post(1, "replay")] == [303, 409, 303]
    assert staffed_portal.desk.db.read_sync(deliveries.read_delivery, 1).state == "pending"
    assert "Pending" in browser.get("/admin/deliveries/1?done=replay").text


@pytest.mark.parametrize(
    ("body", "hidden", "kept"),
    [
        ({"accessToken": "s3cret", "type": "x"}, "s3cret", '"type": "x"'),
        ({"a": [{"client_secret": ["s3cret"]}]}, "s3cret", '"client_secret"'),
        ({"link": "https://d.test/reset/s3cret?x"}, "s3cret", "/reset/…?x"),
        ({"X-API-Key": {"k": "s3cret"}}, "s3cret", "X-API-Key"),
        ({"password": ""}, "s3cret", '"password": ""'),
    ],
)
def test_fields_that_look_like_secrets_are_hidden(body: Any, hidden: str, kept: str) -> None:
    shown = format_payload(json.dumps(body).encode())

    assert hidden not in shown
    assert kept in shown


@pytest.mark.parametrize(
    "body",
    [
        b'no json "refresh_token": "s3cret"',
        b"[" * 100_000 + b'{"secret":"s3cret"}',
        b'\xff\xfe{"secret":"s3cret"}',
        b'{"half": "\\ud800", "secret": "s3cret"}',
    ],
)
def test_secrets_are_hidden_in_invalid_json_too(body: bytes) -> None:
    shown = format_payload(body)

    assert "s3cret" not in shown
    assert shown.encode()
    assert len(shown) <= MAX_CHARACTERS + 40
