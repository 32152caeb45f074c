"""Oneself over the API."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.accounts.mail_links import send_verification_link
from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.kit.errors import NotFound
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_lookup import list_own_client_organizations
from deskwire.web.api.organization_shapes import Me
from deskwire.web.api.organizations import permission_names, to_organization_now
from deskwire.web.dependencies import Account, require_person
from deskwire.web.pages.request_list import choose_organization
from deskwire.workspaces.organizations.permissions import INTERNAL_ROLES, roles_in


async def show(call: Call) -> Me:
    """Show who is signed in."""
    return await call.read(_read_me, require_person(call.request), call.active_organization_id)


async def prove(call: Call) -> None:
    """Mail the link again that proves your address.

    Until it is opened you cannot accept invitations; all else is as it will be.
    """
    request, letters = call.request, call.deps.mail_templates
    if not letters.is_enabled:
        raise NotFound("This desk sends no mail.")
    address = request.client.host if request.client else None
    compose = letters.verification_mail(request)
    await call.deps.db.write(send_verification_link, call.person_id, compose, address, now())


def _read_me(tx: Connection, viewer: Viewer, person: Account, active_id: str | None) -> Me:
    own, roles = list_own_client_organizations(tx, viewer), roles_in(viewer, None)
    active = choose_organization(own, active_id)
    return Me(
        id=person.id,
        name=person.name,
        email=person.email,
        email_verified=person.email is not None and person.email_verified_at is not None,
        time_zone=person.time_zone,
        theme=person.theme,
        role=next((role for role in INTERNAL_ROLES if role in roles), None),
        rights=permission_names(viewer, None),
        active=active.id if active is not None else None,
        organizations=[to_organization_now(viewer, each) for each in own],
    )
