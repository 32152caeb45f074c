"""Create an organization, show its page, and change its members and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts.api_keys import NewKey, api_keys
from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Invalid, NotFound, RateLimited, Refusal
from deskwire.kit.i18n import gettext
from deskwire.tickets.actions import offboarding
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import Status
from deskwire.web.context import act_as, read_as, set_active_organization
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import status_of
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.http.fragments import is_navigation
from deskwire.web.i18n import translate_labels
from deskwire.web.pages.key_forms import (
    KeyForm,
    key_form_context,
    parse_key_form,
    read_key_form,
    reader_time_zone,
)
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.key_events import list_live_keys
from deskwire.workspaces.keys.actions import (
    NO_KEY_MESSAGE,
    KeyAlreadyCreated,
    create_key,
    list_keys_of_organization,
    revoke_key,
)
from deskwire.workspaces.keys.listing import ListedKey, describe_keys
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
    may_give,
    permissions_in,
    require,
)

FORM_FIELDS = ("act", "email", "role", "name", "slug", "about")  # shown again if refused


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """Everything that an organization's pages show."""

    viewer: Viewer
    organization: Organization
    members: list[OrganizationMember]
    invitations: list[Invitation]
    categories: list[Category]
    counts: dict[Status, int]
    permissions: frozenset[Permission]
    keys: list[ListedKey]


@dataclass(frozen=True, slots=True)
class OrganizationPages:
    """`/create-organization`, `/orgs/{slug}` and its settings."""

    deps: Dependencies
    render: Render

    async def new(self, request: Request) -> Response:
        """GET /create-organization."""
        return self.render(request, "create_organization.html", _form_context({}, None))

    async def create(self, request: Request) -> Response:
        """POST /create-organization (name, slug): make it the active one of this session."""
        form = await read_form(request)
        try:
            organization = await act_as(
                self.deps, request, create_organization, form.get("name"), form.get("slug")
            )
        except (Invalid, Conflict) as refusal:
            context = _form_context(form.fields, refusal)
            return self.render(
                request, "create_organization.html", context, status=status_of(refusal)
            )
        await set_active_organization(self.deps, request, organization.id)
        return RedirectResponse(organization.href, 303)

    async def overview(self, request: Request) -> Response:
        """GET /orgs/{slug}; navigating here makes it the active one of a member's session."""
        view = await self._read_view(request)
        if view.organization.workspace in view.viewer.channels and is_navigation(request):
            await set_active_organization(self.deps, request, view.organization.id)
        return self.render(request, "organization.html", _context(view))

    async def settings(self, request: Request) -> Response:
        """GET /orgs/{slug}/settings."""
        return self._settings_page(request, await self._read_view(request))

    async def apply_change(self, request: Request) -> Response:
        """POST /orgs/{slug}/settings (act, …): make one change; a refusal is shown on the page."""
        form, view = await read_form(request), await self._read_view(request)
        organization, action = view.organization, form.get("act")
        if action == "create-key":
            return await self._create_key(request, view, form)
        mails = self.deps.mail_templates
        compose = mails.invitation_mail(request) if mails.is_enabled else None
        client_ip = request.client.host if request.client else None
        try:
            token = await act_as(
                self.deps, request, apply_form, organization.id, form, compose, client_ip
            )
        except (Invalid, Conflict, RateLimited) as refusal:
            return self._settings_page(request, view, refusal, refused=form.fields)
        if token is not None:
            link = f"{self.deps.link_origin(request)}/invitations/{token}"
            return self._settings_page(request, await self._read_view(request), link=link)
        if action in ("leave", "delete"):
            return respond_done(request, f"/organizations?done={action}")
        slug = form.get("slug").strip().lower() if action == "profile" else organization.slug
        return respond_done(request, f"/orgs/{slug}/settings")

    async def _create_key(self, request: Request, view: OrganizationView, form: Form) -> Response:
        """Create a key, and show its token: this response is the only one that has it."""
        typed, organization = read_key_form(form), view.organization
        time_zone = reader_time_zone(request)
        try:
            new_key = await act_as(
                self.deps, request, create_organization_key, organization, typed, time_zone
            )
        except KeyAlreadyCreated as refusal:  # with a form for another key
            return self._settings_page(request, await self._read_view(request), refusal)
        except (Invalid, Conflict) as refusal:
            shown = key_form_context(typed, refusal)
            return self._settings_page(request, view, refusal, keys=shown)
        shown = key_form_context(new_key=new_key)
        return self._settings_page(request, await self._read_view(request), keys=shown)

    def _settings_page(
        self,
        request: Request,
        view: OrganizationView,
        refusal: Refusal | None = None,
        link: str | None = None,
        refused: Mapping[str, str] | None = None,
        keys: Mapping[str, Any] | None = None,
    ) -> Response:
        context = _context(view, refusal, link) | dict(keys or key_form_context())
        context["refused"] = dict.fromkeys(FORM_FIELDS, "") | dict(refused or {})
        context["is_mailed"] = self.deps.mail_templates.is_enabled
        status = 200 if refusal is None else status_of(refusal)
        page = self.render(request, "organization_settings.html", context, status=status)
        if isinstance(refusal, RateLimited):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page

    async def _read_view(self, request: Request) -> OrganizationView:
        slug = str(request.path_params["slug"])
        _viewer, view = await read_as(self.deps, request, read_organization_view, slug)
        return view


def apply_form(
    tx: Connection,
    actor: Actor,
    id_: str,
    form: Form,
    compose: ComposeInvitationMail | None = None,
    client_ip: str | None = None,
) -> str | None:
    """Make the change that a form of the settings asks for.

    Returns the token of a new invitation, which is mailed if `compose` is given; `client_ip` is
    counted for the rate limit. Raises Invalid, Conflict, Forbidden or RateLimited.
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
            # A page rendered by an older version lacks the field, and must not restore a category.
            is_archived = form.get("archived") != "no"
            category_id = form.get("category")
            categories.set_category_archived(tx, actor, id_, category_id, archived=is_archived)
        case "role":
            members.change_member_role(tx, actor, id_, form.get("person"), form.get("role"))
        case "remove":
            offboarding.remove_member(tx, actor, id_, form.get("person"))
        case "leave":
            offboarding.remove_member(tx, actor, id_, actor.subject)
        case "invite":
            email, role = form.get("email"), form.get("role")
            return invitations.invite(tx, actor, id_, email, role, compose, client_ip)
        case "revoke":
            invitations.revoke(tx, actor, id_, form.get("invitation"))
        case "revoke-key":
            revoke_organization_key(tx, actor, id_, form.get("key"))
        case "delete":
            offboarding.delete_organization(tx, actor, id_, form.get("confirmed"))
        case _:
            raise Invalid(gettext("Nothing to change. Choose something and try again."))
    return None


def create_organization_key(
    tx: Connection, actor: Actor, organization: Organization, typed: KeyForm, time_zone: str | None
) -> NewKey:
    """Create a key of an organization. Raises Forbidden before it looks at what was typed."""
    require(actor.viewer, Permission.KEYS, organization.workspace)
    fields = parse_key_form(typed, "organization", organization.workspace, time_zone)
    return create_key(tx, actor, fields)


def revoke_organization_key(
    tx: Connection, actor: Actor, organization_id: str, key_id: str
) -> None:
    """Revoke a key of this organization. Raises Forbidden, and NotFound for any other key."""
    workspace = channels.organization(organization_id)
    require(actor.viewer, Permission.KEYS, workspace)
    if not list_live_keys(tx, and_(api_keys.c.id == key_id, api_keys.c.workspace == workspace)):
        raise NotFound(gettext(NO_KEY_MESSAGE))
    revoke_key(tx, actor, key_id)


def read_organization_view(tx: Connection, viewer: Viewer, slug: str) -> OrganizationView:
    """Read an organization's page in six statements; eight if the viewer manages its API keys.

    Raises NotFound if it is not visible.
    """
    organization = read_visible_by_slug(tx, viewer, slug)
    permissions = permissions_in(viewer, organization.workspace)
    open_invitations = []
    if Permission.INVITE in permissions:
        open_invitations = invitations.list_open_invitations(tx, organization.id, now())
    return OrganizationView(
        viewer,
        organization,
        read_members(tx, organization.id),
        open_invitations,
        read_categories(tx, organization.id),
        counts.count_by_status(tx, viewer, organization.workspace),
        permissions,
        describe_keys(tx, list_keys_of_organization(tx, viewer, organization), now()),
    )


def _context(
    view: OrganizationView, refusal: Refusal | None = None, link: str | None = None
) -> dict[str, Any]:
    return {
        "viewer": view.viewer,
        "view": view,
        "organization": view.organization,
        "viewer_id": view.viewer.subject,
        "permissions": {permission.name.lower() for permission in view.permissions},
        "roles": [
            (role, gettext(ROLE_LABELS[role]))
            for role in CLIENT_ROLES
            if may_give(view.permissions, role)
        ],
        "role_labels": translate_labels(ROLE_LABELS),
        "invitation_link": link,
        "alert": str(refusal) if refusal is not None else None,
    }


def _form_context(fields: Any, refusal: Refusal | None) -> dict[str, Any]:  # noqa: ANN401 - fields
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    return {"fields": fields, "errors": errors, "alert": alert}
