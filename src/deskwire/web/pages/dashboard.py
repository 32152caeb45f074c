"""The dashboard: what waits on somebody, how requests stand and stood, who works, what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events import log
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import STAFF_CHANNEL, PersonId, Workspace, is_organization
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
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.pages.landing import has_guilds
from deskwire.web.pages.request_list import active_organization_id, choose_organization
from deskwire.web.rendering.activity_text import ActivityEntry, build_activity, principals_in
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

DAY_RANGES = (30, 90)  # days a history may reach back
ACTIVITY_LIMIT = 8  # entries; what stands beside the chart


@dataclass(frozen=True, slots=True)
class DashboardQuery:
    """What an address asks for: an organization by its slug, and how many days."""

    organization: str = ""
    days: int = DAY_RANGES[0]

    def href(self, days: int) -> str:
        """The same for another number of days; what is as usual is left out."""
        said = {"organization": self.organization} if self.organization else {}
        if days != DAY_RANGES[0]:
            said["days"] = str(days)
        return f"/dashboard?{urlencode(said)}" if said else "/dashboard"


@dataclass(frozen=True, slots=True)
class DashboardView:
    """All that a dashboard shows."""

    viewer: Viewer
    organizations: list[Organization]  # to choose from
    organization: Organization | None  # None: all companies, or none at all
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
        """Whether there is a workspace whose requests the viewer is shown."""
        return self.organization is not None or is_staff(self.viewer)

    def is_requested_by(self, query: DashboardQuery) -> bool:
        """Whether the organization shown is the one the address names."""
        return self.organization is not None and self.organization.slug == query.organization

    @property
    def workspace(self) -> str:
        """For the store: where what is shown belongs; empty: everywhere."""
        return self.organization.workspace if self.organization is not None else ""

    @property
    def channels(self) -> str:
        """The channels that show any of it; empty where there is nothing to lose."""
        if self.organization is not None:
            return f"{self.organization.workspace} {STAFF_CHANNEL}"
        return STAFF_CHANNEL if is_staff(self.viewer) else ""

    def channels_of(self, ticket: Ticket) -> str:
        """The channels that show a request, as its row says."""
        return " ".join(
            list_ticket_channels(ticket, {each.id: each.generation for each in self.organizations})
        )

    def list_url(self, **fields: str) -> str:
        """The list of requests that belongs to this dashboard, narrowed."""
        path = "/admin" if is_staff(self.viewer) else "/requests"
        if self.organization is not None and is_staff(self.viewer):
            fields = {"company": self.organization.slug, **fields}
        elif self.organization is not None and len(self.organizations) > 1:
            fields = {"organization": self.organization.slug, **fields}
        return f"{path}?{urlencode(fields)}" if fields else path


@dataclass(frozen=True, slots=True)
class DashboardPages:
    """`/dashboard`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /dashboard?organization=&days=: of the active organization, or the one asked for."""
        ask, person = parse_query(request.query_params), require_person(request)
        board = await self.deps.db.read(
            read_dashboard, self.deps.access, person.id, ask, active_organization_id(request), now()
        )
        context = {
            "viewer": board.viewer,
            "board": board,
            "query": ask if board.is_requested_by(ask) else replace(ask, organization=""),
            "day_ranges": DAY_RANGES,
            "limit": MAX_PER_REASON,
            "is_staff": is_staff(board.viewer),
            "open_statuses": OPEN_STATUSES,
        }
        return self.render(request, "dashboard.html", context)


def parse_query(fields: Mapping[str, str]) -> DashboardQuery:
    """What an address asks for; what it cannot mean falls back to what is usual."""
    days = next((days for days in DAY_RANGES if str(days) == fields.get("days")), DAY_RANGES[0])
    return DashboardQuery(fields.get("organization", "")[:100], days)


def read_dashboard(
    tx: Connection,
    access: Access,
    person: PersonId,
    query: DashboardQuery,
    active_id: str | None,
    at: Millis,
) -> DashboardView:
    """Six statements; one more for who sees only some requests, two for who has servers too."""
    viewer = access.read_viewer(tx, person)
    places = (
        list_visible_organizations(tx, viewer)
        if is_staff(viewer)
        else list_own_organizations(tx, viewer)
    )
    places = [each for each in places if not each.internal]
    place = next((each for each in places if each.slug == query.organization), None)
    if place is None and not is_staff(viewer):
        place = choose_organization(places, active_id)
    more: dict[str, Any] = {}
    if has_guilds(viewer):
        waiting = counts.count_open_by_workspace(tx, viewer).items()
        open_there = {where: number for where, number in waiting if not is_organization(where)}
        more = {"guilds": guilds.list_visible_guilds(tx, viewer), "open_counts": open_there}
    if place is None and not is_staff(viewer):
        return DashboardView(viewer, places, None, **more)
    return DashboardView(
        viewer, places, place, **_read_request_figures(tx, viewer, places, place, query, at), **more
    )


def _read_request_figures(
    tx: Connection,
    viewer: Viewer,
    organizations: list[Organization],
    organization: Organization | None,
    query: DashboardQuery,
    at: Millis,
) -> dict[str, Any]:
    workspace, today = (
        organization.workspace if organization is not None else None,
        to_epoch_day(at),
    )
    rows = list_waiting_requests(tx, viewer, workspace)
    figures = read_dashboard_counts(tx, viewer, workspace, today - query.days)
    entries = log.list_workspace_entries(tx, workspace, viewer.channels, ACTIVITY_LIMIT)
    people = [principal for row in rows for principal in (row.opener, row.assignee)]
    people += [principal for each in entries for principal in principals_in(each.data)]
    names = read_names(tx, [*people, *figures.open_by_assignee])
    known = WorkspaceNames({each.id: each for each in organizations})
    yours, nobodys = ([row for row in rows if row.why == why] for why in ("yours", "nobody's"))
    return {
        "counts": figures.counts,
        "history": compute_daily_counts(figures.counts, figures.daily_changes, today, query.days),
        "waiting_on_viewer": build_tickets(yours, names, known),
        "unassigned_tickets": build_tickets(nobodys, names, known),
        "team": _count_by_assignee(figures, names),
        "unassigned_count": figures.open_by_assignee.get(None, 0),
        "activity": build_activity(entries, names, viewer.channels),
    }


def _count_by_assignee(
    figures: DashboardCounts, names: Mapping[Principal, PrincipalRef]
) -> list[tuple[PrincipalRef, int]]:
    """Who has open requests, those with most of them first."""
    found = [
        (names[who], number) for who, number in figures.open_by_assignee.items() if who is not None
    ]
    return sorted(found, key=lambda each: (-each[1], each[0].name))
