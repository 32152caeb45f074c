"""The statuses of a ticket: the stored words, what screens show, what senders say.

new → active → review → done        waiting: on the requester        canceled
"""

from __future__ import annotations

from typing import Literal, get_args

from deskwire.events.types.registry import StatusName
from deskwire.kit.i18n import N_

Status = StatusName
WireStatus = Literal["OPEN", "CLAIMED", "PENDING", "CLOSED"]

STATUSES: tuple[Status, ...] = get_args(StatusName)

STATUS_LABELS: dict[Status, str] = {
    "new": N_("Submitted"),
    "active": N_("In Progress"),
    "waiting": N_("Action Required"),
    "review": N_("Reviewing"),
    "done": N_("Completed"),
    "canceled": N_("Canceled"),
}

ENDED_STATUSES: frozenset[Status] = frozenset({"done", "canceled"})


def to_wire_status(status: Status, *, is_assigned: bool) -> WireStatus:
    """What the bot calls this status."""
    match status:
        case "new":
            return "OPEN"
        case "active" | "review":
            return "CLAIMED" if is_assigned else "OPEN"
        case "waiting":
            return "PENDING"
        case "done" | "canceled":
            return "CLOSED"


def apply_wire_status(
    wire_status: WireStatus, *, status: Status, assignee: str | None, was_claimed: bool, actor: str
) -> tuple[Status, str | None]:
    """The status and assignee after a sender's word; `claimed`: ever taken on before."""
    match wire_status:
        case "CLAIMED":
            return ("active" if status == "new" or status in ENDED_STATUSES else status), actor
        case "PENDING":
            return "waiting", assignee
        case "CLOSED":
            return "done", assignee
        case "OPEN":
            return ("active" if was_claimed else "new"), None
