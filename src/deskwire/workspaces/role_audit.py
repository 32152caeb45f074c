"""Record who was given a role or permissions, and who lost them, as a consumer of the log.

Only ids are kept; names are read when the audit is shown. Entries outlive the people, organizations
and servers they are about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, insert, select

from deskwire.events.channels import Workspace
from deskwire.events.consumers.store import Consumer, LoggedEvent
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.rows import fetch_all
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

RoleChangeKind = Literal["given", "changed", "lost"]

role_changes = Table(
    "role_changes",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # of the event
    Column("at", BigInteger, nullable=False),  # ms
    Column("workspace", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("principal", Text),  # whose; None: everyone's who had the role, or was a member
    # A role's name, the id of a Discord role, or permissions with spaces in between.
    Column("role", Text),
    Index("ix_role_changes_workspace_position", "workspace", "position"),
)

_KINDS: dict[str, RoleChangeKind] = {
    "member.joined": "given",
    "member.role_changed": "changed",
    "member.removed": "lost",
    "member.left": "lost",
    "team.member_assigned": "given",
    "team.member_unassigned": "lost",
    "team.role_created": "changed",
    "team.role_updated": "changed",
    "team.role_deleted": "lost",
    "organization.deleted": "lost",
    "guild.left": "lost",
    "guild.deleted": "lost",
}


class RoleChangeRow:
    """A row of `role_changes` (a view for `kit.rows`)."""

    position: int
    at: Millis
    workspace: Workspace
    actor: Principal
    kind: RoleChangeKind
    principal: Principal | None
    role: str | None


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A change of who holds a role, with names as they are now."""

    position: int
    at: Millis
    workspace: Workspace
    actor: str
    kind: RoleChangeKind
    who: str | None  # None: everyone who held the role, or was a member
    role: str | None


def plan_role_changes(tx: Connection, events: Sequence[LoggedEvent]) -> None:
    """Add a row for each event."""
    rows = [_to_row(event) for event in events if event.workspace is not None]
    if rows:
        tx.execute(insert(role_changes), rows)


ROLE_AUDIT = Consumer("role-audit", frozenset(_KINDS), plan_role_changes)


def list_role_changes(
    tx: Connection, limit: int, *, workspace: Workspace | None = None, before: int = 0
) -> list[RoleChange]:
    """Return the newest changes, newest first. `before` is an exclusive position; 0: no bound."""
    query = select(role_changes).order_by(role_changes.c.position.desc()).limit(limit)
    if workspace is not None:
        query = query.where(role_changes.c.workspace == workspace)
    if before:
        query = query.where(role_changes.c.position < before)
    rows = fetch_all(tx, query, RoleChangeRow)
    names = read_names(tx, [name for row in rows for name in (row.actor, row.principal)])
    return [
        RoleChange(
            row.position,
            row.at,
            row.workspace,
            names[row.actor].name,
            row.kind,
            names[row.principal].name if row.principal else None,
            row.role,
        )
        for row in rows
    ]


def _to_row(event: LoggedEvent) -> dict[str, Any]:
    data = event.parse_data()
    member, user = data.get("member"), data.get("userId")
    return {
        "position": event.position,
        "at": event.at,
        "workspace": event.workspace,
        "actor": event.actor,
        "kind": _KINDS[event.type],
        "principal": member["id"] if member else f"discord:{user}" if user else None,
        "role": data.get("role")
        or data.get("roleId")
        or " ".join(data.get("permissions", []))
        or None,
    }
