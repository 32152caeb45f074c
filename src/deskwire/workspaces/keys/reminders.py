"""Tell admins by mail when an API key expires soon, and when who created it leaves.

Both are timers: the mail is written when the timer runs, from what is true then. A key that an
admin who left may still know goes on working, because programs depend on it; it is up to those who
remain to replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, and_, or_, select

from deskwire.accounts import api_keys
from deskwire.accounts.api_keys import ApiKey
from deskwire.accounts.people import people
from deskwire.dispatches import mail
from deskwire.dispatches.mail import MailContent
from deskwire.dispatches.timers import TimerAction, schedule
from deskwire.events import channels
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.workspaces.key_events import EXPIRY_REMINDERS, list_live_keys
from deskwire.workspaces.keys.listing import KeyMaker, describe_keys
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    organizations,
    read_organizations_by_id,
)

REPLACEMENT_TIMER = "key-maker-left"  # when it runs, admins are asked to replace keys
DESK_AUDIENCE = "desk"  # super admins, who manage the keys of the desk, of servers and of the bot

columns = api_keys.api_keys.c


@dataclass(frozen=True, slots=True)
class KeyNotice:
    """What a mail about API keys says. `organization` is None for keys of the desk."""

    kind: Literal["expiry", "maker-left"]
    organization: Organization | None
    keys: Sequence[ApiKey]
    maker: KeyMaker | None = None


ComposeKeyMail = Callable[[KeyNotice, str], MailContent]  # the notice, the reader's name


def find_audiences_left(
    tx: Connection, person_id: PersonId, *, left: str | None = None
) -> list[str]:
    """Return the audiences that may have to replace keys of a person who leaves.

    An audience is a workspace, whose admins are meant, or DESK_AUDIENCE. `left` is the id of the
    organization the person leaves, whose membership row may already be gone. Audiences the person
    had left before are omitted: they were asked then. Whether the person is gone for good, and
    whether the keys still work, is decided when the mail is written.
    """
    keys = list_live_keys(tx, columns.created_by == person_id)
    own = _read_memberships(tx, person_id, left) if keys else {}
    return [each for each in sorted({audience_of(key) for key in keys}) if _is_among(each, own)]


def ask_for_replacement(
    tx: Connection, person_id: PersonId, audiences: Iterable[str], at: Millis
) -> None:
    """Schedule the mails that ask audiences to replace a person's keys, due at once."""
    for audience in audiences:
        payload = {"audience": audience, "person": person_id}
        schedule(tx, REPLACEMENT_TIMER, f"{audience} {person_id}", at, at=at, payload=payload)


def build_timer_actions(compose: ComposeKeyMail | None) -> dict[str, TimerAction]:
    """Return the actions of the timers of API keys, by kind.

    Without `compose`, on a desk that sends no mail, they do nothing.
    """
    expiry: dict[str, TimerAction] = {
        kind: partial(_remind_of_expiry, compose, kind) for kind in EXPIRY_REMINDERS
    }
    return {**expiry, REPLACEMENT_TIMER: partial(_mail_replacement, compose)}


def audience_of(key: ApiKey) -> str:
    """Return whose admins manage a key: the workspace of an organization, or DESK_AUDIENCE."""
    if key.kind == "organization" and key.workspace is not None:
        return key.workspace
    return DESK_AUDIENCE


def _remind_of_expiry(
    compose: ComposeKeyMail | None,
    kind: str,
    tx: Connection,
    key_id: str,
    _payload: Mapping[str, Any],
    at: Millis,
) -> None:
    found = list_live_keys(tx, columns.id == key_id)
    if not found or found[0].expires_at is None or not found[0].is_live(at):
        return
    key, left = found[0], (found[0].expires_at or 0) - at
    # After a downtime both reminders may be due: only the later one is sent.
    if any(left <= before < EXPIRY_REMINDERS[kind] for before in EXPIRY_REMINDERS.values()):
        return
    _mail_admins(tx, compose, audience_of(key), "expiry", [key], None, at)


def _mail_replacement(
    compose: ComposeKeyMail | None,
    tx: Connection,
    _key: str,
    payload: Mapping[str, Any],
    at: Millis,
) -> None:
    theirs = list_live_keys(tx, columns.created_by == payload["person"])
    listed = [
        each
        for each in describe_keys(tx, theirs, at)
        if audience_of(each.key) == payload["audience"] and not each.is_expired
    ]
    maker = listed[0].maker if listed else None
    if maker is None or not maker.has_left:  # revoked since, or they are back
        return
    keys = [each.key for each in listed]
    _mail_admins(tx, compose, payload["audience"], "maker-left", keys, maker, at)


def _mail_admins(
    tx: Connection,
    compose: ComposeKeyMail | None,
    audience: str,
    kind: Literal["expiry", "maker-left"],
    keys: Sequence[ApiKey],
    maker: KeyMaker | None,
    at: Millis,
) -> None:
    """Queue one mail for each admin who can sign in and has verified their address."""
    if compose is None:
        return
    id_ = audience.removeprefix("org:")
    organization = read_organizations_by_id(tx, [id_]).get(id_)
    notice = KeyNotice(kind, organization, keys, maker)
    member, org, person = organization_members.c, organizations.c, people.c
    manages = (
        and_(org.internal, member.role == "super_admin")
        if audience == DESK_AUDIENCE
        else and_(org.id == id_, org.deleted_at.is_(None), member.role == "admin")
    )
    can_read = and_(
        person.email.is_not(None),
        person.email_verified_at.is_not(None),
        person.deactivated_at.is_(None),
    )
    query = (
        select(person.id, person.name, person.email)
        .join(organization_members, member.person == person.id)
        .join(organizations, org.id == member.organization)
        .where(manages, can_read)
        .order_by(person.id)
    )
    for row in tx.execute(query).all():
        content = compose(notice, row.name)
        mail.queue_mail(tx, f"person:{row.id}", row.email, content, at, mail.KEY_MAIL)


def _read_memberships(tx: Connection, person_id: PersonId, left: str | None) -> dict[str, bool]:
    """Return the person's organizations and `left`, and whether each is the internal one."""
    own = select(organization_members.c.organization).where(
        organization_members.c.person == person_id
    )
    is_own = or_(organizations.c.id.in_(own), organizations.c.id == left)
    query = select(organizations.c.id, organizations.c.internal)
    rows = tx.execute(query.where(is_own, organizations.c.deleted_at.is_(None)))
    return {row.id: row.internal for row in rows}


def _is_among(audience: str, memberships: Mapping[str, bool]) -> bool:
    """Whether a member of these organizations still belongs to those who manage the keys."""
    own = {channels.organization(id_) for id_ in memberships}
    return any(memberships.values()) or audience in own
