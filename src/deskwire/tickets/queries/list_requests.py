"""Read one page of requests, filtered, searched and sorted, with counts by status.

The list is of one organization or, for staff, of all. It uses keyset pagination: the next page
begins after the last row shown, however many requests were added meanwhile. Rows are filtered by
the viewer's visibility, and counts are of what the filters match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.pagination import format_page_key, parse_page_key
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.kit.text import split_words
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.priorities import PRIORITY_LABELS
from deskwire.tickets.queries.counts import (
    count_all_requests,
    count_by_status,
    count_matching_by_status,
    fill_missing_statuses,
)
from deskwire.tickets.queries.list_tickets import MAX_QUERY_LENGTH, MAX_QUERY_WORDS
from deskwire.tickets.search_index import select_matching_ticket_ids
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES, Status
from deskwire.tickets.tables import IS_REQUEST, TicketRow, tickets
from deskwire.tickets.ticket import Ticket, build_tickets
from deskwire.tickets.validation import strip_unstorable
from deskwire.tickets.visibility import all_requests, last_read_at, visible_in, visible_to
from deskwire.tickets.workspace_names import (
    WorkspaceNames,
    read_missing_workspace_names,
    read_workspace_names,
)
from deskwire.workspaces.name_index import find_by_name_prefix
from deskwire.workspaces.organizations.permissions import is_staff

Sort = Literal["active", "newest", "oldest"]
SORTS: tuple[Sort, ...] = get_args(Sort)
ALL_ORGANIZATIONS: Workspace = "org:"  # matches no organization, so only staff are read
Unassigned = Literal["nobody"]
UNASSIGNED: Unassigned = "nobody"  # instead of an assignee's id
PAGE_SIZE = 50  # rows; beyond two screens people search rather than scroll
FILTER_FIELDS = ("category", "requester", "assignee", "priority", "label")


class RequestRow(TicketRow):
    """A row of `tickets` with `unread`: 1 if the viewer has not read its newest reply."""

    unread: int


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Filters and order of a list of requests; `after` is the key of the last row already shown."""

    status: Status | None = None
    query: str = ""
    category: str = ""
    requester: str = ""
    assignee: str = ""
    priority: str = ""
    label: str = ""
    unread: bool = False
    waiting: bool = False  # on the viewer
    sort: Sort = "active"
    after: str = ""

    @property
    def is_default_view(self) -> bool:
        """Whether the position of a changed row in the list follows from the row and its status."""
        return replace(self, status=None) == RequestFilter()

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the status narrows the list."""
        return replace(self, status=None, sort="active", after="") != RequestFilter()

    @property
    def query_fields(self) -> dict[str, str]:
        """Return the query parameters of a URL; defaults are left out."""
        fields = {
            "status": self.status or "",
            "q": self.query,
            **{name: getattr(self, name) for name in FILTER_FIELDS},
            "unread": "yes" if self.unread else "",
            "waiting": "yes" if self.waiting else "",
            "sort": "" if self.sort == "active" else self.sort,
            "after": self.after,
        }
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A request in a list, and whether it has replies that the viewer has not read."""

    ticket: Ticket
    unread: bool


@dataclass(frozen=True, slots=True)
class RequestResults:
    """One page of requests, counts by status, and the key of the next page (None: the last).

    `people`: of the organization, or the staff where the list is of all organizations.
    """

    requests: list[ListedRequest]
    counts: dict[Status, int]
    next: str | None
    people: RequestPeople

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_request_filter(fields: Mapping[str, str]) -> RequestFilter:
    """Parse the query parameters of a URL; an invalid value falls back to the default."""
    texts = {
        name: strip_unstorable(fields.get(name, "")).strip()[:MAX_QUERY_LENGTH]
        for name in FILTER_FIELDS
    }
    if texts["priority"] not in PRIORITY_LABELS:
        texts["priority"] = ""
    return RequestFilter(
        status=next((status for status in STATUSES if status == fields.get("status")), None),
        query=" ".join(strip_unstorable(fields.get("q", "")).split())[:MAX_QUERY_LENGTH],
        unread=fields.get("unread") == "yes",
        waiting=fields.get("waiting") == "yes",
        sort=next((sort for sort in SORTS if sort == fields.get("sort")), "active"),
        after=fields.get("after", "") if parse_page_key(fields.get("after", "")) else "",
        **texts,
    )


def read_request_results(
    tx: Connection,
    viewer: Viewer,
    workspace: Workspace | None,
    request_filter: RequestFilter,
    known_names: WorkspaceNames | None = None,
) -> RequestResults:
    """Read the page that `request_filter` selects, of what the viewer may see in an organization.

    `workspace` None: of all organizations, which is empty unless the viewer is staff.
    `known_names`: organizations and categories already read, which saves a statement for each.
    """
    matching_ids = _select_matches(tx, workspace, request_filter.query)
    filters = _build_filter_conditions(viewer, request_filter)
    condition = and_(_build_visible_condition(tx, viewer, workspace, matching_ids), *filters)
    rows = _read_result_rows(tx, viewer, condition, request_filter)
    is_complete = len(rows) <= PAGE_SIZE and not request_filter.after
    if is_complete and request_filter.status is None:
        counts = fill_missing_statuses(Counter(row.status for row in rows))
    elif matching_ids is not None or filters:
        counts = count_matching_by_status(tx, condition)
    elif workspace is None:
        counts = count_all_requests(tx, viewer)
    else:
        counts = count_by_status(tx, viewer, workspace)
    page = rows[:PAGE_SIZE]
    principals = [principal for row in page for principal in (row.opener, row.assignee)]
    people = read_request_people(tx, workspace or ALL_ORGANIZATIONS, principals)
    listed = build_tickets(
        page,
        people.resolve_names(tx, principals),
        read_missing_workspace_names(tx, page, known_names),
    )
    return RequestResults(
        [ListedRequest(ticket, bool(row.unread)) for ticket, row in zip(listed, page, strict=True)],
        counts,
        _build_page_key(page[-1], request_filter.sort) if len(rows) > PAGE_SIZE else None,
        people,
    )


def read_request(
    tx: Connection, viewer: Viewer, ticket_id: str
) -> tuple[ListedRequest, RequestPeople]:
    """Read a request, and the people of its organization and its participants.

    Raises NotFound unless the viewer may see it.
    """
    row = read_request_row(tx, viewer, ticket_id)
    principals = [row.opener, row.assignee]
    people = read_request_people(tx, row.workspace, principals, row.id)
    [ticket] = build_tickets(
        [row], people.resolve_names(tx, principals), read_workspace_names(tx, [row])
    )
    return ListedRequest(ticket, bool(row.unread)), people


def read_request_row(tx: Connection, viewer: Viewer, ticket_id: str) -> RequestRow:
    """Read the row of a request, with `unread`. Raises NotFound unless the viewer may see it."""
    query = _select_with_unread(viewer).where(
        visible_to(viewer), tickets.c.id == ticket_id, IS_REQUEST
    )
    row = fetch_first(tx, query, RequestRow)
    if row is None:
        raise NotFound(gettext("This request doesn’t exist, or you don’t have access to it."))
    return row


def is_unread(viewer: Viewer) -> ColumnElement[bool]:
    """Match tickets with a reply by someone else since the viewer last read them."""
    return and_(
        tickets.c.spoken_at.is_not(None),
        tickets.c.spoken_by != viewer.subject,
        tickets.c.spoken_at > func.coalesce(last_read_at(viewer), 0),
    )


def count_unread(
    tx: Connection, viewer: Viewer, workspaces: Collection[Workspace]
) -> dict[Workspace, int]:
    """Count the unread requests the viewer may see in each workspace; zeros are left out."""
    condition = and_(visible_to(viewer), tickets.c.workspace.in_(workspaces), is_unread(viewer))
    rows = tx.execute(
        select(tickets.c.workspace, func.count()).where(condition).group_by(tickets.c.workspace)
    )
    return {row[0]: row[1] for row in rows}


def is_waiting_on(viewer: Viewer) -> ColumnElement[bool]:
    """Match tickets that wait for the viewer's answer or, for staff, are assigned to them."""
    is_for_opener = and_(tickets.c.status == "waiting", tickets.c.opener == viewer.subject)
    if not is_staff(viewer):
        return is_for_opener
    assigned = and_(
        tickets.c.assignee == viewer.subject, tickets.c.status.not_in([*ENDED_STATUSES, "waiting"])
    )
    return or_(is_for_opener, assigned)


def _build_visible_condition(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, matching_ids: Select[Any] | None
) -> ColumnElement[bool]:
    if workspace is not None:
        return visible_in(tx, viewer, workspace, matching_ids)
    if not is_staff(viewer):
        return false()
    if matching_ids is None:
        return all_requests()
    return and_(all_requests(), tickets.c.id.in_(matching_ids))


def _build_filter_conditions(
    viewer: Viewer, request_filter: RequestFilter
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if request_filter.category:
        conditions.append(tickets.c.category == request_filter.category)
    if request_filter.requester:
        conditions.append(tickets.c.opener == request_filter.requester)
    if request_filter.assignee:
        conditions.append(
            tickets.c.assignee.is_(None)
            if request_filter.assignee == UNASSIGNED
            else tickets.c.assignee == request_filter.assignee
        )
    if request_filter.priority:
        conditions.append(tickets.c.priority == request_filter.priority)
    if request_filter.label:
        conditions.append(
            tickets.c.tags.contains(_quote_json_string(request_filter.label), autoescape=True)
        )
    if request_filter.unread:
        conditions.append(is_unread(viewer))
    if request_filter.waiting:
        conditions.append(is_waiting_on(viewer))
    return conditions


def _quote_json_string(label: str) -> str:
    """Encode a label as it appears in the column's JSON list."""
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_result_rows(
    tx: Connection, viewer: Viewer, condition: ColumnElement[bool], request_filter: RequestFilter
) -> list[RequestRow]:
    at = tickets.c.active_at if request_filter.sort == "active" else tickets.c.opened_at
    ascending = request_filter.sort == "oldest"
    if request_filter.status is not None:
        condition = and_(condition, tickets.c.status == request_filter.status)
    if (key := parse_page_key(request_filter.after)) is not None:
        row_key = tuple_(at, tickets.c.id)
        after = tuple_(literal(key[0]), literal(key[1]))
        condition = and_(condition, row_key > after if ascending else row_key < after)
    columns = (at, tickets.c.id)
    order = [column.asc() if ascending else column.desc() for column in columns]
    query = _select_with_unread(viewer).where(condition).order_by(*order).limit(PAGE_SIZE + 1)
    return [*fetch_all(tx, query, RequestRow)]


def _select_with_unread(viewer: Viewer) -> Select[Any]:
    return select(*tickets.c, case((is_unread(viewer), 1), else_=0).label("unread"))


def _select_matches(tx: Connection, workspace: Workspace | None, query: str) -> Select[Any] | None:
    words = split_words(query)[:MAX_QUERY_WORDS]
    if not words:  # a query of punctuation only matches nothing
        return select(tickets.c.id).where(false()) if query else None
    principals_by_word = (
        find_by_name_prefix(tx, workspace, words) if workspace else {word: set() for word in words}
    )
    return select_matching_ticket_ids(tx, workspace, principals_by_word)


def _build_page_key(row: RequestRow, sort: Sort) -> str:
    return format_page_key(row.active_at if sort == "active" else row.opened_at, row.id)
