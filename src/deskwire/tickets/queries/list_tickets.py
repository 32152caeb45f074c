"""Read one page of a workspace's tickets, filtered, searched and sorted, with counts by status.

Rows are filtered by the viewer's visibility (`visibility.visible_in`). Counts are of what the
search matches, so that the number on a tab equals the rows behind it. A query without a word, such
as `?!`, matches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, and_, false, literal, select, tuple_

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.pagination import PageKey, format_page_key
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
PAGE_SIZE = 50  # rows; beyond two screens people search rather than scroll
MAX_PAGE_NUMBER = 10_000  # pages; a larger offset can only be a mistake
MAX_QUERY_WORDS = 12  # each is looked up in two indexes; no one types more words
MAX_QUERY_LENGTH = 200  # characters; longer ones are cut

_ORDER: dict[Sort, tuple[ColumnElement[object], ...]] = {
    "active": (tickets.c.active_at.desc(), tickets.c.id.desc()),
    "newest": (tickets.c.opened_at.desc(), tickets.c.id.desc()),
    "oldest": (tickets.c.opened_at.asc(), tickets.c.id.asc()),
    "number": (tickets.c.number.desc(), tickets.c.id.desc()),
}


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Filter, order and page number of a list of tickets."""

    status: Status | None = None
    query: str = ""
    sort: Sort = "active"
    page: int = 1

    @property
    def is_default_view(self) -> bool:
        """Whether a changed row's position in the list follows from the row alone."""
        return not self.query and self.sort == "active" and self.page == 1


@dataclass(frozen=True, slots=True)
class TicketResults:
    """One page of tickets, counts by status, and the number of pages."""

    tickets: list[Ticket]
    counts: dict[Status, int]
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_ticket_filter(fields: Mapping[str, str]) -> TicketFilter:
    """Parse the query parameters of a URL; an invalid value falls back to the default."""
    status = next((name for name in STATUSES if name == fields.get("status")), None)
    sort: Sort = next((name for name in SORTS if name == fields.get("sort")), "active")
    page = fields.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    query = " ".join(strip_unstorable(fields.get("q", "")).split())[:MAX_QUERY_LENGTH]
    return TicketFilter(status, query, sort, min(max(number, 1), MAX_PAGE_NUMBER))


def read_ticket_results(
    tx: Connection, viewer: Viewer, workspace: Workspace, ticket_filter: TicketFilter
) -> TicketResults:
    """Read the page that `ticket_filter` selects of what `viewer` may see, at most the last one."""
    matching_ids = _select_matches(tx, workspace, ticket_filter.query)
    condition = visible_in(tx, viewer, workspace, matching_ids)
    counts = (
        count_by_status(tx, viewer, workspace)
        if matching_ids is None
        else count_matching_by_status(tx, condition)
    )
    total = sum(counts.values())
    if ticket_filter.status is not None:
        condition = and_(condition, tickets.c.status == ticket_filter.status)
        total = counts[ticket_filter.status]
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(ticket_filter.page, pages)
    query = (
        select(tickets)
        .where(condition)
        .order_by(*_ORDER[ticket_filter.sort])
        .limit(PAGE_SIZE)
        .offset((page - 1) * PAGE_SIZE)
    )
    rows = fetch_all(tx, query, TicketRow)
    return TicketResults(load_tickets(tx, rows), counts, page, pages)


def read_newest_tickets(
    tx: Connection,
    viewer: Viewer,
    workspace: Workspace,
    status: Status | None,
    after: PageKey | None,
) -> tuple[list[Ticket], str | None]:
    """Read a page of the tickets that `viewer` may see, newest first, and the key of the next.

    The page begins after a key, however many tickets were opened since the one before was read.
    """
    condition = visible_in(tx, viewer, workspace)
    if status is not None:
        condition = and_(condition, tickets.c.status == status)
    if after is not None:
        position = tuple_(tickets.c.opened_at, tickets.c.id)
        condition = and_(condition, position < tuple_(literal(after[0]), literal(after[1])))
    query = select(tickets).where(condition).order_by(*_ORDER["newest"]).limit(PAGE_SIZE + 1)
    rows = fetch_all(tx, query, TicketRow)
    page = rows[:PAGE_SIZE]
    has_more = len(rows) > PAGE_SIZE
    next_key = format_page_key(page[-1].opened_at, page[-1].id) if has_more else None
    return load_tickets(tx, page), next_key


def _select_matches(tx: Connection, workspace: Workspace, query: str) -> Select[Any] | None:
    """Select the ids of the tickets that contain every word of the query; None: no query."""
    words = split_words(query)[:MAX_QUERY_WORDS]
    if not words:  # a query of punctuation only matches nothing
        return select(tickets.c.id).where(false()) if query else None
    return select_matching_ticket_ids(tx, workspace, find_by_name_prefix(tx, workspace, words))
