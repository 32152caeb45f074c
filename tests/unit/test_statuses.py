"""Test the statuses row by row: the effect of a sender's word, and the word we send back."""

from __future__ import annotations

import pytest

from deskwire.tickets.state import Fact, TicketState, fold_facts
from deskwire.tickets.statuses import (
    STATUS_LABELS,
    STATUSES,
    Status,
    WireStatus,
    apply_wire_status,
    to_wire_status,
)

ADA, BO = "discord:1", "discord:2"


@pytest.mark.parametrize(
    ("status", "assigned", "word"),
    [
        ("new", False, "OPEN"),
        ("active", True, "CLAIMED"),
        ("active", False, "OPEN"),
        ("review", True, "CLAIMED"),
        ("review", False, "OPEN"),
        ("waiting", True, "PENDING"),
        ("waiting", False, "PENDING"),
        ("done", True, "CLOSED"),
        ("canceled", False, "CLOSED"),
    ],
)
def test_a_status_maps_to_the_bots_word(status: Status, assigned: bool, word: WireStatus) -> None:
    assert to_wire_status(status, is_assigned=assigned) == word


@pytest.mark.parametrize(
    ("before", "claimed", "word", "after", "assignee"),
    [
        ("new", False, "CLAIMED", "active", BO),
        ("active", True, "CLAIMED", "active", BO),
        ("review", True, "CLAIMED", "review", BO),
        ("waiting", True, "CLAIMED", "waiting", BO),  # being claimed is not a status
        ("done", True, "CLAIMED", "active", BO),  # no one works on an ended ticket
        ("canceled", True, "CLAIMED", "active", BO),
        *((status, True, "PENDING", "waiting", ADA) for status in STATUSES),
        *((status, True, "CLOSED", "done", ADA) for status in STATUSES),
        *((status, True, "OPEN", "active", None) for status in STATUSES),
        *((status, False, "OPEN", "new", None) for status in STATUSES),
    ],
)
def test_a_senders_word_sets_status_and_assignee(
    before: Status, claimed: bool, word: WireStatus, after: Status, assignee: str | None
) -> None:
    done = apply_wire_status(word, status=before, assignee=ADA, was_claimed=claimed, actor=BO)

    assert done == (after, assignee)


def test_every_status_has_a_label() -> None:
    assert set(STATUS_LABELS) == set(STATUSES)


def moved(at: int, word: str, actor: str = ADA) -> Fact:
    return Fact("ticket.status_changed", at, actor, {"newStatus": word})


def test_a_late_event_is_ordered_by_its_time() -> None:
    closed, claimed = moved(20, "CLOSED"), moved(10, "CLAIMED")

    assert fold_facts([closed, claimed]) == fold_facts([claimed, closed])
    assert fold_facts([closed, claimed]).status == "done"


def test_a_deleted_ticket_is_not_revived() -> None:
    deleted = Fact("ticket.deleted", 20, ADA, {})

    assert fold_facts([deleted, moved(10, "OPEN"), moved(30, "OPEN")]).deleted_at == 20


def test_a_reopened_ticket_has_no_closing_time() -> None:
    state = fold_facts([moved(10, "CLAIMED"), moved(20, "CLOSED"), moved(30, "OPEN")])

    assert (state.status, state.assignee, state.closed_at) == ("active", None, None)


def test_a_subject_changed_before_the_ticket_was_created_stays_changed() -> None:
    created = Fact("ticket.created", 10, ADA, {"subject": "Old", "openerId": "1"})
    changed = Fact("ticket.updated", 20, BO, {"changes": {"subject": {"new": "New"}}})

    assert fold_facts([changed, created]).subject == "New"


def test_priorities_can_be_cleared_and_tags_added_and_removed() -> None:
    def updated(at: int, **changes: object) -> Fact:
        return Fact("ticket.updated", at, ADA, {"changes": changes})

    state = fold_facts(
        [
            updated(1, priority={"old": None, "new": "high"}, tags={"added": ["a", "b"]}),
            updated(2, priority={"old": "high", "new": None}, tags={"removed": ["a"]}),
        ]
    )

    assert state.priority is None
    assert state.tags == {"b"}


def test_an_event_without_fields_is_a_new_ticket() -> None:
    assert fold_facts([]) == TicketState()
