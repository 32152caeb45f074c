"""Fold the facts about a ticket into its state.

Pure, and the same result for every order of arrival: facts are sorted by the sender's signed time,
then by arrival, so a late fact counts as if it had come in time. A deleted ticket stays deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from deskwire.kit.clock import Millis
from deskwire.tickets.request_fields import fields_by_column
from deskwire.tickets.statuses import (
    ENDED_STATUSES,
    STATUSES,
    Status,
    WireStatus,
    apply_wire_status,
)
from deskwire.tickets.tables import TicketRow
from deskwire.tickets.validation import parse_tags
from deskwire.workspaces.origin import Principal, discord_principal

DIRECT_EDIT_TYPE = "ticket.edited"  # the type of a fact that was read from an edited row
_UNLISTED_COLUMNS = ("opener", "closed_at", "deleted_at")  # folded too, but no fields to fill in


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to a ticket: type of the event, time, actor and fields."""

    type: str
    at: Millis
    actor: Principal
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TicketState:
    """A ticket as its facts describe it.

    The attributes are what senders report. `request_values` holds the columns of the fields that
    only requests have (`category`, for one).
    """

    subject: str | None = None
    opener: Principal | None = None
    status: Status = "new"
    assignee: Principal | None = None
    claimed: bool = False  # ever
    priority: str | None = None
    tags: frozenset[str] = frozenset()
    opened_at: Millis | None = None
    closed_at: Millis | None = None
    deleted_at: Millis | None = None
    request_values: Mapping[str, Any] = field(default_factory=dict)


_STATE_COLUMNS = frozenset(each.name for each in fields(TicketState)) - {
    "claimed",
    "request_values",
}


def fold_facts(facts: Iterable[Fact]) -> TicketState:
    """Return the state after all `facts`, which come in order of arrival."""
    state = TicketState()
    for fact in sorted(facts, key=lambda fact: fact.at):  # stable: then by arrival
        state = _apply_fact(state, fact)
    return state


def list_request_only_columns() -> list[str]:
    """Return the columns of request fields that no sender reports."""
    return [column for column in fields_by_column() if column not in _STATE_COLUMNS]


def _apply_fact(state: TicketState, fact: Fact) -> TicketState:
    if (values := fact.data.get("set")) is not None:  # recorded in the portal, with exact values
        return _apply_values(state, values)
    match fact.type:
        case "ticket.created":
            return _apply_created(state, fact)
        case "ticket.updated":
            return _apply_changes(state, fact.data.get("changes") or {})
        case "ticket.status_changed" | "ticket.claimed" | "ticket.closed":
            return _apply_wire_status(state, fact)
        case "ticket.deleted":
            return replace(state, deleted_at=fact.at)
        case "ticket.edited":
            return _apply_values(state, fact.data.get("edit") or {})
        case _:
            return state


def _apply_created(state: TicketState, fact: Fact) -> TicketState:
    opener = discord_principal(fact.data["openerId"])
    return replace(state, subject=fact.data["subject"], opener=opener, opened_at=fact.at)


def _apply_changes(state: TicketState, changes: Mapping[str, Any]) -> TicketState:
    subject, priority, tags = (changes.get(name) or {} for name in ("subject", "priority", "tags"))
    remaining = state.tags - set(tags.get("removed") or ())
    return replace(
        state,
        subject=subject.get("new") or state.subject,
        priority=priority.get("new", state.priority),
        tags=remaining | set(tags.get("added") or ()),
    )


def _apply_wire_status(state: TicketState, fact: Fact) -> TicketState:
    wire_status: WireStatus = fact.data["newStatus"]
    status, assignee = apply_wire_status(
        wire_status,
        status=state.status,
        assignee=state.assignee,
        was_claimed=state.claimed,
        actor=fact.actor,
    )
    return replace(
        state,
        status=status,
        assignee=assignee,
        claimed=state.claimed or wire_status == "CLAIMED",
        closed_at=fact.at if status in ENDED_STATUSES else None,
    )


def _apply_values(state: TicketState, values: Mapping[str, Any]) -> TicketState:
    known = {name: values[name] for name in _STATE_COLUMNS if name in values}
    if "tags" in known:
        known["tags"] = frozenset(known["tags"])
    claimed = state.claimed or known.get("assignee") is not None
    added = {name: values[name] for name in list_request_only_columns() if name in values}
    request_values = {**state.request_values, **added}
    return replace(state, **known, claimed=claimed, request_values=request_values)


def find_direct_edits(
    row: TicketRow, state: TicketState, *, include_opened_at: bool = False
) -> dict[str, Any]:
    """Return the columns of a ticket's row that differ from its facts, with the row's values.

    Invalid values are left out. `opened_at` counts if a fact has set it, or with
    `include_opened_at`.
    """
    edited = {
        name: getattr(row, name)
        for name in (*fields_by_column(), *_UNLISTED_COLUMNS)
        if name != "tags"
    }
    tags = parse_tags(row.tags)
    edited["tags"] = sorted(state.tags) if tags is None else tags
    if include_opened_at or state.opened_at is not None:
        edited["opened_at"] = row.opened_at
    if row.status not in STATUSES:
        del edited["status"]
    return {name: value for name, value in edited.items() if value != _value_of(state, name)}


def _value_of(state: TicketState, column: str) -> object:
    """Return the value that a column of the row should have according to the facts."""
    if column == "tags":
        return sorted(state.tags)
    if column in _STATE_COLUMNS:
        return getattr(state, column)
    return state.request_values.get(column)
