"""Mail that is to be sent: rows written in the transaction of their cause, sent afterwards."""

from __future__ import annotations

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

RETRY_DELAYS = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)  # after each try; then it is given up
MAX_QUEUE_AGE = DAY  # ms; what waited longer for somebody to set SMTP_URL surprises its reader
RETENTION = 30 * DAY  # ms a row is kept, to answer “was it sent?”
NEVER = 2**62  # ms; `due_at` of what is settled, so that looking for what is due passes it by
MAX_SHOWN = 50  # mails on the page of what would have been sent

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
    Column("due_at", BigInteger, nullable=False),  # ms; not tried before
    Column("sent_at", BigInteger),  # ms
    Column("failed_at", BigInteger),  # ms; given up
    Column("problem", Text),  # of the last try
    Index("ix_mails_due_at", "due_at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class MailContent:
    """What a mail says. It may hold a one-time link, which is a secret."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail on its way, or as it is shown where none is sent."""

    id: int
    recipient: str
    content: MailContent
    created_at: Millis
    tries: int


class MailQueued:
    """Noted for the postman: there is something to send."""


MAIL_QUEUED = MailQueued()


def queue(tx: Connection, recipient: str, subject: str, text: str, html: str, at: Millis) -> None:
    """Have a mail sent once this transaction has committed."""
    row = {"recipient": recipient, "subject": " ".join(subject.split()), "text": text}
    tx.execute(insert(mails).values(**row, html=html, created_at=at, tries=0, due_at=at))
    on_commit(tx, MAIL_QUEUED)


def claim_due(tx: Connection, at: Millis) -> Mail | None:
    """The mail that is due longest, which nobody else gets meanwhile; None where none is due.

    Claiming it counts as a try and puts it off until the next one. So a process that dies while
    it sends leaves it to the others, and of two processes one has it.
    """
    acquire_advisory_lock(tx, "postman")
    due = (mails.c.due_at <= at) & mails.c.sent_at.is_(None) & mails.c.failed_at.is_(None)
    found = select(mails).where(due).order_by(mails.c.due_at, mails.c.id).limit(1)
    while (row := tx.execute(found).one_or_none()) is not None:
        if row.tries < len(RETRY_DELAYS) + 1 and row.created_at > at - MAX_QUEUE_AGE:
            put_off = {"tries": row.tries + 1, "due_at": at + _retry_delay(row.tries + 1)}
            tx.execute(update(mails).where(mails.c.id == row.id).values(put_off))
            return _mail_from_row(row, row.tries + 1)
        mark_failed(tx, row.id, row.problem or "It waited too long.", at)
    return None


def record_attempt(tx: Connection, mail: Mail, problem: str | None, at: Millis) -> Millis | None:
    """Note how a try went: None is well. Gives the pause until the next one, if there is one."""
    if problem is None:
        _finish_mail(tx, mail.id, sent_at=at, problem=None)
        return None
    if mail.tries > len(RETRY_DELAYS):
        mark_failed(tx, mail.id, problem, at)
        return None
    pause = _retry_delay(mail.tries)
    waits = update(mails).where(mails.c.id == mail.id)
    tx.execute(waits.values(due_at=at + pause, problem=problem))
    return pause


def mark_failed(tx: Connection, mail_id: int, problem: str, at: Millis) -> None:
    """Never try this one again."""
    _finish_mail(tx, mail_id, failed_at=at, problem=problem)


def read_newest(tx: Connection) -> list[Mail]:
    """The newest mails, for where none is sent."""
    rows = tx.execute(select(mails).order_by(mails.c.id.desc()).limit(MAX_SHOWN))
    return [_mail_from_row(row, row.tries) for row in rows]


def delete_by_recipient(tx: Connection, recipient: str) -> None:
    """Delete every mail to an address, sent or not."""
    tx.execute(delete(mails).where(mails.c.recipient == recipient))


def delete_expired(tx: Connection, at: Millis) -> int:
    """Delete what is over; how many rows."""
    return tx.execute(delete(mails).where(mails.c.created_at <= at - RETENTION)).rowcount


def _retry_delay(tries: int) -> Millis:
    return RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]


def _finish_mail(tx: Connection, mail_id: int, **values: int | str | None) -> None:
    # Emptied: a link that was sent, and not used, must not be found in a copy of the database.
    settled = update(mails).where(mails.c.id == mail_id)
    tx.execute(settled.values(text="", html="", due_at=NEVER, **values))


def _mail_from_row(row: Row[Any], tries: int) -> Mail:
    letter = MailContent(row.subject, row.text, row.html)
    return Mail(row.id, row.recipient, letter, row.created_at, tries)
