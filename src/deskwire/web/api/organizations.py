"""Serve organizations over the API, with their members, invitations and categories."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.tickets.actions import offboarding
from deskwire.web.api.operations import (
    Call,
    add_next_link,
    empty_patch_error,
    invalid_after_error,
)
from deskwire.web.api.organization_lookup import read_organization_by_ref
from deskwire.web.api.organization_shapes import (
    CategoryChange,
    CategoryList,
    CategoryNow,
    InvitationList,
    InvitationMade,
    InvitationNow,
    MemberList,
    MemberNow,
    NewCategory,
    NewInvitation,
    NewOrganization,
    NewRole,
    OrganizationChange,
    OrganizationNow,
    OrganizationPage,
)
from deskwire.web.api.shapes import PageQuery
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import (
    categories,
    create,
    invitations,
    members,
    settings,
)
from deskwire.workspaces.organizations.categories import Category, read_categories
from deskwire.workspaces.organizations.directory import list_client_organizations
from deskwire.workspaces.organizations.invitations import ComposeInvitationMail, Invitation
from deskwire.workspaces.organizations.members import OrganizationMember, read_members
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    Permission,
    permissions_in,
    require,
    roles_in,
)


async def list_organizations(call: Call, query: PageQuery) -> OrganizationPage:
    """List organizations.

    The organizations you are a member of; for staff, all client organizations. In the order of
    their creation, which never changes.
    """
    items, next_key = await call.read(_list_visible, query.after)
    add_next_link(call, next_key)
    return OrganizationPage(items=items, next=next_key, cursor=call.cursor)


async def create_organization(call: Call, body: NewOrganization) -> OrganizationNow:
    """Create an organization.

    You become its admin. You may be the admin of at most 20 organizations, including those you
    deleted within the last day, unless your role in the staff lifts this limit.
    """
    id_ = await call.make(_create_organization, body)
    call.headers["location"] = f"/api/organizations/{id_}"
    return await call.read(_read_organization, id_)


async def show_organization(call: Call) -> OrganizationNow:
    """Get an organization."""
    return await call.read(_read_organization, organization_in_path(call))


async def update_organization(call: Call, body: OrganizationChange) -> OrganizationNow:
    """Update an organization.

    Its name, slug and description, and who sees its requests.
    """
    id_ = await call.make(_apply_change, organization_in_path(call), body)
    return await call.read(_read_organization, id_)


async def list_members(call: Call) -> MemberList:
    """List the members of an organization."""
    return MemberList(
        items=await call.read(_read_members, organization_in_path(call)), cursor=call.cursor
    )


async def change_member_role(call: Call, body: NewRole) -> MemberNow:
    """Change the role of a member."""
    slug = organization_in_path(call)
    person_id = await call.make(_change_role, slug, call.path_id("person"), body.role)
    return await call.read(_read_member, slug, person_id)


async def remove_member(call: Call) -> None:
    """Remove a member, or leave the organization.

    The person's requests remain.
    """
    await call.write(_remove_member, organization_in_path(call), call.path_id("person"))


async def list_invitations(call: Call) -> InvitationList:
    """List the open invitations to an organization."""
    items = await call.read(_read_invitations, organization_in_path(call))
    return InvitationList(items=items, cursor=call.cursor)


async def create_invitation(call: Call, body: NewInvitation) -> InvitationMade:
    """Invite a person.

    If the desk sends mail, the person gets a link by mail. The response holds another link to
    pass on: it is shown only once, and is valid for seven days. A repeated call with the same
    `Idempotency-Key` gets null instead.
    """
    mails, slug = call.deps.mail_templates, organization_in_path(call)
    compose = mails.invitation_mail(call.request) if mails.is_enabled else None
    tokens: dict[str, str] = {}
    id_ = await call.make(_create_invitation, slug, body, compose, call.client_ip, tokens)
    invitation = await call.read(_read_invitation, slug, id_)
    origin = call.deps.link_origin(call.request)
    link = f"{origin}/invitations/{tokens[id_]}" if id_ in tokens else None
    return InvitationMade(**dict(invitation), link=link)


async def revoke_invitation(call: Call) -> None:
    """Revoke an invitation."""
    await call.write(_revoke_invitation, organization_in_path(call), call.path_id("invitation"))


async def list_categories(call: Call) -> CategoryList:
    """List the categories of an organization."""
    return CategoryList(
        items=await call.read(_read_categories, organization_in_path(call)), cursor=call.cursor
    )


async def add_category(call: Call, body: NewCategory) -> CategoryNow:
    """Add a category to an organization."""
    slug = organization_in_path(call)
    return await call.read(_read_category, slug, await call.make(_add_category, slug, body.name))


async def update_category(call: Call, body: CategoryChange) -> CategoryNow:
    """Archive or restore a category."""
    slug, id_ = organization_in_path(call), call.path_id("category")
    await call.make(_update_category, slug, id_, body.archived)
    return await call.read(_read_category, slug, id_)


def organization_in_path(call: Call) -> str:
    """Return the slug or id of the organization in the path."""
    return str(call.request.path_params["slug"])


def to_organization_now(viewer: Viewer, organization: Organization) -> OrganizationNow:
    """Convert an organization to its shape, with the viewer's role and permissions."""
    roles = roles_in(viewer, organization.workspace)
    return OrganizationNow(
        id=organization.id,
        slug=organization.slug,
        name=organization.name,
        about=organization.about,
        visibility=organization.visibility,
        created_at=organization.created_at,
        revision=organization.revision,
        href=organization.href,
        role=next((role for role in CLIENT_ROLES if role in roles), None),
        rights=permission_names(viewer, organization.workspace),
    )


def permission_names(viewer: Viewer, workspace: str | None) -> list[str]:
    """Return the names of the viewer's permissions in a workspace; None for those of staff."""
    permissions = permissions_in(viewer, workspace)
    return [permission.name.lower() for permission in Permission if permission in permissions]


def _list_visible(
    tx: Connection, viewer: Viewer, after: str
) -> tuple[list[OrganizationNow], str | None]:
    try:
        organizations, next_key = list_client_organizations(tx, viewer, after)
    except Invalid:
        raise invalid_after_error() from None
    return [to_organization_now(viewer, each) for each in organizations], next_key


def _read_organization(tx: Connection, viewer: Viewer, organization_ref: str) -> OrganizationNow:
    return to_organization_now(viewer, read_organization_by_ref(tx, viewer, organization_ref))


def _create_organization(tx: Connection, actor: Actor, body: NewOrganization) -> str:
    return create.create_organization(tx, actor, body.name, body.slug).id


def _apply_change(
    tx: Connection, actor: Actor, organization_ref: str, body: OrganizationChange
) -> str:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    fields = body.model_fields_set
    if not fields:
        raise empty_patch_error()
    if profile := fields & {"name", "slug", "about"}:
        values = {name: getattr(body, name) or "" for name in profile}  # null clears `about`
        settings.update_profile(tx, actor, organization.id, **values)
    if "visibility" in fields:
        settings.set_visibility(tx, actor, organization.id, body.visibility)
    return organization.id


def _read_members(tx: Connection, viewer: Viewer, organization_ref: str) -> list[MemberNow]:
    return [
        _to_member_now(each)
        for each in read_members(tx, read_organization_by_ref(tx, viewer, organization_ref).id)
    ]


def _change_role(
    tx: Connection, actor: Actor, organization_ref: str, person_id: str, role: str
) -> str:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    members.change_member_role(tx, actor, organization.id, person_id, role)
    return person_id


def _read_member(
    tx: Connection, viewer: Viewer, organization_ref: str, person_id: str
) -> MemberNow:
    members_now = _read_members(tx, viewer, organization_ref)
    return _find_by_id(members_now, person_id, "This person is not a member any more.")


def _remove_member(tx: Connection, actor: Actor, organization_ref: str, person_id: str) -> None:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    offboarding.remove_member(tx, actor, organization.id, person_id)


def _to_member_now(member: OrganizationMember) -> MemberNow:
    return MemberNow(
        id=member.person.id,
        name=member.person.name,
        email=member.email,
        role=member.role,
        joined_at=member.joined_at,
    )


def _read_invitations(tx: Connection, viewer: Viewer, organization_ref: str) -> list[InvitationNow]:
    organization = read_organization_by_ref(tx, viewer, organization_ref)
    require(viewer, Permission.INVITE, organization.workspace)
    open_invitations = invitations.list_open_invitations(tx, organization.id, now())
    return [_to_invitation_now(each) for each in open_invitations]


def _create_invitation(
    tx: Connection,
    actor: Actor,
    organization_ref: str,
    body: NewInvitation,
    compose: ComposeInvitationMail | None,
    client_ip: str | None,
    tokens: dict[str, str],
) -> str:
    """Create an invitation; return its id, and put its token into `tokens`."""
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    email, role = body.email, body.role
    token = invitations.invite(tx, actor, organization.id, email, role, compose, client_ip)
    id_ = invitations.find_by_token(tx, token, actor.at)[1].id
    tokens[id_] = token
    return id_


def _read_invitation(
    tx: Connection, viewer: Viewer, organization_ref: str, invitation_id: str
) -> InvitationNow:
    open_invitations = _read_invitations(tx, viewer, organization_ref)
    return _find_by_id(open_invitations, invitation_id, "This invitation isn’t open any more.")


def _revoke_invitation(
    tx: Connection, actor: Actor, organization_ref: str, invitation_id: str
) -> None:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    invitations.revoke(tx, actor, organization.id, invitation_id)


def _to_invitation_now(invitation: Invitation) -> InvitationNow:
    return InvitationNow(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role,
        expires_at=invitation.expires_at,
    )


def _read_categories(tx: Connection, viewer: Viewer, organization_ref: str) -> list[CategoryNow]:
    organization = read_organization_by_ref(tx, viewer, organization_ref)
    return [_to_category_now(each) for each in read_categories(tx, organization.id)]


def _read_category(
    tx: Connection, viewer: Viewer, organization_ref: str, category_id: str
) -> CategoryNow:
    categories_now = _read_categories(tx, viewer, organization_ref)
    return _find_by_id(categories_now, category_id, "This category doesn’t exist.")


def _add_category(tx: Connection, actor: Actor, organization_ref: str, name: str) -> str:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    old_ids = {each.id for each in read_categories(tx, organization.id)}
    categories.add_category(tx, actor, organization.id, name)
    new_list = read_categories(tx, organization.id)
    return next(each.id for each in new_list if each.id not in old_ids)


def _update_category(
    tx: Connection, actor: Actor, organization_ref: str, id_: str, archived: bool
) -> str:
    organization = read_organization_by_ref(tx, actor.viewer, organization_ref)
    require(actor.viewer, Permission.CATEGORIES, organization.workspace)
    _find_by_id(read_categories(tx, organization.id), id_, "This category doesn’t exist.")
    categories.set_category_archived(tx, actor, organization.id, id_, archived=archived)
    return id_


class HasId(Protocol):
    """Something that is found by its id."""

    @property
    def id(self) -> str: ...


FoundT = TypeVar("FoundT", bound=HasId)


def _find_by_id(items: Iterable[FoundT], id_: str, missing: str) -> FoundT:
    """Return the item with an id. Raises NotFound with the message `missing`."""
    found = next((each for each in items if each.id == id_), None)
    if found is None:
        raise NotFound(missing)
    return found


def _to_category_now(category: Category) -> CategoryNow:
    return CategoryNow(id=category.id, name=category.name, archived=category.archived)
