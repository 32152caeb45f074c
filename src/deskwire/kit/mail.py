"""Queue outgoing mail in the transaction that causes it, and record the attempts to send it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from deskwire.kit.clock import DAY, HOUR, MINUTE, Millis
from deskwire.kit.db import BigId, acquire_advisory_lock, metadata, on_commit

RETRY_DELAYS = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)  # ms; then the mail is given up
MAX_QUEUE_AGE = DAY  # ms; older mail, queued before SMTP_URL was set, would surprise its reader
RETENTION = 30 * DAY  # ms; rows answer “was it sent?”
NEVER = 2**62  # ms; `due_at` of finished mail, which keeps it out of the query for due mail
MAX_SHOWN = 50  # mails on the development page `/mail`

mails = Table(
    "mails",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("tries", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),  # ms; no attempt before this time
    Column("sent_at", BigInteger),  # ms
    Column("failed_at", BigInteger),  # ms; given up
    Column("problem", Text),  # of the last attempt
    Index("ix_mails_due_at", "due_at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class MailContent:
    """The content of a mail. It may contain a one-time link, which is a secret."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A queued mail; `tries` counts the attempts to send it."""

    id: int
    recipient: str
    content: MailContent
    created_at: Millis
    tries: int


class MailQueued:
    """The signal that wakes the mail sender after a commit."""


MAIL_QUEUED = MailQueued()


def queue(tx: Connection, recipient: str, subject: str, text: str, html: str, at: Millis) -> None:
    """Queue a mail, to be sent once this transaction has committed."""
    row = {"recipient": recipient, "subject": " ".join(subject.split()), "text": text}
    tx.execute(insert(mails).values(**row, html=html, created_at=at, tries=0, due_at=at))
    on_commit(tx, MAIL_QUEUED)


def claim_due(tx: Connection, at: Millis) -> Mail | None:
    """Claim the mail that has been due longest and return it; None if none is due.

    Claiming counts as an attempt and postpones the mail to the next one. So only one of several
    processes gets it, and if that process dies while sending, another one tries again. Marks mail
    that is too old or out of attempts as failed.
    """
    acquire_advisory_lock(tx, "postman")  # the same in every version that may run beside this one
    due = (mails.c.due_at <= at) & mails.c.sent_at.is_(None) & mails.c.failed_at.is_(None)
    query = select(mails).where(due).order_by(mails.c.due_at, mails.c.id).limit(1)
    while (row := tx.execute(query).one_or_none()) is not None:
        if row.tries < len(RETRY_DELAYS) + 1 and row.created_at > at - MAX_QUEUE_AGE:
            postponed = {"tries": row.tries + 1, "due_at": at + _retry_delay(row.tries + 1)}
            tx.execute(update(mails).where(mails.c.id == row.id).values(postponed))
            return _mail_from_row(row, row.tries + 1)
        mark_failed(tx, row.id, row.problem or "It was queued for too long.", at)
    return None


def record_attempt(tx: Connection, mail: Mail, problem: str | None, at: Millis) -> Millis | None:
    """Record the result of an attempt; `problem` is None if the server accepted the mail.

    Returns the delay until the next attempt in ms, or None if there is none.
    """
    if problem is None:
        _finish_mail(tx, mail.id, sent_at=at, problem=None)
        return None
    if mail.tries > len(RETRY_DELAYS):
        mark_failed(tx, mail.id, problem, at)
        return None
    delay = _retry_delay(mail.tries)
    query = update(mails).where(mails.c.id == mail.id)
    tx.execute(query.values(due_at=at + delay, problem=problem))
    return delay


def mark_failed(tx: Connection, mail_id: int, problem: str, at: Millis) -> None:
    """Record that a mail will not be tried again."""
    _finish_mail(tx, mail_id, failed_at=at, problem=problem)


def read_newest(tx: Connection) -> list[Mail]:
    """Return the newest mails, newest first, at most MAX_SHOWN."""
    rows = tx.execute(select(mails).order_by(mails.c.id.desc()).limit(MAX_SHOWN))
    return [_mail_from_row(row, row.tries) for row in rows]


def delete_by_recipient(tx: Connection, recipient: str) -> None:
    """Delete all mail to an address, sent or not."""
    tx.execute(delete(mails).where(mails.c.recipient == recipient))


def delete_mentioning(tx: Connection, recipients: Collection[str], phrase: str) -> None:
    """Delete the mail to some addresses whose subject contains `phrase`, sent or not."""
    subject = mails.c.subject.contains(phrase, autoescape=True)
    tx.execute(delete(mails).where(subject, mails.c.recipient.in_(recipients)))


def delete_expired(tx: Connection, at: Millis) -> int:
    """Delete mail older than RETENTION; return the number of rows."""
    return tx.execute(delete(mails).where(mails.c.created_at <= at - RETENTION)).rowcount


def _retry_delay(tries: int) -> Millis:
    return RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]


def _finish_mail(tx: Connection, mail_id: int, **values: int | str | None) -> None:
    # Clear the text: an unused one-time link must not survive in a copy of the database.
    query = update(mails).where(mails.c.id == mail_id)
    tx.execute(query.values(text="", html="", due_at=NEVER, **values))


def _mail_from_row(row: Row[Any], tries: int) -> Mail:
    content = MailContent(row.subject, row.text, row.html)
    return Mail(row.id, row.recipient, content, row.created_at, tries)
