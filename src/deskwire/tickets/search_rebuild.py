"""Build the search index again from the tickets and their replies, as a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from deskwire.jobs.store import HasTimeLeft, JobKind, Slice
from deskwire.kit.rows import fetch_all
from deskwire.tickets.search_index import index_changed_replies, index_ticket
from deskwire.tickets.tables import TicketRow, tickets

PAGE_SIZE = 20  # tickets read at once


def _count_tickets(tx: Connection, _arguments: Mapping[str, Any]) -> int:
    return int(tx.execute(select(func.count()).select_from(tickets)).scalar_one())


def _index_next_tickets(
    tx: Connection, _arguments: Mapping[str, Any], cursor: str, has_time_left: HasTimeLeft
) -> Slice:
    """Index the next tickets by id. Long conversations are left to the `SearchReindexer`."""
    page, done = fetch_all(tx, _NEXT_TICKETS, TicketRow, {"last": cursor}), 0
    for row in page:
        if done and not has_time_left():
            return Slice(cursor, done, False)
        index_ticket(tx, row)
        index_changed_replies(tx, row, [])
        cursor, done = row.id, done + 1
    return Slice(cursor, done, len(page) < PAGE_SIZE)


_NEXT_TICKETS = (
    select(tickets).where(tickets.c.id > bindparam("last")).order_by(tickets.c.id).limit(PAGE_SIZE)
)

SEARCH_REBUILD = JobKind("search-rebuild", _count_tickets, _index_next_tickets)
