"""One-time links: whoever holds one proves that they were given it, once, for a while."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Row,
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

LIFETIME = HOUR  # long enough to walk to the person, short enough to be forgotten in a scrollback
VERIFY_LIFETIME = DAY  # ms; it only proves an address, and mail may be read tomorrow

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


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can still be used."""

    purpose: Purpose
    person: PersonId
    expires_at: Millis


def issue(tx: Connection, person_id: PersonId, purpose: Purpose, at: Millis | None = None) -> str:
    """A new link's secret. Unused older ones for the same purpose end with it."""
    moment = now() if at is None else at
    acquire_advisory_lock(tx, f"links of {person_id}")  # or two issued at once would both stay
    same = (links.c.person == person_id) & (links.c.purpose == purpose)
    tx.execute(links.delete().where(same, links.c.used_at.is_(None)))
    token = new_secret()
    row = {"token_hash": hash_secret(token), "purpose": purpose, "person": person_id}
    tx.execute(insert(links).values(**row, expires_at=moment + lifetime_of(purpose)))
    return token


def lifetime_of(purpose: Purpose) -> Millis:
    """How long a link can be used."""
    return VERIFY_LIFETIME if purpose == "verify" else LIFETIME


def revoke(tx: Connection, person_id: PersonId, purposes: Collection[Purpose]) -> None:
    """Nobody can use these links of a person any more."""
    mine = (links.c.person == person_id) & links.c.purpose.in_(purposes)
    tx.execute(links.delete().where(mine, links.c.used_at.is_(None)))


def find_usable(
    tx: Connection, token: str, purposes: Collection[Purpose], at: Millis | None = None
) -> Link:
    """The link a secret belongs to, left unused. NotFound if it cannot be used any more."""
    shown = select(links.c.purpose, links.c.person, links.c.expires_at)
    return _require_link(tx.execute(shown.where(_is_usable(token, purposes, at))).one_or_none())


def redeem(
    tx: Connection, token: str, purposes: Collection[Purpose], at: Millis | None = None
) -> Link:
    """Use a link up. NotFound if it cannot be used any more: of two who try, one succeeds."""
    # One statement, so that on no database two can find it unused before either has used it.
    used = links.update().where(_is_usable(token, purposes, at)).values(used_at=at or now())
    shown = used.returning(links.c.purpose, links.c.person, links.c.expires_at)
    return _require_link(tx.execute(shown).one_or_none())


def _is_usable(token: str, purposes: Collection[Purpose], at: Millis | None) -> ColumnElement[bool]:
    return and_(
        links.c.token_hash == hash_secret(token),
        links.c.purpose.in_(purposes),
        links.c.used_at.is_(None),
        links.c.expires_at > (now() if at is None else at),
    )


def _require_link(row: Row[*tuple[Any, ...]] | None) -> Link:
    if row is None:
        raise NotFound(
            gettext(
                "This link has been used, has expired, or never existed. Ask whoever runs this "
                "desk for a new one."
            )
        )
    return Link(*row)
