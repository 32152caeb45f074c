"""Organizations and oneself as the API takes and gives them."""

from __future__ import annotations

from pydantic import Field

from deskwire.web.api.shapes import (
    ListResponse,
    PageResponse,
    PatchBody,
    RequestBody,
    ResponseBody,
    Timestamp,
)
from deskwire.workspaces.organizations.organizations import Visibility
from deskwire.workspaces.organizations.permissions import ClientRole, InternalRole


class NewOrganization(RequestBody):
    """An organization to be founded."""

    name: str = Field(description="2 to 80 characters")
    slug: str = Field(default="", description="of its address; without it made of the name")


class OrganizationChange(PatchBody):
    """What is to be different about an organization. All of it happens, or nothing."""

    name: str = ""
    slug: str = ""
    about: str | None = Field(default=None, description="a sentence or two")
    visibility: Visibility = Field(
        default="members", description="who sees requests: all members, or who takes part in them"
    )


class OrganizationNow(ResponseBody):
    """An organization."""

    id: str
    slug: str
    name: str
    about: str | None
    visibility: Visibility
    created_at: Timestamp
    revision: int
    href: str = Field(description="its page")
    role: ClientRole | None = Field(description="your own role in it; null: none")
    rights: list[str] = Field(description="what you may do in it")


class OrganizationPage(PageResponse):
    """Organizations, by name."""

    items: list[OrganizationNow]


class MemberNow(ResponseBody):
    """Somebody in an organization."""

    id: str
    name: str
    email: str | None
    role: str
    joined_at: Timestamp


class MemberList(ListResponse):
    """The members of an organization, by name."""

    items: list[MemberNow]


class NewRole(RequestBody):
    """Another role."""

    role: ClientRole


class NewInvitation(RequestBody):
    """Whom to invite."""

    email: str
    role: ClientRole


class InvitationNow(ResponseBody):
    """An invitation that can still be accepted."""

    id: str
    email: str
    role: str
    expires_at: Timestamp


class InvitationMade(InvitationNow):
    """An invitation just made."""

    link: str = Field(description="for whoever is invited; told this once")


class InvitationList(ListResponse):
    """Open invitations, the newest first."""

    items: list[InvitationNow]


class NewCategory(RequestBody):
    """A category to be added."""

    name: str = Field(description="2 to 80 characters")


class CategoryChange(RequestBody):
    """What is to be different about a category."""

    archived: bool = Field(description="old requests keep it, new ones cannot have it")


class CategoryNow(ResponseBody):
    """What a request may be about."""

    id: str
    name: str
    archived: bool


class CategoryList(ListResponse):
    """Categories in their order, archived ones last."""

    items: list[CategoryNow]


class Me(ResponseBody):
    """Who is signed in."""

    id: str
    name: str
    email: str | None
    email_verified: bool = Field(description="whether the link that was mailed there was opened")
    time_zone: str | None
    theme: str | None
    role: InternalRole | None = Field(description="in the team; null: not of the team")
    rights: list[str] = Field(description="what that role allows everywhere")
    active: str | None = Field(description="the id of the active organization")
    organizations: list[OrganizationNow] = Field(description="those you are a member of")
