"""Sessions: a browser that is signed in. The cookie holds a secret, the row only its digest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
)

from deskwire.accounts.identities import identities
from deskwire.accounts.people import Person, people
from deskwire.events import channels, log
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import SessionRevoked
from deskwire.kit.clock import DAY, HOUR, Millis, now
from deskwire.kit.db import metadata, pad_in_list
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import hash_secret, new_id, new_secret

LIFETIME = 7 * DAY  # since it was last used
EXTEND_AFTER = HOUR  # a write per hour of use, instead of one per request
MAX_USER_AGENT_LENGTH = 200  # enough to recognise a browser by

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # public: in events, pages and channel names
    Column("token_hash", Text, nullable=False, unique=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("expires_at", BigInteger, nullable=False),  # ms
    Column("seen_at", BigInteger, nullable=False),  # ms; up to an hour behind
    Column("user_agent", Text, nullable=False),
    Column("address", Text),
    Column("organization", Text),  # the active one; None: not chosen yet
    Index("ix_sessions_person", "person"),
    Index("ix_sessions_expires_at", "expires_at"),
)

_PUBLIC_COLUMNS = [column for column in sessions.c if column is not sessions.c.token_hash]


@dataclass(frozen=True, slots=True)
class Session:
    """A session as everybody may see it: its secret is not in here."""

    id: str
    person: PersonId
    created_at: Millis
    expires_at: Millis
    seen_at: Millis
    user_agent: str
    address: str | None
    organization: str | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just begun, and the only time its secret is at hand."""

    session: Session
    token: str = field(repr=False)


def create(
    tx: Connection, person_id: PersonId, *, user_agent: str, client_ip: str | None, at: Millis
) -> NewSession:
    """Sign a person in on one browser, under a secret nobody has seen before."""
    token = new_secret()
    agent = user_agent[:MAX_USER_AGENT_LENGTH]
    session = Session(new_id(at), person_id, at, at + LIFETIME, at, agent, client_ip)
    tx.execute(
        insert(sessions).values(
            id=session.id,
            token_hash=hash_secret(token),
            person=person_id,
            created_at=at,
            expires_at=session.expires_at,
            seen_at=at,
            user_agent=agent,
            address=client_ip,
        )
    )
    _update_seen_at(tx, people.c.id == person_id, at)
    return NewSession(session, token)


def find_by_token(tx: Connection, token: str, at: Millis | None = None) -> Session | None:
    """The living session a cookie's secret opens."""
    return find_by_tokens(tx, [token], at).get(token)


def find_by_tokens(
    tx: Connection, tokens: Collection[str], at: Millis | None = None
) -> dict[str, Session]:
    """`find` for many at once, by token."""
    by_hash = {hash_secret(token): token for token in tokens}
    living = sessions.c.expires_at > (now() if at is None else at)
    rows = tx.execute(
        select(sessions.c.token_hash, *_PUBLIC_COLUMNS).where(
            sessions.c.token_hash.in_(pad_in_list(by_hash)), living
        )
    )
    return {by_hash[row[0]]: Session(*row[1:]) for row in rows}


def find_with_person(
    tx: Connection, token: str, at: Millis | None = None
) -> tuple[Person, Session, tuple[str, ...]] | None:
    """`find`, with whose session it is and who they are elsewhere (principals)."""
    rows = tx.execute(
        _SESSION_WITH_PERSON, {"hash": hash_secret(token), "now": now() if at is None else at}
    )
    found = [tuple(row) for row in rows]
    if not found:
        return None
    session, end = Session(*found[0][: len(_PUBLIC_COLUMNS)]), len(_PUBLIC_COLUMNS) + len(people.c)
    principals = tuple(row[end] for row in found if row[end] is not None)
    return Person(*found[0][len(_PUBLIC_COLUMNS) : end]), session, principals


_SESSION_WITH_PERSON = (
    select(*_PUBLIC_COLUMNS, *people.c, identities.c.principal)
    .select_from(
        sessions.join(people, people.c.id == sessions.c.person).outerjoin(
            identities, identities.c.person == people.c.id
        )
    )
    .where(sessions.c.token_hash == bindparam("hash"), sessions.c.expires_at > bindparam("now"))
    .order_by(identities.c.principal)
)


def is_extension_due(session: Session, at: Millis) -> bool:
    """Whether using the session now should be written down by `extend`."""
    return at - session.seen_at >= EXTEND_AFTER


def extend(tx: Connection, session_id: str, at: Millis) -> bool:
    """The session was used: it lives seven days from now. False if it has ended meanwhile."""
    living = (sessions.c.id == session_id) & (sessions.c.expires_at > at)
    # The person first, as who deactivates them does: two who wait for each other end in a deadlock.
    whose = select(sessions.c.person).where(living).scalar_subquery()
    _update_seen_at(tx, people.c.id == whose, at)
    used = sessions.update().where(living).values(expires_at=at + LIFETIME, seen_at=at)
    return tx.execute(used).rowcount == 1


def _update_seen_at(tx: Connection, condition: ColumnElement[bool], at: Millis) -> None:
    # With the revision, or it would be taken for an edit by hand.
    seen = people.update().where(condition)
    tx.execute(seen.values(seen_at=at, revision=people.c.revision + 1))


def set_active_organization(tx: Connection, session_id: str, organization_id: str) -> None:
    """Make an organization the active one of a session."""
    chosen = sessions.update().where(sessions.c.id == session_id)
    tx.execute(chosen.values(organization=organization_id))


def revoke(
    tx: Connection, session_id: str, *, actor_id: str | None = None, at: Millis | None = None
) -> bool:
    """End one session, and its streams with it. False if there is none.

    `actor`: who ended it, as events name them; None means the person.
    """
    ended = delete(sessions).where(sessions.c.id == session_id).returning(sessions.c.person)
    person_id = tx.execute(ended).scalar_one_or_none()
    if person_id is None:
        return False
    own = channels.user(person_id)
    fact = SessionRevoked(actor=actor_id or person_id, session=session_id)
    log.append(tx, fact, channels=[own], access_changes=[own], at=at)
    return True


def revoke_all(
    tx: Connection, person_id: PersonId, *, actor_id: str | None = None, at: Millis | None = None
) -> int:
    """End every session of a person; how many there were."""
    mine = list(tx.execute(select(sessions.c.id).where(sessions.c.person == person_id)).scalars())
    for session_id in mine:
        revoke(tx, session_id, actor_id=actor_id, at=at)
    return len(mine)


def list_sessions(tx: Connection, person_id: PersonId, at: Millis | None = None) -> list[Session]:
    """The browsers a person is signed in with, the one used last first."""
    living = sessions.c.expires_at > (now() if at is None else at)
    mine = select(*_PUBLIC_COLUMNS).where(sessions.c.person == person_id, living)
    rows = tx.execute(mine.order_by(sessions.c.seen_at.desc(), sessions.c.id.desc()))
    return [Session(*row) for row in rows]


def revoke_own(
    tx: Connection, person_id: PersonId, session_id: str, *, at: Millis | None = None
) -> None:
    """End one of a person's sessions. NotFound if it is not there, or somebody else's."""
    chosen = (sessions.c.id == session_id) & (sessions.c.person == person_id)
    if tx.execute(select(sessions.c.id).where(chosen)).first() is None:
        raise NotFound(gettext("That browser is signed out already."))
    revoke(tx, session_id, at=at)


def revoke_others(
    tx: Connection, person_id: PersonId, kept_id: str, *, at: Millis | None = None
) -> int:
    """End every session of a person but one; how many there were."""
    others = [each.id for each in list_sessions(tx, person_id, at) if each.id != kept_id]
    return sum(revoke(tx, session_id, at=at) for session_id in others)


def read_expiry_times(
    tx: Connection, session_ids: Collection[str], at: Millis | None = None
) -> dict[str, Millis]:
    """Until when each of these sessions lives; ended and expired ones are absent."""
    living = sessions.c.expires_at > (now() if at is None else at)
    rows = tx.execute(
        select(sessions.c.id, sessions.c.expires_at).where(
            sessions.c.id.in_(pad_in_list(session_ids)), living
        )
    )
    return {row.id: row.expires_at for row in rows}
