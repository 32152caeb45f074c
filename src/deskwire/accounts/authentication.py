"""Actions at the door: every way into the house, each one transaction.

Hashing takes 40 ms and has no place in a transaction, so signing in is two of them: `knock` counts
the attempt and says what to compare with, `admit` opens if that still stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from deskwire.accounts import links, mail_links, passwords, people, rate_limit, sessions
from deskwire.accounts.links import Purpose
from deskwire.accounts.mail_links import Compose
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import LIMITS, Limits
from deskwire.accounts.sessions import Opened
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden
from deskwire.kit.i18n import N_, gettext

RESETTING: tuple[Purpose, ...] = ("reset",)
DEACTIVATED = N_("This account is deactivated. Ask whoever runs this desk.")
WELCOMING: tuple[Purpose, ...] = ("sign-in", "reset")  # both let their holder set a password


@dataclass(frozen=True, slots=True)
class Visit:
    """The browser at the door: where it came from, and the session it already has, if any."""

    address: str | None
    user_agent: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Knock:
    """A counted attempt: who it may be, and the hash their password is compared with."""

    attempt: int
    email: str
    person: PersonId | None
    hash: str | None = field(repr=False)


def knock(
    tx: Connection, email: str, address: str | None, at: Millis, limits: Limits = LIMITS
) -> Knock:
    """Count an attempt to sign in with `email`. TooMany if there were too many.

    Known, unknown and without a password: the same statements for all, so the same time.
    """
    attempt = rate_limit.count(tx, email, address, at, limits)
    row = tx.execute(
        select(people.people.c.id, passwords.passwords.c.hash)
        .outerjoin(passwords.passwords)
        .where(people.people.c.email == email)
    ).one_or_none()
    return Knock(attempt, email, *(row or (None, None)))


def admit(
    tx: Connection, knock: Knock, visit: Visit, at: Millis, better_hash: str | None = None
) -> Opened | None:
    """Sign in whoever knocked, their password having matched; the browser's old session ends.

    None if the password was changed meanwhile: then what matched is the old one.
    """
    person_id = proven(tx, knock)
    if person_id is None:
        return None
    rate_limit.forgive(tx, knock.attempt, knock.email)
    if better_hash is not None:
        passwords.renew_hash(tx, person_id, better_hash)
    return _open(tx, person_id, visit, at)


def sign_up(
    tx: Connection,
    name: str,
    email: str,
    hash_: str,
    visit: Visit,
    at: Millis,
    compose: Compose | None = None,
) -> Opened:
    """Make an account and sign in. Conflict if the address is taken.

    `compose` writes the mail with which they prove the address; None: no mail is sent.
    """
    person = people.create(tx, name=name, email=email, at=at)
    people.announce(tx, person, at)
    passwords.store(tx, person.id, hash_, at)
    if compose is not None:
        mail_links.send_link(tx, person, "verify", compose, at)
    return _open(tx, person.id, visit, at)


def welcome(tx: Connection, token: str, name: str, hash_: str, visit: Visit, at: Millis) -> Opened:
    """Use up a link: its holder has the address, a name and a password now, and is signed in.

    Every other session of the person ends. NotFound if the link cannot be used any more.
    """
    person_id = links.redeem(tx, token, WELCOMING, at).person
    people.change(tx, person_id, name=name, email_verified_at=at, at=at)
    return _renew_password(tx, person_id, hash_, visit, at)


def find_welcomed(tx: Connection, token: str, at: Millis) -> Person:
    """Whom a link is for; it stays unused. NotFound if it cannot be used any more."""
    person = people.find(tx, links.find(tx, token, WELCOMING, at).person)
    assert person is not None  # the foreign key says so
    return person


def change_password(
    tx: Connection, knock: Knock, hash_: str, visit: Visit, at: Millis
) -> Opened | None:
    """Give whoever knocked a new password, the current one having matched.

    All their sessions end and a new one begins. None if somebody was faster.
    """
    person_id = proven(tx, knock)
    if person_id is None:
        return None
    rate_limit.forgive(tx, knock.attempt, knock.email)
    return _renew_password(tx, person_id, hash_, visit, at)


def find_resetting(tx: Connection, token: str, at: Millis) -> Person:
    """Who may set a new password by a link that was mailed; it stays unused."""
    person = people.find(tx, links.find(tx, token, RESETTING, at).person)
    assert person is not None  # the foreign key says so
    return person


def reset_password(tx: Connection, token: str, hash_: str, visit: Visit, at: Millis) -> Opened:
    """Use up a link that was mailed: its holder has the address, and a new password.

    Every other session of the person ends. NotFound if the link cannot be used any more.
    """
    person_id = links.redeem(tx, token, RESETTING, at).person
    people.change(tx, person_id, email_verified_at=at, at=at)
    return _renew_password(tx, person_id, hash_, visit, at)


def sign_out(tx: Connection, token: str, at: Millis) -> bool:
    """End the session of this secret. False if there is none."""
    session = sessions.find(tx, token, at)
    return session is not None and sessions.end(tx, session.id, at=at)


def proven(tx: Connection, knock: Knock) -> PersonId | None:
    """Who knocked, their password having matched; None if it was changed meanwhile."""
    if knock.person is None or knock.hash is None:
        return None
    # The password may have been changed while the old one was being checked. Held, or a session
    # begun with the old one could outlive a change that ends all it sees.
    return knock.person if passwords.hold_hash(tx, knock.person) == knock.hash else None


def _renew_password(
    tx: Connection, person_id: PersonId, hash_: str, visit: Visit, at: Millis
) -> Opened:
    passwords.store(tx, person_id, hash_, at)
    sessions.end_all(tx, person_id, at=at)
    links.withdraw(tx, person_id, WELCOMING)  # or whoever read one could undo this
    return _open(tx, person_id, visit, at)


def _open(tx: Connection, person_id: PersonId, visit: Visit, at: Millis) -> Opened:
    # Held, or a session could begin beside the end of all of them.
    held = select(people.people.c.deactivated_at).where(people.people.c.id == person_id)
    if tx.execute(held.with_for_update()).scalar_one() is not None:
        raise Forbidden(gettext(DEACTIVATED))
    if visit.token is not None:
        sign_out(tx, visit.token, at)
    return sessions.begin(tx, person_id, user_agent=visit.user_agent, address=visit.address, at=at)
