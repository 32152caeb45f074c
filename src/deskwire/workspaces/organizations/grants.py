"""Grant the channels of organizations to their members, and those of the staff."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Text, and_, cast, literal, null, or_, select, true

from deskwire.events.access import PeopleParameter
from deskwire.events.channels import PEOPLE_CHANNEL, STAFF_CHANNEL
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    Permission,
    roles_with,
)


def staff_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Select `staff` for members of the internal organization, `people` for those who see everyone.

    Rows of (person, channel, workspace, reason).
    """
    member = organization_members
    sees_people = member.c.role.in_(roles_with(Permission.PEOPLE, among=INTERNAL_ROLES))
    return [
        select(member.c.person, literal(channel), null(), member.c.role)
        .select_from(member.join(organizations, organizations.c.id == member.c.organization))
        .where(organizations.c.internal, member.c.person.in_(person_ids), condition)
        for channel, condition in ((STAFF_CHANNEL, true()), (PEOPLE_CHANNEL, sees_people))
    ]


def organization_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Select `org:ID` for members, and `org:ID:GENERATION` for those who see all requests.

    Rows of (person, channel, workspace, reason).
    """
    member, org = organization_members, organizations
    workspace = literal("org:", Text) + org.c.id
    source = member.join(org, org.c.id == member.c.organization)
    is_member = and_(member.c.person.in_(person_ids), org.c.deleted_at.is_(None))
    sees_all = or_(
        org.c.visibility == "members",
        member.c.role.in_(roles_with(Permission.SEE_ALL, among=CLIENT_ROLES)),
    )
    whole = workspace + literal(":", Text) + cast(org.c.generation, Text)
    return [
        select(member.c.person, channel, workspace, member.c.role)
        .select_from(source)
        .where(is_member, condition)
        for channel, condition in ((workspace, true()), (whole, and_(sees_all, ~org.c.internal)))
    ]
