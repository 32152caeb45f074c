"""Create and manage accounts from the command line; each function takes a transaction.

The one-time links returned here are secrets: print them, never log them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from deskwire.accounts import identities, links, passwords, people
from deskwire.accounts.people import Person, PersonRow
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.rows import fetch_all

SHELL_ACTOR = "shell"


@dataclass(frozen=True, slots=True)
class PersonWithIdentities:
    """A person and their identities at other providers, as principals."""

    person: Person
    principals: tuple[str, ...]


def create_person(tx: Connection, email: str, name: str | None = None) -> tuple[Person, str]:
    """Create a person, and return the secret of a link for setting their name and password.

    Called again for a person without a password, it issues a new link. Raises Conflict if the
    person has a password.
    """
    address = people.parse_email(email)
    person = people.find_by_email(tx, address)
    if person is None:
        parsed_name = people.parse_name(name or address.partition("@")[0])
        person = people.create(tx, name=parsed_name, email=address)
    elif passwords.read_hash(tx, person.id) is not None:
        raise Conflict(
            f"{address} already belongs to {person.name}, who has a password. "
            "If they forgot it, create a reset link with `deskwire people reset-password`; "
            "`deskwire people employ` gives them a role in the team."
        )
    return person, links.issue(tx, person.id, "sign-in")


def issue_reset_link(tx: Connection, email: str) -> tuple[Person, str]:
    """Return the secret of a link for setting a new password; the old one works until then."""
    person = require_person_by_email(tx, email)
    return person, links.issue(tx, person.id, "reset")


def retry_address_by_email(tx: Connection, email: str) -> Person:
    """Send mail again to an address that has refused it. Raises Conflict if it has not."""
    person = require_person_by_email(tx, email)
    people.forget_refusal(tx, person, SHELL_ACTOR, now())
    return person


def list_people(tx: Connection) -> list[PersonWithIdentities]:
    """List all people with their identities, in the order they were created."""
    principals: dict[str, list[str]] = {}
    query = select(identities.identities.c.person, identities.identities.c.principal)
    for person_id, principal in tx.execute(query.order_by(identities.identities.c.principal)):
        principals.setdefault(person_id, []).append(principal)
    existing = people.people.c.deleted_at.is_(None)
    query_people = select(people.people).where(existing).order_by(people.people.c.id)
    return [
        PersonWithIdentities(people.person_from_row(row), tuple(principals.get(row.id, ())))
        for row in fetch_all(tx, query_people, PersonRow)
    ]


def link_discord_by_email(tx: Connection, email: str, snowflake: str) -> Person:
    """Link a Discord user to a person, who sees at once what that user may see there."""
    person = require_person_by_email(tx, email)
    identities.link(tx, person.id, "discord", snowflake.strip(), actor_id=SHELL_ACTOR)
    return person


def unlink_discord_by_email(tx: Connection, email: str) -> Person:
    """Unlink a person's Discord user, and with it all access it gave."""
    person = require_person_by_email(tx, email)
    identities.unlink(tx, person.id, "discord", actor_id=SHELL_ACTOR)
    return person


def require_person_by_email(tx: Connection, email: str) -> Person:
    """Return the person with this address. Raises NotFound, with what to do, if there is none."""
    person = people.find_by_email(tx, people.normalize_email(email))
    if person is None:
        raise NotFound(
            f"No account has the address {email!r}. `deskwire people list` lists all accounts, "
            "`deskwire people create` creates one."
        )
    return person
