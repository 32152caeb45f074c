"""An overview of requests: what waits on somebody, how many there are, whose they are, and since
when. Each part is one statement, of one organization or of all companies' (None: for the team).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.clock import DAY
from deskwire.kit.db import is_postgresql
from deskwire.kit.rows import fetch_all
from deskwire.tickets.messages import messages
from deskwire.tickets.queries.counts import is_counted_request, ticket_counts
from deskwire.tickets.queries.daily_counts import EpochDay, compute_daily_changes, request_days
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES, Status
from deskwire.tickets.tables import IS_OPEN, IS_REQUEST, TicketRow, tickets
from deskwire.tickets.visibility import (
    all_requests,
    can_see_all_tickets,
    participated_by,
    visible_in,
)
from deskwire.workspaces.organizations.organizations import is_deleted_workspace_uncorrelated
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal

WaitingReason = Literal["yours", "nobody's"]

MAX_PER_REASON = 6  # requests of each kind; who has more waiting goes on to the list
OPEN_STATUSES = tuple(status for status in STATUSES if status not in ENDED_STATUSES)


class WaitingRow(TicketRow):
    """A row of `tickets` with the reason why it waits."""

    why: WaitingReason


@dataclass(slots=True)
class DashboardCounts:
    """How many requests there are by status, how many open ones each assignee has, and what
    changed from a day on."""

    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    open_by_assignee: dict[Principal | None, int] = field(default_factory=dict)  # None: nobody's
    daily_changes: list[tuple[EpochDay, str, int]] = field(default_factory=list)


def list_waiting_requests(
    tx: Connection, viewer: Viewer, workspace: Workspace | None
) -> Sequence[WaitingRow]:
    """Rows of `tickets`, with `why` they wait, those that wait longest first; of each why one more
    than is shown, where there are more.

    `yours`: the viewer's answer is asked for. For the team also what is theirs and spoke last by
    somebody else; and `nobody's`: what nobody has taken on.
    """
    here = _build_scope_condition(tx, viewer, workspace)
    asked = and_(tickets.c.status == "waiting", tickets.c.opener == viewer.person)
    if not is_staff(viewer):
        return fetch_all(tx, _select_longest_waiting("yours", and_(here, asked)), WaitingRow)
    on_us = and_(IS_OPEN, tickets.c.status != "waiting")
    unanswered = or_(tickets.c.spoken_by.is_(None), tickets.c.spoken_by != viewer.person)
    theirs = and_(on_us, tickets.c.assignee == viewer.person, unanswered)
    free = and_(on_us, tickets.c.assignee.is_(None))
    parts = [
        # By their ids, which are few: nothing is in the order of who opened what everywhere.
        _select_longest_waiting(
            "yours", and_(here, asked, participated_by(viewer, excluded_workspaces=()))
        ),
        _select_longest_waiting("yours", and_(here, theirs)),
        _select_longest_waiting("nobody's", and_(here, free)),
    ]
    query = union_all(*(select(part.subquery()) for part in parts))
    return sorted(fetch_all(tx, query, WaitingRow), key=lambda row: (row.active_at, row.id))


def read_dashboard_counts(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, since: EpochDay
) -> DashboardCounts:
    """The figures of what the viewer may see; two statements for who sees only some of it."""
    if workspace is None and not is_staff(viewer):
        return DashboardCounts()
    if workspace is None or can_see_all_tickets(viewer, workspace):
        return _read_stored_counts(tx, viewer, workspace, since)
    here = visible_in(tx, viewer, workspace)
    figures = DashboardCounts()
    by_both = select(tickets.c.status, tickets.c.assignee, func.count()).where(here)
    for status, assignee, number in tx.execute(by_both.group_by("status", "assignee")):
        figures.counts[status] += number
        if status not in ENDED_STATUSES:
            figures.open_by_assignee[assignee] = figures.open_by_assignee.get(assignee, 0) + number
    figures.daily_changes = _compute_changes_from_facts(tx, here, since)
    return figures


def _read_stored_counts(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, since: EpochDay
) -> DashboardCounts:
    kept, days = ticket_counts.c, request_days.c
    in_kept, in_days = is_counted_request(), not_(is_deleted_workspace_uncorrelated(days.workspace))
    is_open = and_(all_requests(), IS_OPEN)
    if workspace is not None:
        in_kept, in_days = kept.workspace == workspace, days.workspace == workspace
        # SQLite takes any workspace for small: it would walk it, not what is open.
        place = tickets.c.workspace if is_postgresql(tx) else tickets.c.workspace + ""
        is_open = and_(tickets.c.deleted_at.is_(None), IS_REQUEST, IS_OPEN, place == workspace)
    rows = tx.execute(
        union_all(
            select(literal("count"), kept.status, literal(0), func.sum(kept.tickets))
            .where(in_kept)
            .group_by(kept.status),
            select(literal("assigned"), tickets.c.assignee, literal(0), func.count())
            .where(is_open)
            .group_by(tickets.c.assignee),
            select(literal("change"), days.status, days.day, func.sum(days.change))
            .where(days.day >= since, in_days)
            .group_by(days.status, days.day),
        )
    )
    figures = DashboardCounts()
    for kind, word, day, number in rows:
        match kind:
            case "count":
                figures.counts[word] = int(number)
            case "assigned":
                figures.open_by_assignee[word] = int(number)
            case _:
                figures.daily_changes.append((day, word, int(number)))
    return figures


def _compute_changes_from_facts(
    tx: Connection, scope: ColumnElement[bool], since: EpochDay
) -> list[tuple[EpochDay, str, int]]:
    """From the facts themselves: nobody else's numbers may be told to who sees a few requests."""
    rows = tx.execute(
        select(messages.c.ticket, messages.c.at, messages.c.data)
        .join(tickets, tickets.c.id == messages.c.ticket)
        .where(scope, tickets.c.active_at >= since * DAY, messages.c.kind == "system")
        .order_by(messages.c.ticket, messages.c.at, messages.c.id)
    )
    told = [(row.ticket, row.at, status) for row in rows if (status := _parse_status(row.data))]
    return [change for change in compute_daily_changes(told) if change[0] >= since]


def _parse_status(data: str) -> str | None:
    """The status a fact sets, if it does: by an action, or by hand."""
    fact = json.loads(data)
    values = fact.get("set") or fact.get("edit") or {}
    status = values.get("status")
    return str(status) if status is not None else None


def _build_scope_condition(
    tx: Connection, viewer: Viewer, workspace: Workspace | None
) -> ColumnElement[bool]:
    if workspace is not None:
        return and_(visible_in(tx, viewer, workspace), IS_REQUEST)
    among = [] if is_staff(viewer) else [false()]
    return and_(all_requests(), *among)


def _select_longest_waiting(reason: WaitingReason, condition: ColumnElement[bool]) -> Select[Any]:
    order = (tickets.c.active_at, tickets.c.id)
    return (
        select(*tickets.c, literal(reason).label("why"))
        .where(condition)
        .order_by(*order)
        .limit(MAX_PER_REASON + 1)
    )
