"""Organizations over the API: what they are, members, invitations, categories."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.tickets.actions import offboarding
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_lookup import read_named
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
from deskwire.web.api.requests import TAKE_NEXT, link_next
from deskwire.web.api.shapes import PageQuery
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import invitations, settings
from deskwire.workspaces.organizations.directory import find_visible
from deskwire.workspaces.organizations.invitations import Compose, Invitation
from deskwire.workspaces.organizations.members import Member, read_members
from deskwire.workspaces.organizations.organizations import Category, Organization, read_categories
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    Right,
    demand,
    rights_in,
    roles_in,
)


async def list_organizations(call: Call, query: PageQuery) -> OrganizationPage:
    """List organizations.

    Those you are a member of; for the team, every client's.
    """
    items, after = await call.read(_find, query.after)
    link_next(call, after)
    return OrganizationPage(items=items, next=after, cursor=call.cursor)


async def found(call: Call, given: NewOrganization) -> OrganizationNow:
    """Found an organization.

    Whoever does becomes its admin. Who is admin of 20, with those deleted since yesterday, founds
    no other, but for who may create any number.
    """
    id_ = (await call.write(settings.create, given.name, given.slug)).id
    call.headers["location"] = f"/api/organizations/{id_}"
    return await call.read(_read_one, id_)


async def show(call: Call) -> OrganizationNow:
    """Show an organization."""
    return await call.read(_read_one, slug_of(call))


async def change(call: Call, given: OrganizationChange) -> OrganizationNow:
    """Change an organization.

    Its name, its address, what it says of itself, and who sees requests.
    """
    id_ = await call.write(_change, slug_of(call), given)
    return await call.read(_read_one, id_)


async def list_members(call: Call) -> MemberList:
    """List the members of an organization."""
    return MemberList(items=await call.read(_read_members, slug_of(call)), cursor=call.cursor)


async def change_member(call: Call, given: NewRole) -> MemberNow:
    """Give a member another role."""
    return await call.write(_change_role, slug_of(call), call.id("person"), given.role)


async def remove_member(call: Call) -> None:
    """Remove a member, or leave.

    Their requests stay.
    """
    await call.write(_remove, slug_of(call), call.id("person"))


async def list_invitations(call: Call) -> InvitationList:
    """List the open invitations into an organization."""
    items = await call.read(_read_invitations, slug_of(call))
    return InvitationList(items=items, cursor=call.cursor)


async def invite(call: Call, given: NewInvitation) -> InvitationMade:
    """Invite somebody.

    They are sent a link by mail, where the desk sends mail. The answer holds another one for
    them. It is told this once, and works for seven days.
    """
    letters, client = call.site.letters, call.request.client
    compose = letters.invitation(call.request) if letters.works else None
    source = client.host if client else None
    secret, made = await call.write(_invite, slug_of(call), given, compose, source)
    url = call.request.url
    origin = call.site.public_url or f"{url.scheme}://{url.netloc}"
    shown = _invitation_now(made)
    return InvitationMade(**dict(shown), link=f"{origin}/invitations/{secret}")


async def revoke(call: Call) -> None:
    """Take an invitation back."""
    await call.write(_revoke, slug_of(call), call.id("invitation"))


async def list_categories(call: Call) -> CategoryList:
    """List the categories of an organization."""
    return CategoryList(items=await call.read(_read_categories, slug_of(call)), cursor=call.cursor)


async def add_category(call: Call, given: NewCategory) -> CategoryNow:
    """Add a category."""
    return await call.write(_add_category, slug_of(call), given.name)


async def change_category(call: Call, given: CategoryChange) -> CategoryNow:
    """Archive a category, or take it back into use."""
    slug, id_ = slug_of(call), call.id("category")
    return await call.write(_change_category, slug, id_, given.archived)


def slug_of(call: Call) -> str:
    """The organization in the path, by its slug or id."""
    return str(call.request.path_params["slug"])


def organization_now(viewer: Viewer, place: Organization) -> OrganizationNow:
    """An organization, with what the viewer may do there."""
    roles = roles_in(viewer, place.workspace)
    return OrganizationNow(
        id=place.id,
        slug=place.slug,
        name=place.name,
        about=place.about,
        visibility=place.visibility,
        created_at=place.created_at,
        revision=place.revision,
        href=place.href,
        role=next((role for role in CLIENT_ROLES if role in roles), None),
        rights=rights_of(viewer, place.workspace),
    )


def rights_of(viewer: Viewer, workspace: str | None) -> list[str]:
    """The names of what the viewer may do in a workspace, or (None) as one of the team."""
    held = rights_in(viewer, workspace)
    return [right.name.lower() for right in Right if right in held]


def _find(tx: Connection, viewer: Viewer, after: str) -> tuple[list[OrganizationNow], str | None]:
    try:
        places, following = find_visible(tx, viewer, after)
    except Invalid:
        raise Invalid(TAKE_NEXT, {"?after": "No such place."}) from None
    return [organization_now(viewer, each) for each in places], following


def _read_one(tx: Connection, viewer: Viewer, named: str) -> OrganizationNow:
    return organization_now(viewer, read_named(tx, viewer, named))


def _change(tx: Connection, deed: Deed, named: str, given: OrganizationChange) -> str:
    place, said = read_named(tx, deed.viewer, named), given.model_fields_set
    if not said:
        raise Invalid("Nothing was to be changed. Say what.", {"#": "Say what is to be changed."})
    if profile := said & {"name", "slug", "about"}:
        fields = {name: getattr(given, name) or "" for name in profile}  # None says nothing
        settings.rename(tx, deed, place.id, **fields)
    if "visibility" in said:
        settings.set_visibility(tx, deed, place.id, given.visibility)
    return place.id


def _read_members(tx: Connection, viewer: Viewer, named: str) -> list[MemberNow]:
    return [_member_now(each) for each in read_members(tx, read_named(tx, viewer, named).id)]


def _change_role(tx: Connection, deed: Deed, named: str, person: str, role: str) -> MemberNow:
    place = read_named(tx, deed.viewer, named)
    offboarding.change_role(tx, deed, place.id, person, role)
    return next(_member_now(e) for e in read_members(tx, place.id) if e.who.id == person)


def _remove(tx: Connection, deed: Deed, named: str, person: str) -> None:
    offboarding.remove_member(tx, deed, read_named(tx, deed.viewer, named).id, person)


def _member_now(member: Member) -> MemberNow:
    who = member.who
    return MemberNow(
        id=who.id, name=who.name, email=member.email, role=member.role, joined_at=member.joined_at
    )


def _read_invitations(tx: Connection, viewer: Viewer, named: str) -> list[InvitationNow]:
    place = read_named(tx, viewer, named)
    demand(viewer, Right.INVITE, place.workspace)
    return [_invitation_now(each) for each in invitations.read_open(tx, place.id, now())]


def _invite(
    tx: Connection,
    deed: Deed,
    named: str,
    given: NewInvitation,
    compose: Compose | None,
    source: str | None,
) -> tuple[str, Invitation]:
    place = read_named(tx, deed.viewer, named)
    email, role = given.email, given.role
    secret = invitations.invite(tx, deed, place.id, email, role, compose, source)
    return secret, invitations.find(tx, secret, deed.at)[1]


def _revoke(tx: Connection, deed: Deed, named: str, invitation: str) -> None:
    invitations.revoke(tx, deed, read_named(tx, deed.viewer, named).id, invitation)


def _invitation_now(each: Invitation) -> InvitationNow:
    return InvitationNow(id=each.id, email=each.email, role=each.role, expires_at=each.expires_at)


def _read_categories(tx: Connection, viewer: Viewer, named: str) -> list[CategoryNow]:
    place = read_named(tx, viewer, named)
    return [_category_now(each) for each in read_categories(tx, place.id)]


def _add_category(tx: Connection, deed: Deed, named: str, name: str) -> CategoryNow:
    place = read_named(tx, deed.viewer, named)
    before = {each.id for each in read_categories(tx, place.id)}
    settings.add_category(tx, deed, place.id, name)
    return next(_category_now(e) for e in read_categories(tx, place.id) if e.id not in before)


def _change_category(
    tx: Connection, deed: Deed, named: str, id_: str, archived: bool
) -> CategoryNow:
    place = read_named(tx, deed.viewer, named)
    demand(deed.viewer, Right.CATEGORIES, place.workspace)
    known = {each.id: each for each in read_categories(tx, place.id)}
    if id_ not in known:
        raise NotFound("There is no such category.")
    if known[id_].archived != archived:
        settings.archive_category(tx, deed, place.id, id_)
    return CategoryNow(id=id_, name=known[id_].name, archived=archived)


def _category_now(each: Category) -> CategoryNow:
    return CategoryNow(id=each.id, name=each.name, archived=each.archived)
