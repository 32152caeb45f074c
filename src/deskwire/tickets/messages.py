"""Messages: the entries of a ticket's timeline, written by people or by what happened.

A system line keeps its event's type and fields: it is shown as a sentence, and it is a fact the
ticket's state is folded from.
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
    Row,
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
from deskwire.kit.i18n import N_, gettext, ngettext
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import PageKey
from deskwire.tickets.markdown import render_markdown
from deskwire.tickets.state import Fact
from deskwire.tickets.statuses import STATUS_LABELS, Status, apply_wire_status
from deskwire.tickets.timeline_text import describe_portal_event, find_priority_label, quote_names
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

PAGE_SIZE = 100  # entries that a program is given at once; most requests have fewer

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
    Column("html", Text, nullable=False),  # sanitised
    Column("edited_at", BigInteger),  # ms; by its author, here
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("ticket", "sender_id"),
    Index("ix_messages_ticket_at", "ticket", "at", "id"),
)


@dataclass(frozen=True, slots=True)
class MessageFields:
    """A message to be added."""

    ticket: str
    kind: LineKind
    type: str
    author: Principal
    at: Millis
    data: dict[str, Any]
    side: AuthorKind | None = None
    sender_id: str | None = None
    text: str | None = None
    id: str | None = None  # chosen by who wrote it; None: one is made
    origin: str = "discord"
    mentioned: Collection[str] = ()  # names that stand for somebody in `text`


def has_sender_message(tx: Connection, ticket_id: str, sender_message_id: str) -> bool:
    """Whether the sender's message is in the ticket already."""
    known = tx.execute(_SELECT_BY_SENDER_ID, {"ticket_id": ticket_id, "senders": sender_message_id})
    return known.first() is not None


_SELECT_BY_SENDER_ID = select(messages.c.id).where(
    messages.c.ticket == bindparam("ticket_id"), messages.c.sender_id == bindparam("senders")
)


class AddedMessage(NamedTuple):
    """What a timeline shows of a message that was just added."""

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


def insert_message(tx: Connection, fields: MessageFields) -> AddedMessage:
    """Add a message."""
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
    """What senders told about a ticket, in order of arrival."""
    rows = tx.execute(_SELECT_FACTS, {"of": ticket_id})
    return [Fact(row.type, row.at, row.author, json.loads(row.data)) for row in rows]


_SELECT_FACTS = (
    select(messages.c.type, messages.c.at, messages.c.author, messages.c.data)
    .where(messages.c.ticket == bindparam("of"), messages.c.kind == "system")
    .order_by(messages.c.id)
)


def read_timeline(tx: Connection, ticket_id: str, *, include_notes: bool = False) -> list[Line]:
    """The entries of a ticket, oldest first; internal notes only where `notes` allows."""
    rows = read_timeline_rows(tx, ticket_id, include_notes=include_notes)
    return build_lines(rows, read_names(tx, [row.author for row in rows]))


def read_message_row(
    tx: Connection, ticket_id: str, message_id: str, *, for_update: bool = False
) -> Row[Any] | None:
    """One message of a ticket; `hold`: until the transaction ends."""
    here = (messages.c.id == message_id) & (messages.c.ticket == ticket_id)
    chosen = select(messages).where(here)
    return tx.execute(chosen.with_for_update() if for_update else chosen).one_or_none()


def read_timeline_rows(
    tx: Connection, ticket_id: str, *, include_notes: bool = False
) -> Sequence[Row[Any]]:
    """The rows of `read_timeline`, for who reads the names of a whole page at once."""
    kinds = ("reply", "note", "system") if include_notes else ("reply", "system")
    return tx.execute(
        select(messages)
        .where(messages.c.ticket == ticket_id, messages.c.kind.in_(kinds))
        .order_by(messages.c.at, messages.c.id)
    ).all()


def read_timeline_page(
    tx: Connection, ticket_id: str, after: PageKey | None, *, include_notes: bool = False
) -> Sequence[Row[Any]]:
    """The rows of `read_rows` that come after a key, at most PAGE and one more."""
    kinds = ("reply", "note", "system") if include_notes else ("reply", "system")
    here = tuple_(messages.c.at, messages.c.id)
    chosen = select(messages).where(messages.c.ticket == ticket_id, messages.c.kind.in_(kinds))
    if after is not None:
        chosen = chosen.where(here > tuple_(literal(after[0]), literal(after[1])))
    return tx.execute(chosen.order_by(messages.c.at, messages.c.id).limit(PAGE_SIZE + 1)).all()


def find_newest_of_type(tx: Connection, ticket_id: str, type_: str) -> Row[Any] | None:
    """The newest fact of one type in a ticket's timeline."""
    here = (messages.c.ticket == ticket_id) & (messages.c.type == type_)
    newest = select(messages).where(here).order_by(messages.c.at.desc(), messages.c.id.desc())
    return tx.execute(newest.limit(1)).one_or_none()


def build_lines(
    rows: Iterable[Row[Any] | AddedMessage],
    names: Mapping[Principal, PrincipalRef],
    files: Mapping[str, Sequence[FileShape]] | None = None,
) -> list[Line]:
    """Rows of `messages` as entries of a timeline; `files` by the message they came with."""
    return [_build_line(row, names, (files or {}).get(row.id, ())) for row in rows]


def _build_line(
    row: Row[Any] | AddedMessage,
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
    return render_markdown(fields.text, fields.mentioned)


def describe_withheld_text(data: dict[str, Any]) -> str:
    """What is shown for a message whose text the sender kept to itself."""
    length = data.get("messageLength", 0)
    if data.get("hasAttachments"):
        return ngettext(
            "wrote %(num)s character with attachments in Discord",
            "wrote %(num)s characters with attachments in Discord",
            length,
        )
    return ngettext(
        "wrote %(num)s character in Discord", "wrote %(num)s characters in Discord", length
    )


def describe_event(type_: str, data: dict[str, Any]) -> str:
    """What happened, to be read after the name of who did it."""
    if "set" in data:
        return describe_portal_event(type_, data)
    match type_:
        case "ticket.created":
            return gettext("opened the ticket")
        case "ticket.updated":
            return _describe_changes(data.get("changes") or {})
        case "ticket.claimed":
            return _append_reason(gettext("claimed the ticket"), data)
        case "ticket.closed":
            return _append_reason(gettext("closed the ticket"), data)
        case "ticket.deleted":
            return _append_reason(gettext("deleted the ticket"), data)
        case "ticket.edited":
            return _describe_direct_edit(data.get("edit") or {})
        case "ticket.status_changed":
            status, _ = apply_wire_status(
                data["newStatus"], status="active", assignee=None, was_claimed=True, actor=""
            )
            return _append_reason(_describe_status(status), data)
        case _:
            return type_.partition(".")[2].replace("_", " ")


def _append_reason(sentence_text: str, data: Mapping[str, Any]) -> str:
    if not data.get("reason"):
        return sentence_text
    return gettext("%(what)s: %(reason)s", what=sentence_text, reason=data["reason"])


def _describe_status(status: Status) -> str:
    return gettext("moved the ticket to %(status)s", status=gettext(STATUS_LABELS[status]))


# A field that was set, and one that was emptied.
FIELD_SENTENCES = {
    "subject": (N_("set the subject to “%(value)s”"), N_("cleared the subject")),
    "priority": (N_("set the priority to “%(value)s”"), N_("cleared the priority")),
}


def _describe_field(field: str, value: str | None) -> str:
    with_value, without = FIELD_SENTENCES[field]
    if field == "priority" and (label := find_priority_label(value)):
        value = gettext(label)
    return gettext(with_value, value=value) if value else gettext(without)


def _describe_changes(changes: dict[str, Any]) -> str:
    parts = [
        _describe_field(field, changes[field].get("new"))
        for field in FIELD_SENTENCES
        if changes.get(field)
    ]
    tags = changes.get("tags") or {}
    if names := tags.get("added"):
        parts.append(
            ngettext(
                "added the tag %(tags)s",
                "added the tags %(tags)s",
                len(names),
                tags=quote_names(names),
            )
        )
    if names := tags.get("removed"):
        parts.append(
            ngettext(
                "removed the tag %(tags)s",
                "removed the tags %(tags)s",
                len(names),
                tags=quote_names(names),
            )
        )
    return ", ".join(parts) or gettext("updated the ticket")


def _describe_direct_edit(edit: dict[str, Any]) -> str:
    """What somebody wrote into a ticket's row by hand."""
    parts = [_describe_status(edit["status"])] if "status" in edit else []
    parts += [_describe_field(field, edit[field]) for field in FIELD_SENTENCES if field in edit]
    if "assignee" in edit:
        is_set = bool(edit["assignee"])
        parts.append(
            gettext("assigned the ticket") if is_set else gettext("took the assignee away")
        )
    if "opener" in edit:
        parts.append(gettext("changed who opened the ticket"))
    if "tags" in edit:
        named = quote_names(edit["tags"])
        parts.append(
            gettext("set the tags to %(tags)s", tags=named)
            if named
            else gettext("cleared the tags")
        )
    if "deleted_at" in edit:
        is_gone = bool(edit["deleted_at"])
        parts.append(
            gettext("deleted the ticket") if is_gone else gettext("brought the ticket back")
        )
    return ", ".join(parts) or gettext("edited the ticket")


def render_message_html(row: Any) -> str:  # noqa: ANN401 - a row
    """The HTML of a message's row, from its text or from what happened: never what is in `html`."""
    side, sender = row.side, row.sender_id
    data = json.loads(row.data)
    draft = MessageFields(
        row.ticket, row.kind, row.type, row.author, row.at, data, side, sender, row.text
    )
    return _render_html(replace(draft, mentioned=parse_mentioned_names(data)))


def replace_assignee_name(tx: Connection, person: PersonId, new_name: str) -> None:
    """Give whom requests were assigned to another name, in the sentences that say so."""
    told = messages.c.data.contains(person, autoescape=True)
    theirs = select(messages).where(messages.c.type == "ticket.assigned", told)
    for row in tx.execute(theirs).all():
        data = json.loads(row.data)
        if data.get("set", {}).get("assignee") != person or row.kind != "system":
            continue
        data["shown"] = {**data.get("shown", {}), "assignee": new_name}
        html = escape(describe_event(row.type, data))
        values = {"data": json.dumps(data, ensure_ascii=False), "html": html}
        mine = messages.update().where(messages.c.id == row.id)
        tx.execute(mine.values(**values, revision=messages.c.revision + 1))


def replace_mentions(data: str, mentions: Mapping[str, str]) -> str:
    """A message's `data` with other mentions: names by the ids of who they stand for."""
    return json.dumps({**json.loads(data), "mentions": dict(mentions)}, ensure_ascii=False)


def parse_mentioned_names(data: Mapping[str, Any]) -> Collection[str]:
    """The names that stood for somebody when a message was written; its `data` keeps them."""
    names = data.get("mentions")
    return [str(name) for name in names.values()] if isinstance(names, dict) else ()
