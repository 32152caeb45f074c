"""Issue and redeem one-time links that expire.

The secret is in the link only; the row stores its digest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Table,
    Text,
    and_,
    insert,
    select,
)

from deskwire.events.channels import PersonId
from deskwire.kit.clock import DAY, HOUR, Millis, now
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import hash_secret, new_secret
from deskwire.kit.rows import fetch_first

LIFETIME = HOUR  # ms; long enough to hand it over, short enough to be harmless in a scrollback
VERIFY_LIFETIME = DAY  # ms; it only verifies an address, and mail may be read tomorrow

Purpose = Literal["sign-in", "reset", "verify"]

links = Table(
    "links",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),  # ms
    Column("used_at", BigInteger),  # ms
)


class LinkRow:
    """A row of `links`."""

    token_hash: str
    purpose: str
    person: str
    expires_at: int
    used_at: int | None


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is still usable."""

    purpose: Purpose
    person: PersonId
    expires_at: Millis


def issue(tx: Connection, person_id: PersonId, purpose: Purpose, at: Millis | None = None) -> str:
    """Issue a link and return its secret. It replaces unused ones for the same purpose."""
    issued_at = now() if at is None else at
    acquire_advisory_lock(tx, f"links of {person_id}")  # of two issued at once, one must remain
    replaced = (links.c.person == person_id) & (links.c.purpose == purpose)
    tx.execute(links.delete().where(replaced, links.c.used_at.is_(None)))
    token = new_secret()
    row = {"token_hash": hash_secret(token), "purpose": purpose, "person": person_id}
    tx.execute(insert(links).values(**row, expires_at=issued_at + lifetime_of(purpose)))
    return token


def lifetime_of(purpose: Purpose) -> Millis:
    """Return how long a link for this purpose is usable, in ms."""
    return VERIFY_LIFETIME if purpose == "verify" else LIFETIME


def revoke(tx: Connection, person_id: PersonId, purposes: Collection[Purpose]) -> None:
    """Delete a person's unused links for these purposes."""
    where = (links.c.person == person_id) & links.c.purpose.in_(purposes)
    tx.execute(links.delete().where(where, links.c.used_at.is_(None)))


def find_usable(
    tx: Connection, token: str, purposes: Collection[Purpose], at: Millis | None = None
) -> Link:
    """Find a link by its secret, without redeeming it. Raises NotFound if it is not usable."""
    query = select(links).where(_is_usable(token, purposes, at))
    return _require_link(fetch_first(tx, query, LinkRow))


def redeem(
    tx: Connection, token: str, purposes: Collection[Purpose], at: Millis | None = None
) -> Link:
    """Mark a link used, and return it. Raises NotFound if it is not usable any more.

    One statement checks and marks it, so that of two concurrent calls only one succeeds, on every
    database.
    """
    statement = links.update().where(_is_usable(token, purposes, at)).values(used_at=at or now())
    return _require_link(fetch_first(tx, statement.returning(*links.c), LinkRow))


def _is_usable(token: str, purposes: Collection[Purpose], at: Millis | None) -> ColumnElement[bool]:
    return and_(
        links.c.token_hash == hash_secret(token),
        links.c.purpose.in_(purposes),
        links.c.used_at.is_(None),
        links.c.expires_at > (now() if at is None else at),
    )


def _require_link(row: LinkRow | None) -> Link:
    if row is None:
        raise NotFound(
            gettext(
                "This link was already used, has expired, or never existed. Ask an "
                "administrator for a new one."
            )
        )
    return Link(cast("Purpose", row.purpose), row.person, row.expires_at)
