"""Erase the rows of deleted tickets, in transactions of a few milliseconds.

Of a deleted ticket a row remains that says nothing: its number, so that none is used twice, its
sender's id, so that a late delivery finds it deleted, and the line that says that it was deleted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from html import escape
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from deskwire.accounts.idempotency import delete_calls_of_ticket
from deskwire.events.channels import Workspace
from deskwire.events.erasure import PAGE_SIZE, Deadline
from deskwire.kit.rows import fetch_first
from deskwire.tickets.files.attachments import files
from deskwire.tickets.messages import MessageRow, messages
from deskwire.tickets.search_index import ticket_words
from deskwire.tickets.state import list_request_only_columns
from deskwire.tickets.tables import TicketRow, participants, reads, tickets
from deskwire.tickets.timeline_text import describe_event
from deskwire.workspaces.organizations.organizations import is_deleted_workspace

DELETION_TYPE = "ticket.deleted"
KEPT_COLUMNS = ("status", "opener", "assignee", "opened_at", "closed_at", "deleted_at")  # no text


def is_ticket_gone(tx: Connection, ticket_id: str) -> bool:
    """Whether a ticket or its organization is deleted, or there is no such ticket."""
    exists = select(tickets.c.id).where(
        tickets.c.id == ticket_id,
        tickets.c.deleted_at.is_(None),
        ~is_deleted_workspace(tickets.c.workspace),
    )
    return tx.execute(exists).first() is None


def has_deleted_ticket(
    tx: Connection,
    workspaces: Collection[Workspace],
    sender_ids: Collection[int],
    numbers: Collection[int],
) -> bool:
    """Whether one of the workspaces has a deleted ticket with one of these ids or numbers."""
    is_deleted = tickets.c.workspace.in_(workspaces) & tickets.c.deleted_at.is_not(None)
    columns = ((tickets.c.sender_id, sender_ids), (tickets.c.number, numbers))  # an index for each
    queries = (select(tickets.c.id).where(is_deleted, column.in_(keys)) for column, keys in columns)
    return any(tx.execute(query.limit(1)).first() is not None for query in queries)


def list_next_tickets(
    tx: Connection, workspace: Workspace, after: str, limit: int = PAGE_SIZE
) -> list[str]:
    """Return the ids of the next tickets of a workspace, in the order of their ids."""
    query = select(tickets.c.id).where(tickets.c.workspace == workspace, tickets.c.id > after)
    return list(tx.execute(query.order_by(tickets.c.id).limit(limit)).scalars())


def list_unerased_tickets(tx: Connection, limit: int = PAGE_SIZE) -> list[str]:
    """Return the ids of deleted tickets that still have a subject or labels."""
    has_text = or_(tickets.c.subject.is_not(None), tickets.c.tags != "[]")
    query = select(tickets.c.id).where(tickets.c.deleted_at.is_not(None), has_text)
    return list(tx.execute(query.limit(limit)).scalars())


def list_files_of_ticket(tx: Connection, ticket_id: str) -> list[str]:
    """Return the ids of a ticket's files."""
    return list(tx.execute(select(files.c.id).where(files.c.ticket == ticket_id)).scalars())


def list_files_of_workspace(tx: Connection, workspace: Workspace) -> list[str]:
    """Return the ids of all files of a workspace, sent or not."""
    return list(tx.execute(select(files.c.id).where(files.c.workspace == workspace)).scalars())


def clear_names_of_unsent_files(tx: Connection, workspace: Workspace) -> None:
    """Remove the names of a deleted organization's files that belong to no ticket."""
    unsent = (files.c.workspace == workspace) & files.c.ticket.is_(None)
    tx.execute(update(files).where(unsent, files.c.name != "").values(name=""))


def delete_file_rows(tx: Connection, file_ids: Sequence[str]) -> None:
    """Delete the rows of files whose bytes are gone."""
    tx.execute(delete(files).where(files.c.id.in_(file_ids)))


def erase_ticket(tx: Connection, ticket_id: str) -> bool:
    """Erase as much of a deleted ticket's rows as a slice allows; return whether none is left.

    A ticket that is not deleted, or was restored since, stays as it is. Its files lose their names;
    their rows are the caller's, whose bytes go first.
    """
    deadline = Deadline()  # a long search entry takes most of the first slice
    row = fetch_first(
        tx, select(tickets).where(tickets.c.id == ticket_id).with_for_update(), TicketRow
    )
    if not is_ticket_gone(tx, ticket_id):
        return True
    delete_calls_of_ticket(tx, ticket_id)
    tx.execute(delete(ticket_words).where(ticket_words.c.ticket == ticket_id))
    named = (files.c.ticket == ticket_id) & (files.c.name != "")
    tx.execute(update(files).where(named).values(name=""))
    kept = _strip_deletion_line(tx, row) if row is not None else None
    others = messages.c.ticket == ticket_id
    if kept is not None:
        others &= messages.c.id != kept
    while ids := list(tx.execute(select(messages.c.id).where(others).limit(PAGE_SIZE)).scalars()):
        _delete_messages(tx, ids)
        if deadline.has_passed:
            return False
    if row is None:
        for table in (participants, reads):
            tx.execute(delete(table).where(table.c.ticket == ticket_id))
    else:
        _clear_ticket_row(tx, row)
    return True


def _delete_messages(tx: Connection, ids: Sequence[str]) -> None:
    # Revision -1 marks the deletion as ours: the triggers take any other for a direct edit.
    tx.execute(update(messages).where(messages.c.id.in_(ids)).values(revision=-1))
    tx.execute(delete(messages).where(messages.c.id.in_(ids)))


def _clear_ticket_row(tx: Connection, row: TicketRow) -> None:
    cleared: dict[str, Any] = dict.fromkeys(("subject", "priority", *list_request_only_columns()))
    values = {**cleared, "tags": "[]", "revision": tickets.c.revision + 1}
    if any(getattr(row, name) is not None for name in cleared) or row.tags != "[]":
        tx.execute(update(tickets).where(tickets.c.id == row.id).values(values))


def _strip_deletion_line(tx: Connection, row: TicketRow) -> str | None:
    """Remove the text of the line that says that a ticket was deleted; return its id.

    The line becomes the one fact about the ticket: late facts must find it deleted.
    """
    query = select(messages).where(messages.c.ticket == row.id, messages.c.type == DELETION_TYPE)
    line = fetch_first(tx, query.order_by(messages.c.at, messages.c.id).limit(1), MessageRow)
    if line is None:
        return None
    state = {name: getattr(row, name) for name in KEPT_COLUMNS}
    noun = "request" if row.workspace.startswith("org:") else "ticket"
    data = {"set": {**state, "tags": []}, "noun": noun, "shown": {}}
    text = json.dumps(data)
    if line.data != text:
        html = escape(describe_event(DELETION_TYPE, data))
        values = {"data": text, "html": html, "text": None, "revision": messages.c.revision + 1}
        tx.execute(update(messages).where(messages.c.id == line.id).values(values))
    return line.id
