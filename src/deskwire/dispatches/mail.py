"""Queue mail as dispatches, in the transaction that causes it.

Most of these mails hold one-time links, so they are rendered when they are queued, and their
dispatch is emptied once they were sent or given up.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection, Select, Text, delete, literal, select

from deskwire.dispatches.claims import promote_next
from deskwire.dispatches.store import UNFINISHED_STATES, DispatchRow, dispatches, queue
from deskwire.kit.clock import Millis
from deskwire.kit.rows import fetch_all

MAIL_TARGET = "mail"
LINK_MAIL = "link"  # the kind of mails with a one-time link
PROOF_MAIL = "proof"  # of those whose link proves the address; also sent if it has refused mail
KEY_MAIL = "key"  # of those that say that API keys expire or are to be replaced
MAX_SHOWN = 50  # mails on the development page `/mail`


@dataclass(frozen=True, slots=True)
class MailContent:
    """The content of a mail. It may contain a one-time link, which is a secret."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is queued. `number` and `created_at` make its Message-ID."""

    number: int
    recipient: str
    content: MailContent
    created_at: Millis


class Recipients(Protocol):
    """What is known about the addresses that mail is sent to."""

    def find_obstacle(self, tx: Connection, kind: str, recipient: str, at: Millis) -> str | None:
        """Return why no mail of this kind is to be sent to an address; None if it is."""

    def record_refusal(self, tx: Connection, recipient: str, at: Millis) -> None:
        """Record that an address refuses mail for good."""


def queue_mail(
    tx: Connection,
    key: str,
    recipient: str,
    content: MailContent,
    at: Millis,
    kind: str = LINK_MAIL,
) -> None:
    """Queue a mail, to be sent once this transaction has committed.

    `key` names what it is about (`person:ID`, `invitation:ID`): mails of one key are sent in order.
    """
    payload = {
        "recipient": recipient,
        "subject": " ".join(content.subject.split()),
        "text": content.text,
        "html": content.html,
    }
    queue(tx, MAIL_TARGET, key, kind, payload, at=at)


def parse_mail(number: int, payload: Mapping[str, Any], created_at: Millis) -> Mail:
    """Return the mail of a dispatch; one that an earlier version queued keeps its number."""
    content = MailContent(payload["subject"], payload["text"], payload["html"])
    return Mail(payload.get("number", number), payload["recipient"], content, created_at)


def read_newest(tx: Connection) -> list[Mail]:
    """Return the newest mails that were not sent, newest first, at most MAX_SHOWN."""
    query = _UNFINISHED.order_by(dispatches.c.id.desc()).limit(MAX_SHOWN)
    rows = fetch_all(tx, query, DispatchRow)
    return [parse_mail(row.id, json.loads(row.payload), row.created_at) for row in rows]


def delete_by_recipient(tx: Connection, recipient: str) -> None:
    """Delete the unsent mail to an address; mail that was sent names it no more."""
    for row in fetch_all(tx, _UNFINISHED, DispatchRow):
        if json.loads(row.payload)["recipient"] == recipient:
            tx.execute(delete(dispatches).where(dispatches.c.id == row.id))
            promote_next(tx, MAIL_TARGET, row.key)


def withdraw(tx: Connection, keys: Collection[str]) -> None:
    """Delete the unsent mail about some objects: what it says is no longer true."""
    theirs = (dispatches.c.target == MAIL_TARGET) & dispatches.c.key.in_(keys)
    unsent = dispatches.c.state.in_(UNFINISHED_STATES)
    tx.execute(delete(dispatches).where(theirs, unsent))


def delete_by_keys(tx: Connection, keys: Collection[str]) -> None:
    """Delete all mail about some objects, sent or not."""
    theirs = (dispatches.c.target == MAIL_TARGET) & dispatches.c.key.in_(keys)
    tx.execute(delete(dispatches).where(theirs))


def delete_orphans(tx: Connection, prefix: str, ids: Select[str]) -> None:
    """Delete all mail about objects of one kind that are not among `ids` any more."""
    kept = select(literal(prefix, Text) + ids.subquery().c.id)
    theirs = dispatches.c.key.startswith(prefix, autoescape=True)
    is_orphan = (dispatches.c.target == MAIL_TARGET) & theirs & dispatches.c.key.not_in(kept)
    tx.execute(delete(dispatches).where(is_orphan))


_UNFINISHED = select(dispatches).where(
    dispatches.c.target == MAIL_TARGET, dispatches.c.state.in_(UNFINISHED_STATES)
)
