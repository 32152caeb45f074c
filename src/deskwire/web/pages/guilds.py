"""The servers somebody may open, and what goes on in one of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.accounts.identities import read_principals
from deskwire.events import log
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import PrincipalRef
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.tickets.ticket import Ticket, list_own_tickets
from deskwire.tickets.visibility import can_see_any_ticket
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.rendering.activity_text import ActivityEntry, build_activity, principals_in
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds, members
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names

ACTIVITY_LIMIT = 20  # entries; what fits beside the team without scrolling far


@dataclass(frozen=True, slots=True)
class GuildListView:
    """What `/guilds` shows."""

    viewer: Viewer
    guilds: list[Guild]
    open_counts: dict[str, int]  # by workspace: tickets that wait for somebody
    own_tickets: list[Ticket]  # in servers the viewer cannot open
    workspace_names: dict[str, str]  # workspace → name, for those
    is_linked: bool  # to a Discord account


@dataclass(frozen=True, slots=True)
class GuildView:
    """What `/guilds/{id}` shows."""

    viewer: Viewer
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
        person = require_person(request)
        found = await self.deps.db.read(read_guild_list, self.deps.access, person.id)
        return self.render(request, "guilds.html", {"viewer": found.viewer, "guild_list": found})

    async def overview(self, request: Request) -> Response:
        """GET /guilds/{guild}: 404 for who may not open it."""
        person, guild_id = require_person(request), request.path_params["guild"]
        found = await self.deps.db.read(read_guild_view, self.deps.access, person.id, guild_id)
        context = {"viewer": found.viewer, "guild": found.guild, "overview": found}
        sees_none = not can_see_any_ticket(found.viewer, found.guild.workspace)
        return self.render(request, "guild.html", {**context, "sees_no_tickets": sees_none})


def read_guild_list(tx: Connection, access: Access, person: PersonId) -> GuildListView:
    """At most six statements, however many servers there are."""
    viewer = access.read_viewer(tx, person)
    visible = guilds.list_visible_guilds(tx, viewer)
    own = list_own_tickets(tx, viewer, excluded_workspaces=[guild.workspace for guild in visible])
    elsewhere = {ticket.workspace for ticket in own}
    names = guilds.read_guild_names(tx, [each.removeprefix("guild:") for each in elsewhere])
    is_empty = not visible and not own
    return GuildListView(
        viewer,
        visible,
        counts.count_open_by_workspace(tx, viewer),
        own,
        {f"guild:{id_}": name for id_, name in names.items()},
        is_linked=not is_empty or bool(read_principals(tx, person)),
    )


def read_guild_view(tx: Connection, access: Access, person: PersonId, guild_id: str) -> GuildView:
    """Six statements. Raises NotFound where the viewer may not open the guild."""
    viewer = access.read_viewer(tx, person)
    guild = guilds.read_visible(tx, viewer, guild_id)
    team = members.list_roles_with_holders(tx, guild.id)
    entries = log.list_workspace_entries(tx, guild.workspace, viewer.channels, ACTIVITY_LIMIT)
    holders = [principal for _, held in team for principal in held]
    told_of = [principal for entry in entries for principal in principals_in(entry.data)]
    names = read_names(tx, [*holders, *told_of])
    return GuildView(
        viewer,
        guild,
        counts.count_by_status(tx, viewer, guild.workspace),
        [(role, [names[principal] for principal in held]) for role, held in team],
        build_activity(entries, names, viewer.channels),
    )
