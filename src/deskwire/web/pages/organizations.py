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
from deskwire.kit.errors import Conflict, Invalid, RateLimited, Refusal
from deskwire.kit.i18n import gettext
from deskwire.tickets.actions import offboarding
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.web.context import act_as, set_active_organization
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render, is_navigation
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import categories, invitations, members, settings
from deskwire.workspaces.organizations.categories import Category, read_categories
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.invitations import ComposeInvitationMail, Invitation
from deskwire.workspaces.organizations.members import OrganizationMember, read_members
from deskwire.workspaces.organizations.organizations import Organization, read_visible_by_slug
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    ROLE_LABELS,
    Permission,
    permissions_in,
)


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """All that an organization's page shows."""

    viewer: Viewer
    organization: Organization
    members: list[OrganizationMember]
    invitations: list[Invitation]
    categories: list[Category]
    counts: dict[Status, int]
    permissions: frozenset[Permission]


@dataclass(frozen=True, slots=True)
class OrganizationPages:
    """`/create-organization`, `/orgs/{slug}` and its settings."""

    deps: Dependencies
    render: Render

    async def new(self, request: Request) -> Response:
        """GET /create-organization."""
        return self.render(request, "create_organization.html", _form_context({}, None))

    async def create(self, request: Request) -> Response:
        """POST /create-organization (name, slug): this session goes on in it."""
        form = await read_form(request)
        try:
            made = await act_as(
                self.deps, request, create_organization, form.get("name"), form.get("slug")
            )
        except (Invalid, Conflict) as refusal:
            context = _form_context(form.fields, refusal)
            return self.render(
                request, "create_organization.html", context, status=status_of(refusal)
            )
        await set_active_organization(self.deps, request, made.id)
        return RedirectResponse(made.href, 303)

    async def overview(self, request: Request) -> Response:
        """GET /orgs/{slug}: makes it the active one of this session."""
        shown = await self._read_view(request)
        if shown.organization.workspace in shown.viewer.channels and is_navigation(request):
            await set_active_organization(self.deps, request, shown.organization.id)
        return self.render(request, "organization.html", _context(request, shown))

    async def settings(self, request: Request) -> Response:
        """GET /orgs/{slug}/settings."""
        return self._settings_page(request, await self._read_view(request))

    async def apply_change(self, request: Request) -> Response:
        """POST /orgs/{slug}/settings (act, …): one change; what it refuses is said on the page."""
        form, shown = await read_form(request), await self._read_view(request)
        place = shown.organization
        letters = self.deps.mail_templates
        compose = letters.invitation_mail(request) if letters.is_enabled else None
        address = request.client.host if request.client else None
        try:
            secret = await act_as(self.deps, request, apply_form, place.id, form, compose, address)
        except (Invalid, Conflict, RateLimited) as refusal:
            return self._settings_page(request, shown, refusal)
        if secret is not None:
            link = f"{self._link_origin(request)}/invitations/{secret}"
            return self._settings_page(request, await self._read_view(request), link=link)
        if form.get("act") in ("leave", "delete"):
            return respond_done(request, f"/organizations?done={form.get('act')}")
        slug = form.get("slug").strip().lower() if form.get("act") == "profile" else place.slug
        return respond_done(request, f"/orgs/{slug}/settings")

    def _settings_page(
        self,
        request: Request,
        view: OrganizationView,
        refusal: Refusal | None = None,
        link: str | None = None,
    ) -> Response:
        context = _context(request, view, refusal, link)
        context["is_mailed"] = self.deps.mail_templates.is_enabled
        status = 200 if refusal is None else status_of(refusal)
        page = self.render(request, "organization_settings.html", context, status=status)
        if isinstance(refusal, RateLimited):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page

    def _link_origin(self, request: Request) -> str:
        return self.deps.public_url or f"{request.url.scheme}://{request.url.netloc}"

    async def _read_view(self, request: Request) -> OrganizationView:
        slug, person = str(request.path_params["slug"]), require_person(request).id
        return await self.deps.db.read(read_organization_view, self.deps.access, person, slug)


def apply_form(
    tx: Connection,
    actor: Actor,
    id_: str,
    form: Form,
    compose: ComposeInvitationMail | None = None,
    address: str | None = None,
) -> str | None:
    """What a form of the settings says; the secret of an invitation that was made.

    `compose` writes the mail of an invitation; None: none is sent. `address`: who asks for it.
    """
    match form.get("act"):
        case "profile":
            fields = {name: form.get(name) for name in ("name", "slug", "about")}
            settings.update_profile(tx, actor, id_, **fields)
        case "visibility":
            settings.set_visibility(tx, actor, id_, form.get("visibility"))
        case "add-category":
            categories.add_category(tx, actor, id_, form.get("name"))
        case "archive-category":
            # A page from before the field existed must not restore what is archived.
            is_archived = form.get("archived") != "no"
            category_id = form.get("category")
            categories.set_category_archived(tx, actor, id_, category_id, archived=is_archived)
        case "role":
            members.change_member_role(tx, actor, id_, form.get("person"), form.get("role"))
        case "remove":
            members.remove_member(tx, actor, id_, form.get("person"))
        case "leave":
            members.remove_member(tx, actor, id_, actor.person_id)
        case "invite":
            email, role = form.get("email"), form.get("role")
            return invitations.invite(tx, actor, id_, email, role, compose, address)
        case "revoke":
            invitations.revoke(tx, actor, id_, form.get("invitation"))
        case "delete":
            offboarding.delete_organization(tx, actor, id_, form.get("confirmed"))
        case _:
            raise Invalid(gettext("Nothing was to be changed. Choose something and try again."))
    return None


def read_organization_view(
    tx: Connection, access: Access, person: PersonId, slug: str
) -> OrganizationView:
    """Six statements. NotFound for an organization that is not the viewer's to see."""
    viewer = access.read_viewer(tx, person)
    place = read_visible_by_slug(tx, viewer, slug)
    rights = permissions_in(viewer, place.workspace)
    return OrganizationView(
        viewer,
        place,
        read_members(tx, place.id),
        invitations.list_open_invitations(tx, place.id, now())
        if Permission.INVITE in rights
        else [],
        read_categories(tx, place.id),
        counts.count_by_status(tx, viewer, place.workspace),
        rights,
    )


def _context(
    request: Request,
    view: OrganizationView,
    refusal: Refusal | None = None,
    link: str | None = None,
) -> dict[str, Any]:
    return {
        "viewer": view.viewer,
        "view": view,
        "organization": view.organization,
        "viewer_id": require_person(request).id,
        "permissions": {right.name.lower() for right in view.permissions},
        "roles": [(role, gettext(ROLE_LABELS[role])) for role in CLIENT_ROLES],
        "role_labels": translate_labels(ROLE_LABELS),
        "invitation_link": link,
        "alert": str(refusal) if refusal is not None else None,
    }


def _form_context(fields: Any, refusal: Refusal | None) -> dict[str, Any]:  # noqa: ANN401 - fields
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    return {"fields": fields, "errors": errors, "alert": alert}
