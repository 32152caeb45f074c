"""Decide who may write, edit and delete the messages of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from deskwire.events import channels
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.tables import TicketRow
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff, require

MessageAction = Literal["edit", "delete", "strip"]  # strip: delete a file of it
AUTHOR_ONLY_TEXTS: Mapping[MessageAction, str] = {
    "edit": N_("Only the author can edit this message."),
    "delete": N_("Only the author can delete this message."),
    "strip": N_("Only the person who sent this file can delete it."),
}


def require_can_post(actor: Actor, row: TicketRow, *, is_note: bool) -> None:
    """Raise Forbidden unless the viewer may write a reply or a note in a request they see."""
    if is_note:
        require(actor.viewer, Permission.NOTE)
    elif row.opener != actor.subject and channels.ticket(row.id) not in actor.viewer.channels:
        require(actor.viewer, Permission.FILE, row.workspace)


def author_side(actor: Actor, row: TicketRow) -> Literal["customer", "staff"]:
    """Return the side the viewer writes on; in their own requests, staff write as customers."""
    is_theirs = row.opener == actor.subject or not is_staff(actor.viewer)
    return "customer" if is_theirs else "staff"


def require_can_change(
    actor: Actor, row: TicketRow, message: MessageRow | None, action: MessageAction
) -> MessageRow:
    """Return the message if the viewer may do `action`. Raises NotFound and Forbidden."""
    if message is None or message.kind == "system":
        raise NotFound(gettext("This message doesn’t exist."))
    if message.kind == "note" and not can(actor.viewer, Permission.NOTE):
        raise NotFound(gettext("This message doesn’t exist."))
    moderates = action != "edit" and can(actor.viewer, Permission.MODERATE, row.workspace)
    if message.author != actor.subject and not moderates:
        raise Forbidden(gettext(AUTHOR_ONLY_TEXTS[action]))
    return message
