"""The throttle: how often somebody may be wrong at the door, per address and per source, and what
else is counted like it.

An attempt is counted before its password is looked at and taken back if it was right; counting
afterwards would let a hundred attempts at once pass before the first failure is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

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
from deskwire.kit.clock import HOUR, MINUTE, Millis
from deskwire.kit.db import BigId, acquire_advisory_lock, metadata
from deskwire.kit.errors import RateLimited
from deskwire.kit.i18n import gettext, ngettext
from deskwire.kit.ids import hash_secret

SIGN_UP_PREFIX = "sign-up "  # before a source that signs up; no address begins like it
MAIL_PREFIX = "mail "  # before a source that has mail sent, and before whom it is sent to
DATA_EXPORT_PREFIX = "data "  # before who downloads theirs
MAX_DATA_EXPORTS = 5  # of one's data within an hour; each reads and sends all that one ever sent
MAX_SOURCE_LENGTH = 64  # an address is shorter; what a broken proxy sends may not be
IPV6_PREFIX_BITS = 64  # of an IPv6 address: one customer has the rest to choose from

failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    # A digest, because what is typed into the wrong field may be a password.
    Column("email_hash", Text),
    Column("source", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # ms
    Index("ix_sign_in_failures_email_hash_at", "email_hash", "at"),
    Index("ix_sign_in_failures_source_at", "source", "at"),
    Index("ix_sign_in_failures_at", "at"),
)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many failures are borne within a window, and as many sign-ups of a source."""

    per_email: int = 5  # a person who mistypes needs three
    per_network: int = 30  # an office behind one address
    per_mailbox: int = 3  # mails; the first one may be in the folder for junk
    window: Millis = 15 * MINUTE


RATE_LIMITS = RateLimits()


def count_sign_in(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> int:
    """Count an attempt to sign in as a failure until `forgive` or `withdraw`; gives its id.

    `email`: as `normal_email` gives it, known here or not. TooMany, and nothing counted, while a
    window is full.
    """
    source, key = network_of(client_ip), hash_secret(email)
    acquire_advisory_lock(
        tx, f"failures of {source}", f"failures for {key}"
    )  # or two would count past each other
    waits = (
        _time_until_allowed(tx, failures.c.source == source, limits.per_network, at, limits.window),
        _time_until_allowed(tx, failures.c.email_hash == key, limits.per_email, at, limits.window),
    )
    _raise_if_limited(max(waits), gettext("Too many failed attempts."))
    return _insert_failure(tx, key, source, at)


def count_sign_up(
    tx: Connection, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> None:
    """Count an attempt to sign up, whatever comes of it, beside those to sign in: an office that
    makes thirty accounts must not lock itself out. TooMany while the window is full.
    """
    source = f"{SIGN_UP_PREFIX}{network_of(client_ip)}"
    acquire_advisory_lock(tx, f"failures of {source}")
    wait = _time_until_allowed(
        tx, failures.c.source == source, limits.per_network, at, limits.window
    )
    _raise_if_limited(wait, gettext("Too many people signed up from where you are."))
    _insert_failure(tx, None, source, at)


def count_mail(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> None:
    """Count that somebody has a mail sent to `email`, known here or not, beside attempts to sign
    in: nobody's mailbox is to be filled from here. TooMany while a window is full.
    """
    source, key = f"{MAIL_PREFIX}{network_of(client_ip)}", hash_secret(f"{MAIL_PREFIX}{email}")
    acquire_advisory_lock(tx, f"failures of {source}", f"failures for {key}")
    waits = (
        _time_until_allowed(tx, failures.c.source == source, limits.per_network, at, limits.window),
        _time_until_allowed(
            tx, failures.c.email_hash == key, limits.per_mailbox, at, limits.window
        ),
    )
    _raise_if_limited(max(waits), gettext("Too many mails were asked for."))
    _insert_failure(tx, key, source, at)


def count_data_export(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Count that somebody downloads their data. TooMany after `DOWNLOADS` within an hour."""
    source = f"{DATA_EXPORT_PREFIX}{person_id}"
    acquire_advisory_lock(tx, f"failures of {source}")
    wait = _time_until_allowed(tx, failures.c.source == source, MAX_DATA_EXPORTS, at, HOUR)
    _raise_if_limited(wait, gettext("You downloaded your data often just now."))
    _insert_failure(tx, None, source, at)


def clear_failures(tx: Connection, attempt_id: int, email: str) -> None:
    """The attempt succeeded: the address starts anew, what the source did otherwise stays."""
    discard_attempt(tx, attempt_id)
    same = failures.c.email_hash == hash_secret(email)
    tx.execute(failures.update().where(same).values(email_hash=None))


def discard_attempt(tx: Connection, attempt_id: int) -> None:
    """The attempt was never judged: it does not count."""
    tx.execute(delete(failures).where(failures.c.id == attempt_id))


def network_of(client_ip: str | None) -> str:
    """Whom an IP address stands for: IPv4 itself, IPv6 its /64, anything else as it is."""
    try:
        ip = ip_address(client_ip or "")
    except ValueError:
        return (client_ip or "unknown")[:MAX_SOURCE_LENGTH]
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(IPv6Network((int(ip), IPV6_PREFIX_BITS), strict=False))
    return str(ip)


def _time_until_allowed(
    tx: Connection, condition: ColumnElement[bool], limit: int, at: Millis, window: Millis
) -> Millis:
    # Full as long as the limit-th newest failure is in the window.
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
