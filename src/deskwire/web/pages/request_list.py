"""Requests: an organization's list, all companies' for the team, a new one, and one of them.

Pages go by forms and links alone; with a script the same forms are sent beside the page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events import channels
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import STAFF, PersonId
from deskwire.events.types.registry import Who
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Forbidden, Invalid, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions.create import Filing, file_request
from deskwire.tickets.files.attachments import read_unsent
from deskwire.tickets.participants import Circle, read_circle
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import PAGE, Found, Sort, Wish, parse_wish
from deskwire.tickets.ticket import Ticket, held_by
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.workspace_names import Places
from deskwire.web.dependencies import Site, person_of, visit_of
from deskwire.web.http.errors import ELSEWHERE, status_of
from deskwire.web.http.uploads import receive_files, sent_or_forgotten
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import (
    Category,
    Organization,
    read_all,
    read_all_described,
    read_categories,
    read_own,
    read_own_described,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Right, demand, is_staff, may

SORT_LABELS: Mapping[Sort, str] = {
    "active": N_("Latest activity"),
    "newest": N_("Newest"),
    "oldest": N_("Oldest"),
}
PUSHED = "hx-push-url"  # what htmx writes into the address bar instead of all it has sent


@dataclass(frozen=True)
class Listing:
    """What a list of requests shows."""

    viewer: Viewer
    place: Organization | None  # None: of all organizations
    places: list[Organization]  # to choose from
    categories: list[Category]
    found: Found

    @property
    def circle(self) -> Circle:
        return self.found.circle

    def held(self, ticket: Ticket) -> str:
        """The channels that show a request, as its row says."""
        return " ".join(held_by(ticket, self._generations))

    @cached_property
    def _generations(self) -> dict[str, int]:
        return {each.id: each.generation for each in self.places}


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the same list with one thing changed; what is as usual is left out."""

    path: str
    wish: Wish
    place: Mapping[str, str] = field(default_factory=dict)  # what names the organization

    def status(self, status: str | None) -> str:
        """Another tab, from its first page."""
        return self._to(status=status or "", after="")

    def after(self, key: str) -> str:
        """The page that begins after this key; the first one where it is empty."""
        return self._to(after=key)

    def flag(self, name: str) -> str:
        """The other way round of a filter that is on or off."""
        return self._to(**{name: "" if self.wish.fields.get(name) else "yes"}, after="")

    def without(self, name: str) -> str:
        """Without a filter."""
        return self._to(**{name: ""}, after="")

    @property
    def by_label(self) -> str:
        """What the address of all that have a label begins with; the label is its end."""
        return f"{self.path}?{urlencode({**self.place, 'label': ''})}"

    @property
    def cleared(self) -> str:
        """Without any filter, of the same organization; for the team of all."""
        named = {name: slug for name, slug in self.place.items() if name != "company"}
        return f"{self.path}?{urlencode(named)}" if named else self.path

    def _to(self, **changed: str) -> str:
        fields = {**self.wish.fields, **changed}
        said = {name: value for name, value in fields.items() if value} | dict(self.place)
        return f"{self.path}?{urlencode(said)}" if said else self.path


@dataclass(frozen=True, slots=True)
class RequestPages:
    """`/requests`, `/requests/new` and `/admin`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /requests?organization=&status=&q=…: those of the active organization, or of the one
        that is named."""
        wish, person = parse_wish(request.query_params), person_of(request)
        named, active = request.query_params.get("organization", ""), active_of(request)
        shown = await self.site.db.read(
            read_own_list, self.site.access, person.id, named, active, wish
        )
        if shown is None or shown.place is None:
            return RedirectResponse(ELSEWHERE, 303)
        is_named = shown.place.slug == named
        links = Links("/requests", wish, {"organization": named} if is_named else {})
        return self._list(request, shown, wish, links)

    async def admin(self, request: Request) -> Response:
        """GET /admin?company=&status=&q=…: those of all companies, for the team."""
        wish, person = parse_wish(request.query_params), person_of(request)
        company = request.query_params.get("company", "")
        shown = await self.site.db.read(read_all_lists, self.site.access, person.id, company, wish)
        links = Links("/admin", wish, {"company": shown.place.slug} if shown.place else {})
        return self._list(request, shown, wish, links)

    def _list(self, request: Request, shown: Listing, wish: Wish, links: Links) -> Response:
        context = {
            "viewer": shown.viewer,
            "shown": shown,
            "found": shown.found,
            "wish": wish,
            "links": links,
            "by_label": links.by_label,
            "sorts": said(SORT_LABELS),
            "by_opening": wish.sort != "active",  # what a row tells the time of
            "priorities": said(PRIORITY_LABELS),
            "is_admin": links.path == "/admin",
            "place_name": shown.place.name if shown.place is not None else gettext("All requests"),
            "scope": list_scope(shown),
            "limit": PAGE,
        }
        answer = self.render(request, "requests.html", context)
        answer.headers[PUSHED] = links.after(wish.after)
        return answer

    async def new(self, request: Request) -> Response:
        """GET /requests/new?org=: a form with an id of its own, so that it is filed once."""
        return await self._form(request, {}, None)

    async def file(self, request: Request) -> Response:
        """POST /requests/new (id, organization, title, text, category, priority, file…)."""
        person, access = person_of(request).id, self.site.access
        # Whose files they are to be is in the form itself: they are kept for its first place.
        found = await self.site.db.read(read_form_parts, access, person, active_of(request))
        if found[2] is None:
            return RedirectResponse(ELSEWHERE, 303)
        received = await receive_files(request, self.site.uploads, person, found[2].workspace)
        fields = {name: str(value) for name, value in received.fields.items()}
        sent = [*received.fields.getlist("file"), *(each.id for each in received.files)]
        try:
            async with sent_or_forgotten(self.site.uploads, person, received):
                row = await self.site.db.write(file_from, access, person, fields, sent, now())
        except (Invalid, Conflict, Forbidden) as refusal:
            return await self._form(request, fields, refusal, received.fields.getlist("file"))
        return RedirectResponse(f"/requests/{row.id}", 303)

    async def _form(
        self,
        request: Request,
        fields: Mapping[str, str],
        refusal: Refusal | None,
        uploaded: Sequence[str] = (),
    ) -> Response:
        wanted = fields.get("organization") or request.query_params.get("org") or ""
        person = person_of(request)
        found = await self.site.db.read(
            read_form_parts, self.site.access, person.id, wanted or active_of(request)
        )
        viewer, places, place, categories, circle = found
        if place is None:
            return RedirectResponse(ELSEWHERE, 303)
        kept = await self.site.db.read(read_unsent, person.id, uploaded) if uploaded else []
        errors = refusal.fields if isinstance(refusal, Invalid) else {}
        if not is_id(fields.get("id", "")):  # or what was refused for it would be for ever
            fields = {**fields, "id": new_id()}
        context = {
            "viewer": viewer,
            "places": places,
            "place": place,
            "categories": categories,
            "members": members_for(viewer, place, circle),
            "priorities": said(PRIORITY_LABELS),
            "fields": fields,
            "kept": kept,
            "errors": errors,
            "alert": str(refusal) if refusal is not None and not errors else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "request_new.html", context, status=status)


def active_of(request: Request) -> str | None:
    """The id of the organization this session is in, as far as it has chosen one."""
    session = visit_of(request).session
    return session.organization if session is not None else None


def read_own_list(
    tx: Connection, access: Access, person: PersonId, named: str, active: str | None, wish: Wish
) -> Listing | None:
    """At most six statements; None for who belongs to no client's organization. `named`: the slug
    of one's own that is shown instead of the active one."""
    viewer = access.read_viewer(tx, person)
    described = {
        place: its for place, its in read_own_described(tx, viewer).items() if not place.internal
    }
    is_own = any(each.slug == named for each in described)
    place = chosen_of(described, named if is_own else active)
    if place is None:
        return None
    known = Places({place.id: place}, {each.id: each.name for each in described[place]})
    found = list_requests.find(tx, viewer, place.workspace, wish, known)
    return Listing(viewer, place, [*described], described[place], found)


def read_all_lists(
    tx: Connection, access: Access, person: PersonId, company: str, wish: Wish
) -> Listing:
    """For the team: of one company (by its slug) or of all. NotFound for everybody else."""
    viewer = access.read_viewer(tx, person)
    demand_staff(viewer)
    described = {
        place: its
        for place, its in read_all_described(tx, viewer, company).items()
        if not place.internal
    }
    place = next((each for each in described if each.slug == company), None)
    categories = described[place] if place is not None else []
    known = Places(
        {each.id: each for each in described}, {each.id: each.name for each in categories}
    )
    if place is None:
        wish = replace(wish, category="", requester="")
    workspace = place.workspace if place is not None else None
    found = list_requests.find(tx, viewer, workspace, wish, known)
    return Listing(viewer, place, [*described], categories, found)


def demand_staff(viewer: Viewer) -> None:
    """Raises Forbidden for who is not of the team."""
    if not is_staff(viewer):
        raise Forbidden(gettext("This page is for the team."))


def chosen_of(places: Collection[Organization], active: str | None) -> Organization | None:
    """The active one of somebody's organizations, by its id or slug; the first, if it is none."""
    chosen = (each for each in places if active in (each.id, each.slug))
    return next(chosen, next(iter(places), None))


def list_scope(shown: Listing) -> dict[str, str]:
    """What marks a list: its workspace for the store, and the channels that show it."""
    if shown.place is None:
        return {"workspace": "org:*", "held": STAFF}
    place = shown.place
    whole = channels.whole(place.id, place.generation)
    return {"workspace": place.workspace, "held": f"{place.workspace} {whole} {STAFF}"}


def read_form_parts(
    tx: Connection, access: Access, person: PersonId, wanted: str | None
) -> tuple[Viewer, list[Organization], Organization | None, list[Category], Circle | None]:
    """What the form for a new request offers."""
    viewer = access.read_viewer(tx, person)
    places = [each for each in read_own(tx, viewer) if not each.internal]
    if is_staff(viewer):
        places = [each for each in read_all(tx, viewer) if not each.internal]
    place = chosen_of(places, wanted)
    if place is None:
        return viewer, places, None, [], None
    categories = [each for each in read_categories(tx, place.id) if not each.archived]
    return viewer, places, place, categories, read_circle(tx, place.workspace)


def members_for(viewer: Viewer, place: Organization, circle: Circle | None) -> list[Who]:
    """In whose name the viewer may file a request."""
    if circle is None or not may(viewer, Right.FILE_FOR_OTHERS, place.workspace):
        return []
    return list(circle.members.values())


def file_from(
    tx: Connection,
    access: Access,
    person: PersonId,
    fields: Mapping[str, str],
    sent: Sequence[str],
    at: int,
) -> Any:  # noqa: ANN401 - a row
    """File what a form says; as the viewer is at this moment."""
    viewer = access.read_viewer(tx, person)
    place = read_visible_by_id(tx, viewer, fields.get("organization", ""))
    demand(viewer, Right.FILE, place.workspace)
    filing = Filing(
        fields.get("id", ""),
        fields.get("subject", ""),
        fields.get("text", ""),
        fields.get("category") or None,
        fields.get("priority") or None,
        sent,
        fields.get("requester") or None,
    )
    return file_request(tx, Deed(viewer, at), place, filing)
