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
from deskwire.events.types.registry import Attached, Line, LineKind, Side, Who
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.i18n import N_, gettext, ngettext
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import Key
from deskwire.tickets.markdown import render
from deskwire.tickets.state import Fact
from deskwire.tickets.statuses import LABELS, Status, from_wire
from deskwire.tickets.timeline_text import labelled, quoted, told_here
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

PAGE = 100  # entries that a program is given at once; most requests have fewer

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
class Draft:
    """A message to be added."""

    ticket: str
    kind: LineKind
    type: str
    author: Principal
    at: Millis
    data: dict[str, Any]
    side: Side | None = None
    sender_id: str | None = None
    text: str | None = None
    id: str | None = None  # chosen by who wrote it; None: one is made
    origin: str = "discord"
    mentioned: Collection[str] = ()  # names that stand for somebody in `text`


def is_known(tx: Connection, ticket_id: str, sender_id: str) -> bool:
    """Whether the sender's message is in the ticket already."""
    known = tx.execute(_KNOWN, {"ticket_id": ticket_id, "senders": sender_id})
    return known.first() is not None


_KNOWN = select(messages.c.id).where(
    messages.c.ticket == bindparam("ticket_id"), messages.c.sender_id == bindparam("senders")
)


class Added(NamedTuple):
    """What a timeline shows of a message that was just added."""

    id: str
    kind: LineKind
    side: Side | None
    author: Principal
    html: str
    at: Millis
    ticket: str
    origin: str
    edited_at: Millis | None = None


_ADD = insert(messages)


def add(tx: Connection, draft: Draft) -> Added:
    """Add a message."""
    id_ = draft.id or new_id()
    added = Added(
        id_,
        draft.kind,
        draft.side,
        draft.author,
        _html(draft),
        draft.at,
        draft.ticket,
        draft.origin,
    )
    row = {
        "id": added.id,
        "ticket": draft.ticket,
        "kind": draft.kind,
        "type": draft.type,
        "origin": draft.origin,
        "sender_id": draft.sender_id,
        "author": draft.author,
        "side": draft.side,
        "at": draft.at,
        "data": json.dumps(draft.data, ensure_ascii=False),
        "text": draft.text,
        "html": added.html,
        "revision": 1,
    }
    tx.execute(_ADD, row)
    return added


def read_facts(tx: Connection, ticket_id: str) -> list[Fact]:
    """What senders told about a ticket, in order of arrival."""
    rows = tx.execute(_FACTS, {"of": ticket_id})
    return [Fact(row.type, row.at, row.author, json.loads(row.data)) for row in rows]


_FACTS = (
    select(messages.c.type, messages.c.at, messages.c.author, messages.c.data)
    .where(messages.c.ticket == bindparam("of"), messages.c.kind == "system")
    .order_by(messages.c.id)
)


def read_timeline(tx: Connection, ticket_id: str, *, notes: bool = False) -> list[Line]:
    """The entries of a ticket, oldest first; internal notes only where `notes` allows."""
    rows = read_rows(tx, ticket_id, notes=notes)
    return lines_of(rows, read_names(tx, [row.author for row in rows]))


def read_row(
    tx: Connection, ticket_id: str, message_id: str, *, hold: bool = False
) -> Row[Any] | None:
    """One message of a ticket; `hold`: until the transaction ends."""
    here = (messages.c.id == message_id) & (messages.c.ticket == ticket_id)
    chosen = select(messages).where(here)
    return tx.execute(chosen.with_for_update() if hold else chosen).one_or_none()


def read_rows(tx: Connection, ticket_id: str, *, notes: bool = False) -> Sequence[Row[Any]]:
    """The rows of `read_timeline`, for who reads the names of a whole page at once."""
    kinds = ("reply", "note", "system") if notes else ("reply", "system")
    return tx.execute(
        select(messages)
        .where(messages.c.ticket == ticket_id, messages.c.kind.in_(kinds))
        .order_by(messages.c.at, messages.c.id)
    ).all()


def read_page(
    tx: Connection, ticket_id: str, after: Key | None, *, notes: bool = False
) -> Sequence[Row[Any]]:
    """The rows of `read_rows` that come after a key, at most PAGE and one more."""
    kinds = ("reply", "note", "system") if notes else ("reply", "system")
    here = tuple_(messages.c.at, messages.c.id)
    chosen = select(messages).where(messages.c.ticket == ticket_id, messages.c.kind.in_(kinds))
    if after is not None:
        chosen = chosen.where(here > tuple_(literal(after[0]), literal(after[1])))
    return tx.execute(chosen.order_by(messages.c.at, messages.c.id).limit(PAGE + 1)).all()


def read_newest(tx: Connection, ticket_id: str, type_: str) -> Row[Any] | None:
    """The newest fact of one type in a ticket's timeline."""
    here = (messages.c.ticket == ticket_id) & (messages.c.type == type_)
    newest = select(messages).where(here).order_by(messages.c.at.desc(), messages.c.id.desc())
    return tx.execute(newest.limit(1)).one_or_none()


def lines_of(
    rows: Iterable[Row[Any] | Added],
    names: Mapping[Principal, Who],
    files: Mapping[str, Sequence[Attached]] | None = None,
) -> list[Line]:
    """Rows of `messages` as entries of a timeline; `files` by the message they came with."""
    return [_line(row, names, (files or {}).get(row.id, ())) for row in rows]


def _line(row: Row[Any] | Added, names: Mapping[Principal, Who], files: Sequence[Attached]) -> Line:
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


def _html(draft: Draft) -> str:
    if draft.kind == "system":
        return escape(sentence(draft.type, draft.data))
    if draft.text is None:
        return f'<p class="silent">{escape(absent_text(draft.data))}</p>'
    return render(draft.text, draft.mentioned)


def absent_text(data: dict[str, Any]) -> str:
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


def sentence(type_: str, data: dict[str, Any]) -> str:
    """What happened, to be read after the name of who did it."""
    if "set" in data:
        return told_here(type_, data)
    match type_:
        case "ticket.created":
            return gettext("opened the ticket")
        case "ticket.updated":
            return _changed(data.get("changes") or {})
        case "ticket.claimed":
            return _because(gettext("claimed the ticket"), data)
        case "ticket.closed":
            return _because(gettext("closed the ticket"), data)
        case "ticket.deleted":
            return _because(gettext("deleted the ticket"), data)
        case "ticket.edited":
            return _edited(data.get("edit") or {})
        case "ticket.status_changed":
            status, _ = from_wire(
                data["newStatus"], status="active", assignee=None, claimed=True, actor=""
            )
            return _because(_moved(status), data)
        case _:
            return type_.partition(".")[2].replace("_", " ")


def _because(what: str, data: Mapping[str, Any]) -> str:
    if not data.get("reason"):
        return what
    return gettext("%(what)s: %(reason)s", what=what, reason=data["reason"])


def _moved(status: Status) -> str:
    return gettext("moved the ticket to %(status)s", status=gettext(LABELS[status]))


# A field that was set, and one that was emptied.
SET = {
    "subject": (N_("set the subject to “%(value)s”"), N_("cleared the subject")),
    "priority": (N_("set the priority to “%(value)s”"), N_("cleared the priority")),
}


def _set(field: str, value: str | None) -> str:
    with_value, without = SET[field]
    if field == "priority" and (label := labelled(value)):
        value = gettext(label)
    return gettext(with_value, value=value) if value else gettext(without)


def _changed(changes: dict[str, Any]) -> str:
    parts = [_set(field, changes[field].get("new")) for field in SET if changes.get(field)]
    tags = changes.get("tags") or {}
    if names := tags.get("added"):
        parts.append(
            ngettext(
                "added the tag %(tags)s",
                "added the tags %(tags)s",
                len(names),
                tags=quoted(names),
            )
        )
    if names := tags.get("removed"):
        parts.append(
            ngettext(
                "removed the tag %(tags)s",
                "removed the tags %(tags)s",
                len(names),
                tags=quoted(names),
            )
        )
    return ", ".join(parts) or gettext("updated the ticket")


def _edited(edit: dict[str, Any]) -> str:
    """What somebody wrote into a ticket's row by hand."""
    parts = [_moved(edit["status"])] if "status" in edit else []
    parts += [_set(field, edit[field]) for field in SET if field in edit]
    if "assignee" in edit:
        is_set = bool(edit["assignee"])
        parts.append(
            gettext("assigned the ticket") if is_set else gettext("took the assignee away")
        )
    if "opener" in edit:
        parts.append(gettext("changed who opened the ticket"))
    if "tags" in edit:
        named = quoted(edit["tags"])
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


def rendered(row: Any) -> str:  # noqa: ANN401 - a row
    """The HTML of a message's row, from its text or from what happened: never what is in `html`."""
    side, sender = row.side, row.sender_id
    data = json.loads(row.data)
    draft = Draft(row.ticket, row.kind, row.type, row.author, row.at, data, side, sender, row.text)
    return _html(replace(draft, mentioned=mentioned_in(data)))


def unname(tx: Connection, person: PersonId, name: str) -> None:
    """Give whom requests were assigned to another name, in the sentences that say so."""
    told = messages.c.data.contains(person, autoescape=True)
    theirs = select(messages).where(messages.c.type == "ticket.assigned", told)
    for row in tx.execute(theirs).all():
        data = json.loads(row.data)
        if data.get("set", {}).get("assignee") != person or row.kind != "system":
            continue
        data["shown"] = {**data.get("shown", {}), "assignee": name}
        html = escape(sentence(row.type, data))
        values = {"data": json.dumps(data, ensure_ascii=False), "html": html}
        mine = messages.update().where(messages.c.id == row.id)
        tx.execute(mine.values(**values, revision=messages.c.revision + 1))


def with_mentions(data: str, mentions: Mapping[str, str]) -> str:
    """A message's `data` with other mentions: names by the ids of who they stand for."""
    return json.dumps({**json.loads(data), "mentions": dict(mentions)}, ensure_ascii=False)


def mentioned_in(data: Mapping[str, Any]) -> Collection[str]:
    """The names that stood for somebody when a message was written; its `data` keeps them."""
    names = data.get("mentions")
    return [str(name) for name in names.values()] if isinstance(names, dict) else ()
