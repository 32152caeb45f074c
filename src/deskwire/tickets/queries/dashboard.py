"""Read the dashboard of requests: those waiting for an answer, counts, assignees, history.

Each part is one statement, over one organization or, for staff, over all of them (workspace None).
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

WaitingReason = Literal["yours", "unassigned"]

MAX_PER_REASON = 6  # requests shown per reason; the full list is one link away
OPEN_STATUSES = tuple(status for status in STATUSES if status not in ENDED_STATUSES)


class WaitingRow(TicketRow):
    """A row of `tickets` with the reason why it waits."""

    why: WaitingReason


@dataclass(slots=True)
class DashboardCounts:
    """Requests by status, open requests by assignee, and the changes of each day in a period."""

    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    open_by_assignee: dict[Principal | None, int] = field(default_factory=dict)  # None: unassigned
    daily_changes: list[tuple[EpochDay, str, int]] = field(default_factory=list)


def list_waiting_requests(
    tx: Connection, viewer: Viewer, workspace: Workspace | None
) -> Sequence[WaitingRow]:
    """Return rows of `tickets` with the reason they wait (`why`), longest waiting first.

    At most MAX_PER_REASON + 1 rows per reason, so that the caller can tell whether there are more.

    `yours`: the ticket waits for the viewer's answer; for staff also those assigned to them where
    they did not write last. `unassigned` (staff only): unassigned.
    """
    scope = _build_scope_condition(tx, viewer, workspace)
    for_opener = and_(tickets.c.status == "waiting", tickets.c.opener == viewer.subject)
    if not is_staff(viewer):
        return fetch_all(tx, _select_longest_waiting("yours", and_(scope, for_opener)), WaitingRow)
    for_staff = and_(IS_OPEN, tickets.c.status != "waiting")
    unanswered = or_(tickets.c.spoken_by.is_(None), tickets.c.spoken_by != viewer.subject)
    assigned = and_(for_staff, tickets.c.assignee == viewer.subject, unanswered)
    unassigned = and_(for_staff, tickets.c.assignee.is_(None))
    queries = [
        # Through the ids of participants, which are few: no index orders tickets by opener.
        _select_longest_waiting(
            "yours", and_(scope, for_opener, participated_by(viewer, excluded_workspaces=()))
        ),
        _select_longest_waiting("yours", and_(scope, assigned)),
        _select_longest_waiting("unassigned", and_(scope, unassigned)),
    ]
    query = union_all(*(select(each.subquery()) for each in queries))
    return sorted(fetch_all(tx, query, WaitingRow), key=lambda row: (row.active_at, row.id))


def read_dashboard_counts(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, since: EpochDay
) -> DashboardCounts:
    """Count what the viewer may see; two statements where that is only part of the workspace."""
    if workspace is None and not is_staff(viewer):
        return DashboardCounts()
    if workspace is None or can_see_all_tickets(viewer, workspace):
        return _read_stored_counts(tx, viewer, workspace, since)
    visible = visible_in(tx, viewer, workspace)
    result = DashboardCounts()
    by_both = select(tickets.c.status, tickets.c.assignee, func.count()).where(visible)
    for status, assignee, number in tx.execute(by_both.group_by("status", "assignee")):
        result.counts[status] += number
        if status not in ENDED_STATUSES:
            result.open_by_assignee[assignee] = result.open_by_assignee.get(assignee, 0) + number
    result.daily_changes = _compute_changes_from_facts(tx, visible, since)
    return result


def _read_stored_counts(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, since: EpochDay
) -> DashboardCounts:
    stored, days = ticket_counts.c, request_days.c
    in_stored = is_counted_request()
    in_days = not_(is_deleted_workspace_uncorrelated(days.workspace))
    is_open = and_(all_requests(), IS_OPEN)
    if workspace is not None:
        in_stored, in_days = stored.workspace == workspace, days.workspace == workspace
        # SQLite's planner expects every workspace to be small: it would scan the whole workspace
        # instead of the index of open tickets. `+ ""` keeps it from using the workspace's index.
        ticket_workspace = tickets.c.workspace if is_postgresql(tx) else tickets.c.workspace + ""
        is_open = and_(
            tickets.c.deleted_at.is_(None), IS_REQUEST, IS_OPEN, ticket_workspace == workspace
        )
    rows = tx.execute(
        union_all(
            select(literal("count"), stored.status, literal(0), func.sum(stored.tickets))
            .where(in_stored)
            .group_by(stored.status),
            select(literal("assigned"), tickets.c.assignee, literal(0), func.count())
            .where(is_open)
            .group_by(tickets.c.assignee),
            select(literal("change"), days.status, days.day, func.sum(days.change))
            .where(days.day >= since, in_days)
            .group_by(days.status, days.day),
        )
    )
    result = DashboardCounts()
    for kind, key, day, number in rows:
        match kind:
            case "count":
                result.counts[key] = int(number)
            case "assigned":
                result.open_by_assignee[key] = int(number)
            case _:
                result.daily_changes.append((day, key, int(number)))
    return result


def _compute_changes_from_facts(
    tx: Connection, scope: ColumnElement[bool], since: EpochDay
) -> list[tuple[EpochDay, str, int]]:
    """Compute the changes from the system messages of the requests in `scope`.

    `request_days` covers whole organizations; its numbers would disclose requests that a viewer of
    only a few of them may not see.
    """
    rows = tx.execute(
        select(messages.c.ticket, messages.c.at, messages.c.data)
        .join(tickets, tickets.c.id == messages.c.ticket)
        .where(scope, tickets.c.active_at >= since * DAY, messages.c.kind == "system")
        .order_by(messages.c.ticket, messages.c.at, messages.c.id)
    )
    status_changes = [
        (row.ticket, row.at, status) for row in rows if (status := _parse_status(row.data))
    ]
    return [change for change in compute_daily_changes(status_changes) if change[0] >= since]


def _parse_status(data: str) -> str | None:
    """Return the status that a fact sets, by an action (`set`) or by a direct edit (`edit`)."""
    fact = json.loads(data)
    values = fact.get("set") or fact.get("edit") or {}
    status = values.get("status")
    return str(status) if status is not None else None


def _build_scope_condition(
    tx: Connection, viewer: Viewer, workspace: Workspace | None
) -> ColumnElement[bool]:
    if workspace is not None:
        return and_(visible_in(tx, viewer, workspace), IS_REQUEST)
    return all_requests() if is_staff(viewer) else false()


def _select_longest_waiting(reason: WaitingReason, condition: ColumnElement[bool]) -> Select[Any]:
    order = (tickets.c.active_at, tickets.c.id)
    return (
        select(*tickets.c, literal(reason).label("why"))
        .where(condition)
        .order_by(*order)
        .limit(MAX_PER_REASON + 1)
    )
