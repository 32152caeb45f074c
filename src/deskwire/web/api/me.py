"""Oneself over the API."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.accounts.mail_links import send_verification
from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import NotFound
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_lookup import own_of
from deskwire.web.api.organization_shapes import Me
from deskwire.web.api.organizations import organization_now, rights_of
from deskwire.web.dependencies import Person, person_of
from deskwire.web.pages.request_list import chosen_of
from deskwire.workspaces.organizations.permissions import INTERNAL_ROLES, roles_in


async def show(call: Call) -> Me:
    """Show who is signed in."""
    return await call.read(_read_me, person_of(call.request), call.active)


async def prove(call: Call) -> None:
    """Mail the link again that proves your address.

    Until it is opened you cannot accept invitations; all else is as it will be.
    """
    request, letters = call.request, call.site.letters
    if not letters.works:
        raise NotFound("This desk sends no mail.")
    address = request.client.host if request.client else None
    compose = letters.verification(request)
    await call.site.db.write(send_verification, call.person, compose, address, now())


def _read_me(tx: Connection, viewer: Viewer, person: Person, chosen: str | None) -> Me:
    own, roles = own_of(tx, viewer), roles_in(viewer, None)
    active = chosen_of(own, chosen)
    return Me(
        id=person.id,
        name=person.name,
        email=person.email,
        email_verified=person.email is not None and person.email_verified_at is not None,
        time_zone=person.time_zone,
        theme=person.theme,
        role=next((role for role in INTERNAL_ROLES if role in roles), None),
        rights=rights_of(viewer, None),
        active=active.id if active is not None else None,
        organizations=[organization_now(viewer, each) for each in own],
    )
