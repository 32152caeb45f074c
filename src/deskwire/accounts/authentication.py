"""Sign in, sign up, sign out and reset passwords; each function is one transaction.

Hashing a password takes 40 ms, too long for a transaction, so signing in takes two:
`begin_sign_in` counts the attempt and returns the hash to compare with, and `complete_sign_in`
creates the session if that hash is still the current one.
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
from deskwire.events import channels, log
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import SessionCreated
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden
from deskwire.kit.i18n import N_, gettext

RESET_PURPOSES: tuple[Purpose, ...] = ("reset",)
DEACTIVATED_MESSAGE = N_("This account is deactivated. Ask an administrator for help.")
PASSWORD_LINK_PURPOSES: tuple[Purpose, ...] = ("sign-in", "reset")  # both allow a new password


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser that makes a request, and the token of its current session, if any."""

    client_ip: str | None
    user_agent: str
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A counted attempt to sign in, with the hash that the password is compared with."""

    attempt_id: int
    email: str
    person_id: PersonId | None
    password_hash: str | None = field(repr=False)


def begin_sign_in(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> SignInAttempt:
    """Count an attempt to sign in with `email`. Raises RateLimited after too many.

    Known addresses, unknown ones and people without a password run the same statements, so that
    the time taken does not reveal which addresses have accounts.
    """
    attempt_id = rate_limit.count_sign_in(tx, email, client_ip, at, limits)
    row = tx.execute(
        select(people.people.c.id, passwords.passwords.c.hash)
        .outerjoin(passwords.passwords)
        .where(people.people.c.email == email)
    ).one_or_none()
    return SignInAttempt(attempt_id, email, *(row or (None, None)))


def complete_sign_in(
    tx: Connection,
    attempt: SignInAttempt,
    browser: Browser,
    at: Millis,
    upgraded_hash: str | None = None,
) -> NewSession | None:
    """Create a session for an attempt whose password matched; the browser's old session ends.

    Returns None if the password was changed in the meantime: what matched is the old one.
    `upgraded_hash` is the same password hashed at today's cost.
    """
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return None
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    if upgraded_hash is not None:
        passwords.upgrade_hash(tx, person_id, upgraded_hash)
    return start_session(tx, person_id, browser, at)


def sign_up(
    tx: Connection,
    name: str,
    email: str,
    password_hash: str,
    browser: Browser,
    at: Millis,
    compose_mail: ComposeLinkMail | None = None,
) -> NewSession:
    """Create an account and sign in. Raises Conflict if the address is taken.

    `compose_mail` writes the mail that verifies the address; None sends no mail.
    """
    person = people.create(tx, name=name, email=email, at=at)
    people.record_created(tx, person, at)
    passwords.store_hash(tx, person.id, password_hash, at)
    if compose_mail is not None:
        mail_links.send_link(tx, person, "verify", compose_mail, at)
    return start_session(tx, person.id, browser, at)


def redeem_activation_link(
    tx: Connection, token: str, name: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """Redeem a link: verify the address, set the name and password, and sign in.

    All other sessions of the person end. Raises NotFound if the link is not usable any more.
    The search index of names is not updated: call `name_changes.activate_account` instead.
    """
    person_id = links.redeem(tx, token, PASSWORD_LINK_PURPOSES, at).person
    people.update_person_row(tx, person_id, name=name, email_verified_at=at, at=at)
    return _replace_password(tx, person_id, password_hash, browser, at)


def find_person_by_activation_link(tx: Connection, token: str, at: Millis) -> Person:
    """Find the person an unused link is for, without redeeming it.

    Raises NotFound if the link is not usable any more.
    """
    person = people.find(tx, links.find_usable(tx, token, PASSWORD_LINK_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def change_password(
    tx: Connection, attempt: SignInAttempt, password_hash: str, browser: Browser, at: Millis
) -> NewSession | None:
    """Set a new password for an attempt whose current password matched.

    All sessions of the person end and a new one begins. Returns None if the password was changed
    in the meantime.
    """
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return None
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    return _replace_password(tx, person_id, password_hash, browser, at)


def find_person_by_reset_link(tx: Connection, token: str, at: Millis) -> Person:
    """Find the person a mailed reset link is for, without redeeming it. Raises NotFound."""
    person = people.find(tx, links.find_usable(tx, token, RESET_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def reset_password(
    tx: Connection, token: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """Redeem a mailed reset link: verify the address, set the password, and sign in.

    All other sessions of the person end. Raises NotFound if the link is not usable any more.
    """
    person_id = links.redeem(tx, token, RESET_PURPOSES, at).person
    people.update_person_row(tx, person_id, email_verified_at=at, at=at)
    return _replace_password(tx, person_id, password_hash, browser, at)


def sign_out(tx: Connection, token: str, at: Millis) -> bool:
    """Revoke the session with this token. Returns False if there is none."""
    session = sessions.find_by_token(tx, token, at)
    return session is not None and sessions.revoke(tx, session.id, at=at)


def confirm_attempt(tx: Connection, attempt: SignInAttempt) -> PersonId | None:
    """Return the person if the hash that matched is still the current one, else None."""
    if attempt.person_id is None or attempt.password_hash is None:
        return None
    # The password may have been changed while the old one was being checked. The row lock keeps a
    # concurrent change waiting; without it, that change could miss the session created here.
    current_hash = passwords.read_hash_for_update(tx, attempt.person_id)
    return attempt.person_id if current_hash == attempt.password_hash else None


def _replace_password(
    tx: Connection, person_id: PersonId, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    passwords.store_hash(tx, person_id, password_hash, at)
    sessions.revoke_all(tx, person_id, at=at)
    # A stolen link could otherwise undo the change.
    links.revoke(tx, person_id, PASSWORD_LINK_PURPOSES)
    return start_session(tx, person_id, browser, at)


def start_session(tx: Connection, person_id: PersonId, browser: Browser, at: Millis) -> NewSession:
    """Create a session and announce it to the person's other browsers; this one's old session ends.

    Raises Forbidden for a deactivated account.
    """
    # The row lock: a concurrent deactivation could otherwise miss the session created here.
    query = select(people.people.c.deactivated_at).where(people.people.c.id == person_id)
    if tx.execute(query.with_for_update()).scalar_one() is not None:
        raise Forbidden(gettext(DEACTIVATED_MESSAGE))
    if browser.session_token is not None:
        sign_out(tx, browser.session_token, at)
    created = sessions.create(
        tx, person_id, user_agent=browser.user_agent, client_ip=browser.client_ip, at=at
    )
    event = SessionCreated(actor=person_id, session=created.session.id)
    log.append(tx, event, channels=[channels.user(person_id)], at=at)
    return created
