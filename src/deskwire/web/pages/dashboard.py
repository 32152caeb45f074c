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
from deskwire.events.channels import STAFF, PersonId, Workspace, is_request
from deskwire.events.types.registry import Who
from deskwire.kit.clock import Millis, now
from deskwire.tickets.queries import counts
from deskwire.tickets.queries.daily_counts import DayCount, day_of, history_of
from deskwire.tickets.queries.dashboard import (
    OPEN_STATUSES,
    SHOWN,
    Figures,
    read_figures,
    read_waiting,
)
from deskwire.tickets.statuses import STATUSES, Status
from deskwire.tickets.ticket import Ticket, held_by, named
from deskwire.tickets.workspace_names import Places
from deskwire.web.dependencies import Site, person_of
from deskwire.web.pages.landing import is_of_guilds
from deskwire.web.pages.request_list import active_of, chosen_of
from deskwire.web.rendering.activity_text import Deed, deeds_of, people_of
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.organizations import Organization, read_all, read_own
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal

LENGTHS = (30, 90)  # days a history may reach back
ACTIVITY = 8  # entries; what stands beside the chart


@dataclass(frozen=True, slots=True)
class Ask:
    """What an address asks for: an organization by its slug, and how many days."""

    organization: str = ""
    days: int = LENGTHS[0]

    def href(self, days: int) -> str:
        """The same for another number of days; what is as usual is left out."""
        said = {"organization": self.organization} if self.organization else {}
        if days != LENGTHS[0]:
            said["days"] = str(days)
        return f"/dashboard?{urlencode(said)}" if said else "/dashboard"


@dataclass(frozen=True, slots=True)
class Board:
    """All that a dashboard shows."""

    viewer: Viewer
    places: list[Organization]  # to choose from
    place: Organization | None  # None: all companies, or none at all
    counts: Mapping[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    history: list[DayCount] = field(default_factory=list)
    yours: list[Ticket] = field(default_factory=list)
    nobodys: list[Ticket] = field(default_factory=list)
    team: list[tuple[Who, int]] = field(default_factory=list)  # with their open requests
    unassigned: int = 0
    activity: list[Deed] = field(default_factory=list)
    guilds: list[Guild] = field(default_factory=list)
    open: Mapping[Workspace, int] = field(default_factory=dict)  # tickets, by server

    @property
    def has_requests(self) -> bool:
        """Whether there is a workspace whose requests the viewer is shown."""
        return self.place is not None or is_staff(self.viewer)

    def is_asked_for(self, ask: Ask) -> bool:
        """Whether the organization shown is the one the address names."""
        return self.place is not None and self.place.slug == ask.organization

    @property
    def workspace(self) -> str:
        """For the store: where what is shown belongs; empty: everywhere."""
        return self.place.workspace if self.place is not None else ""

    @property
    def held_by_any(self) -> str:
        """The channels that show any of it; empty where there is nothing to lose."""
        if self.place is not None:
            return f"{self.place.workspace} {STAFF}"
        return STAFF if is_staff(self.viewer) else ""

    def held(self, ticket: Ticket) -> str:
        """The channels that show a request, as its row says."""
        return " ".join(held_by(ticket, {each.id: each.generation for each in self.places}))

    def list_href(self, **fields: str) -> str:
        """The list of requests that belongs to this dashboard, narrowed."""
        path = "/admin" if is_staff(self.viewer) else "/requests"
        if self.place is not None and is_staff(self.viewer):
            fields = {"company": self.place.slug, **fields}
        elif self.place is not None and len(self.places) > 1:
            fields = {"organization": self.place.slug, **fields}
        return f"{path}?{urlencode(fields)}" if fields else path


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`/dashboard`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /dashboard?organization=&days=: of the active organization, or the one asked for."""
        ask, person = parse_ask(request.query_params), person_of(request)
        board = await self.site.db.read(
            read_board, self.site.access, person.id, ask, active_of(request), now()
        )
        context = {
            "viewer": board.viewer,
            "board": board,
            "ask": ask if board.is_asked_for(ask) else replace(ask, organization=""),
            "lengths": LENGTHS,
            "most": SHOWN,
            "is_team": is_staff(board.viewer),
            "open_statuses": OPEN_STATUSES,
        }
        return self.render(request, "dashboard.html", context)


def parse_ask(fields: Mapping[str, str]) -> Ask:
    """What an address asks for; what it cannot mean falls back to what is usual."""
    days = next((days for days in LENGTHS if str(days) == fields.get("days")), LENGTHS[0])
    return Ask(fields.get("organization", "")[:100], days)


def read_board(
    tx: Connection, access: Access, person: PersonId, ask: Ask, active: str | None, at: Millis
) -> Board:
    """Six statements; one more for who sees only some requests, two for who has servers too."""
    viewer = access.read_viewer(tx, person)
    places = read_all(tx, viewer) if is_staff(viewer) else read_own(tx, viewer)
    places = [each for each in places if not each.internal]
    place = next((each for each in places if each.slug == ask.organization), None)
    if place is None and not is_staff(viewer):
        place = chosen_of(places, active)
    more: dict[str, Any] = {}
    if is_of_guilds(viewer):
        waiting = counts.count_open(tx, viewer).items()
        open_there = {where: number for where, number in waiting if not is_request(where)}
        more = {"guilds": guilds.visible_to(tx, viewer), "open": open_there}
    if place is None and not is_staff(viewer):
        return Board(viewer, places, None, **more)
    return Board(
        viewer, places, place, **_read_requests(tx, viewer, places, place, ask, at), **more
    )


def _read_requests(
    tx: Connection,
    viewer: Viewer,
    places: list[Organization],
    place: Organization | None,
    ask: Ask,
    at: Millis,
) -> dict[str, Any]:
    workspace, today = place.workspace if place is not None else None, day_of(at)
    rows = read_waiting(tx, viewer, workspace)
    figures = read_figures(tx, viewer, workspace, today - ask.days)
    entries = log.read_of_workspace(tx, workspace, viewer.channels, ACTIVITY)
    people = [principal for row in rows for principal in (row.opener, row.assignee)]
    people += [principal for each in entries for principal in people_of(each.data)]
    names = read_names(tx, [*people, *figures.assigned])
    known = Places({each.id: each for each in places})
    yours, nobodys = ([row for row in rows if row.why == why] for why in ("yours", "nobody's"))
    return {
        "counts": figures.counts,
        "history": history_of(figures.counts, figures.changes, today, ask.days),
        "yours": named(yours, names, known),
        "nobodys": named(nobodys, names, known),
        "team": _team(figures, names),
        "unassigned": figures.assigned.get(None, 0),
        "activity": deeds_of(entries, names, viewer.channels),
    }


def _team(figures: Figures, names: Mapping[Principal, Who]) -> list[tuple[Who, int]]:
    """Who has open requests, those with most of them first."""
    found = [(names[who], number) for who, number in figures.assigned.items() if who is not None]
    return sorted(found, key=lambda each: (-each[1], each[0].name))
