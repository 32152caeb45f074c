"""List the tickets of a Discord server, and show one of them.

Viewers who may open the server, or take part in a ticket there, see the tickets that are visible
to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import Channel, Workspace
from deskwire.kit.i18n import N_
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
from deskwire.tickets.validation import parse_ticket_number
from deskwire.tickets.visibility import can_see_any_ticket
from deskwire.web.context import read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.list_links import PUSH_URL_HEADER, ListLinks
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.guilds import Guild

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
        """GET …/tickets?status=&q=&sort=&page=: the URL holds the whole state of the list."""
        filters, guild_id = parse_ticket_filter(request.query_params), request.path_params["guild"]
        viewer, (guild, results) = await read_as(self.deps, request, read_list, guild_id, filters)
        filters = replace(filters, page=results.page)  # past the end, the last page is shown
        links = ListLinks(f"/guilds/{guild.id}/tickets", _query_fields(filters))
        all_tickets = channels.tickets(guild.workspace)
        context = {
            "viewer": viewer,
            "guild": guild,
            "results": results,
            "filters": filters,
            "links": links,
            "sort_labels": translate_labels(SORT_LABELS),
            "can_open_guild": guild.workspace in viewer.channels,
            "sees_no_tickets": not can_see_any_ticket(viewer, guild.workspace),
            "channels": " ".join(list_channels(viewer, guild.workspace, results.tickets)),
            # Counts of every ticket need that channel; a participant's need those of the list.
            "counts_channels": all_tickets if all_tickets in viewer.channels else "",
        }
        response = self.render(request, "tickets.html", context)
        response.headers[PUSH_URL_HEADER] = links.page(filters.page)
        return response

    async def show(self, request: Request) -> Response:
        """GET …/tickets/{number}."""
        guild_id = request.path_params["guild"]
        number = parse_ticket_number(request.path_params["number"])
        viewer, (guild, detail) = await read_as(self.deps, request, read_ticket, guild_id, number)
        context = {
            "viewer": viewer,
            "guild": guild,
            "conversation": detail,
            "ticket": detail.ticket,
            "can_open_guild": guild.workspace in viewer.channels,
        }
        return self.render(request, "ticket.html", context)


def read_list(
    tx: Connection, viewer: Viewer, guild_id: str, filters: TicketFilter
) -> tuple[Guild, TicketResults]:
    """Read a server's list in five statements.

    Raises NotFound unless the viewer may open the server or takes part in a ticket there.
    """
    guild = guilds.read_shared(tx, viewer, guild_id)
    return guild, list_tickets.read_ticket_results(tx, viewer, guild.workspace, filters)


def read_ticket(
    tx: Connection, viewer: Viewer, guild_id: str, number: int
) -> tuple[Guild, TicketDetail]:
    """Read a ticket in six statements. Raises NotFound unless the viewer may see it."""
    detail = read_ticket_detail(tx, viewer, channels.guild(guild_id), number)
    return guilds.read_shared(tx, viewer, guild_id), detail


def list_channels(viewer: Viewer, workspace: Workspace, tickets: Sequence[Ticket]) -> list[Channel]:
    """Return the channels that grant a list: the workspace's, those of its tickets, then others.

    At most PAGE_SIZE of them: a participant in thousands of tickets would get thousands of names.
    """
    granted = {grant.channel for grant in viewer.grants if grant.workspace == workspace}
    whole = sorted(granted & {workspace, channels.tickets(workspace)})
    own = [one for ticket in tickets if (one := channels.ticket(ticket.id)) in granted]
    return [*whole, *own, *sorted(granted.difference(whole, own))][:PAGE_SIZE]


def _query_fields(filters: TicketFilter) -> dict[str, str]:
    sort = "" if filters.sort == "active" else filters.sort
    return {"status": filters.status or "", "q": filters.query, "sort": sort}
