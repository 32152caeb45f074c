"""Show the dashboard: waiting requests, counts with their history, the staff's load, activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Workspace, is_organization
from deskwire.events.recent_entries import list_workspace_entries
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.clock import Millis, now
from deskwire.tickets.queries import counts
from deskwire.tickets.queries.daily_counts import DayCount, compute_daily_counts, to_epoch_day
from deskwire.tickets.queries.dashboard import (
    MAX_PER_REASON,
    OPEN_STATUSES,
    DashboardCounts,
    list_waiting_requests,
    read_dashboard_counts,
)
from deskwire.tickets.statuses import STATUSES, Status
from deskwire.tickets.ticket import Ticket, build_tickets, list_ticket_channels
from deskwire.tickets.workspace_names import WorkspaceNames
from deskwire.web.context import (
    active_organization_id,
    choose_organization,
    has_guilds,
    read_as,
)
from deskwire.web.dependencies import Dependencies
from deskwire.web.rendering.activity_text import ActivityEntry, build_activity, principals_in
from deskwire.web.rendering.list_links import url_with_query
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.organizations import (
    Organization,
    list_own_organizations,
    list_visible_organizations,
)
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal

DAY_RANGES = (30, 90)  # days of history to choose from; the first is the default
ACTIVITY_LIMIT = 8  # entries; as many as fit beside the chart


@dataclass(frozen=True, slots=True)
class DashboardQuery:
    """The query of the URL: an organization's slug, and the days of history."""

    organization: str = ""
    days: int = DAY_RANGES[0]

    def href(self, days: int) -> str:
        """Return the URL of the same dashboard with another number of days."""
        days_field = "" if days == DAY_RANGES[0] else str(days)
        fields = {"organization": self.organization, "days": days_field}
        return url_with_query("/dashboard", fields)


@dataclass(frozen=True, slots=True)
class DashboardView:
    """Everything that a dashboard shows."""

    viewer: Viewer
    organizations: list[Organization]  # to choose from
    organization: Organization | None  # None: all organizations for staff, else none at all
    counts: Mapping[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    history: list[DayCount] = field(default_factory=list)
    waiting_on_viewer: list[Ticket] = field(default_factory=list)
    unassigned_tickets: list[Ticket] = field(default_factory=list)
    team: list[tuple[PrincipalRef, int]] = field(default_factory=list)  # with their open requests
    unassigned_count: int = 0
    activity: list[ActivityEntry] = field(default_factory=list)
    guilds: list[Guild] = field(default_factory=list)
    open_counts: Mapping[Workspace, int] = field(default_factory=dict)  # tickets, by server

    @property
    def has_requests(self) -> bool:
        """Whether the dashboard covers any workspace with requests."""
        return self.organization is not None or is_staff(self.viewer)

    def is_requested_by(self, query: DashboardQuery) -> bool:
        """Return whether the organization shown is the one that the URL names."""
        return self.organization is not None and self.organization.slug == query.organization

    @property
    def workspace(self) -> str:
        """The workspace whose events the client store applies; empty for all."""
        return self.organization.workspace if self.organization is not None else ""

    @property
    def channels(self) -> str:
        """The channels that grant what is shown; empty if no requests are shown."""
        if self.organization is not None:
            return f"{self.organization.workspace} {STAFF_CHANNEL}"
        return STAFF_CHANNEL if is_staff(self.viewer) else ""

    def channels_of(self, ticket: Ticket) -> str:
        """Return the channels that grant a request, separated by spaces."""
        return " ".join(
            list_ticket_channels(ticket, {each.id: each.generation for each in self.organizations})
        )

    def list_url(self, **fields: str) -> str:
        """Return the URL of the list of this dashboard's requests, filtered by `fields`."""
        path = "/admin" if is_staff(self.viewer) else "/requests"
        if self.organization is not None and is_staff(self.viewer):
            fields = {"company": self.organization.slug, **fields}
        elif self.organization is not None and len(self.organizations) > 1:
            fields = {"organization": self.organization.slug, **fields}
        return url_with_query(path, fields)


@dataclass(frozen=True, slots=True)
class DashboardPages:
    """`/dashboard`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /dashboard?organization=&days=: the active organization, or the requested one."""
        query, active_id = parse_query(request.query_params), active_organization_id(request)
        viewer, board = await read_as(self.deps, request, read_dashboard, query, active_id, now())
        context = {
            "viewer": viewer,
            "board": board,
            "query": query if board.is_requested_by(query) else replace(query, organization=""),
            "day_ranges": DAY_RANGES,
            "limit": MAX_PER_REASON,
            "is_staff": is_staff(viewer),
            "open_statuses": OPEN_STATUSES,
        }
        return self.render(request, "dashboard.html", context)


def parse_query(fields: Mapping[str, str]) -> DashboardQuery:
    """Parse the query of the URL; invalid values fall back to the defaults."""
    days = next((days for days in DAY_RANGES if str(days) == fields.get("days")), DAY_RANGES[0])
    return DashboardQuery(fields.get("organization", "")[:100], days)


def read_dashboard(
    tx: Connection,
    viewer: Viewer,
    query: DashboardQuery,
    active_id: str | None,
    at: Millis,
) -> DashboardView:
    """Read a dashboard in six statements.

    One more for viewers who see only some of the requests, and two for those with servers.
    """
    list_organizations = list_visible_organizations if is_staff(viewer) else list_own_organizations
    organizations = [each for each in list_organizations(tx, viewer) if not each.internal]
    organization = next((each for each in organizations if each.slug == query.organization), None)
    if organization is None and not is_staff(viewer):
        organization = choose_organization(organizations, active_id)
    extra: dict[str, Any] = {}
    if has_guilds(viewer):
        open_counts = counts.count_open_by_workspace(tx, viewer).items()
        extra = {
            "guilds": guilds.list_visible_guilds(tx, viewer),
            "open_counts": {key: count for key, count in open_counts if not is_organization(key)},
        }
    if organization is not None or is_staff(viewer):
        extra |= _read_request_figures(tx, viewer, organizations, organization, query, at)
    return DashboardView(viewer, organizations, organization, **extra)


def _read_request_figures(
    tx: Connection,
    viewer: Viewer,
    organizations: list[Organization],
    organization: Organization | None,
    query: DashboardQuery,
    at: Millis,
) -> dict[str, Any]:
    workspace = organization.workspace if organization is not None else None
    today = to_epoch_day(at)
    rows = list_waiting_requests(tx, viewer, workspace)
    figures = read_dashboard_counts(tx, viewer, workspace, today - query.days)
    entries = list_workspace_entries(tx, workspace, viewer.channels, ACTIVITY_LIMIT)
    principals = [principal for row in rows for principal in (row.opener, row.assignee)]
    principals += [principal for each in entries for principal in principals_in(each.data)]
    names = read_names(tx, [*principals, *figures.open_by_assignee])
    workspace_names = WorkspaceNames({each.id: each for each in organizations})
    waiting, unassigned = (
        [row for row in rows if row.why == why] for why in ("yours", "unassigned")
    )
    return {
        "counts": figures.counts,
        "history": compute_daily_counts(figures.counts, figures.daily_changes, today, query.days),
        "waiting_on_viewer": build_tickets(waiting, names, workspace_names),
        "unassigned_tickets": build_tickets(unassigned, names, workspace_names),
        "team": _count_by_assignee(figures, names),
        "unassigned_count": figures.open_by_assignee.get(None, 0),
        "activity": build_activity(entries, names, viewer.channels),
    }


def _count_by_assignee(
    figures: DashboardCounts, names: Mapping[Principal, PrincipalRef]
) -> list[tuple[PrincipalRef, int]]:
    """Return the assignees with their number of open requests, the highest first."""
    load = [
        (names[assignee], count)
        for assignee, count in figures.open_by_assignee.items()
        if assignee is not None
    ]
    return sorted(load, key=lambda each: (-each[1], each[0].name))
