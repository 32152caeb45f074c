"""Store people: humans with a name and usually an email address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    func,
    insert,
    select,
)

from deskwire.events import channels, log
from deskwire.events.channels import PersonId
from deskwire.events.redaction import FORMER_MEMBER
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.kit.text import is_blank, is_control_character

MAX_NAME_LENGTH = 80  # characters; longer names break every list they appear in
# Cleared, together with the name, when a person deletes their account.
PERSONAL_COLUMNS = (
    "email",
    "email_verified_at",
    "undeliverable_since",
    "time_zone",
    "theme",
    "avatar",
    "seen_at",
)
# .local, .invalid, … (RFC 6761); `.test` is accepted, because the demo and the tests use it.
UNDELIVERABLE_DOMAINS = frozenset(SPECIAL_USE_DOMAIN_NAMES) - {"test"}

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, unique=True),  # as parse_email returns it; None: has an identity only
    Column("email_verified_at", BigInteger),  # ms; None until a link mailed to it was used
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("time_zone", Text),  # IANA name; None: the browser's own
    Column("theme", Text),  # light, dark; None: the system's
    Column("avatar", Text),  # object key of the picture; None: initials are shown
    Column("deleted_at", BigInteger),  # ms; the anonymized row of a former member remains
    Column("seen_at", BigInteger),  # ms; up to an hour behind; None: never signed in with a browser
    Column("deactivated_at", BigInteger),  # ms; sign-in is refused from then on
    # ms; a mail server refused the address for good, and it was not verified since
    Column("undeliverable_since", BigInteger),
    Index("ix_people_avatar", "avatar"),
)


class PersonRow:
    """A row of `people`."""

    id: str
    name: str
    email: str | None
    email_verified_at: int | None
    revision: int
    created_at: int
    time_zone: str | None
    theme: str | None
    avatar: str | None
    deleted_at: int | None
    seen_at: int | None
    deactivated_at: int | None
    undeliverable_since: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person; the fields are the columns of `people`, in their order."""

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
    undeliverable_since: Millis | None = None

    @property
    def picture(self) -> str | None:
        """The URL of the person's picture; None if initials are shown."""
        return avatar_url(self.avatar)


def avatar_url(avatar: str | None) -> str | None:
    """Return the URL of the picture with this object key; every picture has its own URL."""
    return f"/avatars/{avatar}" if avatar else None


def create(tx: Connection, *, name: str, email: str | None, at: Millis | None = None) -> Person:
    """Create a person from a parsed name and address. Raises Conflict if the address is taken."""
    if email is not None:
        acquire_advisory_lock(tx, f"email {email}")
        if find_by_email(tx, email) is not None:
            raise Conflict(
                gettext("%(email)s is already in use. Choose another address.", email=email)
            )
    created_at = now() if at is None else at
    person = Person(new_id(created_at), name, email, None, 1, created_at)
    tx.execute(
        insert(people).values(
            id=person.id, name=name, email=email, revision=1, created_at=created_at
        )
    )
    return person


def find(tx: Connection, person_id: PersonId) -> Person | None:
    """Find a person by id."""
    row = fetch_first(tx, select(people).where(people.c.id == person_id), PersonRow)
    return None if row is None else person_from_row(row)


def find_by_email(tx: Connection, email: str) -> Person | None:
    """Find a person by their address, as `parse_email` returns it."""
    row = fetch_first(tx, select(people).where(people.c.email == email), PersonRow)
    return None if row is None else person_from_row(row)


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
    """Update a person's row, raise its revision and record `person.changed`.

    `linked_provider` and `unlinked_provider` name the provider of an identity that was added or
    removed. `access_changed` makes the person's open streams authorize again. `actor_id` is the
    actor named in the event; None means the person themselves.

    The search index of names is not updated: to change a name, call `name_changes.rename_person`.
    """
    values = {"name": name, "email_verified_at": email_verified_at}
    changed: dict[str, Any] = {
        column: value for column, value in values.items() if value is not None
    }
    if email_verified_at is not None:
        changed["undeliverable_since"] = None
    person = update_columns(tx, person_id, changed)
    providers = {"linked": linked_provider, "unlinked": unlinked_provider}
    fields = {field: provider for field, provider in providers.items() if provider is not None}
    record_person_changed(
        tx, person, actor_id or person_id, at, access_changed=access_changed, **fields
    )
    return person


def update_columns(tx: Connection, person_id: PersonId, values: dict[str, Any]) -> Person:
    """Write columns of a person and raise the revision, without recording an event.

    Both happen in one statement: an update that leaves the revision alone is taken for a direct
    edit of the database.
    """
    where = people.c.id == person_id
    tx.execute(people.update().where(where).values(**values, revision=people.c.revision + 1))
    return person_from_row(fetch_one(tx, select(people).where(where), PersonRow))


def clear_email_verification(tx: Connection, person_id: PersonId) -> Person:
    """Mark the address unverified: it was changed, and the verification was of the old one."""
    values = {"email_verified_at": None, "undeliverable_since": None}
    return update_columns(tx, person_id, values)


def mark_undeliverable(tx: Connection, person: Person, actor_id: str, at: Millis) -> None:
    """Record that a person's address refuses mail for good, until it is verified again."""
    marked = update_columns(tx, person.id, {"undeliverable_since": at})
    record_person_changed(tx, marked, actor_id, at, access_changed=False)


def forget_refusal(tx: Connection, person: Person, actor_id: str, at: Millis) -> None:
    """Send mail to a person's address again. Raises Conflict if it did not refuse any."""
    if person.undeliverable_since is None:
        raise Conflict(gettext("Email to %(person)s was not refused.", person=person.name))
    cleared = clear_undeliverable(tx, person.id)
    record_person_changed(tx, cleared, actor_id, at, access_changed=False)


def clear_undeliverable(tx: Connection, person_id: PersonId) -> Person:
    """Forget that the address refused mail, without recording an event."""
    return update_columns(tx, person_id, {"undeliverable_since": None})


def count_undeliverable(tx: Connection) -> int:
    """Return the number of people whose address refuses mail for good."""
    query = select(func.count()).where(people.c.undeliverable_since.is_not(None))
    return int(tx.execute(query).scalar_one())


def record_created(tx: Connection, person: Person, at: Millis) -> None:
    """Record a new person, for viewers who may see everyone with an account."""
    event = PersonChanged(
        actor=person.id, person=person.id, name=person.name, revision=person.revision
    )
    log.append(tx, event, channels=[channels.PEOPLE_CHANNEL], at=at)


def set_avatar_key(
    tx: Connection, person_id: PersonId, avatar: str | None, *, at: Millis
) -> tuple[Person, str | None]:
    """Set a person's picture to an object key, or remove it (None).

    Returns the person and the key of the previous picture.
    """
    query = select(people.c.avatar).where(people.c.id == person_id).with_for_update()
    previous = tx.execute(query).scalar_one()
    person = update_columns(tx, person_id, {"avatar": avatar})
    record_person_changed(tx, person, person_id, at, access_changed=False)
    return person, previous


def mark_deactivated(tx: Connection, person_id: PersonId, *, actor_id: str, at: Millis) -> Person:
    """Mark a person deactivated: they can neither sign in nor receive events.

    Sessions, links, invitations and assigned requests stay: `offboarding.deactivate_person` ends
    them too.
    """
    return _set_deactivated_at(tx, person_id, at, actor_id, at)


def mark_reactivated(tx: Connection, person_id: PersonId, *, actor_id: str, at: Millis) -> Person:
    """Let a deactivated person sign in again."""
    return _set_deactivated_at(tx, person_id, None, actor_id, at)


def _set_deactivated_at(
    tx: Connection, person_id: PersonId, deactivated_at: Millis | None, actor_id: str, at: Millis
) -> Person:
    person = update_columns(tx, person_id, {"deactivated_at": deactivated_at})
    record_person_changed(tx, person, actor_id, at, access_changed=True)
    return person


def anonymize(tx: Connection, person_id: PersonId, at: Millis) -> Person:
    """Clear a person's data from their row and from the events that name them.

    The row stays, because what they wrote refers to it.
    """
    cleared: dict[str, Any] = dict.fromkeys(PERSONAL_COLUMNS)
    values = {**cleared, "name": gettext(FORMER_MEMBER), "deleted_at": at}
    person = update_columns(tx, person_id, values)
    record_person_changed(tx, person, person_id, at, access_changed=True, erased=person_id)
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
    """Record a person's new state, for them and for viewers who may see everyone."""
    event = PersonChanged(
        actor=actor_id, person=person.id, name=person.name, revision=person.revision, **extra_fields
    )
    own_channel = channels.user(person.id)
    log.append(
        tx,
        event,
        channels=[own_channel, channels.PEOPLE_CHANNEL],
        access_changes=[own_channel] if access_changed else [],
        cause=cause,
        at=at,
    )


def parse_email(text: str) -> str:
    """Return an address in its stored form: trimmed, lower case, NFC. Raises Invalid.

    Deliverability is not checked: that would reveal a stranger's address to a DNS resolver.
    """
    try:
        # test_environment accepts `.test` (RFC 6761), which the demo and the tests use.
        parsed = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        sentence = gettext("Enter a complete email address, like name@example.org.")
        ending = text.strip().lower().rpartition(".")[2]
        if "@" in text and ending in UNDELIVERABLE_DOMAINS:
            sentence = gettext(
                "Addresses ending in .%(ending)s can’t receive email. Enter one like "
                "name@example.org.",
                ending=ending,
            )
        raise Invalid(sentence, {"email": sentence}) from None
    return parsed.normalized.lower()


def normalize_email(text: str) -> str:
    """Return an address in its stored form; other text is trimmed and lower-cased."""
    try:
        return parse_email(text)
    except Invalid:
        return text.strip().lower()


def mask_email(email: str) -> str:
    """`bo@example.org` → `b…@example.org`: enough for its owner to recognize it."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"


def parse_name(text: str) -> str:
    """Return a name on one line, 1 to 80 characters. Raises Invalid.

    Names that are blank on screen are refused, and control characters, which could reverse the
    text around the name.
    """
    name = " ".join(text.split())
    if is_blank(name) or len(name) > MAX_NAME_LENGTH or any(map(is_control_character, name)):
        sentence = gettext(
            "Enter a name of 1 to %(most)s printable characters.",
            most=MAX_NAME_LENGTH,
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def person_from_row(row: PersonRow) -> Person:
    """Build a Person from a row of `people`."""
    return Person(
        row.id,
        row.name,
        row.email,
        row.email_verified_at,
        row.revision,
        row.created_at,
        row.time_zone,
        row.theme,
        row.avatar,
        row.deleted_at,
        row.seen_at,
        row.deactivated_at,
        row.undeliverable_since,
    )
