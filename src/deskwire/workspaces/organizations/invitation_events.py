"""Record events about invitations."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.accounts.people import mask_email
from deskwire.events import log
from deskwire.events.channels import STAFF_CHANNEL, Workspace
from deskwire.events.types.organizations import InvitationEvent


def record_invitation_event(
    tx: Connection,
    actor_id: str,
    event_type: type[InvitationEvent],
    workspace: Workspace,
    invitation_id: str,
    email: str,
    role: str,
) -> None:
    """Record an event about an invitation, with its address masked.

    All members receive the event and the log keeps it; only those who may invite see the address.
    """
    event = event_type(
        workspace=workspace,
        actor=actor_id,
        invitation=invitation_id,
        email=mask_email(email),
        role=role,
    )
    log.append(tx, event, channels=[workspace, STAFF_CHANNEL])
