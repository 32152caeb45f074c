"""Organizations over the API: what they are, members, invitations, categories."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.web.api.operations import Call
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
from deskwire.web.api.requests import INVALID_AFTER, add_next_link
from deskwire.web.api.shapes import PageQuery
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import categories, invitations, members, settings
from deskwire.workspaces.organizations.categories import Category, read_categories
from deskwire.workspaces.organizations.create import create_organization
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

    Those you are a member of; for the team, every client's.
    """
    items, after = await call.read(_list_visible, query.after)
    add_next_link(call, after)
    return OrganizationPage(items=items, next=after, cursor=call.cursor)


async def found(call: Call, body: NewOrganization) -> OrganizationNow:
    """Found an organization.

    Whoever does becomes its admin. Who is admin of 20, with those deleted since yesterday, founds
    no other, but for who may create any number.
    """
    id_ = (await call.write(create_organization, body.name, body.slug)).id
    call.headers["location"] = f"/api/organizations/{id_}"
    return await call.read(_read_organization, id_)


async def show(call: Call) -> OrganizationNow:
    """Show an organization."""
    return await call.read(_read_organization, organization_in_path(call))


async def change(call: Call, body: OrganizationChange) -> OrganizationNow:
    """Change an organization.

    Its name, its address, what it says of itself, and who sees requests.
    """
    id_ = await call.write(_apply_change, organization_in_path(call), body)
    return await call.read(_read_organization, id_)


async def list_members(call: Call) -> MemberList:
    """List the members of an organization."""
    return MemberList(
        items=await call.read(_read_members, organization_in_path(call)), cursor=call.cursor
    )


async def change_member(call: Call, body: NewRole) -> MemberNow:
    """Give a member another role."""
    return await call.write(
        _change_role, organization_in_path(call), call.path_id("person"), body.role
    )


async def remove_member(call: Call) -> None:
    """Remove a member, or leave.

    Their requests stay.
    """
    await call.write(_remove_member, organization_in_path(call), call.path_id("person"))


async def list_invitations(call: Call) -> InvitationList:
    """List the open invitations into an organization."""
    items = await call.read(_read_invitations, organization_in_path(call))
    return InvitationList(items=items, cursor=call.cursor)


async def invite(call: Call, body: NewInvitation) -> InvitationMade:
    """Invite somebody.

    They are sent a link by mail, where the desk sends mail. The answer holds another one for
    them. It is told this once, and works for seven days.
    """
    letters, client = call.deps.mail_templates, call.request.client
    compose = letters.invitation_mail(call.request) if letters.is_enabled else None
    source = client.host if client else None
    secret, made = await call.write(
        _create_invitation, organization_in_path(call), body, compose, source
    )
    url = call.request.url
    origin = call.deps.public_url or f"{url.scheme}://{url.netloc}"
    shown = _to_invitation_now(made)
    return InvitationMade(**dict(shown), link=f"{origin}/invitations/{secret}")


async def revoke(call: Call) -> None:
    """Take an invitation back."""
    await call.write(_revoke_invitation, organization_in_path(call), call.path_id("invitation"))


async def list_categories(call: Call) -> CategoryList:
    """List the categories of an organization."""
    return CategoryList(
        items=await call.read(_read_categories, organization_in_path(call)), cursor=call.cursor
    )


async def add_category(call: Call, body: NewCategory) -> CategoryNow:
    """Add a category."""
    return await call.write(_add_category, organization_in_path(call), body.name)


async def change_category(call: Call, body: CategoryChange) -> CategoryNow:
    """Archive a category, or take it back into use."""
    slug, id_ = organization_in_path(call), call.path_id("category")
    return await call.write(_change_category, slug, id_, body.archived)


def organization_in_path(call: Call) -> str:
    """The organization in the path, by its slug or id."""
    return str(call.request.path_params["slug"])


def to_organization_now(viewer: Viewer, organization: Organization) -> OrganizationNow:
    """An organization, with what the viewer may do there."""
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
    """The names of what the viewer may do in a workspace, or (None) as one of the team."""
    held = permissions_in(viewer, workspace)
    return [right.name.lower() for right in Permission if right in held]


def _list_visible(
    tx: Connection, viewer: Viewer, after: str
) -> tuple[list[OrganizationNow], str | None]:
    try:
        places, following = list_client_organizations(tx, viewer, after)
    except Invalid:
        raise Invalid(INVALID_AFTER, {"?after": "No such place."}) from None
    return [to_organization_now(viewer, each) for each in places], following


def _read_organization(tx: Connection, viewer: Viewer, organization_ref: str) -> OrganizationNow:
    return to_organization_now(viewer, read_organization_by_ref(tx, viewer, organization_ref))


def _apply_change(
    tx: Connection, actor: Actor, organization_ref: str, body: OrganizationChange
) -> str:
    place, said = (
        read_organization_by_ref(tx, actor.viewer, organization_ref),
        body.model_fields_set,
    )
    if not said:
        raise Invalid("Nothing was to be changed. Say what.", {"#": "Say what is to be changed."})
    if profile := said & {"name", "slug", "about"}:
        fields = {name: getattr(body, name) or "" for name in profile}  # None says nothing
        settings.update_profile(tx, actor, place.id, **fields)
    if "visibility" in said:
        settings.set_visibility(tx, actor, place.id, body.visibility)
    return place.id


def _read_members(tx: Connection, viewer: Viewer, organization_ref: str) -> list[MemberNow]:
    return [
        _to_member_now(each)
        for each in read_members(tx, read_organization_by_ref(tx, viewer, organization_ref).id)
    ]


def _change_role(
    tx: Connection, actor: Actor, organization_ref: str, person: str, role: str
) -> MemberNow:
    place = read_organization_by_ref(tx, actor.viewer, organization_ref)
    members.change_member_role(tx, actor, place.id, person, role)
    return next(_to_member_now(e) for e in read_members(tx, place.id) if e.person.id == person)


def _remove_member(tx: Connection, actor: Actor, organization_ref: str, person: str) -> None:
    members.remove_member(
        tx, actor, read_organization_by_ref(tx, actor.viewer, organization_ref).id, person
    )


def _to_member_now(member: OrganizationMember) -> MemberNow:
    who = member.person
    return MemberNow(
        id=who.id, name=who.name, email=member.email, role=member.role, joined_at=member.joined_at
    )


def _read_invitations(tx: Connection, viewer: Viewer, organization_ref: str) -> list[InvitationNow]:
    place = read_organization_by_ref(tx, viewer, organization_ref)
    require(viewer, Permission.INVITE, place.workspace)
    return [
        _to_invitation_now(each) for each in invitations.list_open_invitations(tx, place.id, now())
    ]


def _create_invitation(
    tx: Connection,
    actor: Actor,
    organization_ref: str,
    body: NewInvitation,
    compose: ComposeInvitationMail | None,
    source: str | None,
) -> tuple[str, Invitation]:
    place = read_organization_by_ref(tx, actor.viewer, organization_ref)
    email, role = body.email, body.role
    secret = invitations.invite(tx, actor, place.id, email, role, compose, source)
    return secret, invitations.find_by_token(tx, secret, actor.at)[1]


def _revoke_invitation(
    tx: Connection, actor: Actor, organization_ref: str, invitation: str
) -> None:
    invitations.revoke(
        tx, actor, read_organization_by_ref(tx, actor.viewer, organization_ref).id, invitation
    )


def _to_invitation_now(each: Invitation) -> InvitationNow:
    return InvitationNow(id=each.id, email=each.email, role=each.role, expires_at=each.expires_at)


def _read_categories(tx: Connection, viewer: Viewer, organization_ref: str) -> list[CategoryNow]:
    place = read_organization_by_ref(tx, viewer, organization_ref)
    return [_to_category_now(each) for each in read_categories(tx, place.id)]


def _add_category(tx: Connection, actor: Actor, organization_ref: str, name: str) -> CategoryNow:
    place = read_organization_by_ref(tx, actor.viewer, organization_ref)
    before = {each.id for each in read_categories(tx, place.id)}
    categories.add_category(tx, actor, place.id, name)
    return next(_to_category_now(e) for e in read_categories(tx, place.id) if e.id not in before)


def _change_category(
    tx: Connection, actor: Actor, organization_ref: str, id_: str, archived: bool
) -> CategoryNow:
    place = read_organization_by_ref(tx, actor.viewer, organization_ref)
    require(actor.viewer, Permission.CATEGORIES, place.workspace)
    known = {each.id: each for each in read_categories(tx, place.id)}
    if id_ not in known:
        raise NotFound("There is no such category.")
    categories.set_category_archived(tx, actor, place.id, id_, archived=archived)
    return CategoryNow(id=id_, name=known[id_].name, archived=archived)


def _to_category_now(each: Category) -> CategoryNow:
    return CategoryNow(id=each.id, name=each.name, archived=each.archived)
