"""Mail one-time links: to verify an address, and to reset a password.

The text comes from the caller, a page: `ComposeLinkMail` writes the mail from the link's secret.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from deskwire.accounts import links, people, rate_limit
from deskwire.accounts.links import Purpose
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits
from deskwire.dispatches import mail
from deskwire.dispatches.mail import MailContent
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict
from deskwire.kit.i18n import gettext

VERIFY_PURPOSES: tuple[Purpose, ...] = ("verify",)
ComposeLinkMail = Callable[[Person, str], MailContent]  # the recipient, the link's secret


def send_link(
    tx: Connection, person: Person, purpose: Purpose, compose_mail: ComposeLinkMail, at: Millis
) -> None:
    """Mail a person a new link. It replaces unused ones for the same purpose."""
    kind = mail.PROOF_MAIL if purpose in VERIFY_PURPOSES else mail.LINK_MAIL
    assert person.email is not None
    content = compose_mail(person, links.issue(tx, person.id, purpose, at))
    mail.queue_mail(tx, f"person:{person.id}", person.email, content, at, kind)


def request_password_reset(
    tx: Connection, email: str, client_ip: str | None, at: Millis, limits: RateLimits = RATE_LIMITS
) -> PersonId | None:
    """Count a request for a reset link, and return the id of the person with this address.

    Raises RateLimited after too many. Known and unknown addresses run the same statements, so that
    the response time reveals nothing; `send_reset_link`, which only runs for known ones, is called
    after the response.
    """
    rate_limit.count_mail(tx, email, client_ip, at, limits)
    person = people.find_by_email(tx, email)
    return None if person is None else person.id


def send_reset_link(
    tx: Connection, person_id: PersonId, compose_mail: ComposeLinkMail, at: Millis
) -> None:
    """Mail a reset link, unless the account was deleted or deactivated in the meantime."""
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
    """Mail a verification link again. Raises RateLimited if requested too often.

    Raises Conflict if there is no address, or it is verified already.
    """
    person = people.find(tx, person_id)
    if person is None or person.email is None:
        raise Conflict(gettext("Your account has no email address to confirm."))
    if person.email_verified_at is not None and person.undeliverable_since is None:
        raise Conflict(gettext("Your email address is already confirmed."))
    rate_limit.count_mail(tx, person.email, client_ip, at, limits)
    send_link(tx, person, "verify", compose_mail, at)


def find_person_by_verification_link(tx: Connection, token: str, at: Millis) -> Person:
    """Find the person whose address a link verifies, without redeeming it. Raises NotFound."""
    person = people.find(tx, links.find_usable(tx, token, VERIFY_PURPOSES, at).person)
    assert person is not None  # the foreign key says so
    return person


def verify_email(tx: Connection, token: str, at: Millis) -> None:
    """Redeem a link and mark the address verified. Raises NotFound if it is not usable."""
    person_id = links.redeem(tx, token, VERIFY_PURPOSES, at).person
    people.update_person_row(tx, person_id, email_verified_at=at, at=at)
