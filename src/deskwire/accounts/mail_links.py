"""Links by mail: to prove an address, and to set a password that was forgotten.

The texts are the pages' business: they hand in a function that makes a letter of a link's secret.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from deskwire.accounts import links, people, rate_limit
from deskwire.accounts.links import Purpose
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits
from deskwire.events.channels import PersonId
from deskwire.kit import mail
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict
from deskwire.kit.i18n import gettext
from deskwire.kit.mail import MailContent

VERIFY_PURPOSES: tuple[Purpose, ...] = ("verify",)
ComposeLinkMail = Callable[[Person, str], MailContent]  # to whom, and the link's secret


def send_link(
    tx: Connection, person: Person, purpose: Purpose, compose_mail: ComposeLinkMail, at: Millis
) -> None:
    """Mail somebody a new link. Unused older ones for the same purpose end with it."""
    assert person.email is not None
    letter = compose_mail(person, links.issue(tx, person.id, purpose, at))
    mail.queue(tx, person.email, letter.subject, letter.text, letter.html, at)


def request_password_reset(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> PersonId | None:
    """Count that somebody forgot the password of `email`, and say whose it is.

    Known and unknown: the same statements. What differs, `send_reset`, is done after the answer.
    """
    rate_limit.count_mail(tx, email, client_ip, at, limits)
    person = people.find_by_email(tx, email)
    return None if person is None else person.id


def send_reset_link(
    tx: Connection, person_id: PersonId, compose_mail: ComposeLinkMail, at: Millis
) -> None:
    """Mail the link, if there is still somebody to have it."""
    person = people.find(tx, person_id)
    if person is not None and person.email is not None and person.deactivated_at is None:
        send_link(tx, person, "reset", compose_mail, at)


def send_verification_link(
    tx: Connection,
    person_id: PersonId,
    compose_mail: ComposeLinkMail,
    client_ip: str | None,
    at: Millis,
    limits: RateLimits = RATE_LIMITS,
) -> None:
    """Mail the link again. TooMany if it was asked for too often."""
    person = people.find(tx, person_id)
    if person is None or person.email is None:
        raise Conflict(gettext("Your account has no e-mail address that could be proven."))
    if person.email_verified_at is not None:
        raise Conflict(gettext("Your e-mail address is proven already; there is nothing to do."))
    rate_limit.count_mail(tx, person.email, client_ip, at, limits)
    send_link(tx, person, "verify", compose_mail, at)


def find_person_by_verification_link(tx: Connection, token: str, at: Millis) -> Person:
    """Whose address a link proves; it stays unused. NotFound if it cannot be used any more."""
    person = people.find(tx, links.find_usable(tx, token, VERIFY_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def verify_email(tx: Connection, token: str, at: Millis) -> None:
    """Use up a link: its holder has the address. NotFound if it cannot be used any more."""
    person_id = links.redeem(tx, token, VERIFY_PURPOSES, at).person
    people.update_person_row(tx, person_id, email_verified_at=at, at=at)
