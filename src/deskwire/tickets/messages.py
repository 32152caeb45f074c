"""Store and read messages, the entries of a ticket's timeline.

People write replies and notes. A system line keeps the type and fields of its event: the timeline
shows it as a sentence, and the ticket's state is folded from it as a fact.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    insert,
    literal,
    select,
    tuple_,
)

from deskwire.events.channels import PersonId
from deskwire.events.types.registry import AuthorKind, FileShape, Line, LineKind, PrincipalRef
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import PageKey
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.tickets.prepared_text import PreparedText, prepare_text
from deskwire.tickets.state import Fact
from deskwire.tickets.timeline_text import describe_event, describe_withheld_text
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

PAGE_SIZE = 100  # entries of one page of the API; most requests have fewer

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7; sorts by arrival
    Column("ticket", Text, nullable=False),
    Column("kind", Text, nullable=False),  # reply, note, system
    Column("type", Text, nullable=False),  # the event it came with
    Column("origin", Text, nullable=False),  # where it was written: discord, portal, linear
    Column("sender_id", Text),  # the sender's own id of the message
    Column("author", Text, nullable=False),  # principal
    Column("side", Text),  # customer, staff, bot
    Column("at", BigInteger, nullable=False),  # ms; the sender's time
    Column("data", Text, nullable=False),  # JSON; the event's own fields
    Column("text", Text),  # None: the sender did not send it
    Column("html", Text, nullable=False),  # sanitized
    Column("edited_at", BigInteger),  # ms; by its author, in the portal
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("ticket", "sender_id"),
    Index("ix_messages_ticket_at", "ticket", "at", "id"),
)


class MessageRow:
    """A row of `messages` (kit/rows.py)."""

    id: str
    ticket: str
    kind: LineKind
    type: str
    origin: str
    sender_id: str | None
    author: Principal
    side: AuthorKind | None
    at: Millis
    data: str
    text: str | None
    html: str
    edited_at: Millis | None
    revision: int


class FactColumns:
    """The columns of a system line that make a fact."""

    type: str
    at: Millis
    author: Principal
    data: str


@dataclass(frozen=True, slots=True)
class MessageFields:
    """A message to insert."""

    ticket: str
    kind: LineKind
    type: str
    author: Principal
    at: Millis
    data: dict[str, Any]
    side: AuthorKind | None = None
    sender_id: str | None = None
    text: str | None = None
    id: str | None = None  # chosen by the author's client; None: a new one
    origin: str = "discord"
    mentioned: Collection[str] = ()  # names in `text` that mention a person
    prepared: PreparedText | None = None  # of `text`; None: it is rendered in the transaction


def has_sender_message(tx: Connection, ticket_id: str, sender_message_id: str) -> bool:
    """Return whether the sender's message is in the ticket already."""
    parameters = {"ticket_id": ticket_id, "senders": sender_message_id}
    return tx.execute(_SELECT_BY_SENDER_ID, parameters).first() is not None


_SELECT_BY_SENDER_ID = select(messages.c.id).where(
    messages.c.ticket == bindparam("ticket_id"), messages.c.sender_id == bindparam("senders")
)


class AddedMessage(NamedTuple):
    """What the timeline shows of a message that was just inserted."""

    id: str
    kind: LineKind
    side: AuthorKind | None
    author: Principal
    html: str
    at: Millis
    ticket: str
    origin: str
    edited_at: Millis | None = None


_INSERT_MESSAGE = insert(messages)
SELECT_BY_ID = select(messages).where(messages.c.id == bindparam("of"))


def insert_message(tx: Connection, fields: MessageFields) -> AddedMessage:
    """Insert a message, rendered as HTML."""
    id_ = fields.id or new_id()
    added = AddedMessage(
        id_,
        fields.kind,
        fields.side,
        fields.author,
        _render_html(fields),
        fields.at,
        fields.ticket,
        fields.origin,
    )
    row = {
        "id": added.id,
        "ticket": fields.ticket,
        "kind": fields.kind,
        "type": fields.type,
        "origin": fields.origin,
        "sender_id": fields.sender_id,
        "author": fields.author,
        "side": fields.side,
        "at": fields.at,
        "data": json.dumps(fields.data, ensure_ascii=False),
        "text": fields.text,
        "html": added.html,
        "revision": 1,
    }
    tx.execute(_INSERT_MESSAGE, row)
    return added


def read_facts(tx: Connection, ticket_id: str) -> list[Fact]:
    """Return the facts about a ticket, in order of arrival."""
    rows = fetch_all(tx, _SELECT_FACTS, FactColumns, {"of": ticket_id})
    return [Fact(row.type, row.at, row.author, json.loads(row.data)) for row in rows]


_SELECT_FACTS = (
    select(messages.c.type, messages.c.at, messages.c.author, messages.c.data)
    .where(messages.c.ticket == bindparam("of"), messages.c.kind == "system")
    .order_by(messages.c.id)
)


def read_timeline(tx: Connection, ticket_id: str, *, include_notes: bool = False) -> list[Line]:
    """Return the entries of a ticket, oldest first; internal notes only if `include_notes`."""
    rows = read_timeline_rows(tx, ticket_id, include_notes=include_notes)
    return build_lines(rows, read_names(tx, [row.author for row in rows]))


def read_message_row(
    tx: Connection, ticket_id: str, message_id: str, *, for_update: bool = False
) -> MessageRow | None:
    """Return one message of a ticket; with `for_update`, lock its row."""
    query = select(messages).where(messages.c.id == message_id, messages.c.ticket == ticket_id)
    return fetch_first(tx, query.with_for_update() if for_update else query, MessageRow)


def read_timeline_rows(
    tx: Connection, ticket_id: str, *, include_notes: bool = False
) -> Sequence[MessageRow]:
    """Return the rows of `read_timeline`, for callers that read all names of a page at once."""
    query = _select_timeline(ticket_id, include_notes=include_notes)
    return fetch_all(tx, query, MessageRow)


def read_timeline_page(
    tx: Connection, ticket_id: str, after: PageKey | None, *, include_notes: bool = False
) -> Sequence[MessageRow]:
    """Return up to PAGE_SIZE + 1 rows of the timeline after a key: one more than a page shows."""
    query = _select_timeline(ticket_id, include_notes=include_notes)
    if after is not None:
        position = tuple_(messages.c.at, messages.c.id)
        query = query.where(position > tuple_(literal(after[0]), literal(after[1])))
    return fetch_all(tx, query.limit(PAGE_SIZE + 1), MessageRow)


def _select_timeline(ticket_id: str, *, include_notes: bool) -> Select[Any]:
    kinds = ("reply", "note", "system") if include_notes else ("reply", "system")
    return (
        select(messages)
        .where(messages.c.ticket == ticket_id, messages.c.kind.in_(kinds))
        .order_by(messages.c.at, messages.c.id)
    )


def find_newest_of_type(tx: Connection, ticket_id: str, type_: str) -> MessageRow | None:
    """Return the newest message of an event type in a ticket."""
    query = (
        select(messages)
        .where(messages.c.ticket == ticket_id, messages.c.type == type_)
        .order_by(messages.c.at.desc(), messages.c.id.desc())
    )
    return fetch_first(tx, query.limit(1), MessageRow)


def build_lines(
    rows: Iterable[MessageRow | AddedMessage],
    names: Mapping[Principal, PrincipalRef],
    files: Mapping[str, Sequence[FileShape]] | None = None,
) -> list[Line]:
    """Build timeline entries from messages; `files` are keyed by message id."""
    return [_build_line(row, names, (files or {}).get(row.id, ())) for row in rows]


def _build_line(
    row: MessageRow | AddedMessage,
    names: Mapping[Principal, PrincipalRef],
    files: Sequence[FileShape],
) -> Line:
    more: dict[str, Any] = {}
    if row.origin == "portal" and row.kind != "system":
        more["href"] = f"/requests/{row.ticket}/messages/{row.id}"
    if row.edited_at is not None:
        more["edited_at"] = row.edited_at
    if files:
        more["files"] = list(files)
    return Line(
        id=row.id,
        kind=row.kind,
        side=row.side,
        author=names.get(row.author),
        html=row.html,
        at=row.at,
        **more,
    )


def _render_html(fields: MessageFields) -> str:
    if fields.kind == "system":
        return escape(describe_event(fields.type, fields.data))
    if fields.text is None:
        return f'<p class="silent">{escape(describe_withheld_text(fields.data))}</p>'
    return (fields.prepared or prepare_text(fields.text)).render(fields.mentioned)


def render_message_html(row: MessageRow, prepared: PreparedText | None = None) -> str:
    """Render a message's HTML from its text or its event, never from its `html` column.

    `prepared` is its text; None: it is rendered in the transaction.
    """
    data = json.loads(row.data)
    draft = MessageFields(
        row.ticket,
        row.kind,
        row.type,
        row.author,
        row.at,
        data,
        row.side,
        row.sender_id,
        row.text,
        prepared=prepared,
    )
    return _render_html(replace(draft, mentioned=parse_mentioned_names(data)))


def replace_assignee_name(tx: Connection, person: PersonId, new_name: str) -> None:
    """Write a person's new name into the timeline entries about requests assigned to them."""
    query = select(messages).where(
        messages.c.type == "ticket.assigned", messages.c.data.contains(person, autoescape=True)
    )
    for row in fetch_all(tx, query, MessageRow):
        data = json.loads(row.data)
        if data.get("set", {}).get("assignee") != person or row.kind != "system":
            continue
        data["shown"] = {**data.get("shown", {}), "assignee": new_name}
        values = {
            "data": json.dumps(data, ensure_ascii=False),
            "html": escape(describe_event(row.type, data)),
            "revision": messages.c.revision + 1,
        }
        tx.execute(messages.update().where(messages.c.id == row.id).values(values))


def replace_mentions(data: str, mentions: Mapping[str, str]) -> str:
    """Return a message's `data` with other mentions: names keyed by person id."""
    return json.dumps({**json.loads(data), "mentions": dict(mentions)}, ensure_ascii=False)


def parse_mentioned_names(data: Mapping[str, Any]) -> Collection[str]:
    """Return the names that mentioned a person when the message was written, from its `data`."""
    names = data.get("mentions")
    return [str(name) for name in names.values()] if isinstance(names, dict) else ()
