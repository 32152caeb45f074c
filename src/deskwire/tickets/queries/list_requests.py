"""Finding requests: a page of an organization's list, or of all companies' for the team.

Pages go by key, not by number: the next one begins after the last row shown, however many came
meanwhile. The same visibility as everywhere, and counts of what the filters find.
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
ALL_ORGANIZATIONS: Workspace = "org:"  # no organization's: the circle of all is the team
Unassigned = Literal["nobody"]
UNASSIGNED: Unassigned = "nobody"  # instead of an assignee's id
PAGE_SIZE = 50  # rows; more than two screens are searched, not scrolled
FILTER_FIELDS = ("category", "requester", "assignee", "priority", "label")


class RequestRow(TicketRow):
    """A row of `tickets` with `unread`: 1 if the viewer has not read its newest reply."""

    unread: int


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """What somebody wants to see; `after` is the key of the last row of the page before."""

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
        """Whether a changed row's place in the list follows from the row and its status alone."""
        return replace(self, status=None) == RequestFilter()

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the status narrows the list."""
        return replace(self, status=None, sort="active", after="") != RequestFilter()

    @property
    def query_fields(self) -> dict[str, str]:
        """As a URL says it; what is as usual is left out."""
        said = {
            "status": self.status or "",
            "q": self.query,
            **{name: getattr(self, name) for name in FILTER_FIELDS},
            "unread": "yes" if self.unread else "",
            "waiting": "yes" if self.waiting else "",
            "sort": "" if self.sort == "active" else self.sort,
            "after": self.after,
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class ListedRequest:
    """A request in a list, and whether it holds replies that the viewer has not read."""

    ticket: Ticket
    unread: bool


@dataclass(frozen=True, slots=True)
class RequestResults:
    """One page, how many there are by status, and where the next one begins (None: it is last).

    `circle`: of the organization, or of the team where it is of all.
    """

    requests: list[ListedRequest]
    counts: dict[Status, int]
    next: str | None
    people: RequestPeople

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_request_filter(fields: Mapping[str, str]) -> RequestFilter:
    """What a URL asks for; what it cannot mean falls back to the default."""
    said = {
        name: strip_unstorable(fields.get(name, "")).strip()[:MAX_QUERY_LENGTH]
        for name in FILTER_FIELDS
    }
    if said["priority"] not in PRIORITY_LABELS:
        said["priority"] = ""
    return RequestFilter(
        status=next((word for word in STATUSES if word == fields.get("status")), None),
        query=" ".join(strip_unstorable(fields.get("q", "")).split())[:MAX_QUERY_LENGTH],
        unread=fields.get("unread") == "yes",
        waiting=fields.get("waiting") == "yes",
        sort=next((word for word in SORTS if word == fields.get("sort")), "active"),
        after=fields.get("after", "") if parse_page_key(fields.get("after", "")) else "",
        **said,
    )


def read_request_results(
    tx: Connection,
    viewer: Viewer,
    workspace: Workspace | None,
    request_filter: RequestFilter,
    known_names: WorkspaceNames | None = None,
) -> RequestResults:
    """The page `wish` asks for, of what the viewer may see of an organization, or of all (None:
    only the team finds anything there).

    `places`: what is known of organizations and categories; a statement less for each kind.
    """
    hits = _select_matches(tx, workspace, request_filter.query)
    narrower = _build_filter_conditions(viewer, request_filter)
    seen = and_(_build_visible_condition(tx, viewer, workspace, hits), *narrower)
    rows = _read_result_rows(tx, viewer, seen, request_filter)
    if (
        len(rows) <= PAGE_SIZE and request_filter.status is None and not request_filter.after
    ):  # it is all there is
        counts = fill_missing_statuses(Counter(row.status for row in rows))
    elif hits is not None or narrower:
        counts = count_matching_by_status(tx, seen)
    elif workspace is None:
        counts = count_all_requests(tx, viewer)
    else:
        counts = count_by_status(tx, viewer, workspace)
    shown = rows[:PAGE_SIZE]
    persons = [person for row in shown for person in (row.opener, row.assignee)]
    circle = read_request_people(tx, workspace or ALL_ORGANIZATIONS, persons)
    found = build_tickets(
        shown,
        circle.resolve_names(tx, persons),
        read_missing_workspace_names(tx, shown, known_names),
    )
    return RequestResults(
        [ListedRequest(ticket, bool(row.unread)) for ticket, row in zip(found, shown, strict=True)],
        counts,
        _build_page_key(shown[-1], request_filter.sort) if len(rows) > PAGE_SIZE else None,
        circle,
    )


def read_request(
    tx: Connection, viewer: Viewer, ticket_id: str
) -> tuple[ListedRequest, RequestPeople]:
    """One request the viewer may see, and its circle with who takes part in it."""
    row = read_request_row(tx, viewer, ticket_id)
    persons = [row.opener, row.assignee]
    circle = read_request_people(tx, row.workspace, persons, row.id)
    [ticket] = build_tickets(
        [row], circle.resolve_names(tx, persons), read_workspace_names(tx, [row])
    )
    return ListedRequest(ticket, bool(row.unread)), circle


def read_request_row(tx: Connection, viewer: Viewer, ticket_id: str) -> RequestRow:
    """The row of a request the viewer may see, with `unread`; NotFound otherwise."""
    chosen = _select_with_unread(viewer).where(
        visible_to(viewer), tickets.c.id == ticket_id, IS_REQUEST
    )
    row = fetch_first(tx, chosen, RequestRow)
    if row is None:
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def is_unread(viewer: Viewer) -> ColumnElement[bool]:
    """Whether somebody else wrote a reply since the viewer last read the ticket."""
    return and_(
        tickets.c.spoken_at.is_not(None),
        tickets.c.spoken_by != viewer.person,
        tickets.c.spoken_at > func.coalesce(last_read_at(viewer), 0),
    )


def count_unread(
    tx: Connection, viewer: Viewer, workspaces: Collection[Workspace]
) -> dict[Workspace, int]:
    """How many requests of these organizations the viewer sees and has not read; none: left out."""
    seen = and_(visible_to(viewer), tickets.c.workspace.in_(workspaces), is_unread(viewer))
    rows = tx.execute(
        select(tickets.c.workspace, func.count()).where(seen).group_by(tickets.c.workspace)
    )
    return {row[0]: row[1] for row in rows}


def is_waiting_on(viewer: Viewer) -> ColumnElement[bool]:
    """What the viewer is to do something about: their answer is asked for, or it is theirs."""
    asked = and_(tickets.c.status == "waiting", tickets.c.opener == viewer.person)
    if not is_staff(viewer):
        return asked
    mine = and_(
        tickets.c.assignee == viewer.person, tickets.c.status.not_in([*ENDED_STATUSES, "waiting"])
    )
    return or_(asked, mine)


def _build_visible_condition(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, matching_ids: Select[Any] | None
) -> ColumnElement[bool]:
    if workspace is not None:
        return visible_in(tx, viewer, workspace, matching_ids)
    among: list[ColumnElement[bool]] = (
        [] if matching_ids is None else [tickets.c.id.in_(matching_ids)]
    )
    if not is_staff(viewer):
        among.append(false())
    return and_(all_requests(), *among)


def _build_filter_conditions(
    viewer: Viewer, request_filter: RequestFilter
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if request_filter.category:
        found.append(tickets.c.category == request_filter.category)
    if request_filter.requester:
        found.append(tickets.c.opener == request_filter.requester)
    if request_filter.assignee:
        is_free = request_filter.assignee == UNASSIGNED
        found.append(
            tickets.c.assignee.is_(None)
            if is_free
            else tickets.c.assignee == request_filter.assignee
        )
    if request_filter.priority:
        found.append(tickets.c.priority == request_filter.priority)
    if request_filter.label:
        found.append(
            tickets.c.tags.contains(_quote_json_string(request_filter.label), autoescape=True)
        )
    if request_filter.unread:
        found.append(is_unread(viewer))
    if request_filter.waiting:
        found.append(is_waiting_on(viewer))
    return found


def _quote_json_string(label: str) -> str:
    """A label as it stands in the column's JSON list."""
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read_result_rows(
    tx: Connection, viewer: Viewer, condition: ColumnElement[bool], request_filter: RequestFilter
) -> list[RequestRow]:
    at = tickets.c.active_at if request_filter.sort == "active" else tickets.c.opened_at
    chosen = (
        condition
        if request_filter.status is None
        else and_(condition, tickets.c.status == request_filter.status)
    )
    if (key := parse_page_key(request_filter.after)) is not None:
        here = tuple_(at, tickets.c.id)
        there = tuple_(literal(key[0]), literal(key[1]))
        chosen = and_(chosen, here > there if request_filter.sort == "oldest" else here < there)
    keys = (at, tickets.c.id)
    order = [key.asc() if request_filter.sort == "oldest" else key.desc() for key in keys]
    asked = _select_with_unread(viewer).where(chosen).order_by(*order).limit(PAGE_SIZE + 1)
    return [*fetch_all(tx, asked, RequestRow)]


def _select_with_unread(viewer: Viewer) -> Select[Any]:
    return select(*tickets.c, case((is_unread(viewer), 1), else_=0).label("unread"))


def _select_matches(tx: Connection, workspace: Workspace | None, query: str) -> Select[Any] | None:
    words = split_words(query)[:MAX_QUERY_WORDS]
    if not words:  # of signs alone nothing is found
        return select(tickets.c.id).where(false()) if query else None
    called = (
        find_by_name_prefix(tx, workspace, words) if workspace else {word: set() for word in words}
    )
    return select_matching_ticket_ids(tx, workspace, called)


def _build_page_key(row: RequestRow, sort: Sort) -> str:
    return format_page_key(row.active_at if sort == "active" else row.opened_at, row.id)
