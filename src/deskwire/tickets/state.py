"""What senders told about a ticket, folded into its state: pure, and the same for every order.

Facts are sorted by the sender's signed time, then by arrival; the state is what they say together.
A late fact takes the place it would have had. A deleted ticket stays deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from deskwire.kit.clock import Millis
from deskwire.tickets.statuses import STATUSES, Status, WireStatus, apply_wire_status
from deskwire.workspaces.origin import Principal, discord_principal

DIRECT_EDIT_TYPE = "ticket.edited"  # the type of a fact that somebody wrote into the row by hand


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to a ticket: an event's type, when, by whom, and its fields."""

    type: str
    at: Millis
    actor: Principal
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TicketState:
    """A ticket as its facts tell it."""

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
    category: str | None = None


def fold_facts(facts: Iterable[Fact]) -> TicketState:
    """The state after all `facts`, given in order of arrival."""
    state = TicketState()
    for fact in sorted(facts, key=lambda fact: fact.at):  # stable: then by arrival
        state = _apply_fact(state, fact)
    return state


def _apply_fact(state: TicketState, fact: Fact) -> TicketState:
    if (values := fact.data.get("set")) is not None:  # told here, in our own words
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
    kept = state.tags - set(tags.get("removed") or ())
    return replace(
        state,
        subject=subject.get("new") or state.subject,
        priority=priority.get("new", state.priority),
        tags=kept | set(tags.get("added") or ()),
    )


def _apply_wire_status(state: TicketState, fact: Fact) -> TicketState:
    word: WireStatus = fact.data["newStatus"]
    status, assignee = apply_wire_status(
        word,
        status=state.status,
        assignee=state.assignee,
        was_claimed=state.claimed,
        actor=fact.actor,
    )
    ends = status in ("done", "canceled")
    return replace(
        state,
        status=status,
        assignee=assignee,
        claimed=state.claimed or word == "CLAIMED",
        closed_at=fact.at if ends else None,
    )


def _apply_values(state: TicketState, values: Mapping[str, Any]) -> TicketState:
    known = {name: values[name] for name in (*_EDITABLE_FIELDS, "opened_at") if name in values}
    if "tags" in known:
        known["tags"] = frozenset(known["tags"])
    claimed = state.claimed or known.get("assignee") is not None
    return replace(state, **known, claimed=claimed)


def find_direct_edits(
    row: Any,  # noqa: ANN401 - a row, or what is remembered of it
    state: TicketState,
    *,
    include_opened_at: bool = False,
) -> dict[str, Any]:
    """What the row of a ticket says otherwise than its facts; what cannot be is left out.

    `opened`: also when it was opened, where no fact has told it.
    """
    found = {name: getattr(row, name) for name in _EDITABLE_FIELDS if name != "tags"}
    tags = parse_tags(row.tags)
    found["tags"] = sorted(state.tags) if tags is None else tags
    if include_opened_at or state.opened_at is not None:
        found["opened_at"] = row.opened_at
    if row.status not in STATUSES:
        del found["status"]
    before = {**asdict(state), "tags": sorted(state.tags)}
    return {name: value for name, value in found.items() if value != before[name]}


_EDITABLE_FIELDS = (
    *("subject", "opener", "status", "assignee", "priority", "tags"),
    *("closed_at", "deleted_at", "category"),
)


def parse_tags(text: object) -> list[str] | None:
    """The tags in a column's JSON, sorted; None where it holds something else."""
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        return None
    return sorted(set(found))
