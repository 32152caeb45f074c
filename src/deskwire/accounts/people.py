"""People: humans with a name and, most of them, an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    insert,
    select,
)

from deskwire.events import channels, log
from deskwire.events.channels import PersonId
from deskwire.events.redaction import FORMER_MEMBER, anonymize_person
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.kit.text import is_blank, is_control_character

MAX_NAME_LENGTH = 80  # longer names break every list they stand in
THEMES = ("system", "light", "dark")
PERSONAL_COLUMNS = (
    "email",
    "email_verified_at",
    "time_zone",
    "theme",
    "avatar",
    "seen_at",
)  # beside the name
UNDELIVERABLE_DOMAINS = frozenset(SPECIAL_USE_DOMAIN_NAMES) - {
    "test"
}  # .local, .invalid, … (RFC 6761)

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, unique=True),  # as `parse_email` gives it; None: known by identity only
    Column("email_verified_at", BigInteger),  # ms; None until a link sent to it was used
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("time_zone", Text),  # IANA name; None: the browser's own
    Column("theme", Text),  # light, dark; None: the system's
    Column("avatar", Text),  # key of the picture's bytes; None: initials
    Column("deleted_at", BigInteger),  # ms; what is left of a former member is this row
    Column("seen_at", BigInteger),  # ms; up to an hour behind; None: never in a browser
    Column("deactivated_at", BigInteger),  # ms; since when nobody can sign in as them
    Index("ix_people_avatar", "avatar"),
)


@dataclass(frozen=True, slots=True)
class Person:
    """A human, as the row says."""

    id: PersonId
    name: str
    email: str | None
    email_verified_at: Millis | None
    revision: int
    created_at: Millis
    time_zone: str | None = None
    theme: str | None = None
    avatar: str | None = None
    deleted_at: Millis | None = None
    seen_at: Millis | None = None
    deactivated_at: Millis | None = None

    @property
    def picture(self) -> str | None:
        """Where their picture is; None: initials are shown."""
        return avatar_url(self.avatar)


def avatar_url(avatar: str | None) -> str | None:
    """Where the picture with this key is shown. Another picture has another address."""
    return f"/avatars/{avatar}" if avatar else None


def create(tx: Connection, *, name: str, email: str | None, at: Millis | None = None) -> Person:
    """Add a person; `name` and `email` have been parsed. Conflict if the address is taken."""
    if email is not None:
        acquire_advisory_lock(tx, f"email {email}")
        if find_by_email(tx, email) is not None:
            raise Conflict(
                gettext(
                    "%(email)s already belongs to somebody here. Use another address.", email=email
                )
            )
    moment = now() if at is None else at
    person = Person(new_id(moment), name, email, None, 1, moment)
    tx.execute(
        insert(people).values(id=person.id, name=name, email=email, revision=1, created_at=moment)
    )
    return person


def find(tx: Connection, person_id: PersonId) -> Person | None:
    """The person with this id."""
    return person_from_row(tx.execute(select(people).where(people.c.id == person_id)).one_or_none())


def find_by_email(tx: Connection, email: str) -> Person | None:
    """The person with this address, as `parse_email` gives it."""
    return person_from_row(tx.execute(select(people).where(people.c.email == email)).one_or_none())


def update_person_row(
    tx: Connection,
    person_id: PersonId,
    *,
    name: str | None = None,
    email_verified_at: Millis | None = None,
    linked_provider: str | None = None,
    unlinked_provider: str | None = None,
    access_changed: bool = False,
    actor_id: str | None = None,
    at: Millis | None = None,
) -> Person:
    """Note that something about a person changed: the row's revision rises, `person.changed` tells.

    `linked`, `unlinked`: the provider of an identity that came or went.
    `touches_access`: what they may hear may have changed too, so their open streams ask again.
    `actor`: who did it, as events name them; None means the person.
    """
    new = {"name": name, "email_verified_at": email_verified_at}
    changed = {column: value for column, value in new.items() if value is not None}
    person = _update_row(tx, person_id, changed)
    told = {"linked": linked_provider, "unlinked": unlinked_provider}
    known = {field: provider for field, provider in told.items() if provider is not None}
    record_person_changed(
        tx, person, actor_id or person_id, at, access_changed=access_changed, **known
    )
    return person


def _update_row(tx: Connection, person_id: PersonId, values: dict[str, Any]) -> Person:
    """The row with `values`, in one statement that raises its revision, or it would be an edit."""
    mine = people.c.id == person_id
    tx.execute(people.update().where(mine).values(**values, revision=people.c.revision + 1))
    return Person(*tx.execute(select(people).where(mine)).one())


def clear_email_verification(tx: Connection, person_id: PersonId) -> Person:
    """Their address is another than the one that was proven: nobody has shown that it is theirs."""
    return _update_row(tx, person_id, {"email_verified_at": None})


def set_appearance(
    tx: Connection, person_id: PersonId, *, theme: str | None, time_zone: str | None, at: Millis
) -> Person:
    """How pages look to a person; both have been parsed. None: as their system has it."""
    person = _update_row(tx, person_id, {"theme": theme, "time_zone": time_zone})
    record_person_changed(tx, person, person_id, at, access_changed=False)
    return person


def record_created(tx: Connection, person: Person, at: Millis) -> None:
    """Tell who may see everybody that somebody has come."""
    fact = PersonChanged(
        actor=person.id, person=person.id, name=person.name, revision=person.revision
    )
    log.append(tx, fact, channels=[channels.PEOPLE_CHANNEL], at=at)


def set_avatar(
    tx: Connection, person_id: PersonId, avatar: str | None, *, at: Millis
) -> tuple[Person, str | None]:
    """Give a person a picture (its key), or take it (None); and the key of the one before."""
    mine = people.c.id == person_id
    before = tx.execute(select(people.c.avatar).where(mine).with_for_update()).scalar_one()
    person = _update_row(tx, person_id, {"avatar": avatar})
    record_person_changed(tx, person, person_id, at, access_changed=False)
    return person, before


def mark_deactivated(tx: Connection, person_id: PersonId, *, actor_id: str, at: Millis) -> Person:
    """From now on nobody signs in as this person, and they hear nothing."""
    return _set_deactivated_at(tx, person_id, at, actor_id, at)


def mark_reactivated(tx: Connection, person_id: PersonId, *, actor_id: str, at: Millis) -> Person:
    """Let somebody in again who was deactivated."""
    return _set_deactivated_at(tx, person_id, None, actor_id, at)


def _set_deactivated_at(
    tx: Connection, person_id: PersonId, deactivated_at: Millis | None, actor_id: str, at: Millis
) -> Person:
    person = _update_row(tx, person_id, {"deactivated_at": deactivated_at})
    record_person_changed(tx, person, actor_id, at, access_changed=True)
    return person


def anonymize(tx: Connection, person_id: PersonId, at: Millis) -> Person:
    """Leave nothing of a person but the row that what they wrote points at, and no event that says
    whose it was."""
    gone: dict[str, Any] = dict.fromkeys(PERSONAL_COLUMNS)
    person = _update_row(tx, person_id, {**gone, "name": gettext(FORMER_MEMBER), "deleted_at": at})
    record_person_changed(tx, person, person_id, at, access_changed=True, erased=person_id)
    log.redact_entries(tx, None, person_id, since=person.created_at, rule=anonymize_person)
    return person


def record_person_changed(
    tx: Connection,
    person: Person,
    actor_id: str,
    at: Millis | None,
    *,
    access_changed: bool,
    cause: str | None = None,
    **extra_fields: str,
) -> None:
    """Say what a person is now, to them and to who may see everybody."""
    fact = PersonChanged(
        actor=actor_id, person=person.id, name=person.name, revision=person.revision, **extra_fields
    )
    own = channels.user(person.id)
    touches = [own] if access_changed else []
    log.append(
        tx,
        fact,
        channels=[own, channels.PEOPLE_CHANNEL],
        access_changes=touches,
        cause=cause,
        at=at,
    )


def parse_email(text: str) -> str:
    """An address in the one form it is kept in: trimmed, lower case, composed characters.

    Whether it can be delivered to is not asked: that would tell a stranger's address to a resolver.
    """
    try:
        # test_environment admits `.test` (RFC 6761), which the demo and the tests live in.
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        sentence = gettext("Write the e-mail address in full, like name@example.org.")
        ending = text.strip().lower().rpartition(".")[2]
        if "@" in text and ending in UNDELIVERABLE_DOMAINS:
            sentence = gettext(
                "No e-mail reaches an address in .%(ending)s. Write one like name@example.org.",
                ending=ending,
            )
        raise Invalid(sentence, {"email": sentence}) from None
    return found.normalized.lower()


def normalize_email(text: str) -> str:
    """`text` as it would be kept if it is an address, else trimmed and in lower case."""
    try:
        return parse_email(text)
    except Invalid:
        return text.strip().lower()


def parse_name(text: str) -> str:
    """A name on one line, 1 to 80 characters, that is seen and cannot turn the text around it."""
    name = " ".join(text.split())
    if is_blank(name) or len(name) > MAX_NAME_LENGTH or any(map(is_control_character, name)):
        sentence = gettext(
            "Write a name of 1 to %(most)s ordinary characters.",
            most=MAX_NAME_LENGTH,
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def parse_theme(text: str) -> str | None:
    """`light`, `dark`, or None for `system`."""
    if text not in THEMES:
        raise Invalid(
            gettext("Choose one of %(words)s.", words=", ".join(THEMES)),
            {"theme": gettext("Choose one of these.")},
        )
    return None if text == "system" else text


def parse_time_zone(text: str) -> str | None:
    """A name of the IANA list, or None for nothing: the browser's own."""
    if text and text not in available_timezones():
        sentence = gettext("Choose a time zone from the list, like Europe/Oslo.")
        raise Invalid(sentence, {"time_zone": sentence})
    return text or None


def person_from_row(row: Row[*tuple[Any, ...]] | None) -> Person | None:
    """A row of `people` as a Person."""
    return None if row is None else Person(*row)
