"""The tickets of a server: its list, and one of them.

Open to whoever may open the server, and to who takes part in a ticket there; everybody sees only
the tickets that are theirs to see.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events import channels
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import Channel, PersonId, Workspace
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.queries import list_tickets
from deskwire.tickets.queries.detail import TicketDetail, read_ticket_detail
from deskwire.tickets.queries.list_tickets import (
    PAGE_SIZE,
    Sort,
    TicketFilter,
    TicketResults,
    parse_ticket_filter,
)
from deskwire.tickets.ticket import Ticket
from deskwire.tickets.visibility import can_see_any_ticket
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.guilds import Guild

PUSH_URL_HEADER = "hx-push-url"  # what htmx writes into the address bar instead of all it has sent
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
SORT_LABELS: Mapping[Sort, str] = {
    "active": N_("Latest activity"),
    "newest": N_("Newest"),
    "oldest": N_("Oldest"),
    "number": N_("Number"),
}


@dataclass(frozen=True, slots=True)
class TicketPages:
    """`/guilds/{id}/tickets` and `/guilds/{id}/tickets/{number}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET …/tickets?status=&q=&sort=&page=: the whole state of the list is in the URL."""
        wish, guild_id = parse_ticket_filter(request.query_params), request.path_params["guild"]
        person, access = require_person(request), self.deps.access
        viewer, guild, found = await self.deps.db.read(read_list, access, person.id, guild_id, wish)
        wish = replace(wish, page=found.page)  # what is past the end is its last page
        context = {"viewer": viewer, "guild": guild, "results": found, "filters": wish}
        links = ListLinks(f"/guilds/{guild.id}/tickets", wish)
        may_open = guild.workspace in viewer.channels
        more = {
            "links": links,
            "sort_labels": translate_labels(SORT_LABELS),
            "can_open_guild": may_open,
        }
        more["sees_no_tickets"] = not can_see_any_ticket(viewer, guild.workspace)
        held = " ".join(list_channels(viewer, guild.workspace, found.tickets))
        whole = channels.tickets(guild.workspace)
        # Counts of every ticket go with that right; a participant's go with the list around them.
        marks = {"channels": held, "counts_channels": whole if whole in viewer.channels else ""}
        answer = self.render(request, "tickets.html", {**context, **more, **marks})
        answer.headers[PUSH_URL_HEADER] = links.page(wish.page)  # without what is as usual
        return answer

    async def show(self, request: Request) -> Response:
        """GET …/tickets/{number}."""
        person, access = require_person(request), self.deps.access
        guild_id, number = request.path_params["guild"], parse_number(request)
        viewer, guild, found = await self.deps.db.read(
            read_ticket, access, person.id, guild_id, number
        )
        may_open = guild.workspace in viewer.channels
        context = {
            "viewer": viewer,
            "guild": guild,
            "conversation": found,
            "can_open_guild": may_open,
        }
        return self.render(request, "ticket.html", {**context, "ticket": found.ticket})


@dataclass(frozen=True, slots=True)
class ListLinks:
    """Addresses of the same list with one thing changed; what is as usual is left out."""

    path: str
    filters: TicketFilter

    def status(self, status: str | None) -> str:
        """Another tab, from its first page."""
        return self._url_with(status=status)

    def page(self, page: int) -> str:
        return self._url_with(status=self.filters.status, page=page)

    def _url_with(self, *, status: str | None, page: int = 1) -> str:
        sort = "" if self.filters.sort == "active" else self.filters.sort
        fields = {"status": status, "q": self.filters.query, "sort": sort}
        said = {name: value for name, value in fields.items() if value}
        query = urlencode(said | ({"page": str(page)} if page > 1 else {}))
        return f"{self.path}?{query}" if query else self.path


def read_list(
    tx: Connection, access: Access, person: PersonId, guild_id: str, filters: TicketFilter
) -> tuple[Viewer, Guild, TicketResults]:
    """Five statements. NotFound for who can neither open the server nor has a ticket there."""
    viewer = access.read_viewer(tx, person)
    guild = read_guild(tx, viewer, guild_id)
    return viewer, guild, list_tickets.read_ticket_results(tx, viewer, guild.workspace, filters)


def read_ticket(
    tx: Connection, access: Access, person: PersonId, guild_id: str, number: int
) -> tuple[Viewer, Guild, TicketDetail]:
    """Six statements. NotFound for a ticket that is not there or not the viewer's to see."""
    viewer = access.read_viewer(tx, person)
    found = read_ticket_detail(tx, viewer, channels.guild(guild_id), number)
    return viewer, read_guild(tx, viewer, guild_id), found


def read_guild(tx: Connection, viewer: Viewer, guild_id: str) -> Guild:
    """The server as a place: for who may open it, or takes part in a ticket there."""
    is_shared = any(grant.workspace == f"guild:{guild_id}" for grant in viewer.grants)
    guild = guilds.read_guild_unfiltered(tx, guild_id) if is_shared else None
    if guild is None:
        raise NotFound(gettext("There is no such server, or it is not shared with you."))
    return guild


def list_channels(viewer: Viewer, workspace: Workspace, tickets: Sequence[Ticket]) -> list[Channel]:
    """The channels by which somebody sees a list: of the workspace, of the tickets shown, of more.

    No more than a page of them: who takes part in thousands would be sent all their names.
    """
    held = {grant.channel for grant in viewer.grants if grant.workspace == workspace}
    whole = sorted(held & {workspace, channels.tickets(workspace)})
    own = [one for ticket in tickets if (one := channels.ticket(ticket.id)) in held]
    return [*whole, *own, *sorted(held.difference(whole, own))][:PAGE_SIZE]


def parse_number(request: Request) -> int:
    """The ticket's number in the path; NotFound where it cannot be one."""
    text = request.path_params["number"]
    if NUMBER.fullmatch(text) is None:
        raise NotFound(gettext("There is no such ticket, or it is not shared with you."))
    return int(text)
