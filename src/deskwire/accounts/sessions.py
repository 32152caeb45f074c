"""Create, extend and revoke sessions: browsers that are signed in.

The cookie holds the secret token; the row stores only its digest.
"""

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

LIFETIME = 7 * DAY  # ms since the last use
EXTEND_AFTER = HOUR  # ms; one write per hour of use, instead of one per request
MAX_USER_AGENT_LENGTH = 200  # characters; enough to recognize a browser

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
    Column("organization", Text),  # the active organization; None: not chosen yet
    Index("ix_sessions_person", "person"),
    Index("ix_sessions_expires_at", "expires_at"),
)

_PUBLIC_COLUMNS = [column for column in sessions.c if column is not sessions.c.token_hash]


@dataclass(frozen=True, slots=True)
class Session:
    """A session without its secret."""

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
    """A session just created, with its secret token, which is not stored."""

    session: Session
    token: str = field(repr=False)


def create(
    tx: Connection, person_id: PersonId, *, user_agent: str, client_ip: str | None, at: Millis
) -> NewSession:
    """Create a session for a person in one browser, with a new secret token.

    It appends no event: `authentication.start_session` does, and is what signing in calls.
    """
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
    """Find the unexpired session with this token."""
    return find_by_tokens(tx, [token], at).get(token)


def find_by_tokens(
    tx: Connection, tokens: Collection[str], at: Millis | None = None
) -> dict[str, Session]:
    """Find unexpired sessions, by token; unknown and expired ones are absent."""
    by_hash = {hash_secret(token): token for token in tokens}
    unexpired = sessions.c.expires_at > (now() if at is None else at)
    rows = tx.execute(
        select(sessions.c.token_hash, *_PUBLIC_COLUMNS).where(
            sessions.c.token_hash.in_(pad_in_list(by_hash)), unexpired
        )
    )
    return {by_hash[row[0]]: Session(*row[1:]) for row in rows}


def find_with_person(
    tx: Connection, token: str, at: Millis | None = None
) -> tuple[Person, Session, tuple[str, ...]] | None:
    """Find an unexpired session, its person and their identities (as principals)."""
    rows = tx.execute(
        _SESSION_WITH_PERSON, {"hash": hash_secret(token), "now": now() if at is None else at}
    )
    joined = [tuple(row) for row in rows]  # one row per identity, or one without any
    if not joined:
        return None
    start, end = len(_PUBLIC_COLUMNS), len(_PUBLIC_COLUMNS) + len(people.c)
    principals = tuple(row[end] for row in joined if row[end] is not None)
    return Person(*joined[0][start:end]), Session(*joined[0][:start]), principals


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
    """Whether a use of the session now should be stored with `extend`."""
    return at - session.seen_at >= EXTEND_AFTER


def extend(tx: Connection, session_id: str, at: Millis) -> bool:
    """Store a use: the session expires 7 days from now. Returns False if it has ended."""
    unexpired = (sessions.c.id == session_id) & (sessions.c.expires_at > at)
    # The person's row first, then the session's, as deactivation does: another order can deadlock.
    owner = select(sessions.c.person).where(unexpired).scalar_subquery()
    _update_seen_at(tx, people.c.id == owner, at)
    extended = sessions.update().where(unexpired).values(expires_at=at + LIFETIME, seen_at=at)
    return tx.execute(extended).rowcount == 1


def _update_seen_at(tx: Connection, condition: ColumnElement[bool], at: Millis) -> None:
    # With the revision: an update that leaves it alone is taken for a direct edit of the database.
    tx.execute(people.update().where(condition).values(seen_at=at, revision=people.c.revision + 1))


def store_active_organization(tx: Connection, session_id: str, organization_id: str) -> None:
    """Set the active organization of a session."""
    statement = sessions.update().where(sessions.c.id == session_id)
    tx.execute(statement.values(organization=organization_id))


def revoke(
    tx: Connection, session_id: str, *, actor_id: str | None = None, at: Millis | None = None
) -> bool:
    """End a session and its streams. Returns False if there is none.

    `actor_id` is the actor named in the event; None means the person themselves.
    """
    statement = delete(sessions).where(sessions.c.id == session_id).returning(sessions.c.person)
    person_id = tx.execute(statement).scalar_one_or_none()
    if person_id is None:
        return False
    own_channel = channels.user(person_id)
    event = SessionRevoked(actor=actor_id or person_id, session=session_id)
    log.append(tx, event, channels=[own_channel], access_changes=[own_channel], at=at)
    return True


def revoke_all(
    tx: Connection, person_id: PersonId, *, actor_id: str | None = None, at: Millis | None = None
) -> int:
    """End all sessions of a person. Returns their number."""
    query = select(sessions.c.id).where(sessions.c.person == person_id)
    session_ids = list(tx.execute(query).scalars())
    for session_id in session_ids:
        revoke(tx, session_id, actor_id=actor_id, at=at)
    return len(session_ids)


def list_sessions(tx: Connection, person_id: PersonId, at: Millis | None = None) -> list[Session]:
    """List a person's unexpired sessions, the most recently used first."""
    unexpired = sessions.c.expires_at > (now() if at is None else at)
    query = select(*_PUBLIC_COLUMNS).where(sessions.c.person == person_id, unexpired)
    rows = tx.execute(query.order_by(sessions.c.seen_at.desc(), sessions.c.id.desc()))
    return [Session(*row) for row in rows]


def revoke_own(
    tx: Connection, person_id: PersonId, session_id: str, *, at: Millis | None = None
) -> None:
    """End one of a person's own sessions. Raises NotFound if they have no such session."""
    where = (sessions.c.id == session_id) & (sessions.c.person == person_id)
    if tx.execute(select(sessions.c.id).where(where)).first() is None:
        raise NotFound(gettext("That browser is already signed out."))
    revoke(tx, session_id, at=at)


def revoke_others(
    tx: Connection, person_id: PersonId, current_id: str, *, at: Millis | None = None
) -> int:
    """End all sessions of a person except one. Returns the number of ended ones."""
    ids = [session.id for session in list_sessions(tx, person_id, at)]
    return sum(revoke(tx, session_id, at=at) for session_id in ids if session_id != current_id)


def read_expiry_times(
    tx: Connection, session_ids: Collection[str], at: Millis | None = None
) -> dict[str, Millis]:
    """Return when these sessions expire, by id; ended and expired ones are absent."""
    unexpired = sessions.c.expires_at > (now() if at is None else at)
    rows = tx.execute(
        select(sessions.c.id, sessions.c.expires_at).where(
            sessions.c.id.in_(pad_in_list(session_ids)), unexpired
        )
    )
    return {row.id: row.expires_at for row in rows}
