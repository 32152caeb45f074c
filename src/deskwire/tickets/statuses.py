"""The statuses of a ticket: the stored words, what screens show, what senders say.

new → active → review → done        waiting: on the requester        canceled
"""

from __future__ import annotations

from typing import Literal, get_args

from deskwire.events.types.registry import StatusWord
from deskwire.kit.i18n import N_

Status = StatusWord
WireStatus = Literal["OPEN", "CLAIMED", "PENDING", "CLOSED"]

STATUSES: tuple[Status, ...] = get_args(StatusWord)

LABELS: dict[Status, str] = {
    "new": N_("Submitted"),
    "active": N_("In Progress"),
    "waiting": N_("Action Required"),
    "review": N_("Reviewing"),
    "done": N_("Completed"),
    "canceled": N_("Canceled"),
}

ENDED: frozenset[Status] = frozenset({"done", "canceled"})


def to_wire(status: Status, *, assigned: bool) -> WireStatus:
    """What the bot calls this status."""
    match status:
        case "new":
            return "OPEN"
        case "active" | "review":
            return "CLAIMED" if assigned else "OPEN"
        case "waiting":
            return "PENDING"
        case "done" | "canceled":
            return "CLOSED"


def from_wire(
    word: WireStatus, *, status: Status, assignee: str | None, claimed: bool, actor: str
) -> tuple[Status, str | None]:
    """The status and assignee after a sender's word; `claimed`: ever taken on before."""
    match word:
        case "CLAIMED":
            return ("active" if status == "new" or status in ENDED else status), actor
        case "PENDING":
            return "waiting", assignee
        case "CLOSED":
            return "done", assignee
        case "OPEN":
            return ("active" if claimed else "new"), None
