"""Test the bot's source: which deliveries are accepted, and the answers to the others."""

import hashlib
import hmac
import json

import pytest

from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.integrations.discord.signature import MAX_AGE, find_signature_problem, sign
from deskwire.integrations.discord.source import MAX_ID_LENGTH, BotSource, parse_envelope
from deskwire.integrations.discord.translate import parse_payload
from deskwire.kit.clock import MINUTE
from deskwire.webhooks.source import IncomingDelivery, Rejection, UnprocessableDelivery
from deskwire.webhooks.source import verify_request as check_by
from tests.fixtures.bot_deliveries import NOON, SECRET, check_delivery

OTHER = "fedcba9876543210fedcba9876543210"
BODY = build_envelope("guild.left", {"guildId": "1046123456789012345"}, NOON)
STAMP = str(NOON).encode()
SIGNED = sign(SECRET, NOON, BODY).encode()


def asked(*, timestamps=(STAMP,), signatures=(SIGNED,), body=BODY, now=NOON, secrets=(SECRET,)):
    sent = [(b"x-webhook-timestamp", each) for each in timestamps]
    sent += [(b"x-webhook-signature", each) for each in signatures]
    return check_by(BotSource(secrets), sent, body, now)


def test_a_delivery_of_the_sender_is_accepted():
    arrived = check_delivery(build_headers(SECRET, NOON, BODY), BODY, now=NOON + 7)

    assert isinstance(arrived, IncomingDelivery)
    assert (arrived.source, arrived.type, arrived.problem) == ("bot", "guild.left", None)
    assert (arrived.signed_at, arrived.received_at, arrived.body) == (NOON, NOON + 7, BODY)


def test_the_signature_follows_the_wire_format():
    # printf '1795348800000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    assert sign(SECRET, NOON, b"{}") == (
        "sha256=362cbd3cd9397a3f5de12188603cabd61b77d7498dca760ff5a3a8401ac4d607"
    )


@pytest.mark.parametrize("where", range(0, len(BODY), 7))
def test_a_tampered_body_is_refused(where):
    tampered = bytearray(BODY)
    tampered[where] ^= 1

    assert asked(body=bytes(tampered)) == Rejection(401, "Invalid webhook signature")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"timestamps": ()}, "Missing webhook headers"),
        ({"signatures": ()}, "Missing webhook headers"),
        ({"timestamps": (b"",)}, "Missing webhook headers"),
        ({"signatures": (b"",)}, "Missing webhook headers"),
        ({"timestamps": (), "body": b""}, "Missing webhook headers"),
        ({"body": b""}, "Empty request body"),
        ({"timestamps": (STAMP, STAMP)}, "Invalid webhook signature"),
        ({"signatures": (SIGNED, SIGNED)}, "Invalid webhook signature"),
        ({"timestamps": (b"", STAMP)}, "Invalid webhook signature"),
        ({"body": BODY + b" "}, "Invalid webhook signature"),
        ({"timestamps": (str(NOON + 1).encode(),)}, "Invalid webhook signature"),
        ({"secrets": (OTHER,)}, "Invalid webhook signature"),
        ({"secrets": ()}, "Invalid webhook signature"),
        ({"now": NOON + MAX_AGE + 1}, "Invalid webhook signature"),
        ({"now": NOON - MAX_AGE - 1}, "Invalid webhook signature"),
    ],
)
def test_an_unauthenticated_delivery_is_refused_with_the_documented_message(changed, message):
    assert asked(**changed) == Rejection(401, message)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"timestamps": (STAMP, STAMP)}, "a signature header is repeated"),
        ({"timestamps": (b"1795348800",)}, "the timestamp is not 13 digits of milliseconds"),
        ({"secrets": (OTHER,)}, "the secret differs, or the body was changed on the way"),
        # A stale request is refused before its body is read, so its secret is not known.
        ({"secrets": (OTHER,), "now": NOON + 2 * MAX_AGE}, "the sender's time is 600 s behind"),
        ({"now": NOON + 7 * MINUTE}, "the sender's time is 420 s behind"),
        ({"now": NOON - 7 * MINUTE}, "the sender's time is 420 s ahead"),
    ],
)
def test_the_logged_reason_distinguishes_a_wrong_clock_from_a_wrong_secret(changed, reason):
    assert asked(**changed).reason.startswith(reason)


def test_timestamps_within_five_minutes_are_accepted():
    assert MAX_AGE == 5 * MINUTE
    assert isinstance(asked(now=NOON + MAX_AGE), IncomingDelivery)
    assert isinstance(asked(now=NOON - MAX_AGE), IncomingDelivery)


@pytest.mark.parametrize(
    "signature",
    [
        SIGNED.upper(),
        b"sha256=" + SIGNED.removeprefix(b"sha256=").upper(),
        SIGNED.removeprefix(b"sha256="),
        b"sha512=" + SIGNED.removeprefix(b"sha256="),
        SIGNED + b"0",
        SIGNED[:-1],
        SIGNED + b"\n",
        b" " + SIGNED,
        b"sha256=" + b"g" * 64,
        b"sha256=\xff",
    ],
)
def test_a_signature_in_another_form_is_refused(signature):
    assert find_signature_problem([SECRET], STAMP, signature, BODY)


@pytest.mark.parametrize(
    "stamp",
    [
        b"179534880000",
        b"17953488000000",
        b"-795348800000",
        b"+795348800000",
        b"1795348800000.0",
        b" 1795348800000",
        b"1795348800000\n",
        "１７９５３４８８０００００".encode(),
        b"0x1a2b3c4d5e6",
        b"",
    ],
)
def test_a_timestamp_in_another_form_is_refused_even_if_signed(stamp):
    mac = hmac.new(SECRET.encode(), stamp + b"." + BODY, hashlib.sha256).hexdigest()

    assert isinstance(asked(timestamps=(stamp,), signatures=(f"sha256={mac}".encode(),)), Rejection)


def test_every_secret_is_valid_while_one_is_replaced_by_another():
    assert isinstance(asked(secrets=(OTHER, SECRET)), IncomingDelivery)
    assert isinstance(asked(secrets=(SECRET, OTHER)), IncomingDelivery)


def test_a_source_without_a_secret_is_not_ready():
    assert not BotSource([]).is_configured()
    assert BotSource([SECRET]).is_configured()


def make_body(event=None, **changed):
    whole = {"event": event or {"type": "guild.left", "data": {"guildId": "1"}}, "timestamp": "t"}
    return json.dumps(whole | changed).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"hello",
        b"\xff\xfe",
        b'{"event": "\xc3\x28"}',
        b"\xef\xbb\xbf" + make_body(),
        make_body() + b"x",
        make_body().replace(b'"1"', b"NaN"),
        make_body().replace(b'"1"', b"-Infinity"),
        make_body().replace(b'"1"', b"9" * 5000),
        make_body().replace(b'"1"', b'"\\ud800"'),
        make_body().replace(b'"1"', b'"\\udc00\\ud800"'),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_invalid_json_is_reported(body):
    assert parse_envelope(body) == ({}, "Invalid JSON payload")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"1",
        b'"event"',
        b"{}",
        b'[{"event": {}}]',
        make_body(timestamp=""),
        make_body(timestamp=None),
        make_body(timestamp=0),
        b'{"timestamp": "t"}',
        b'{"event": null, "timestamp": "t"}',
        b'{"event": {"type": "guild.left", "data": {"guildId": "1"}}}',
    ],
)
def test_an_invalid_envelope_is_reported(body):
    assert parse_envelope(body) == ({}, "Invalid payload structure")


@pytest.mark.parametrize(
    "event",
    [
        "guild.left",
        ["guild.left"],
        {"type": "guild.left"},
        {"data": {"guildId": "1"}},
        {"type": "", "data": {"guildId": "1"}},
        {"type": None, "data": {"guildId": "1"}},
        {"type": 0, "data": {"guildId": "1"}},
        {"type": "guild.left", "data": None},
        {"type": "guild.left", "data": False},
        {"type": "guild.left", "data": ""},
    ],
)
def test_an_invalid_event_is_reported(event):
    assert parse_envelope(make_body(event)) == ({}, "Invalid event structure")


@pytest.mark.parametrize(
    "event",
    [
        {"type": 7, "data": {"guildId": "1"}},
        {"type": ["guild.left"], "data": {"guildId": "1"}},
        {"type": "guild.left", "data": {}},
        {"type": "guild.left", "data": [{"guildId": "1"}]},
        {"type": "guild.left", "data": "1"},
    ],
)
def test_an_event_with_invalid_data_is_accepted_and_parked_later(event):
    assert parse_envelope(make_body(event))[1] is None
    with pytest.raises(UnprocessableDelivery):
        parse_payload(event["type"], event["data"])


def test_data_nested_too_deeply_is_parked():
    wire = {"guildId": "1", "more": json.loads("[" * 100 + "]" * 100)}

    with pytest.raises(UnprocessableDelivery, match="nested deeper"):
        parse_payload("guild.left", wire)


def test_unknown_fields_of_an_envelope_are_kept():
    envelope, problem = parse_envelope(make_body(id="a", more={"b": "😀"}))

    assert problem is None
    assert envelope["more"] == {"b": "😀"}


def test_a_signed_but_invalid_body_is_accepted_with_its_problem():
    body = b"[]"
    arrived = asked(body=body, signatures=(sign(SECRET, NOON, body).encode(),))

    assert isinstance(arrived, IncomingDelivery)
    assert (arrived.problem, arrived.type) == ("Invalid payload structure", None)


def test_long_ids_that_differ_at_the_end_stay_distinct():
    arrived = []
    for end in "ab":
        body = make_body(id="x" * 300 + end)
        arrived.append(asked(body=body, signatures=(sign(SECRET, NOON, body).encode(),)))

    assert arrived[0].envelope_id != arrived[1].envelope_id
    assert len(arrived[0].envelope_id) <= MAX_ID_LENGTH


@pytest.mark.parametrize(
    ("id_", "kept"),
    [
        ("abc", '"abc"'),
        (17, "17"),
        ("17", '"17"'),
        ("", None),
        (None, None),
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_the_id_of_the_sender_is_kept(id_, kept):
    body = make_body(id=id_)
    arrived = asked(body=body, signatures=(sign(SECRET, NOON, body).encode(),))

    assert isinstance(arrived, IncomingDelivery)
    assert arrived.envelope_id == kept


def test_the_digest_covers_the_signed_bytes():
    again = asked(now=NOON + 9)
    later = NOON + 1
    resigned = asked(
        timestamps=(str(later).encode(),), signatures=(sign(SECRET, later, BODY).encode(),)
    )

    assert again.digest == asked().digest, "the same bytes are the same delivery"
    assert resigned.digest != asked().digest
