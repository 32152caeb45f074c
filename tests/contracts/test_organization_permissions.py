"""The portal's roles and rights: one table in code, and the same in the docs."""

from __future__ import annotations

import re

import pytest

from deskwire.kit.errors import Forbidden
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    RIGHTS,
    ROLE_LABELS,
    Right,
    Role,
    demand_among,
)
from tests.contracts.source_files import read


def documented() -> dict[str, list[str]]:
    """Each right's cells in docs/permissions.md, with the roles as the head."""
    section = read("docs/permissions.md").partition("## In the portal")[2]
    rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    return {
        cells[0].strip(): [c.strip() for c in cells[1:]] for cells in (r.split("|") for r in rows)
    }


@pytest.mark.parametrize("right", Right)
def test_the_docs_say_who_has_a_right(right: Right) -> None:
    table = documented()
    roles = [name.strip("`") for name in table["right"]]

    allowed = {role for role, cell in zip(roles, table[right.value], strict=True) if cell == "yes"}

    assert roles == list(RIGHTS), (
        "docs/permissions.md names other roles than workspaces/organizations/permissions.py"
    )
    assert allowed == {role for role, rights in RIGHTS.items() if right in rights}, (
        f"docs/permissions.md: “{right.value}” is not what organizations/permissions.py says"
    )


def test_every_role_has_its_rights_and_a_name_for_people() -> None:
    assert set(RIGHTS) == {*CLIENT_ROLES, *INTERNAL_ROLES} == set(ROLE_LABELS)


def test_who_sees_deliveries_holds_the_channel_by_which_their_pages_are_taken_away() -> None:
    seers = {role for role, rights in RIGHTS.items() if Right.DELIVERIES in rights}

    assert seers <= {role for role, rights in RIGHTS.items() if Right.PEOPLE in rights}, (
        "templates/admin_deliver*.html say data-held=people: give deliveries a channel of their own"
    )


def test_no_words_promise_to_delete_an_organization_to_who_may_not() -> None:
    said = {right for right in Right if "delete" in right and "organization" in right}
    promised = {role for role, rights in RIGHTS.items() if rights & said}

    assert promised == {role for role, rights in RIGHTS.items() if Right.DELETE in rights}


@pytest.mark.parametrize(
    ("role", "right", "said"),
    [
        ("member", Right.INVITE, "Your role does not let you invite people.*Ask an admin"),
        ("admin", Right.WORK, "^Only the team may claim, assign"),
        ("member", Right.NOTE, "^Only the team may read and write internal notes.$"),
        ("support_analyst", Right.EMPLOY, "^Your role in the team does not.*Ask a super admin.$"),
    ],
)
def test_who_is_refused_is_sent_to_somebody_who_could_allow_it(
    role: Role, right: Right, said: str
) -> None:
    with pytest.raises(Forbidden, match=said):
        demand_among(RIGHTS[role], right)


def test_no_client_has_a_right_of_the_team() -> None:
    of_the_team = {Right.NOTE, Right.WORK, Right.MODERATE, Right.PEOPLE, Right.ORGANIZATIONS}
    of_the_team |= {Right.DELIVERIES, Right.EMPLOY, Right.FILE_FOR_OTHERS}
    of_the_team |= {Right.ACCOUNTS, Right.IDENTIFY}

    for role in CLIENT_ROLES:
        assert not RIGHTS[role] & of_the_team, f"{role} may do what is the team's"
