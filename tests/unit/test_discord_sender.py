"""Test the sender: the bytes it posts, and its messages when it cannot."""

from __future__ import annotations

import json

import pytest

from deskwire.integrations.discord.samples import EVENT_TYPES, build_sample_data
from deskwire.integrations.discord.sender import (
    SendResult,
    build_envelope,
    build_headers,
    send_event,
)
from deskwire.integrations.discord.signature import WEBHOOK_PATH
from deskwire.kit.errors import Invalid, Upstream
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.bot_deliveries import NOON, SECRET, check_delivery
from tests.fixtures.receiver import WebhookReceiver

LEFT = {"guildId": "1"}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_sent_delivery_is_accepted(type_):
    body = build_envelope(type_, build_sample_data(type_), NOON)

    arrived = check_delivery(build_headers(SECRET, NOON, body), body, now=NOON)

    assert isinstance(arrived, IncomingDelivery)
    assert (arrived.type, arrived.problem) == (type_, None)


def test_an_envelope_has_the_wire_format():
    body = build_envelope("guild.left", {"guildId": "1"}, NOON)

    assert json.loads(body) == {
        "event": {"type": "guild.left", "data": {"guildId": "1"}},
        "timestamp": "2026-11-22T12:00:00.000Z",
    }


def test_the_id_of_the_sender_is_in_the_signed_envelope():
    assert json.loads(build_envelope("guild.left", LEFT, NOON, "abc"))["id"] == "abc"


def test_text_is_sent_as_utf_8():
    body = build_envelope("guild.joined", {"guildName": "Bücher 📚"}, NOON)

    assert "Bücher 📚".encode() in body


def test_invalid_json_is_not_sent():
    with pytest.raises(ValueError, match="JSON compliant"):
        build_envelope("guild.left", {"guildId": float("nan")}, NOON)


def test_an_event_is_posted_once_to_the_webhook_url():
    with WebhookReceiver() as receiver:
        answer = send_event(receiver.url, SECRET, "guild.left", LEFT, id_="abc", clock=lambda: NOON)

        path, sent, body = receiver.requests.get_nowait()
        assert receiver.requests.empty()
    assert answer == SendResult(200, "Event processed")
    assert path == WEBHOOK_PATH
    assert sent["content-type"] == "application/json"
    assert isinstance(check_delivery(sent | {}, body, now=NOON), IncomingDelivery)


@pytest.mark.parametrize("written", ["", "/", WEBHOOK_PATH])
def test_a_url_may_be_given_with_or_without_the_path(written):
    with WebhookReceiver() as receiver:
        send_event(receiver.url + written, SECRET, "guild.left", LEFT)

        assert receiver.requests.get_nowait()[0] == WEBHOOK_PATH


@pytest.mark.parametrize(
    ("status", "body", "message", "kept"),
    [
        (401, b'{"message": "Invalid webhook signature"}', "Invalid webhook signature", False),
        (502, b"<h1>Bad\n gateway</h1>", "<h1>Bad gateway</h1>", False),
        (200, b"[1]", "[1]", True),
        (200, b"", "", True),
        (404, b"x" * 5000, "x" * 300, False),
    ],
)
def test_the_response_of_the_server_is_returned(status, body, message, kept):
    with WebhookReceiver(status, body) as receiver:
        answer = send_event(receiver.url, SECRET, "guild.left", LEFT)

    assert (answer.status, answer.message, answer.is_accepted) == (status, message, kept)


def test_an_unreachable_server_is_reported_with_its_url_and_a_solution():
    with WebhookReceiver() as gone:
        pass

    with pytest.raises(Upstream) as caught:
        send_event(gone.url, SECRET, "guild.left", LEFT)

    assert str(caught.value).startswith(f"Nothing answers at {gone.url} (")
    assert "Start the server with `deskwire serve`" in str(caught.value)
    assert not caught.value.permanent
    assert_no_secret_in(caught.value)


def test_without_a_secret_nothing_is_sent():
    with pytest.raises(Invalid, match="set BOT_WEBHOOK_SECRET"):
        send_event("http://127.0.0.1:1", "", "guild.left", LEFT)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://",
        "http://[::1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://127.0.0.1/?a=b",
        "http://127.0.0.1/#a",
    ],
)
def test_an_invalid_url_is_refused_with_an_example(url):
    with pytest.raises(Invalid, match=r"is not an address. Write it like http://127.0.0.1:8000"):
        send_event(url, SECRET, "guild.left", LEFT)


def test_a_url_with_a_password_is_refused_without_showing_it():
    with pytest.raises(Invalid) as caught:
        send_event("http://bot:hunter2@127.0.0.1", SECRET, "guild.left", LEFT)

    assert "hunter2" not in str(caught.value)
    assert_no_secret_in(caught.value)


def assert_no_secret_in(error: BaseException) -> None:
    assert SECRET not in str(error) + repr(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
