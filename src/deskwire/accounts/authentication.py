"""Actions at the door: every way into the house, each one transaction.

Hashing takes 40 ms and has no place in a transaction, so signing in is two of them: `knock` counts
the attempt and says what to compare with, `admit` opens if that still stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from deskwire.accounts import links, mail_links, passwords, people, rate_limit, sessions
from deskwire.accounts.links import Purpose
from deskwire.accounts.mail_links import ComposeLinkMail
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits
from deskwire.accounts.sessions import NewSession
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden
from deskwire.kit.i18n import N_, gettext

RESET_PURPOSES: tuple[Purpose, ...] = ("reset",)
DEACTIVATED_MESSAGE = N_("This account is deactivated. Ask whoever runs this desk.")
PASSWORD_LINK_PURPOSES: tuple[Purpose, ...] = (
    "sign-in",
    "reset",
)  # both let their holder set a password


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser at the door: where it came from, and the session it already has, if any."""

    client_ip: str | None
    user_agent: str
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A counted attempt: who it may be, and the hash their password is compared with."""

    attempt_id: int
    email: str
    person_id: PersonId | None
    password_hash: str | None = field(repr=False)


def begin_sign_in(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> SignInAttempt:
    """Count an attempt to sign in with `email`. TooMany if there were too many.

    Known, unknown and without a password: the same statements for all, so the same time.
    """
    attempt = rate_limit.count_sign_in(tx, email, client_ip, at, limits)
    row = tx.execute(
        select(people.people.c.id, passwords.passwords.c.hash)
        .outerjoin(passwords.passwords)
        .where(people.people.c.email == email)
    ).one_or_none()
    return SignInAttempt(attempt, email, *(row or (None, None)))


def complete_sign_in(
    tx: Connection,
    attempt: SignInAttempt,
    browser: Browser,
    at: Millis,
    upgraded_hash: str | None = None,
) -> NewSession | None:
    """Sign in whoever knocked, their password having matched; the browser's old session ends.

    None if the password was changed meanwhile: then what matched is the old one.
    """
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return None
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    if upgraded_hash is not None:
        passwords.upgrade_hash(tx, person_id, upgraded_hash)
    return _start_session(tx, person_id, browser, at)


def sign_up(
    tx: Connection,
    name: str,
    email: str,
    password_hash: str,
    browser: Browser,
    at: Millis,
    compose_mail: ComposeLinkMail | None = None,
) -> NewSession:
    """Make an account and sign in. Conflict if the address is taken.

    `compose` writes the mail with which they prove the address; None: no mail is sent.
    """
    person = people.create(tx, name=name, email=email, at=at)
    people.record_created(tx, person, at)
    passwords.store_hash(tx, person.id, password_hash, at)
    if compose_mail is not None:
        mail_links.send_link(tx, person, "verify", compose_mail, at)
    return _start_session(tx, person.id, browser, at)


def redeem_activation_link(
    tx: Connection, token: str, name: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """Use up a link: its holder has the address, a name and a password now, and is signed in.

    Every other session of the person ends. NotFound if the link cannot be used any more.
    """
    person_id = links.redeem(tx, token, PASSWORD_LINK_PURPOSES, at).person
    people.update_person_row(tx, person_id, name=name, email_verified_at=at, at=at)
    return _replace_password(tx, person_id, password_hash, browser, at)


def find_person_by_activation_link(tx: Connection, token: str, at: Millis) -> Person:
    """Whom a link is for; it stays unused. NotFound if it cannot be used any more."""
    person = people.find(tx, links.find_usable(tx, token, PASSWORD_LINK_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def change_password(
    tx: Connection, attempt: SignInAttempt, password_hash: str, browser: Browser, at: Millis
) -> NewSession | None:
    """Give whoever knocked a new password, the current one having matched.

    All their sessions end and a new one begins. None if somebody was faster.
    """
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return None
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    return _replace_password(tx, person_id, password_hash, browser, at)


def find_person_by_reset_link(tx: Connection, token: str, at: Millis) -> Person:
    """Who may set a new password by a link that was mailed; it stays unused."""
    person = people.find(tx, links.find_usable(tx, token, RESET_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def reset_password(
    tx: Connection, token: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """Use up a link that was mailed: its holder has the address, and a new password.

    Every other session of the person ends. NotFound if the link cannot be used any more.
    """
    person_id = links.redeem(tx, token, RESET_PURPOSES, at).person
    people.update_person_row(tx, person_id, email_verified_at=at, at=at)
    return _replace_password(tx, person_id, password_hash, browser, at)


def sign_out(tx: Connection, token: str, at: Millis) -> bool:
    """End the session of this secret. False if there is none."""
    session = sessions.find_by_token(tx, token, at)
    return session is not None and sessions.revoke(tx, session.id, at=at)


def confirm_attempt(tx: Connection, attempt: SignInAttempt) -> PersonId | None:
    """Who knocked, their password having matched; None if it was changed meanwhile."""
    if attempt.person_id is None or attempt.password_hash is None:
        return None
    # The password may have been changed while the old one was being checked. Held, or a session
    # begun with the old one could outlive a change that ends all it sees.
    return (
        attempt.person_id
        if passwords.read_hash_for_update(tx, attempt.person_id) == attempt.password_hash
        else None
    )


def _replace_password(
    tx: Connection, person_id: PersonId, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    passwords.store_hash(tx, person_id, password_hash, at)
    sessions.revoke_all(tx, person_id, at=at)
    links.revoke(tx, person_id, PASSWORD_LINK_PURPOSES)  # or whoever read one could undo this
    return _start_session(tx, person_id, browser, at)


def _start_session(tx: Connection, person_id: PersonId, browser: Browser, at: Millis) -> NewSession:
    # Held, or a session could begin beside the end of all of them.
    held = select(people.people.c.deactivated_at).where(people.people.c.id == person_id)
    if tx.execute(held.with_for_update()).scalar_one() is not None:
        raise Forbidden(gettext(DEACTIVATED_MESSAGE))
    if browser.session_token is not None:
        sign_out(tx, browser.session_token, at)
    return sessions.create(
        tx, person_id, user_agent=browser.user_agent, client_ip=browser.client_ip, at=at
    )
