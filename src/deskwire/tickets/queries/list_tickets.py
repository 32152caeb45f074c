"""Finding tickets: one page of a workspace's list, filtered, searched and sorted.

The same visibility as everywhere: `tickets.visible_in`. Counts are of what the
search finds, so that a tab never promises what it does not show. A query without a word, as `?!`,
asks for nothing and so finds everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, and_, false, select

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.rows import fetch_all
from deskwire.kit.text import split_words
from deskwire.tickets.queries.counts import count_by_status, count_matching_by_status
from deskwire.tickets.search_index import select_matching_ticket_ids
from deskwire.tickets.statuses import STATUSES, Status
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.tickets.ticket import Ticket, load_tickets
from deskwire.tickets.validation import strip_unstorable
from deskwire.tickets.visibility import visible_in
from deskwire.workspaces.name_index import find_by_name_prefix

Sort = Literal["active", "newest", "oldest", "number"]
SORTS: tuple[Sort, ...] = get_args(Sort)
PAGE_SIZE = 50  # rows; more than two screens are searched, not scrolled
MAX_PAGE_NUMBER = 10_000  # pages; an offset beyond is a mistake, not a wish
MAX_QUERY_WORDS = 12  # each is looked up among names and words; nobody remembers more of a ticket
MAX_QUERY_LENGTH = 200  # characters; longer ones are cut

_ORDER: dict[Sort, tuple[ColumnElement[object], ...]] = {
    "active": (tickets.c.active_at.desc(), tickets.c.id.desc()),
    "newest": (tickets.c.opened_at.desc(), tickets.c.id.desc()),
    "oldest": (tickets.c.opened_at.asc(), tickets.c.id.asc()),
    "number": (tickets.c.number.desc(), tickets.c.id.desc()),
}


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What somebody wants to see of a list."""

    status: Status | None = None
    query: str = ""
    sort: Sort = "active"
    page: int = 1

    @property
    def is_default_view(self) -> bool:
        """Whether a changed row's place in the list follows from the row alone."""
        return not self.query and self.sort == "active" and self.page == 1


@dataclass(frozen=True, slots=True)
class TicketResults:
    """One page of tickets, with how many there are by status and in all pages."""

    tickets: list[Ticket]
    counts: dict[Status, int]
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_ticket_filter(fields: Mapping[str, str]) -> TicketFilter:
    """What a URL asks for; what it cannot mean falls back to the default."""
    status = next((word for word in STATUSES if word == fields.get("status")), None)
    sort: Sort = next((word for word in SORTS if word == fields.get("sort")), "active")
    page = fields.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    query = " ".join(strip_unstorable(fields.get("q", "")).split())[:MAX_QUERY_LENGTH]
    return TicketFilter(status, query, sort, min(max(number, 1), MAX_PAGE_NUMBER))


def read_ticket_results(
    tx: Connection, viewer: Viewer, workspace: Workspace, ticket_filter: TicketFilter
) -> TicketResults:
    """The page of `workspace` that `wish` asks for, of what `viewer` may see; at most the last."""
    hits = _select_matches(tx, workspace, ticket_filter.query)
    seen = visible_in(tx, viewer, workspace, hits)
    counts = (
        count_by_status(tx, viewer, workspace)
        if hits is None
        else count_matching_by_status(tx, seen)
    )
    chosen = (
        seen
        if ticket_filter.status is None
        else and_(seen, tickets.c.status == ticket_filter.status)
    )
    matching = (
        sum(counts.values()) if ticket_filter.status is None else counts[ticket_filter.status]
    )
    pages = max(1, -(-matching // PAGE_SIZE))
    page = min(ticket_filter.page, pages)
    query = (
        select(tickets)
        .where(chosen)
        .order_by(*_ORDER[ticket_filter.sort])
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    rows = fetch_all(tx, query, TicketRow)
    return TicketResults(load_tickets(tx, rows), counts, page, pages)


def _select_matches(tx: Connection, workspace: Workspace, query: str) -> Select[Any] | None:
    """The ids of the tickets that hold every word of the query; None: of all."""
    words = split_words(query)[:MAX_QUERY_WORDS]
    if not words:  # of signs alone nothing is found
        return select(tickets.c.id).where(false()) if query else None
    return select_matching_ticket_ids(tx, workspace, find_by_name_prefix(tx, workspace, words))
