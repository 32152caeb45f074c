"""Serve /api/me: the signed-in person and their organizations."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.accounts.mail_links import ComposeLinkMail, send_verification_link
from deskwire.accounts.people import Person
from deskwire.events.access import Viewer
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.web.api.key_shapes import KeyNow, to_key_now
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_lookup import list_own_client_organizations
from deskwire.web.api.organization_shapes import Me
from deskwire.web.api.organizations import permission_names, to_organization_now
from deskwire.web.context import choose_organization, request_context, require_person
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.permissions import INTERNAL_ROLES, roles_in


async def show_me(call: Call) -> Me:
    """Get the signed-in person."""
    if request_context(call.request).key is not None:
        raise Forbidden("An API key is no person. Get `/api/key` instead.")
    return await call.read(_read_me, require_person(call.request), call.active_organization_id)


async def show_key(call: Call) -> KeyNow:
    """Get the API key that calls."""
    key = request_context(call.request).key
    if key is None:
        raise NotFound("Send an API key as `Authorization: Bearer dw_…`.")
    return to_key_now(key)


async def send_verification(call: Call) -> None:
    """Mail the verification link again.

    You cannot accept invitations until you open the link that verifies your email address.
    Everything else works before that.
    """
    mails = call.deps.mail_templates
    if not mails.is_enabled:
        raise NotFound("This server doesn’t send email.")
    compose = mails.verification_mail(call.request)
    await call.make(_send_verification, call.person_id, compose, call.client_ip)


def _send_verification(
    tx: Connection, actor: Actor, person_id: str, compose: ComposeLinkMail, client_ip: str | None
) -> str:
    send_verification_link(tx, person_id, compose, client_ip, actor.at)
    return person_id


def _read_me(tx: Connection, viewer: Viewer, person: Person, active_id: str | None) -> Me:
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
