"""The servers somebody may open, and what goes on in one of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.accounts.identities import principals_of
from deskwire.events import log
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import Who
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.tickets.ticket import Ticket, read_own
from deskwire.tickets.visibility import may_see_any
from deskwire.web.dependencies import Site, person_of
from deskwire.web.rendering.activity_text import Deed, deeds_of, people_of
from deskwire.web.rendering.render import Render
from deskwire.workspaces.guilds import guilds, members
from deskwire.workspaces.guilds.guilds import Guild
from deskwire.workspaces.names import read_names

ACTIVITY = 20  # entries; what fits beside the team without scrolling far


@dataclass(frozen=True, slots=True)
class Index:
    """What `/guilds` shows."""

    viewer: Viewer
    guilds: list[Guild]
    open: dict[str, int]  # by workspace: tickets that wait for somebody
    own: list[Ticket]  # in servers the viewer cannot open
    places: dict[str, str]  # workspace → name, for those
    is_linked: bool  # to a Discord account


@dataclass(frozen=True, slots=True)
class Overview:
    """What `/guilds/{id}` shows."""

    viewer: Viewer
    guild: Guild
    counts: dict[Status, int]
    team: list[tuple[str, list[Who]]]
    activity: list[Deed]


@dataclass(frozen=True, slots=True)
class GuildPages:
    """`/guilds` and `/guilds/{id}`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /guilds."""
        person = person_of(request)
        found = await self.site.db.read(read_index, self.site.access, person.id)
        return self.render(request, "guilds.html", {"viewer": found.viewer, "found": found})

    async def overview(self, request: Request) -> Response:
        """GET /guilds/{guild}: 404 for who may not open it."""
        person, guild_id = person_of(request), request.path_params["guild"]
        found = await self.site.db.read(read_overview, self.site.access, person.id, guild_id)
        context = {"viewer": found.viewer, "guild": found.guild, "found": found}
        sees_none = not may_see_any(found.viewer, found.guild.workspace)
        return self.render(request, "guild.html", {**context, "sees_none": sees_none})


def read_index(tx: Connection, access: Access, person: PersonId) -> Index:
    """At most six statements, however many servers there are."""
    viewer = access.read_viewer(tx, person)
    visible = guilds.visible_to(tx, viewer)
    own = read_own(tx, viewer, but_in=[guild.workspace for guild in visible])
    elsewhere = {ticket.workspace for ticket in own}
    names = guilds.read_place_names(tx, [each.removeprefix("guild:") for each in elsewhere])
    is_empty = not visible and not own
    return Index(
        viewer,
        visible,
        counts.count_open(tx, viewer),
        own,
        {f"guild:{id_}": name for id_, name in names.items()},
        is_linked=not is_empty or bool(principals_of(tx, person)),
    )


def read_overview(tx: Connection, access: Access, person: PersonId, guild_id: str) -> Overview:
    """Six statements. Raises NotFound where the viewer may not open the guild."""
    viewer = access.read_viewer(tx, person)
    guild = guilds.read_visible(tx, viewer, guild_id)
    team = members.read_team(tx, guild.id)
    entries = log.read_of_workspace(tx, guild.workspace, viewer.channels, ACTIVITY)
    holders = [principal for _, held in team for principal in held]
    told_of = [principal for entry in entries for principal in people_of(entry.data)]
    names = read_names(tx, [*holders, *told_of])
    return Overview(
        viewer,
        guild,
        counts.count(tx, viewer, guild.workspace),
        [(role, [names[principal] for principal in held]) for role, held in team],
        deeds_of(entries, names, viewer.channels),
    )
