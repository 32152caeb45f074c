"""Limit the rate of sign-ins, sign-ups, mails and data exports, per address and per network.

An attempt to sign in is counted before its password is checked, and discarded if it was right.
Counting afterwards would let a hundred concurrent attempts pass before the first failure is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Table,
    Text,
    delete,
    insert,
    select,
)

from deskwire.events.channels import PersonId
from deskwire.kit.client_network import network_of
from deskwire.kit.clock import HOUR, MINUTE, Millis
from deskwire.kit.db import BigId, acquire_advisory_lock, metadata
from deskwire.kit.errors import RateLimited
from deskwire.kit.i18n import gettext, ngettext
from deskwire.kit.ids import hash_secret

SIGN_UP_PREFIX = "sign-up "  # prefix of a source that signs up; no IP address begins with it
MAIL_PREFIX = "mail "  # prefix of a source that requests mail, and of its recipient
DATA_EXPORT_PREFIX = "data "  # prefix of a person who exports their data
MAX_DATA_EXPORTS = 5  # per person and hour; each one reads and sends everything they ever wrote

failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # A digest, because people type passwords into the wrong field.
    Column("email_hash", Text),
    Column("source", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # ms
    Index("ix_sign_in_failures_email_hash_at", "email_hash", "at"),
    Index("ix_sign_in_failures_source_at", "source", "at"),
    Index("ix_sign_in_failures_at", "at"),
)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The number of failures, sign-ups and mails allowed within a window."""

    per_email: int = 5  # failures; a person who mistypes needs three
    per_network: int = 30  # failures, or sign-ups; a whole office may share one address
    per_mailbox: int = 3  # mails; the first one may be in the junk folder
    window: Millis = 15 * MINUTE  # ms


RATE_LIMITS = RateLimits()


def count_sign_in(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> int:
    """Count an attempt to sign in as a failure, and return its id.

    It counts until `clear_failures` or `discard_attempt`. `email` is as `normalize_email` returns
    it, with an account or without. Raises RateLimited, and counts nothing, while a window is full.
    """
    source, key = network_of(client_ip), hash_secret(email)
    # Two concurrent attempts must not both take the last one allowed.
    acquire_advisory_lock(tx, f"failures of {source}", f"failures for {key}")
    waits = (
        _time_until_allowed(tx, failures.c.source == source, limits.per_network, at, limits.window),
        _time_until_allowed(tx, failures.c.email_hash == key, limits.per_email, at, limits.window),
    )
    _raise_if_limited(max(waits), gettext("Too many failed attempts."))
    return _insert_failure(tx, key, source, at)


def count_sign_up(
    tx: Connection, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> None:
    """Count an attempt to sign up, successful or not. Raises RateLimited while the window is full.

    Sign-ups are counted apart from sign-ins: an office that creates thirty accounts must not lock
    itself out.
    """
    source = f"{SIGN_UP_PREFIX}{network_of(client_ip)}"
    acquire_advisory_lock(tx, f"failures of {source}")
    wait = _time_until_allowed(
        tx, failures.c.source == source, limits.per_network, at, limits.window
    )
    _raise_if_limited(wait, gettext("Too many people have signed up from your network."))
    _insert_failure(tx, None, source, at)


def count_mail(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> None:
    """Count a mail requested for `email`, whether it has an account or not.

    Raises RateLimited while a window is full, so that no one's mailbox can be flooded from here.
    Mails are counted apart from sign-ins.
    """
    source, key = f"{MAIL_PREFIX}{network_of(client_ip)}", hash_secret(f"{MAIL_PREFIX}{email}")
    acquire_advisory_lock(tx, f"failures of {source}", f"failures for {key}")
    waits = (
        _time_until_allowed(tx, failures.c.source == source, limits.per_network, at, limits.window),
        _time_until_allowed(
            tx, failures.c.email_hash == key, limits.per_mailbox, at, limits.window
        ),
    )
    _raise_if_limited(max(waits), gettext("Too many emails have been requested."))
    _insert_failure(tx, key, source, at)


def count_data_export(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Count a data export. Raises RateLimited after `MAX_DATA_EXPORTS` within an hour."""
    source = f"{DATA_EXPORT_PREFIX}{person_id}"
    acquire_advisory_lock(tx, f"failures of {source}")
    wait = _time_until_allowed(tx, failures.c.source == source, MAX_DATA_EXPORTS, at, HOUR)
    _raise_if_limited(wait, gettext("You have downloaded your data several times recently."))
    _insert_failure(tx, None, source, at)


def clear_failures(tx: Connection, attempt_id: int, email: str) -> None:
    """Forget an address's failures after a success; other failures of its network still count."""
    discard_attempt(tx, attempt_id)
    where = failures.c.email_hash == hash_secret(email)
    tx.execute(failures.update().where(where).values(email_hash=None))


def discard_attempt(tx: Connection, attempt_id: int) -> None:
    """Do not count an attempt: its password was right, or was never checked."""
    tx.execute(delete(failures).where(failures.c.id == attempt_id))


def _time_until_allowed(
    tx: Connection, condition: ColumnElement[bool], limit: int, at: Millis, window: Millis
) -> Millis:
    # The window is full as long as the limit-th newest failure is inside it.
    recent = select(failures.c.at).where(condition, failures.c.at > at - window)
    oldest = tx.execute(recent.order_by(failures.c.at.desc()).limit(1).offset(limit - 1)).scalar()
    return 0 if oldest is None else oldest + window - at


def _raise_if_limited(wait: Millis, message: str) -> None:
    if wait > 0:
        seconds = -(-wait // 1000)
        raise RateLimited(f"{message} {_retry_text(seconds)}", seconds)


def _insert_failure(tx: Connection, key: str | None, source: str, at: Millis) -> int:
    row = insert(failures).values(email_hash=key, source=source, at=at)
    return int(tx.execute(row.returning(failures.c.id)).scalar_one())


def _retry_text(seconds: int) -> str:
    if seconds <= 90:
        return ngettext("Try again in %(num)s second.", "Try again in %(num)s seconds.", seconds)
    minutes = -(-seconds // 60)
    return ngettext("Try again in %(num)s minute.", "Try again in %(num)s minutes.", minutes)
