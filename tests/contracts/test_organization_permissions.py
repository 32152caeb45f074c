"""Check the portal's roles and permissions: one table in code, and the same in the docs."""

from __future__ import annotations

import re

import pytest

from deskwire.kit.errors import Forbidden
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    ROLE_LABELS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
    require_in,
)
from tests.contracts.source_files import read_file


def documented() -> dict[str, list[str]]:
    """Each right's cells in docs/permissions.md, with the roles as the head."""
    section = read_file("docs/permissions.md").partition("## In the portal")[2]
    rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    return {
        cells[0].strip(): [c.strip() for c in cells[1:]] for cells in (r.split("|") for r in rows)
    }


@pytest.mark.parametrize("right", Permission)
def test_the_docs_list_the_roles_of_every_permission(right: Permission) -> None:
    table = documented()
    roles = [name.strip("`") for name in table["permission"]]

    allowed = {role for role, cell in zip(roles, table[right.value], strict=True) if cell == "yes"}

    assert roles == list(ROLE_PERMISSIONS), (
        "docs/permissions.md names other roles than workspaces/organizations/permissions.py"
    )
    assert allowed == {role for role, rights in ROLE_PERMISSIONS.items() if right in rights}, (
        f"docs/permissions.md: “{right.value}” is not what organizations/permissions.py says"
    )


def test_every_role_has_permissions_and_a_label() -> None:
    assert set(ROLE_PERMISSIONS) == {*CLIENT_ROLES, *INTERNAL_ROLES} == set(ROLE_LABELS)


def test_roles_that_see_deliveries_hold_the_people_channel() -> None:
    seers = {role for role, rights in ROLE_PERMISSIONS.items() if Permission.DELIVERIES in rights}

    assert seers <= {
        role for role, rights in ROLE_PERMISSIONS.items() if Permission.PEOPLE in rights
    }, "templates/admin_deliver*.html say data-held=people: give deliveries a channel of their own"


def test_only_roles_that_can_delete_an_organization_list_that_permission() -> None:
    deleting = {right for right in Permission if "delete" in right and "organization" in right}
    promised = {role for role, rights in ROLE_PERMISSIONS.items() if rights & deleting}

    assert promised == {
        role for role, rights in ROLE_PERMISSIONS.items() if Permission.DELETE in rights
    }


@pytest.mark.parametrize(
    ("role", "right", "said"),
    [
        ("member", Permission.INVITE, "Your role doesn’t allow you to invite people.*Ask an admin"),
        ("admin", Permission.WORK, "^Only the team can claim and assign"),
        ("member", Permission.NOTE, "^Only the team can read and write internal notes.$"),
        (
            "support_analyst",
            Permission.EMPLOY,
            "^Your role in the team doesn’t.*Ask a super admin.$",
        ),
    ],
)
def test_a_refusal_names_a_person_who_can_help(role: Role, right: Permission, said: str) -> None:
    with pytest.raises(Forbidden, match=said):
        require_in(ROLE_PERMISSIONS[role], right)


def test_no_client_role_has_a_staff_permission() -> None:
    of_the_team = {
        Permission.NOTE,
        Permission.WORK,
        Permission.MODERATE,
        Permission.PEOPLE,
        Permission.ORGANIZATIONS,
    }
    of_the_team |= {Permission.DELIVERIES, Permission.EMPLOY, Permission.FILE_FOR_OTHERS}
    of_the_team |= {Permission.ACCOUNTS, Permission.IDENTIFY, Permission.RETRY_ADDRESSES}

    for role in CLIENT_ROLES:
        assert not ROLE_PERMISSIONS[role] & of_the_team, f"{role} may do what is the team's"
