"""What the shell can do to accounts; each takes a transaction, and refuses in sentences.

The links given out here are secrets: print them, never log them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from deskwire.accounts import identities, links, passwords, people
from deskwire.accounts.people import Person
from deskwire.kit.errors import Conflict, NotFound

SHELL_ACTOR = "shell"


@dataclass(frozen=True, slots=True)
class PersonWithIdentities:
    """A person with who they are elsewhere."""

    person: Person
    principals: tuple[str, ...]


def create_person(tx: Connection, email: str, name: str | None = None) -> tuple[Person, str]:
    """Add a person, and a link (its secret) with which they set name and password.

    Again for somebody who never used theirs gives a new link; Conflict if they have a password.
    """
    address = people.parse_email(email)
    person = people.find_by_email(tx, address)
    if person is None:
        shown = people.parse_name(name or address.partition("@")[0])
        person = people.create(tx, name=shown, email=address)
    elif passwords.read_hash(tx, person.id) is not None:
        raise Conflict(
            f"{address} already belongs to {person.name}, who has a password. "
            "If it is forgotten, make a reset link instead; "
            "`deskwire people employ` gives them a role."
        )
    return person, links.issue(tx, person.id, "sign-in")


def issue_reset_link(tx: Connection, email: str) -> tuple[Person, str]:
    """A link (its secret) with which a person sets a new password; the old one holds until then."""
    person = require_person_by_email(tx, email)
    return person, links.issue(tx, person.id, "reset")


def list_people(tx: Connection) -> list[PersonWithIdentities]:
    """Everybody, by when they came, with their identities."""
    held: dict[str, list[str]] = {}
    known = select(identities.identities.c.person, identities.identities.c.principal)
    for person_id, principal in tx.execute(known.order_by(identities.identities.c.principal)):
        held.setdefault(person_id, []).append(principal)
    here = people.people.c.deleted_at.is_(None)
    rows = tx.execute(select(people.people).where(here).order_by(people.people.c.id))
    everybody = [Person(*row) for row in rows]
    return [PersonWithIdentities(person, tuple(held.get(person.id, ()))) for person in everybody]


def link_discord_by_email(tx: Connection, email: str, snowflake: str) -> Person:
    """Say that a Discord user is this person; what they may see there is theirs at once."""
    person = require_person_by_email(tx, email)
    identities.link(tx, person.id, "discord", snowflake.strip(), actor_id=SHELL_ACTOR)
    return person


def unlink_discord_by_email(tx: Connection, email: str) -> Person:
    """Forget who a person is at Discord, and all it let them see."""
    person = require_person_by_email(tx, email)
    identities.unlink(tx, person.id, "discord", actor_id=SHELL_ACTOR)
    return person


def require_person_by_email(tx: Connection, email: str) -> Person:
    """Whoever has this address; NotFound with what to do where nobody has."""
    person = people.find_by_email(tx, people.normalize_email(email))
    if person is None:
        raise NotFound(
            f"Nobody here has the address {email!r}. `deskwire people list` shows everybody, "
            "`deskwire people create` adds somebody."
        )
    return person
