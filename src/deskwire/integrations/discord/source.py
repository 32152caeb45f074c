"""The bot as a source of webhooks: `POST /api/webhooks/bot/events` (wire formats, section 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from deskwire.integrations.discord import translate
from deskwire.integrations.discord.signature import PATH, is_signed
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid
from deskwire.kit.strict_json import parse_json
from deskwire.webhooks.source import Arrived, Delivery, Refused

MAX_ID = 200  # characters of a sender's own id


class BotSource:
    """Several secrets may be valid at once, so that one can be replaced without a gap."""

    name = "bot"
    path = PATH

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = tuple(secrets)

    def is_ready(self) -> bool:
        return bool(self._secrets)

    def check(
        self, headers: Mapping[bytes, list[bytes]], body: bytes, now: Millis
    ) -> Arrived | Refused:
        """Prove the bytes, then read the envelope; the order and the texts are the wire's."""
        timestamps = headers.get(b"x-webhook-timestamp", [])
        signatures = headers.get(b"x-webhook-signature", [])
        if not any(timestamps) or not any(signatures):
            return Refused(401, "Missing webhook headers")
        if not body:
            return Refused(401, "Empty request body")
        if len(timestamps) > 1 or len(signatures) > 1:
            return Refused(401, "Invalid webhook signature")
        if not is_signed(self._secrets, timestamps[0], signatures[0], body, now):
            return Refused(401, "Invalid webhook signature")
        return _arrived(timestamps[0], body, now)

    def apply(self, tx: Connection, delivery: Delivery) -> None:
        """What the delivery means."""
        translate.apply(tx, delivery)


def _arrived(timestamp: bytes, body: bytes, now: Millis) -> Arrived:
    envelope, problem = parse_envelope(body)
    event = envelope.get("event") if problem is None else None
    return Arrived(
        source=BotSource.name,
        digest=hashlib.sha256(timestamp + b"." + body).hexdigest(),
        envelope_id=_own_id(envelope) if problem is None else None,
        type=event["type"] if event else None,
        signed_at=int(timestamp),
        received_at=now,
        body=body,
        problem=problem,
    )


def parse_envelope(body: bytes) -> tuple[dict[str, Any], str | None]:
    """The envelope and None, or what is wrong with it in the wire's own words."""
    try:
        payload = parse_json(body.decode("utf-8"))
    except (Invalid, UnicodeError):
        return {}, "Invalid JSON payload"
    if not isinstance(payload, dict) or not payload.get("event") or not payload.get("timestamp"):
        return {}, "Invalid payload structure"
    event = payload["event"]
    if not isinstance(event, dict) or not _has_type_and_data(event):
        return {}, "Invalid event structure"
    return payload, None


def _has_type_and_data(event: Mapping[str, Any]) -> bool:
    type_, data = event.get("type"), event.get("data")
    return bool(type_ and data) and isinstance(type_, str) and isinstance(data, dict)


def _own_id(envelope: Mapping[str, Any]) -> str | None:
    own = envelope.get("id")
    return str(own)[:MAX_ID] if isinstance(own, str | int) and own != "" else None
