"""Define what each role in an organization may do. docs/permissions.md is a copy of this table.

Roles in a client's organization apply there; roles in the internal organization, the staff's, apply
in every organization. Discord servers have permissions of their own (`guilds/permissions.py`). Who
may *see* a request is decided by the viewer's channels, not here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Literal, get_args

from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Workspace
from deskwire.kit.errors import Forbidden, Invalid
from deskwire.kit.i18n import N_, gettext

ClientRole = Literal["admin", "manager", "member"]
InternalRole = Literal["super_admin", "operations_manager", "support_analyst"]
Role = Literal[ClientRole, InternalRole]
CLIENT_ROLES: tuple[ClientRole, ...] = get_args(ClientRole)
INTERNAL_ROLES: tuple[InternalRole, ...] = get_args(InternalRole)

ROLE_LABELS: Mapping[Role, str] = {
    "admin": N_("Admin"),
    "manager": N_("Manager"),
    "member": N_("Member"),
    "super_admin": N_("Super admin"),
    "operations_manager": N_("Operations manager"),
    "support_analyst": N_("Support analyst"),
}


class Permission(StrEnum):
    """A permission in an organization; the value is its text in docs/permissions.md."""

    SEE_ALL = N_("see every request, regardless of visibility")
    FILE = N_("submit requests, and reply to requests they can see")
    FILE_FOR_OTHERS = N_("submit a request on someone else’s behalf")
    CANCEL_ANY = N_("cancel, reopen and rename other people’s requests, and add watchers")
    INVITE = N_("invite people and revoke invitations")
    CATEGORIES = N_("manage categories")
    MEMBERS = N_("change roles and remove members")
    PROFILE = N_("change name, web address and visibility")
    DELETE = N_("delete the organization")
    KEYS = N_("manage the organization’s API keys")
    NOTE = N_("read and write internal notes")
    WORK = N_("claim and assign requests, and set status, category, priority and labels")
    MODERATE = N_("delete requests, and other people’s messages and files")
    PEOPLE = N_("see everyone who has an account")
    ORGANIZATIONS = N_("create any number of organizations and change all of them")
    DELIVERIES = N_("see, replay and dismiss deliveries")
    DISPATCHES = N_("see, retry and dismiss dispatches")
    INTEGRATIONS = N_("see how integrations are doing")
    ACCOUNTS = N_("deactivate accounts and send links for a new password")
    IDENTIFY = N_("link people to their Discord accounts")
    EMPLOY = N_("give people a role in the team and remove it")
    DESK_KEYS = N_("manage the API keys of the desk, of Discord servers and of the bot")
    RETRY_ADDRESSES = N_("try email addresses again that were refused")
    CHANGE_INTEGRATIONS = N_("stop and start integrations, and dismiss what they set aside")


_MEMBER = {Permission.FILE}
_MANAGER = _MEMBER | {Permission.CANCEL_ANY, Permission.INVITE, Permission.CATEGORIES}
_ADMIN = _MANAGER | {Permission.SEE_ALL, Permission.MEMBERS, Permission.PROFILE, Permission.DELETE}
_ADMIN |= {Permission.KEYS}
_ANALYST = {
    Permission.SEE_ALL,
    Permission.FILE,
    Permission.FILE_FOR_OTHERS,
    Permission.NOTE,
    Permission.WORK,
}
_ANALYST |= {Permission.CANCEL_ANY}
_OPERATIONS = _ANALYST | {
    Permission.MODERATE,
    Permission.PEOPLE,
    Permission.ORGANIZATIONS,
    Permission.DELIVERIES,
    Permission.DISPATCHES,
    Permission.INTEGRATIONS,
}
_OPERATIONS |= {
    Permission.INVITE,
    Permission.CATEGORIES,
    Permission.MEMBERS,
    Permission.PROFILE,
    Permission.ACCOUNTS,
}
_SUPER = _OPERATIONS | {
    Permission.IDENTIFY,
    Permission.EMPLOY,
    Permission.DELETE,
    Permission.KEYS,
    Permission.DESK_KEYS,
    Permission.RETRY_ADDRESSES,
    Permission.CHANGE_INTEGRATIONS,
}
# What no API key does, whatever its role: a person it lets in would outlive its revocation.
WITHHELD_FROM_KEYS = frozenset(
    {
        Permission.INVITE,
        Permission.MEMBERS,
        Permission.DELETE,
        Permission.KEYS,
        Permission.ACCOUNTS,
        Permission.IDENTIFY,
        Permission.EMPLOY,
        Permission.DESK_KEYS,
        Permission.RETRY_ADDRESSES,
        Permission.CHANGE_INTEGRATIONS,
    }
)

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "admin": frozenset(_ADMIN),
    "manager": frozenset(_MANAGER),
    "member": frozenset(_MEMBER),
    "super_admin": frozenset(_SUPER),
    "operations_manager": frozenset(_OPERATIONS),
    "support_analyst": frozenset(_ANALYST),
}


def roles_in(viewer: Viewer, workspace: Workspace | None) -> list[Role]:
    """Return the viewer's role in an organization, and their staff role, which applies in all."""
    return [
        role
        for grant in viewer.grants
        if grant.channel == STAFF_CHANNEL or (workspace is not None and grant.channel == workspace)
        if (role := _parse_role(grant.reason)) is not None
    ]


def permissions_in(viewer: Viewer, workspace: Workspace | None) -> frozenset[Permission]:
    """Return the viewer's permissions in an organization; None: those of their staff role."""
    held = frozenset[Permission]().union(
        *(ROLE_PERMISSIONS[role] for role in roles_in(viewer, workspace))
    )
    return held - WITHHELD_FROM_KEYS if viewer.is_key else held


def can(viewer: Viewer, permission: Permission, workspace: Workspace | None = None) -> bool:
    """Whether the viewer has a permission in an organization, or (None) by their staff role."""
    return permission in permissions_in(viewer, workspace)


def require(viewer: Viewer, permission: Permission, workspace: Workspace | None = None) -> None:
    """Raise Forbidden, naming the permission, unless the viewer has it."""
    require_in(permissions_in(viewer, workspace), permission)


def require_in(permissions: Collection[Permission], permission: Permission) -> None:
    """Raise Forbidden, naming the missing permission, unless it is among `permissions`."""
    if permission not in permissions:
        raise Forbidden(
            gettext(_refusal_message(permissions, permission), right=gettext(permission))
        )


def may_give(permissions: Collection[Permission], role: Role) -> bool:
    """Whether someone with `permissions` holds everything that `role` allows.

    No one gives more than they hold: they could give it to another account of their own.
    """
    return ROLE_PERMISSIONS[role] <= frozenset(permissions)


def _refusal_message(permissions: Collection[Permission], permission: Permission) -> str:
    """Return the message for a missing permission: it names who could grant it."""
    if permission in ROLE_PERMISSIONS["admin"]:
        return N_("Your role doesn’t allow you to %(right)s. Ask an admin of the organization.")
    if Permission.NOTE in permissions:  # a member of the staff
        return N_("Your role in the team doesn’t allow you to %(right)s. Ask a super admin.")
    return N_("Only the team can %(right)s.")


def is_staff(viewer: Viewer) -> bool:
    """Whether the viewer is a member of the staff."""
    return STAFF_CHANNEL in viewer.channels


def roles_with(*permissions: Permission, among: Iterable[Role]) -> list[Role]:
    """Return the roles in `among` that have at least one of `permissions`."""
    return [role for role in among if ROLE_PERMISSIONS[role].intersection(permissions)]


def parse_client_role(text: str) -> ClientRole:
    """Return a role of a client's organization. Raises Invalid if there is none of that name."""
    role = next((role for role in CLIENT_ROLES if role == text), None)
    if role is None:
        raise Invalid(
            gettext("This role doesn’t exist."),
            {"role": gettext("Choose one of: %(words)s", words=", ".join(CLIENT_ROLES))},
        )
    return role


def _parse_role(text: str) -> Role | None:
    return next((role for role in ROLE_PERMISSIONS if role == text), None)
