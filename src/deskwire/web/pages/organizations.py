"""Organizations: founding one, and its page with members and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Invalid, Refusal, TooMany
from deskwire.kit.i18n import gettext
from deskwire.tickets.actions import offboarding
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.web.context import act_as, go_on_in
from deskwire.web.dependencies import Site, person_of
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import Form, done, read_form
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render, is_gone_to
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import invitations, settings
from deskwire.workspaces.organizations.invitations import Compose, Invitation
from deskwire.workspaces.organizations.members import Member, read_members
from deskwire.workspaces.organizations.organizations import (
    Category,
    Organization,
    read_categories,
    read_visible,
)
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    ROLE_LABELS,
    Right,
    rights_in,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """All that an organization's page shows."""

    viewer: Viewer
    place: Organization
    members: list[Member]
    invitations: list[Invitation]
    categories: list[Category]
    counts: dict[Status, int]
    rights: frozenset[Right]


@dataclass(frozen=True, slots=True)
class OrganizationPages:
    """`/create-organization`, `/orgs/{slug}` and its settings."""

    site: Site
    render: Render

    async def new(self, request: Request) -> Response:
        """GET /create-organization."""
        return self.render(request, "create_organization.html", _form_context({}, None))

    async def create(self, request: Request) -> Response:
        """POST /create-organization (name, slug): this session goes on in it."""
        form = await read_form(request)
        try:
            made = await act_as(
                self.site, request, settings.create, form.get("name"), form.get("slug")
            )
        except (Invalid, Conflict) as refusal:
            context = _form_context(form.fields, refusal)
            return self.render(
                request, "create_organization.html", context, status=status_of(refusal)
            )
        await go_on_in(self.site, request, made.id)
        return RedirectResponse(made.href, 303)

    async def overview(self, request: Request) -> Response:
        """GET /orgs/{slug}: makes it the active one of this session."""
        shown = await self._shown(request)
        if shown.place.workspace in shown.viewer.channels and is_gone_to(request):
            await go_on_in(self.site, request, shown.place.id)
        return self.render(request, "organization.html", _context(request, shown))

    async def settings(self, request: Request) -> Response:
        """GET /orgs/{slug}/settings."""
        return self._settings_page(request, await self._shown(request))

    async def change(self, request: Request) -> Response:
        """POST /orgs/{slug}/settings (act, …): one change; what it refuses is said on the page."""
        form, shown = await read_form(request), await self._shown(request)
        place = shown.place
        letters = self.site.letters
        compose = letters.invitation(request) if letters.works else None
        address = request.client.host if request.client else None
        try:
            secret = await act_as(self.site, request, change_from, place.id, form, compose, address)
        except (Invalid, Conflict, TooMany) as refusal:
            return self._settings_page(request, shown, refusal)
        if secret is not None:
            link = f"{self._origin(request)}/invitations/{secret}"
            return self._settings_page(request, await self._shown(request), link=link)
        if form.get("act") in ("leave", "delete"):
            return done(request, f"/organizations?done={form.get('act')}")
        slug = form.get("slug").strip().lower() if form.get("act") == "profile" else place.slug
        return done(request, f"/orgs/{slug}/settings")

    def _settings_page(
        self,
        request: Request,
        shown: Shown,
        refusal: Refusal | None = None,
        link: str | None = None,
    ) -> Response:
        context = _context(request, shown, refusal, link)
        context["mailed"] = self.site.letters.works
        status = 200 if refusal is None else status_of(refusal)
        page = self.render(request, "organization_settings.html", context, status=status)
        if isinstance(refusal, TooMany):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page

    def _origin(self, request: Request) -> str:
        return self.site.public_url or f"{request.url.scheme}://{request.url.netloc}"

    async def _shown(self, request: Request) -> Shown:
        slug, person = str(request.path_params["slug"]), person_of(request).id
        return await self.site.db.read(read_shown, self.site.access, person, slug)


def change_from(
    tx: Connection,
    deed: Deed,
    id_: str,
    form: Form,
    compose: Compose | None = None,
    address: str | None = None,
) -> str | None:
    """What a form of the settings says; the secret of an invitation that was made.

    `compose` writes the mail of an invitation; None: none is sent. `address`: who asks for it.
    """
    match form.get("act"):
        case "profile":
            fields = {name: form.get(name) for name in ("name", "slug", "about")}
            settings.rename(tx, deed, id_, **fields)
        case "visibility":
            settings.set_visibility(tx, deed, id_, form.get("visibility"))
        case "add-category":
            settings.add_category(tx, deed, id_, form.get("name"))
        case "archive-category":
            settings.archive_category(tx, deed, id_, form.get("category"))
        case "role":
            offboarding.change_role(tx, deed, id_, form.get("person"), form.get("role"))
        case "remove":
            offboarding.remove_member(tx, deed, id_, form.get("person"))
        case "leave":
            offboarding.remove_member(tx, deed, id_, deed.person)
        case "invite":
            email, role = form.get("email"), form.get("role")
            return invitations.invite(tx, deed, id_, email, role, compose, address)
        case "revoke":
            invitations.revoke(tx, deed, id_, form.get("invitation"))
        case "delete":
            offboarding.delete_organization(tx, deed, id_, form.get("confirmed"))
        case _:
            raise Invalid(gettext("Nothing was to be changed. Choose something and try again."))
    return None


def read_shown(tx: Connection, access: Access, person: PersonId, slug: str) -> Shown:
    """Six statements. NotFound for an organization that is not the viewer's to see."""
    viewer = access.read_viewer(tx, person)
    place = read_visible(tx, viewer, slug)
    rights = rights_in(viewer, place.workspace)
    return Shown(
        viewer,
        place,
        read_members(tx, place.id),
        invitations.read_open(tx, place.id, now()) if Right.INVITE in rights else [],
        read_categories(tx, place.id),
        counts.count(tx, viewer, place.workspace),
        rights,
    )


def _context(
    request: Request, shown: Shown, refusal: Refusal | None = None, link: str | None = None
) -> dict[str, Any]:
    return {
        "viewer": shown.viewer,
        "shown": shown,
        "place": shown.place,
        "me": person_of(request).id,
        "may": {right.name.lower() for right in shown.rights},
        "roles": [(role, gettext(ROLE_LABELS[role])) for role in CLIENT_ROLES],
        "role_labels": said(ROLE_LABELS),
        "link": link,
        "alert": str(refusal) if refusal is not None else None,
    }


def _form_context(fields: Any, refusal: Refusal | None) -> dict[str, Any]:  # noqa: ANN401 - fields
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    return {"fields": fields, "errors": errors, "alert": alert}
