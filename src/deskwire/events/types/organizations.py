"""Define the events of organizations, their members and invitations, and of people."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from deskwire.events.types.aspects import Aspect
from deskwire.events.types.shapes import Event, NamedRef, PrincipalRef

ORGANIZATION_CHANNEL_KINDS = ("org:ID", "staff")
MEMBER_CHANNEL_KINDS = ("user:ID", "org:ID", "staff")


class OrganizationEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ORGANIZATION_CHANNEL_KINDS
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.ORGANIZATION})
    organization: str = Field(description="id of the organization")
    name: str
    slug: str
    revision: int = Field(description="revision of the organization's row")


class OrganizationCreated(OrganizationEvent):
    """An organization was created."""

    channel_kinds: ClassVar[tuple[str, ...]] = MEMBER_CHANNEL_KINDS
    type: ClassVar[str] = "organization.created"


class OrganizationRenamed(OrganizationEvent):
    """The name or the slug of an organization changed."""

    type: ClassVar[str] = "organization.renamed"
    old_name: str
    old_slug: str


class OrganizationUpdated(OrganizationEvent):
    """Other details of an organization changed: its description or its categories."""

    type: ClassVar[str] = "organization.updated"


class OrganizationVisibilityChanged(OrganizationEvent):
    """Who sees all of an organization's requests changed. People who lost access cannot replay
    earlier events."""

    type: ClassVar[str] = "organization.visibility_changed"
    visibility: str = Field(description="`members` or `participants`")


class OrganizationDeleted(OrganizationEvent):
    """An organization was deleted, and with it all access to it."""

    channel_kinds: ClassVar[tuple[str, ...]] = ORGANIZATION_CHANNEL_KINDS
    type: ClassVar[str] = "organization.deleted"


class MemberJoined(Event):
    """A person became a member of an organization."""

    channel_kinds: ClassVar[tuple[str, ...]] = MEMBER_CHANNEL_KINDS
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.MEMBERS})
    type: ClassVar[str] = "member.joined"
    member: PrincipalRef
    role: str
    place: NamedRef = Field(description="the organization")
    revision: int = Field(description="revision of the member's row")


class MemberRoleChanged(Event):
    """The permissions of a member changed: their role in an organization, or their individual
    permissions in a Discord server."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID", "guild:ID", "org:ID", "staff")
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.MEMBERS, Aspect.TEAM})
    type: ClassVar[str] = "member.role_changed"
    member: PrincipalRef
    permissions: list[str] = Field(description="in a Discord server; empty in an organization")
    role: str | None = Field(default=None, description="in an organization")
    place: NamedRef | None = Field(default=None, description="the organization")
    revision: int = Field(description="revision of the member's row")


class MemberRemoved(Event):
    """A person left an organization or was removed from it."""

    channel_kinds: ClassVar[tuple[str, ...]] = MEMBER_CHANNEL_KINDS
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.MEMBERS})
    type: ClassVar[str] = "member.removed"
    member: PrincipalRef
    place: NamedRef = Field(description="the organization")


class InvitationEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ORGANIZATION_CHANNEL_KINDS
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.INVITATIONS})
    invitation: str = Field(description="id of the invitation")
    email: str = Field(description="masked, as `b…@example.org`")
    role: str


class InvitationCreated(InvitationEvent):
    """A person was invited to an organization."""

    type: ClassVar[str] = "invitation.created"


class InvitationAccepted(InvitationEvent):
    """An invitation was accepted. The `member.joined` event names the new member."""

    type: ClassVar[str] = "invitation.accepted"


class InvitationRevoked(InvitationEvent):
    """An invitation was revoked."""

    type: ClassVar[str] = "invitation.revoked"


class InvitationExpired(InvitationEvent):
    """An invitation expired before it was accepted."""

    type: ClassVar[str] = "invitation.expired"


class InvitationUndeliverable(InvitationEvent):
    """The mail of an invitation was refused: there is no such address."""

    type: ClassVar[str] = "invitation.undeliverable"


class PersonChanged(Event):
    """A person's name, picture or linked identities changed, or their account was deactivated,
    reactivated or deleted."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID", "people")
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.PERSON})
    type: ClassVar[str] = "person.changed"
    person: str
    name: str
    linked: str | None = Field(
        default=None, description="provider of an identity that was linked: `discord`"
    )
    unlinked: str | None = Field(
        default=None, description="provider of an identity that was unlinked"
    )
    erased: str | None = Field(
        default=None,
        description="the person's id, if the account was deleted; older events no longer name them",
    )
    revision: int = Field(description="revision of the person's row")


class SessionCreated(Event):
    """A person signed in. Their other devices list the new browser."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID",)
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.SESSIONS})
    type: ClassVar[str] = "session.created"
    session: str = Field(description="the session's public id")


class SessionRevoked(Event):
    """A session ended: by signing out, by a new password, or from another device. Its streams are
    closed."""

    channel_kinds: ClassVar[tuple[str, ...]] = ("user:ID",)
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.SESSIONS})
    type: ClassVar[str] = "session.revoked"
    session: str = Field(description="the session's public id")
