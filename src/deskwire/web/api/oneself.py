"""Oneself over the API."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_shapes import Me
from deskwire.web.api.organizations import organization_now, rights_of
from deskwire.web.api.places import own_of
from deskwire.web.pages.requests import chosen_of
from deskwire.web.site import Person, person_of
from deskwire.workspaces.rights import INTERNAL_ROLES, roles_in


async def show(call: Call) -> Me:
    """Show who is signed in."""
    return await call.read(_read_me, person_of(call.request), call.active)


def _read_me(tx: Connection, viewer: Viewer, person: Person, chosen: str | None) -> Me:
    own, roles = own_of(tx, viewer), roles_in(viewer, None)
    active = chosen_of(own, chosen)
    return Me(
        id=person.id,
        name=person.name,
        email=person.email,
        time_zone=person.time_zone,
        theme=person.theme,
        role=next((role for role in INTERNAL_ROLES if role in roles), None),
        rights=rights_of(viewer, None),
        active=active.id if active is not None else None,
        organizations=[organization_now(viewer, each) for each in own],
    )
