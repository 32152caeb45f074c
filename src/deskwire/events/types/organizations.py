"""What can happen to organizations, to their members, and to people."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from deskwire.events.types.shapes import Event, NamedRef, PrincipalRef

ORGANIZATION_AUDIENCE = ("org:ID", "staff")
MEMBER_AUDIENCE = ("user:ID", "org:ID", "staff")


class OrganizationEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ORGANIZATION_AUDIENCE
    organization: str = Field(description="its id")
    name: str
    slug: str
    revision: int = Field(description="of the organization's row")


class OrganizationCreated(OrganizationEvent):
    """An organization came to be."""

    audience: ClassVar[tuple[str, ...]] = MEMBER_AUDIENCE
    type: ClassVar[str] = "organization.created"


class OrganizationRenamed(OrganizationEvent):
    """An organization has another name, or another address."""

    type: ClassVar[str] = "organization.renamed"
    old_name: str
    old_slug: str


class OrganizationUpdated(OrganizationEvent):
    """Something else about an organization changed: what it says of itself, its categories."""

    type: ClassVar[str] = "organization.updated"


class OrganizationVisibilityChanged(OrganizationEvent):
    """Who sees an organization's requests changed. What was told before is out of reach."""

    type: ClassVar[str] = "organization.visibility_changed"
    visibility: str = Field(description="`members` or `participants`")


class OrganizationDeleted(OrganizationEvent):
    """An organization was deleted, and with it every right in it."""

    audience: ClassVar[tuple[str, ...]] = ORGANIZATION_AUDIENCE
    type: ClassVar[str] = "organization.deleted"


class MemberJoined(Event):
    """Somebody became a member of an organization."""

    audience: ClassVar[tuple[str, ...]] = MEMBER_AUDIENCE
    type: ClassVar[str] = "member.joined"
    member: PrincipalRef
    role: str
    place: NamedRef = Field(description="the organization")
    revision: int = Field(description="of the member's row")


class MemberRoleChanged(Event):
    """What one person may do in a workspace changed: a role in an organization, or an individual
    permission in a Discord server."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID", "org:ID", "staff")
    type: ClassVar[str] = "member.role_changed"
    member: PrincipalRef
    permissions: list[str] = Field(description="in a Discord server; empty in an organization")
    role: str | None = Field(default=None, description="in an organization")
    place: NamedRef | None = Field(default=None, description="the organization")
    revision: int = Field(description="of the member's row")


class MemberRemoved(Event):
    """Somebody is no member of an organization any more: they left, or were removed."""

    audience: ClassVar[tuple[str, ...]] = MEMBER_AUDIENCE
    type: ClassVar[str] = "member.removed"
    member: PrincipalRef
    place: NamedRef = Field(description="the organization")


class InvitationEvent(Event):
    audience: ClassVar[tuple[str, ...]] = ORGANIZATION_AUDIENCE
    invitation: str = Field(description="its id")
    email: str = Field(description="masked, as `b…@example.org`")
    role: str


class InvitationCreated(InvitationEvent):
    """Somebody was invited into an organization."""

    type: ClassVar[str] = "invitation.created"


class InvitationAccepted(InvitationEvent):
    """Somebody who was invited has accepted; `member.joined` tells who."""

    type: ClassVar[str] = "invitation.accepted"


class InvitationRevoked(InvitationEvent):
    """An invitation was taken back."""

    type: ClassVar[str] = "invitation.revoked"


class PersonChanged(Event):
    """A person's name, picture or identities changed (a Discord account was linked, say), or that
    they may sign in."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID", "people")
    type: ClassVar[str] = "person.changed"
    person: str
    name: str
    linked: str | None = Field(default=None, description="where an identity was gained: `discord`")
    unlinked: str | None = Field(default=None, description="where an identity was lost")
    erased: str | None = Field(
        default=None,
        description="their id once more, if the account was deleted: no older event names them now",
    )
    revision: int = Field(description="of the person's row")


class SessionRevoked(Event):
    """A session ended: by sign-out, by a new password, or from afar. Its streams end with it."""

    audience: ClassVar[tuple[str, ...]] = ("user:ID",)
    type: ClassVar[str] = "session.revoked"
    session: str = Field(description="the session's public id")
