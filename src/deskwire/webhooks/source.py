"""Define the interface of a source, a sender of webhooks, for the door and the worker.

Each integration has one. It verifies the raw bytes for the door, and applies a delivery for the
worker. Both may happen again years later, for a replay.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from sqlalchemy import Connection

from deskwire.events.channels import Workspace
from deskwire.kit.clock import Millis

Headers = Sequence[tuple[bytes, bytes]]  # names in lower case, as ASGI has them
SignatureHeaders = tuple[bytes, ...]  # the header values that prove a request's origin


@dataclass(frozen=True, slots=True)
class Rejection:
    """The status and the message for a sender whose request is refused. Nothing is stored.

    `reason` is for the log only: it may tell the operator more than a stranger should learn.
    """

    status: int
    message: str
    reason: str = field(default="", compare=False)


class IncomingDelivery(NamedTuple):
    """A delivery whose signature is valid. `problem` says why its body is no event.

    `key` is the sender's object whose deliveries are applied in order, if it is known. With a
    problem, the delivery is refused, or parked if the sender must not learn of it: one that sends
    everything again that was not accepted, and in the end gives up the endpoint.
    """

    source: str
    digest: str  # of the signed bytes; the same bytes are the same delivery
    envelope_id: str | None  # the sender's own id of the event, the same in every retry
    type: str | None
    signed_at: Millis
    received_at: Millis
    body: bytes
    problem: str | None = None
    key: str | None = None
    problem_state: Literal["refused", "parked"] = "refused"


class DeletedTicket(NamedTuple):
    """A deleted ticket in its sender's terms."""

    workspace: Workspace
    sender_id: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery, as the worker passes it to its source."""

    id: int
    signed_at: Millis
    body: Mapping[str, Any]

    @property
    def cause(self) -> str:
        """The `cause` of the log entries it leads to."""
        return f"delivery:{self.id}"


class UnprocessableDelivery(Exception):
    """The delivery cannot be applied; `reasons` are sentences for the operator."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


class Source(Protocol):
    """A sender of webhooks, and what the door and the worker may assume of it."""

    name: str
    path: str
    max_body: int  # bytes
    max_age: Millis  # by which a signed time may differ from ours
    problem_status: int  # of the answer to a proven body that is no event; 200: it is parked

    def is_configured(self) -> bool:
        """Whether a secret is configured; several are valid while one is being replaced."""

    def format_answer(self, status: int, message: str, at: str) -> bytes:
        """Return the JSON body of an answer; `at` is the time in ISO 8601."""

    def meaning(self, body: Mapping[str, Any]) -> object:
        """Return the part of a body that two deliveries under one id must share.

        A second delivery with the same meaning repeats the first; with another one it is parked.
        Raises KeyError if the body has none.
        """

    def parse_signature_headers(
        self, headers: Headers, now: Millis
    ) -> SignatureHeaders | Rejection:
        """Refuse what can be refused before the body is read, so that a stranger costs no memory.

        Where a header's timestamp is signed, a stale one is. Never raises.
        """

    def verify(
        self, signature_headers: SignatureHeaders, body: bytes, now: Millis
    ) -> IncomingDelivery | Rejection:
        """Check the signature and read the envelope. Never raises."""

    def prepare(self, delivery: Delivery) -> Any:  # noqa: ANN401 - `apply` of the same source takes it
        """Do what needs no database: validate the delivery, render its text.

        Raises UnprocessableDelivery.
        """

    def apply(self, tx: Connection, delivery: Delivery, content: Any) -> bool:  # noqa: ANN401
        """Apply the delivery through the domains' actions; `content` is what `prepare` returned.

        Returns False if its event was applied before, under another id. Raises
        UnprocessableDelivery.
        """

    def is_about_deleted_ticket(
        self, tx: Connection, body: bytes, gone: Collection[DeletedTicket] = ()
    ) -> bool:
        """Whether a body that led to nothing is about a deleted ticket, as far as can be known.

        `gone` are deleted tickets that may have no row any more. The body may be anything.
        """


def verify_request(
    source: Source, headers: Headers, body: bytes, now: Millis
) -> IncomingDelivery | Rejection:
    """Check the headers and the body of a request that was read completely."""
    signature = source.parse_signature_headers(headers, now)
    return signature if isinstance(signature, Rejection) else source.verify(signature, body, now)


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return every value of a header."""
    return [value for each, value in headers if each == name]
