"""Rights in the portal: what each role may do. The one table; docs/permissions.md is its copy.

Roles of a client's organization say what its members may do there. Roles of the internal
organization say what the team may do in every organization. Discord servers have a table of their
own, in bits (`permissions.py`). Who may *see* a request is decided by the channels somebody holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Literal, get_args

from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF, Workspace
from deskwire.kit.errors import Forbidden

ClientRole = Literal["admin", "manager", "member"]
InternalRole = Literal["super_admin", "operations_manager", "support_analyst"]
Role = Literal[ClientRole, InternalRole]
CLIENT_ROLES: tuple[ClientRole, ...] = get_args(ClientRole)
INTERNAL_ROLES: tuple[InternalRole, ...] = get_args(InternalRole)

ROLE_LABELS: Mapping[Role, str] = {
    "admin": "Admin",
    "manager": "Manager",
    "member": "Member",
    "super_admin": "Super admin",
    "operations_manager": "Operations manager",
    "support_analyst": "Support analyst",
}


class Right(StrEnum):
    """What somebody may do; the value is what docs/permissions.md calls it."""

    SEE_ALL = "see every request, whatever the visibility mode"
    FILE = "file requests, and reply in those one sees"
    FILE_FOR_OTHERS = "file a request in somebody else's name"
    CANCEL_ANY = "cancel and reopen requests of others, change their title, add watchers"
    INVITE = "invite people, and take invitations back"
    CATEGORIES = "change the categories"
    MEMBERS = "change roles, remove members"
    PROFILE = "change name, address and visibility mode"
    DELETE = "delete the organization"
    NOTE = "read and write internal notes"
    WORK = "claim, assign, set status, category, priority and labels"
    MODERATE = "delete other people's messages and files"
    PEOPLE = "see everybody who has an account"
    ORGANIZATIONS = "create, change and delete every organization"
    DELIVERIES = "see, replay and dismiss deliveries"
    ACCOUNTS = "deactivate accounts, and mail links for a new password"
    IDENTIFY = "say who somebody is at Discord"
    EMPLOY = "give people a role in the team, and take it"


_MEMBER = {Right.FILE}
_MANAGER = _MEMBER | {Right.CANCEL_ANY, Right.INVITE, Right.CATEGORIES}
_ADMIN = _MANAGER | {Right.SEE_ALL, Right.MEMBERS, Right.PROFILE, Right.DELETE}
_ANALYST = {Right.SEE_ALL, Right.FILE, Right.FILE_FOR_OTHERS, Right.NOTE, Right.WORK}
_ANALYST |= {Right.CANCEL_ANY}
_OPERATIONS = _ANALYST | {Right.MODERATE, Right.PEOPLE, Right.ORGANIZATIONS, Right.DELIVERIES}
_OPERATIONS |= {Right.INVITE, Right.CATEGORIES, Right.MEMBERS, Right.PROFILE, Right.ACCOUNTS}
_SUPER = _OPERATIONS | {Right.IDENTIFY, Right.EMPLOY, Right.DELETE}

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "admin": frozenset(_ADMIN),
    "manager": frozenset(_MANAGER),
    "member": frozenset(_MEMBER),
    "super_admin": frozenset(_SUPER),
    "operations_manager": frozenset(_OPERATIONS),
    "support_analyst": frozenset(_ANALYST),
}


def roles_in(viewer: Viewer, workspace: Workspace | None) -> list[Role]:
    """The viewer's role in an organization and, of the team, the one that holds everywhere."""
    return [
        role
        for grant in viewer.grants
        if grant.channel == STAFF or (workspace is not None and grant.channel == workspace)
        if (role := _role(grant.why)) is not None
    ]


def rights_in(viewer: Viewer, workspace: Workspace | None) -> frozenset[Right]:
    """All the viewer may do in an organization; None: what a role in the team allows anywhere."""
    return frozenset().union(*(RIGHTS[role] for role in roles_in(viewer, workspace)))


def may(viewer: Viewer, right: Right, workspace: Workspace | None = None) -> bool:
    """Whether the viewer may do something in an organization, or (None) as one of the team."""
    return right in rights_in(viewer, workspace)


def demand(viewer: Viewer, right: Right, workspace: Workspace | None = None) -> None:
    """Raises Forbidden, with the right's name, unless the viewer has it."""
    if not may(viewer, right, workspace):
        raise Forbidden(f"Your role does not let you {right}. Ask an admin of the organization.")


def is_staff(viewer: Viewer) -> bool:
    """Whether the viewer is of the team."""
    return STAFF in viewer.channels


def roles_with(*rights: Right, among: Iterable[Role]) -> list[Role]:
    """Those of `among` that have one of `rights`."""
    return [role for role in among if RIGHTS[role].intersection(rights)]


def _role(word: str) -> Role | None:
    return next((role for role in RIGHTS if role == word), None)
