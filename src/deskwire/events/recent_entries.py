"""List the newest entries of a workspace, for lists of recent activity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    literal,
    literal_column,
    select,
    union_all,
)

from deskwire.events.channels import Channel, Workspace
from deskwire.events.log import DEMANDS, MAX_POSITION, log
from deskwire.events.redaction import ERASED, Redactions, find_redaction
from deskwire.kit.clock import Millis

MAX_PAGES = 20  # read where a large deletion is not erased yet


class WorkspaceEntryColumns:
    """The columns that `list_workspace_entries` reads of `log`, first those of `log.DEMANDS`."""

    position: int
    type: str
    workspace: Workspace | None
    ticket: str | None
    data: str
    at: Millis
    channels: str


@dataclass(frozen=True, slots=True)
class WorkspaceEntry:
    """An entry of a workspace, as lists of recent activity show it."""

    position: int
    type: str
    data: str
    at: Millis
    channels: str


def list_workspace_entries(
    tx: Connection, workspace: Workspace | None, channels: frozenset[Channel], limit: int
) -> list[WorkspaceEntry]:
    """Return the newest entries on any of `channels`, newest first.

    `workspace` is None for all organizations. A viewer who hears less than a tenth of the events
    gets a shorter list than `limit`.
    """
    query = (
        select(*(log.c[name] for name in WorkspaceEntryColumns.__annotations__))
        .where(_IS_ORGANIZATION if workspace is None else log.c.workspace == workspace)
        .where(log.c.channels != "[]")  # or entries about what was deleted fill the limit
        .order_by(log.c.position.desc())
        .limit(limit * 10)  # rows
    )
    found, position = list[WorkspaceEntry](), MAX_POSITION
    for _ in range(MAX_PAGES):
        rows, redactions = _read_page(tx, query.where(log.c.position < position))
        remaining = [entry for row in rows if (entry := _redact(row, redactions))]
        found += [each for each in remaining if not channels.isdisjoint(json.loads(each.channels))]
        if len(rows) == len(remaining) or len(found) >= limit:
            break
        position = rows[-1].position  # some are being erased: they take no one's place
    return found[:limit]


def _read_page(tx: Connection, query: Select[Any]) -> tuple[list[Any], Redactions]:
    """Return entries, newest first, and what is to be redacted in them: one round trip for both."""
    entries, demands = query.subquery("entries"), DEMANDS.subquery("demands")
    rows = tx.execute(
        union_all(
            select(*entries.c, literal(0).label("is_demand")),
            select(*demands.c, literal(0, BigInteger), literal("", Text), literal(1)),
        )
    ).all()
    redactions = (find_redaction(*row[:5]) for row in rows if row.is_demand)
    found = sorted((row for row in rows if not row.is_demand), key=lambda row: -row.position)
    return found, Redactions(filter(None, redactions))


def _redact(row: WorkspaceEntryColumns, redactions: Redactions) -> WorkspaceEntry | None:
    data = redactions.redact(row.position, row.type, row.workspace, row.ticket, row.data)
    if data == ERASED:
        return None
    return WorkspaceEntry(row.position, row.type, data, row.at, row.channels)


# A literal, not a bound parameter: otherwise the partial index is not used.
_IS_ORGANIZATION: ColumnElement[bool] = log.c.workspace.like(literal_column("'org:%'"))
