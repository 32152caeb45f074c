"""The bot as a source of webhooks: `POST /api/webhooks/bot/events` (wire formats, section 1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection

from deskwire.integrations.discord import translate
from deskwire.integrations.discord.signature import WEBHOOK_PATH, is_signature_valid
from deskwire.kit.clock import Millis
from deskwire.webhooks.source import (
    Delivery,
    Headers,
    IncomingDelivery,
    Rejection,
    SignatureHeaders,
    header_values,
)

TIMESTAMP_HEADER = b"x-webhook-timestamp"
SIGNATURE_HEADER = b"x-webhook-signature"
UNVERIFIABLE: SignatureHeaders = (b"", b"")  # signs nothing: a request that is signed twice
MAX_ID_LENGTH = 200  # characters of a sender's own id, or of a type, that are kept as they are


class BotSource:
    """Several secrets may be valid at once, so that one can be replaced without a gap."""

    name = "bot"
    path = WEBHOOK_PATH

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def is_configured(self) -> bool:
        return bool(self._secrets)

    def parse_signature_headers(self, headers: Headers) -> SignatureHeaders | Rejection:
        """The time and the signature; refused is who does not even claim to have signed."""
        timestamps, signatures = (
            header_values(headers, TIMESTAMP_HEADER),
            header_values(headers, SIGNATURE_HEADER),
        )
        if not any(timestamps) or not any(signatures):
            return Rejection(401, "Missing webhook headers")
        if len(timestamps) > 1 or len(signatures) > 1:
            return UNVERIFIABLE
        return timestamps[0], signatures[0]

    def verify(
        self, signature_headers: SignatureHeaders, body: bytes, now: Millis
    ) -> IncomingDelivery | Rejection:
        """Prove the bytes, then read the envelope; the order and the texts are the wire's."""
        timestamp, signature = signature_headers
        if not body:
            return Rejection(401, "Empty request body")
        if not is_signature_valid(self._secrets, timestamp, signature, body, now):
            return Rejection(401, "Invalid webhook signature")
        return _parse_delivery(timestamp, body, now)

    def apply(self, tx: Connection, delivery: Delivery) -> None:
        """What the delivery means."""
        translate.apply_delivery(tx, delivery)


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
    )


def parse_envelope(body: bytes) -> tuple[dict[str, Any], str | None]:
    """The envelope and None, or what is wrong with it in the wire's own words."""
    try:
        # What only a strict reader minds (a number no double holds) is parked, with its reason.
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
    """Whether the sketch would have seen it: `{}` and `[]` are there, 0 and "" are not.

    Of the wrong kind is not missing: such a delivery is kept, and parked with its reasons.
    """
    return bool(value) or isinstance(value, dict | list)


def _format_type(type_: object) -> str:
    return type_[:MAX_ID_LENGTH] if isinstance(type_, str) else json.dumps(type_)[:MAX_ID_LENGTH]


def _parse_envelope_id(envelope: Mapping[str, Any]) -> str | None:
    """The sender's own id, as JSON tells it (1 is not "1"); long ones by their digest."""
    own = envelope.get("id")
    if own is None or own == "":
        return None
    # An encoder that sorts is made anew each time, and costs more than all its work.
    told = quoted(own) if isinstance(own, str) else json.dumps(own, sort_keys=True)
    return told if len(told) <= MAX_ID_LENGTH else hashlib.sha256(told.encode()).hexdigest()
