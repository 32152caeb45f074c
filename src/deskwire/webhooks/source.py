"""A source: a sender of webhooks, and what is particular about it.

Each integration offers one. The door asks it to check the raw bytes; the worker asks it what a
delivery means. Both may be asked again years later, for a replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from deskwire.kit.clock import Millis

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them
SignatureHeaders = tuple[
    bytes, ...
]  # what a request says in its headers to prove where it comes from


@dataclass(frozen=True, slots=True)
class Rejection:
    """Not let in: the status and the sentence the sender gets. Nothing is kept."""

    status: int
    message: str


class IncomingDelivery(NamedTuple):
    """A delivery whose bytes are proven. `problem`: it says nothing that can be understood."""

    source: str
    digest: str  # of what was signed; the same bytes are the same delivery
    envelope_id: str | None  # the sender's own id of the event, constant over its retries
    type: str | None
    signed_at: Millis
    received_at: Millis
    body: bytes
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A kept delivery, as the worker hands it to its source."""

    id: int
    signed_at: Millis
    body: Mapping[str, Any]

    @property
    def cause(self) -> str:
        """How entries of the log name it."""
        return f"delivery:{self.id}"


class UnprocessableDelivery(Exception):
    """A delivery that cannot be applied; `reasons` are sentences for the operator."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


class Source(Protocol):
    """What the door and the worker need to know of a sender."""

    name: str
    path: str

    def is_configured(self) -> bool:
        """Whether a secret is configured."""

    def parse_signature_headers(self, headers: Headers) -> SignatureHeaders | Rejection:
        """What can be refused before a body is read: a stranger costs no memory. Never raises."""

    def verify(
        self, signature_headers: SignatureHeaders, body: bytes, now: Millis
    ) -> IncomingDelivery | Rejection:
        """Prove the bytes and read the envelope. Never raises."""

    def apply(self, tx: Connection, delivery: Delivery) -> None:
        """Do what the delivery means, through the domains' actions. Raises Unfit."""


def verify_request(
    source: Source, headers: Headers, body: bytes, now: Millis
) -> IncomingDelivery | Rejection:
    """Both steps, for whoever has the whole of a request at hand."""
    claim = source.parse_signature_headers(headers)
    return claim if isinstance(claim, Rejection) else source.verify(claim, body, now)


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Every value of a header."""
    return [value for each, value in headers if each == name]
