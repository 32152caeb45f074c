"""Define the statuses of a ticket: stored values, labels, and the values that senders use.

new → active → review → done        waiting: for the requester       canceled
"""

from __future__ import annotations

from typing import Literal, get_args

from deskwire.events.types.registry import StatusName
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import N_, gettext

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


def parse_status(text: str) -> Status:
    """Return the status that a form or a caller names. Raises Invalid for any other word."""
    status = next((status for status in STATUSES if status == text), None)
    if status is None:
        raise Invalid(
            gettext("%(word)s is not a status.", word=repr(text[:40])),
            {"status": gettext("Choose one from the list")},
        )
    return status


def to_wire_status(status: Status, *, is_assigned: bool) -> WireStatus:
    """Return the bot's value for a status."""
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
    """Return the status and assignee after a sender's status.

    `was_claimed`: whether the ticket has ever been claimed. `actor`: the assignee of `CLAIMED`.
    """
    match wire_status:
        case "CLAIMED":
            return ("active" if status == "new" or status in ENDED_STATUSES else status), actor
        case "PENDING":
            return "waiting", assignee
        case "CLOSED":
            return "done", assignee
        case "OPEN":
            return ("active" if was_claimed else "new"), None
