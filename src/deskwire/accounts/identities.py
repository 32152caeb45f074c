"""Identities: who a person is elsewhere (`discord:900000000000000002`)."""

from __future__ import annotations

import re

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Table,
    Text,
    UniqueConstraint,
    delete,
    insert,
    select,
)

from deskwire.accounts import people
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.i18n import gettext

# A snowflake is a 64-bit number; those given out since 2015 have 17 digits or more.
# https://discord.com/developers/docs/reference#snowflakes
SUBJECT_PATTERNS = {"discord": re.compile(r"[0-9]{17,20}")}

identities = Table(
    "identities",
    metadata,
    Column("principal", Text, primary_key=True),  # PROVIDER:SUBJECT
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("subject", Text, nullable=False),  # their id there
    Column("created_at", BigInteger, nullable=False),  # ms
    UniqueConstraint("person", "provider"),
)


def link(
    tx: Connection,
    person_id: PersonId,
    provider: str,
    subject: str,
    *,
    actor_id: str | None = None,
    at: Millis | None = None,
) -> None:
    """Say that `subject` at `provider` is this person; again is harmless.

    Conflict if that account is somebody else's, or the person has another one there. Whoever lets
    people link by themselves must first have proof of both: a session here, a sign-in there.
    """
    principal = parse_principal(provider, subject)
    acquire_advisory_lock(tx, f"identity {principal}", f"identities of {person_id}")
    held = read_subject(tx, person_id, provider)
    if held == subject:
        return
    if find_person_id(tx, principal) is not None:
        raise Conflict(
            gettext(
                "The %(provider)s account %(subject)s is already linked to another person here. "
                "Unlink it from them first, then link it again.",
                provider=provider.capitalize(),
                subject=subject,
            )
        )
    if held is not None:
        raise Conflict(
            gettext(
                "This person is already linked to the %(provider)s account %(held)s. Unlink that "
                "one first, then link %(subject)s.",
                provider=provider.capitalize(),
                held=held,
                subject=subject,
            )
        )
    moment = now() if at is None else at
    row = {"principal": principal, "person": person_id, "provider": provider, "subject": subject}
    tx.execute(insert(identities).values(**row, created_at=moment))
    people.update_person_row(
        tx, person_id, linked_provider=provider, access_changed=True, actor_id=actor_id, at=moment
    )


def unlink(
    tx: Connection,
    person_id: PersonId,
    provider: str,
    *,
    actor_id: str | None = None,
    at: Millis | None = None,
) -> None:
    """Forget who a person is at `provider`. NotFound if nothing is linked."""
    mine = (identities.c.person == person_id) & (identities.c.provider == provider)
    if tx.execute(delete(identities).where(mine)).rowcount == 0:
        raise NotFound(
            gettext(
                "No %(provider)s account is linked to this person; there is nothing to undo.",
                provider=provider.capitalize(),
            )
        )
    people.update_person_row(
        tx, person_id, unlinked_provider=provider, access_changed=True, actor_id=actor_id, at=at
    )


def read_principals(tx: Connection, person_id: PersonId) -> list[str]:
    """Every identity of a person, as principals."""
    mine = select(identities.c.principal).where(identities.c.person == person_id)
    return list(tx.execute(mine.order_by(identities.c.principal)).scalars())


def find_person_id(tx: Connection, principal: str) -> PersonId | None:
    """The id of the person a principal belongs to."""
    found = select(identities.c.person).where(identities.c.principal == principal)
    return tx.execute(found).scalar_one_or_none()


def read_subject(tx: Connection, person_id: PersonId, provider: str) -> str | None:
    """Who a person is at `provider`."""
    mine = (identities.c.person == person_id) & (identities.c.provider == provider)
    return tx.execute(select(identities.c.subject).where(mine)).scalar_one_or_none()


def parse_principal(provider: str, subject: str) -> str:
    """`discord`, `900000000000000002` → `discord:900000000000000002`; Invalid if it cannot be."""
    form = SUBJECT_PATTERNS.get(provider)
    if form is None:
        raise Invalid(f"{provider!r} is not a provider here; known: {', '.join(SUBJECT_PATTERNS)}.")
    if not form.fullmatch(subject):
        raise Invalid(
            gettext(
                "%(subject)s is not a Discord user id. Copy the number of 17 to 20 digits "
                "(Discord: Settings, Advanced, Developer Mode; then Copy User ID).",
                subject=repr(subject),
            )
        )
    return f"{provider}:{subject}"
