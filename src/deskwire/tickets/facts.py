"""What senders told about a ticket, folded into its state: pure, and the same for every order.

Facts are sorted by the sender's signed time, then by arrival; the state is what they say together.
A late fact takes the place it would have had. A deleted ticket stays deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from deskwire.kit.clock import Millis
from deskwire.tickets.statuses import Status, WireStatus, from_wire
from deskwire.workspaces.origin import Principal, discord


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened to a ticket: an event's type, when, by whom, and its fields."""

    type: str
    at: Millis
    actor: Principal
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class State:
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


def fold(facts: Iterable[Fact]) -> State:
    """The state after all `facts`, given in order of arrival."""
    state = State()
    for fact in sorted(facts, key=lambda fact: fact.at):  # stable: then by arrival
        state = _after(state, fact)
    return state


def _after(state: State, fact: Fact) -> State:
    match fact.type:
        case "ticket.created":
            return _created(state, fact)
        case "ticket.updated":
            return _updated(state, fact.data.get("changes") or {})
        case "ticket.status_changed" | "ticket.claimed" | "ticket.closed":
            return _moved(state, fact)
        case "ticket.deleted":
            return replace(state, deleted_at=fact.at)
        case _:
            return state


def _created(state: State, fact: Fact) -> State:
    opener = discord(fact.data["openerId"])
    return replace(state, subject=fact.data["subject"], opener=opener, opened_at=fact.at)


def _updated(state: State, changes: Mapping[str, Any]) -> State:
    subject, priority, tags = (changes.get(name) or {} for name in ("subject", "priority", "tags"))
    kept = state.tags - set(tags.get("removed") or ())
    return replace(
        state,
        subject=subject.get("new") or state.subject,
        priority=priority.get("new", state.priority),
        tags=kept | set(tags.get("added") or ()),
    )


def _moved(state: State, fact: Fact) -> State:
    word: WireStatus = fact.data["newStatus"]
    status, assignee = from_wire(
        word,
        status=state.status,
        assignee=state.assignee,
        claimed=state.claimed,
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
