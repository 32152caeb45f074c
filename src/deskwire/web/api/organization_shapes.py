"""Define the API's models of organizations and of the signed-in person."""

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
    """An organization to create."""

    name: str = Field(description="2 to 80 characters.")
    slug: str = Field(default="", description="Its name in URLs; default: made from the name.")


class OrganizationChange(PatchBody):
    """Changes to an organization; either all of them are made or none."""

    name: str = ""
    slug: str = ""
    about: str | None = Field(default=None, description="A sentence or two.")
    visibility: Visibility = Field(
        default="members", description="Who sees requests: all members, or only participants."
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
    href: str = Field(description="URL of its page.")
    role: ClientRole | None = Field(description="Your role in it; null if you are not a member.")
    rights: list[str] = Field(description="Your permissions in it.")


class OrganizationPage(PageResponse):
    """A page of organizations, by name."""

    items: list[OrganizationNow]


class MemberNow(ResponseBody):
    """A member of an organization."""

    id: str
    name: str
    email: str | None
    role: str
    joined_at: Timestamp


class MemberList(ListResponse):
    """The members of an organization, by name."""

    items: list[MemberNow]


class NewRole(RequestBody):
    """The new role of a member."""

    role: ClientRole


class NewInvitation(RequestBody):
    """An invitation to create."""

    email: str
    role: ClientRole


class InvitationNow(ResponseBody):
    """An open invitation."""

    id: str
    email: str
    role: str
    expires_at: Timestamp


class InvitationMade(InvitationNow):
    """A new invitation with its link."""

    link: str | None = Field(
        description="The link for the invited person; shown only once, and null in a repetition."
    )


class InvitationList(ListResponse):
    """Open invitations, newest first."""

    items: list[InvitationNow]


class NewCategory(RequestBody):
    """A category to add."""

    name: str = Field(description="2 to 80 characters.")


class CategoryChange(RequestBody):
    """A change to a category."""

    archived: bool = Field(
        description="Whether it is archived: requests keep it, but new ones cannot use it."
    )


class CategoryNow(ResponseBody):
    """A category of an organization's requests."""

    id: str
    name: str
    archived: bool


class CategoryList(ListResponse):
    """The categories in their order, archived ones last."""

    items: list[CategoryNow]


class Me(ResponseBody):
    """The signed-in person."""

    id: str
    name: str
    email: str | None
    email_verified: bool = Field(description="Whether you opened the verification link.")
    time_zone: str | None
    theme: str | None
    role: InternalRole | None = Field(description="Your role as staff; null if you are not staff.")
    rights: list[str] = Field(description="The permissions of that role, which apply everywhere.")
    active: str | None = Field(description="Id of the active organization.")
    organizations: list[OrganizationNow] = Field(description="Those you are a member of.")
