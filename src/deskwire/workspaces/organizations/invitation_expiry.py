"""Record that an invitation has expired, at its time, so that open pages stop showing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from deskwire.dispatches import timers
from deskwire.events import channels
from deskwire.events.types.registry import InvitationExpired
from deskwire.kit.clock import Millis
from deskwire.kit.rows import fetch_first
from deskwire.workspaces.organizations.invitation_events import record_invitation_event
from deskwire.workspaces.organizations.invitations import (
    EXPIRY_TIMER,
    InvitationRow,
    invitations,
)
from deskwire.workspaces.organizations.organizations import organizations
from deskwire.workspaces.origin import DESK_ACTOR


def expire(tx: Connection, invitation_id: str, _payload: Mapping[str, Any], at: Millis) -> None:
    """Append the event of an invitation that has expired: the action of its timer.

    Does nothing if it was accepted or revoked, or if its organization is deleted. If it expires
    later than it was to, because its row was edited, the timer is set again.
    """
    row = fetch_first(tx, _PENDING.where(invitations.c.id == invitation_id), InvitationRow)
    if row is None:
        return
    if row.expires_at > at:
        timers.schedule(tx, EXPIRY_TIMER, row.id, row.expires_at, at=at)
        return
    workspace = channels.organization(row.organization)
    record_invitation_event(
        tx, DESK_ACTOR, InvitationExpired, workspace, row.id, row.email, row.role
    )


_PENDING = (
    select(invitations)
    .join(organizations, organizations.c.id == invitations.c.organization)
    .where(
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked_at.is_(None),
        organizations.c.deleted_at.is_(None),
    )
)
