"""Link people to their accounts at other providers (`discord:900000000000000002`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
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

# A snowflake is a 64-bit number; those issued since 2015 have 17 digits or more.
# https://discord.com/developers/docs/reference#snowflakes
SUBJECT_PATTERNS = {"discord": re.compile(r"[0-9]{17,20}")}

identities = Table(
    "identities",
    metadata,
    Column("principal", Text, primary_key=True),  # PROVIDER:SUBJECT
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("subject", Text, nullable=False),  # the person's id at the provider
    Column("created_at", BigInteger, nullable=False),  # ms
    UniqueConstraint("person", "provider"),
)


class IdentityRow:
    """A row of `identities`."""

    principal: str
    person: str
    provider: str
    subject: str
    created_at: int


def link(
    tx: Connection,
    person_id: PersonId,
    provider: str,
    subject: str,
    *,
    actor_id: str | None = None,
    at: Millis | None = None,
) -> None:
    """Link `subject` at `provider` to a person; linking the same one again changes nothing.

    Raises Conflict if that account is linked to another person, or the person has another account
    at the provider. The caller has to make sure that the person owns both: a page on which people
    link accounts themselves needs a session here, and a sign-in at the provider.
    """
    principal = parse_principal(provider, subject)
    acquire_advisory_lock(tx, f"identity {principal}", f"identities of {person_id}")
    current = read_subject(tx, person_id, provider)
    if current == subject:
        return
    if find_person_id(tx, principal) is not None:
        raise Conflict(
            gettext(
                "The %(provider)s account %(subject)s is already linked to another person. "
                "Unlink it there first, then link it again.",
                provider=provider.capitalize(),
                subject=subject,
            )
        )
    if current is not None:
        raise Conflict(
            gettext(
                "This person is already linked to the %(provider)s account %(held)s. Unlink "
                "that account first, then link %(subject)s.",
                provider=provider.capitalize(),
                held=current,
                subject=subject,
            )
        )
    linked_at = now() if at is None else at
    row = {"principal": principal, "person": person_id, "provider": provider, "subject": subject}
    tx.execute(insert(identities).values(**row, created_at=linked_at))
    people.update_person_row(
        tx,
        person_id,
        linked_provider=provider,
        access_changed=True,
        actor_id=actor_id,
        at=linked_at,
    )


def unlink(
    tx: Connection,
    person_id: PersonId,
    provider: str,
    *,
    actor_id: str | None = None,
    at: Millis | None = None,
) -> None:
    """Remove a person's identity at `provider`. Raises NotFound if there is none."""
    where = (identities.c.person == person_id) & (identities.c.provider == provider)
    if tx.execute(delete(identities).where(where)).rowcount == 0:
        raise NotFound(
            gettext(
                "This person has no linked %(provider)s account, so there is nothing to unlink.",
                provider=provider.capitalize(),
            )
        )
    people.update_person_row(
        tx, person_id, unlinked_provider=provider, access_changed=True, actor_id=actor_id, at=at
    )


def read_principals(tx: Connection, person_id: PersonId) -> list[str]:
    """Return all identities of a person as principals, sorted."""
    query = select(identities.c.principal).where(identities.c.person == person_id)
    return list(tx.execute(query.order_by(identities.c.principal)).scalars())


def find_person_id(tx: Connection, principal: str) -> PersonId | None:
    """Find the id of the person linked to a principal."""
    query = select(identities.c.person).where(identities.c.principal == principal)
    return tx.execute(query).scalar_one_or_none()


def read_person_ids(tx: Connection, principals: Collection[str]) -> dict[str, PersonId]:
    """Return the person id of each linked principal; unlinked ones are absent."""
    if not principals:
        return {}
    rows = tx.execute(_SELECT_PERSON_IDS, {"principals": list(principals)})
    return {row[0]: row[1] for row in rows}


_SELECT_PERSON_IDS = select(identities.c.principal, identities.c.person).where(
    identities.c.principal.in_(bindparam("principals", expanding=True))
)


def resolve_person_ids(tx: Connection, principals: Iterable[str]) -> set[PersonId]:
    """Return the person ids among `principals`, and those of people linked to the others."""
    unresolved = set(principals)
    person_ids = {principal for principal in unresolved if ":" not in principal}
    return person_ids | {*read_person_ids(tx, unresolved - person_ids).values()}


def read_subject(tx: Connection, person_id: PersonId, provider: str) -> str | None:
    """Return a person's id at `provider`."""
    where = (identities.c.person == person_id) & (identities.c.provider == provider)
    return tx.execute(select(identities.c.subject).where(where)).scalar_one_or_none()


def parse_principal(provider: str, subject: str) -> str:
    """`discord`, `900000000000000002` → `discord:900000000000000002`. Raises Invalid."""
    pattern = SUBJECT_PATTERNS.get(provider)
    if pattern is None:
        raise Invalid(f"{provider!r} is not a known provider: {', '.join(SUBJECT_PATTERNS)}.")
    if not pattern.fullmatch(subject):
        raise Invalid(
            gettext(
                "%(subject)s is not a Discord user ID. Copy the number with 17 to 20 digits "
                "from Discord: turn on Settings > Advanced > Developer Mode, then choose Copy "
                "User ID.",
                subject=repr(subject),
            )
        )
    return f"{provider}:{subject}"
