"""Accept the bot's webhooks: `POST /api/webhooks/bot/events` (wire formats, section 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection

from deskwire.integrations.discord import deleted_tickets, translate
from deskwire.integrations.discord.signature import (
    MAX_AGE,
    WEBHOOK_PATH,
    find_signature_problem,
    find_timestamp_problem,
)
from deskwire.integrations.discord.translate import ParsedEvent
from deskwire.kit.clock import Millis
from deskwire.webhooks.source import (
    DeletedTicket,
    Delivery,
    Headers,
    IncomingDelivery,
    Rejection,
    SignatureHeaders,
    header_values,
)

TIMESTAMP_HEADER = b"x-webhook-timestamp"
SIGNATURE_HEADER = b"x-webhook-signature"
UNVERIFIABLE: SignatureHeaders = (b"", b"")  # matches no body; for a request with two signatures
MAX_ID_LENGTH = 200  # characters of a sender's own id, or of a type, that are stored unchanged


class BotSource:
    """The bot. Several secrets may be valid at once, so that one can be rotated without a gap."""

    name = "bot"
    path = WEBHOOK_PATH
    max_body = 1024 * 1024  # bytes; a hundred times the largest event
    max_age = MAX_AGE
    problem_status = 400

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def is_configured(self) -> bool:
        return bool(self._secrets)

    def format_answer(self, status: int, message: str, at: str) -> bytes:
        return b'%s "timestamp": "%s"}' % (_start_answer(status, message), at.encode())

    def meaning(self, body: Mapping[str, Any]) -> object:
        """Return the event: the envelope has the time of the attempt beside it."""
        return body["event"]

    def parse_signature_headers(
        self, headers: Headers, now: Millis
    ) -> SignatureHeaders | Rejection:
        """Return the timestamp and the signature, or a rejection if they are missing or stale."""
        timestamps, signatures = (
            header_values(headers, TIMESTAMP_HEADER),
            header_values(headers, SIGNATURE_HEADER),
        )
        if not any(timestamps) or not any(signatures):
            return Rejection(401, "Missing webhook headers")
        if len(timestamps) > 1 or len(signatures) > 1:
            return UNVERIFIABLE
        problem = find_timestamp_problem(timestamps[0], now)
        if problem is not None:
            return _reject_signature(problem)
        return timestamps[0], signatures[0]

    def verify(
        self, signature_headers: SignatureHeaders, body: bytes, now: Millis
    ) -> IncomingDelivery | Rejection:
        """Check the signature, then read the envelope, in the order of the wire format."""
        timestamp, signature = signature_headers
        if not body:
            return Rejection(401, "Empty request body")
        if signature_headers is UNVERIFIABLE:
            return _reject_signature("a signature header is repeated")
        # The timestamp was checked with the headers, before the body was read.
        problem = find_signature_problem(self._secrets, timestamp, signature, body)
        if problem is not None:
            return _reject_signature(problem)
        return _parse_delivery(timestamp, body, now)

    def prepare(self, delivery: Delivery) -> ParsedEvent:
        """Validate the delivery and render its text. Raises UnprocessableDelivery."""
        return translate.parse_event(delivery)

    def apply(self, tx: Connection, delivery: Delivery, content: ParsedEvent) -> bool:
        """Apply the delivery; return False if it repeats one. Raises UnprocessableDelivery."""
        return translate.apply_delivery(tx, delivery, content)

    def is_about_deleted_ticket(
        self, tx: Connection, body: bytes, gone: Collection[DeletedTicket] = ()
    ) -> bool:
        """Whether a body is about a deleted ticket, as far as can be known."""
        return deleted_tickets.is_about_deleted_ticket(tx, body, gone)


@lru_cache(64)
def _start_answer(status: int, message: str) -> bytes:
    fields = json.dumps({"success": status == 200, "message": message})
    return fields.removesuffix("}").encode() + b","


def _reject_signature(reason: str) -> Rejection:
    return Rejection(401, "Invalid webhook signature", reason)


def _parse_delivery(timestamp: bytes, body: bytes, now: Millis) -> IncomingDelivery:
    envelope, problem = parse_envelope(body)
    event = envelope.get("event") if problem is None else None
    return IncomingDelivery(
        source=BotSource.name,
        digest=hashlib.sha256(timestamp + b"." + body).hexdigest(),
        envelope_id=_parse_envelope_id(envelope) if problem is None else None,
        type=_format_type(event["type"]) if event else None,
        signed_at=int(timestamp),
        received_at=now,
        body=body,
        problem=problem,
        key=_find_guild(event),
    )


def _find_guild(event: Mapping[str, Any] | None) -> str | None:
    """Return the id of the server an event is about: the bot sends one server's in order."""
    data = event.get("data") if event else None
    guild = data.get("guildId") if isinstance(data, dict) else None
    return guild[:MAX_ID_LENGTH] if isinstance(guild, str) and guild else None


def parse_envelope(body: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the envelope and None, or its problem in the texts of the wire format."""
    try:
        # What only a strict parser refuses (a number no double holds) is parked with a reason.
        payload = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return {}, "Invalid JSON payload"
    if not isinstance(payload, dict):
        return {}, "Invalid payload structure"
    event = payload.get("event")
    if not _is_present(event) or not _is_present(payload.get("timestamp")):
        return {}, "Invalid payload structure"
    if not isinstance(event, dict):
        return {}, "Invalid event structure"
    if not _is_present(event.get("type")) or not _is_present(event.get("data")):
        return {}, "Invalid event structure"
    return payload, None


def _is_present(value: object) -> bool:
    """Whether the wire format counts a field as present: `{}` and `[]` are, 0 and "" are not.

    A value of the wrong type is present: such a delivery is stored, and parked with reasons.
    """
    return bool(value) or isinstance(value, dict | list)


def _format_type(type_: object) -> str:
    return type_[:MAX_ID_LENGTH] if isinstance(type_, str) else json.dumps(type_)[:MAX_ID_LENGTH]


def _parse_envelope_id(envelope: Mapping[str, Any]) -> str | None:
    """Return the sender's own id as JSON (1 is not "1"), long ones as a digest, or None."""
    own = envelope.get("id")
    if own is None or own == "":
        return None
    # For a string: json.dumps creates a sorting encoder per call, which costs more than its work.
    encoded = quoted(own) if isinstance(own, str) else json.dumps(own, sort_keys=True)
    if len(encoded) <= MAX_ID_LENGTH:
        return encoded
    return hashlib.sha256(encoded.encode()).hexdigest()
