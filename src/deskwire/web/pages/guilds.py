"""List the Discord servers a viewer may open, and show one with its team and activity."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.accounts.identities import read_principals
from deskwire.events.access import Viewer
from deskwire.events.recent_entries import list_workspace_entries
from deskwire.events.types.registry import PrincipalRef
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.tickets.ticket import Ticket, list_own_tickets
from deskwire.tickets.visibility import can_see_any_ticket
from deskwire.web.context import read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.rendering.activity_text import ActivityEntry, build_activity, principals_in
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds, members
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names

ACTIVITY_LIMIT = 20  # entries; as many as fit beside the team without much scrolling


@dataclass(frozen=True, slots=True)
class GuildListView:
    """Everything that `/guilds` shows."""

    guilds: list[Guild]
    open_counts: dict[str, int]  # open tickets by workspace
    own_tickets: list[Ticket]  # in servers that the viewer cannot open
    workspace_names: dict[str, str]  # names of those servers by workspace
    is_linked: bool  # whether the viewer has a linked Discord account


@dataclass(frozen=True, slots=True)
class GuildView:
    """Everything that `/guilds/{id}` shows."""

    guild: Guild
    counts: dict[Status, int]
    team: list[tuple[str, list[PrincipalRef]]]
    activity: list[ActivityEntry]


@dataclass(frozen=True, slots=True)
class GuildPages:
    """`/guilds` and `/guilds/{id}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /guilds."""
        viewer, guild_list = await read_as(self.deps, request, read_guild_list)
        return self.render(request, "guilds.html", {"viewer": viewer, "guild_list": guild_list})

    async def overview(self, request: Request) -> Response:
        """GET /guilds/{guild}; 404 unless the viewer may open the server."""
        guild_id = str(request.path_params["guild"])
        viewer, overview = await read_as(self.deps, request, read_guild_view, guild_id)
        context = {
            "viewer": viewer,
            "guild": overview.guild,
            "overview": overview,
            "sees_no_tickets": not can_see_any_ticket(viewer, overview.guild.workspace),
        }
        return self.render(request, "guild.html", context)


def read_guild_list(tx: Connection, viewer: Viewer) -> GuildListView:
    """Read the list in at most six statements, however many servers there are."""
    visible = guilds.list_visible_guilds(tx, viewer)
    own = list_own_tickets(tx, viewer, excluded_workspaces=[guild.workspace for guild in visible])
    other_workspaces = {ticket.workspace for ticket in own}
    names = guilds.read_guild_names(tx, [each.removeprefix("guild:") for each in other_workspaces])
    is_empty = not visible and not own
    return GuildListView(
        visible,
        counts.count_open_by_workspace(tx, viewer),
        own,
        {f"guild:{id_}": name for id_, name in names.items()},
        is_linked=not is_empty or bool(read_principals(tx, viewer.subject)),
    )


def read_guild_view(tx: Connection, viewer: Viewer, guild_id: str) -> GuildView:
    """Read a server's page in six statements. Raises NotFound if the viewer may not open it."""
    guild = guilds.read_visible(tx, viewer, guild_id)
    team = members.list_roles_with_holders(tx, guild.id)
    entries = list_workspace_entries(tx, guild.workspace, viewer.channels, ACTIVITY_LIMIT)
    holders = [principal for _, role_holders in team for principal in role_holders]
    mentioned = [principal for entry in entries for principal in principals_in(entry.data)]
    names = read_names(tx, [*holders, *mentioned])
    return GuildView(
        guild,
        counts.count_by_status(tx, viewer, guild.workspace),
        [(role, [names[principal] for principal in role_holders]) for role, role_holders in team],
        build_activity(entries, names, viewer.channels),
    )
