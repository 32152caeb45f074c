"""Rights in the portal: what each role may do. The one table; docs/permissions.md is its copy.

Roles of a client's organization say what its members may do there. Roles of the internal
organization say what the team may do in every organization. Discord servers have a table of their
own, in bits (`permissions.py`). Who may *see* a request is decided by the channels somebody holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Literal, get_args

from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF, Workspace
from deskwire.kit.errors import Forbidden
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


class Right(StrEnum):
    """What somebody may do; the value is what docs/permissions.md calls it."""

    SEE_ALL = N_("see every request, whatever the visibility mode")
    FILE = N_("file requests, and reply in those one sees")
    FILE_FOR_OTHERS = N_("file a request in somebody else's name")
    CANCEL_ANY = N_("cancel and reopen requests of others, change their title, add watchers")
    INVITE = N_("invite people, and take invitations back")
    CATEGORIES = N_("change the categories")
    MEMBERS = N_("change roles, remove members")
    PROFILE = N_("change name, address and visibility mode")
    DELETE = N_("delete the organization")
    NOTE = N_("read and write internal notes")
    WORK = N_("claim, assign, set status, category, priority and labels")
    MODERATE = N_("delete other people's messages and files")
    PEOPLE = N_("see everybody who has an account")
    ORGANIZATIONS = N_("create any number of organizations, and change every one")
    DELIVERIES = N_("see, replay and dismiss deliveries")
    ACCOUNTS = N_("deactivate accounts, and mail links for a new password")
    IDENTIFY = N_("say who somebody is at Discord")
    EMPLOY = N_("give people a role in the team, and take it")


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
    demand_among(rights_in(viewer, workspace), right)


def demand_among(rights: Collection[Right], right: Right) -> None:
    """`demand`, of somebody who has these rights."""
    if right not in rights:
        raise Forbidden(gettext(_refusal(rights, right), right=gettext(right)))


def _refusal(rights: Collection[Right], right: Right) -> str:
    """What is said to who lacks a right, by who could give it to them."""
    if right in RIGHTS["admin"]:
        return N_("Your role does not let you %(right)s. Ask an admin of the organization.")
    if Right.NOTE in rights:  # they are of the team
        return N_("Your role in the team does not let you %(right)s. Ask a super admin.")
    return N_("Only the team may %(right)s.")


def is_staff(viewer: Viewer) -> bool:
    """Whether the viewer is of the team."""
    return STAFF in viewer.channels


def roles_with(*rights: Right, among: Iterable[Role]) -> list[Role]:
    """Those of `among` that have one of `rights`."""
    return [role for role in among if RIGHTS[role].intersection(rights)]


def _role(word: str) -> Role | None:
    return next((role for role in RIGHTS if role == word), None)
